//! Group expressions as a file holds them.

use keygate_documents::{
    diagnostic::{Diagnostic, Severity},
    scalar::Scalar,
};
use keygate_expression::Expression;
use serde_saphyr::Spanned;

use crate::policy::PolicyError;

/// The expression that stands in a file; `warnings` gets what is odd about it.
///
/// # Errors
/// The text is not a group expression, or a part of it is true for every request although it looks
/// like a condition: `true` alone says that on purpose.
pub fn expression(
    written: &Spanned<String>,
    file: &str,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(Expression, Scalar), PolicyError> {
    let place = Scalar::new(written, file);
    let shift = |diagnostic| place.shift(diagnostic, &written.value);
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
    warnings.extend(place.comment_with_operators(file));
    Ok((expression, place))
}
