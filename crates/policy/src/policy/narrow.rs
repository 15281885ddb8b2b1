//! Adds the client types of a rule's list to its expressions.

use keygate_documents::diagnostic::Diagnostic;
use keygate_expression::{Expression, ExpressionError, Warning};

use super::{ClientTypes, ExpressionLocations, PolicyError, Requirements, client_types::Written};

impl ClientTypes {
    /// Adds the client types to every expression of a rule, and likely errors to `warnings`.
    ///
    /// # Errors
    /// Together they are longer or deeper than an expression may be.
    pub(crate) fn add_to(
        self,
        requirements: &mut Requirements,
        locations: &mut ExpressionLocations,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(), PolicyError> {
        let too_large = |error: ExpressionError| {
            let diagnostic = Diagnostic::error(format!("combined with `clientTypes`, {error}"));
            PolicyError::Expression(Box::new(diagnostic.at(self.at.clone())))
        };
        let both = |expression: &Expression| self.and(expression).map_err(too_large);
        let written = Written {
            group: Some(requirements.group_expression.clone()),
            backoffice: requirements.backoffice_expression.clone(),
            shadow: requirements.shadow.clone(),
        };
        requirements.group_expression = both(&requirements.group_expression)?;
        if let Some(expression) = &mut requirements.backoffice_expression {
            *expression = both(expression)?;
        }
        if let Some(expression) = &mut requirements.shadow {
            *expression = both(expression)?;
        }
        if let Some(warning) =
            self.contradiction(&requirements.group_expression, &written, locations)
            && !warnings.contains(&warning)
        {
            warnings.push(warning);
        }
        locations.written = written;
        locations.client_types = Some(self);
        Ok(())
    }

    /// Warns if no request can satisfy both the list and the expression, though each can be satisfied.
    fn contradiction(
        &self,
        both: &Expression,
        written: &Written,
        locations: &ExpressionLocations,
    ) -> Option<Diagnostic> {
        let group = locations.group.as_ref()?;
        let expression = written.group.as_ref()?;
        // `false` closes a path, such as a route in an endpoint with a list.
        let is_closed = matches!(expression.source().trim(), "false" | "0");
        if is_closed || !expression.warnings(None).is_empty() {
            return None;
        }
        let is_whole = |warning: &Warning| {
            let whole = 0..both.source().len();
            matches!(warning, Warning::NeverTrue { span, .. } if *span == whole)
        };
        both.warnings(None).iter().any(is_whole).then(|| {
            Diagnostic::warning("no request satisfies both `clientTypes` and `groupExpression`")
                .at(self.at.clone())
                .related(group.span(), "both must be true")
                .help("remove one of them, or use the same client types in both")
        })
    }
}
