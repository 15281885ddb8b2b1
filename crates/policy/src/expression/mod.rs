//! Group expressions: parsed, checked and compiled once; evaluated without allocating.

use crate::Facts;

/// A group expression that has passed every check.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
}

impl Expression {
    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the facts satisfy the expression.
    ///
    /// # Errors
    /// The expression has no value for these facts.
    pub fn evaluate(&self, _facts: &Facts<'_>) -> Result<bool, EvaluationError> {
        Err(EvaluationError)
    }
}

/// An expression that has no value for the given facts.
#[derive(Debug, thiserror::Error)]
#[error("not evaluated")]
pub struct EvaluationError;
