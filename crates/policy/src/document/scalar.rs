//! Texts inside a file, such as group expressions, and places inside them.

use std::ops::Range;

use keygate_documents::{
    diagnostic::{Diagnostic, line_and_column},
    yaml,
};
use keygate_expression::Expression;
use serde_saphyr::Spanned;

use crate::policy::PolicyError;

/// Where a string of a file stands.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// The scalar, with its quotes.
    at: Range<usize>,
    /// Where its text starts, if the file holds it letter for letter: in one line, without escapes.
    text_start: Option<usize>,
}

/// The expression that stands in a file; `warnings` gets what is odd about it.
pub(super) fn expression(
    written: &Spanned<String>,
    file: &str,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(Expression, Scalar), PolicyError> {
    let place = Scalar::new(written, file);
    let shift = |diagnostic| place.shift(diagnostic, &written.value);
    let expression = Expression::parse(&written.value)
        .map_err(|error| PolicyError::Expression(Box::new(shift(error.diagnostic()))))?;
    let odd = expression.warnings(None);
    warnings.extend(odd.iter().map(|warning| shift(warning.diagnostic())));
    Ok((expression, place))
}

impl Scalar {
    pub(crate) fn new(value: &Spanned<String>, file: &str) -> Self {
        let at = yaml::span(value.defined, file);
        let raw = file.get(at.clone()).unwrap_or_default();
        let is_quoted = |quote| {
            raw.strip_prefix(quote)
                .and_then(|raw| raw.strip_suffix(quote))
                == Some(&value.value)
        };
        let text_start = if raw == value.value {
            Some(at.start)
        } else if is_quoted('"') || is_quoted('\'') {
            Some(at.start + 1)
        } else {
            None
        };
        Self { at, text_start }
    }

    /// The whole scalar.
    pub(crate) fn place(&self) -> Range<usize> {
        self.at.clone()
    }

    /// A mistake in `text`, this scalar's value, as a mistake in the file.
    pub(crate) fn shift(&self, diagnostic: Diagnostic, text: &str) -> Diagnostic {
        let Some(span) = &diagnostic.span else {
            return diagnostic.at(self.place());
        };
        if let Some(start) = self.text_start {
            let shift = |span: &Range<usize>| start + span.start..start + span.end;
            let related = &diagnostic.related;
            let related = related
                .iter()
                .map(|(span, label)| (shift(span), label.clone()));
            let related = related.collect();
            return Diagnostic {
                span: Some(shift(span)),
                related,
                ..diagnostic
            };
        }
        // Folded lines and escapes: name the place inside the text, and mark the whole.
        let (line, column) = line_and_column(text, span.start);
        let inside = format!("line {line}, column {column} of this text");
        let label = match &diagnostic.label {
            Some(label) => format!("{label} ({inside})"),
            None => inside,
        };
        let related = Vec::new();
        Diagnostic {
            span: Some(self.place()),
            label: Some(label),
            related,
            ..diagnostic
        }
    }
}
