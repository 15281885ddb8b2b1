//! The expressions of a rule, narrowed to the client types of its list.

use keygate_documents::diagnostic::Diagnostic;
use keygate_expression::{Expression, ExpressionError, Warning};

use super::{ClientTypes, Demands, ExpressionPlaces, PolicyError, client_types::Written};

impl ClientTypes {
    /// Adds the client types to every expression of a rule; `warnings` gets what is odd about it.
    ///
    /// # Errors
    /// Together they are longer or deeper than an expression may be.
    pub(crate) fn add_to(
        self,
        demands: &mut Demands,
        places: &mut ExpressionPlaces,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(), PolicyError> {
        let too_large = |error: ExpressionError| {
            let diagnostic = Diagnostic::error(format!("with the client types, {error}"));
            PolicyError::Expression(Box::new(diagnostic.at(self.at.clone())))
        };
        let both = |expression: &Expression| self.and(expression).map_err(too_large);
        let written = Written {
            group: Some(demands.group_expression.clone()),
            backoffice: demands.backoffice_expression.clone(),
            shadow: demands.shadow.clone(),
        };
        demands.group_expression = both(&demands.group_expression)?;
        if let Some(expression) = &mut demands.backoffice_expression {
            *expression = both(expression)?;
        }
        if let Some(expression) = &mut demands.shadow {
            *expression = both(expression)?;
        }
        if let Some(warning) = self.contradiction(&demands.group_expression, &written, places)
            && !warnings.contains(&warning)
        {
            warnings.push(warning);
        }
        places.written = written;
        places.client_types = Some(self);
        Ok(())
    }

    /// A list and an expression that no request satisfies together, though each can be satisfied.
    fn contradiction(
        &self,
        both: &Expression,
        written: &Written,
        places: &ExpressionPlaces,
    ) -> Option<Diagnostic> {
        let place = places.group.as_ref()?;
        if !written.group.as_ref()?.warnings(None).is_empty() {
            return None;
        }
        let is_whole = |warning: &Warning| {
            let whole = 0..both.source().len();
            matches!(warning, Warning::NeverTrue { span, .. } if *span == whole)
        };
        both.warnings(None).iter().any(is_whole).then(|| {
            Diagnostic::warning("no request satisfies both `clientTypes` and `groupExpression`")
                .at(self.at.clone())
                .related(place.place(), "both must hold")
                .help("leave one of them out, or name the same client types in both")
        })
    }
}
