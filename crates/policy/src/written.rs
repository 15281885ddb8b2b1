//! Group expressions in a file.

use keygate_documents::{
    diagnostic::{Diagnostic, Severity},
    scalar::Scalar,
};
use keygate_expression::Expression;
use serde_saphyr::Spanned;

use crate::policy::PolicyError;

/// Parses an expression of a file, and adds likely errors to `warnings`.
///
/// # Errors
/// The text is not a group expression, or a part of it is true for every request although it looks
/// like a condition. A plain `true` is accepted.
pub fn expression(
    written: &Spanned<String>,
    file: &str,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(Expression, Scalar), PolicyError> {
    let location = Scalar::new(written, file);
    let shift = |diagnostic| location.shift(diagnostic, &written.value);
    let expression = Expression::parse(&written.value)
        .map_err(|error| PolicyError::Expression(Box::new(shift(error.diagnostic()))))?;
    let odd = expression.warnings(None);
    if let Some(laxer) = odd.iter().find(|warning| warning.allows_more()) {
        let error = Diagnostic {
            severity: Severity::Error,
            ..shift(laxer.diagnostic())
        };
        return Err(PolicyError::Expression(Box::new(error)));
    }
    warnings.extend(odd.iter().map(|warning| shift(warning.diagnostic())));
    warnings.extend(location.comment_with_operators(file));
    Ok((expression, location))
}
