//! Group expressions: parsed, checked and compiled once; evaluated without allocating.
//!
//! A stand-in until the language is here: `true`, `false`, `1`, `0` and `clientType === 'X'`,
//! joined by `||`.

use crate::{Facts, diagnostic::Diagnostic};

/// A group expression that has passed every check.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
enum Term {
    Constant(bool),
    ClientType(String),
}

impl Expression {
    /// Parses and checks an expression.
    ///
    /// # Errors
    /// The text is no expression.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut offset = 0;
        let mut terms = Vec::new();
        for part in text.split("||") {
            let term = match part.trim() {
                "true" | "1" => Term::Constant(true),
                "false" | "0" => Term::Constant(false),
                other => other
                    .strip_prefix("clientType === '")
                    .and_then(|rest| rest.strip_suffix('\''))
                    .filter(|name| !name.contains('\''))
                    .map(|name| Term::ClientType(name.to_owned()))
                    .ok_or(ExpressionError {
                        start: offset,
                        end: offset + part.len(),
                    })?,
            };
            terms.push(term);
            offset += part.len() + 2;
        }
        Ok(Self {
            source: text.to_owned(),
            terms,
        })
    }

    /// The expression that everybody satisfies.
    #[must_use]
    pub fn always() -> Self {
        Self {
            source: "true".to_owned(),
            terms: vec![Term::Constant(true)],
        }
    }

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What is probably not what was meant.
    #[must_use]
    pub fn warnings(&self, client_types: Option<&[&str]>) -> Vec<Warning> {
        let mut offset = 0;
        let mut warnings = Vec::new();
        for (term, part) in self.terms.iter().zip(self.source.split("||")) {
            if let (Term::ClientType(name), Some(known)) = (term, client_types)
                && !known.contains(&name.as_str())
            {
                let name = name.clone();
                warnings.push(Warning {
                    name,
                    start: offset,
                    end: offset + part.len(),
                });
            }
            offset += part.len() + 2;
        }
        warnings
    }

    /// Whether the facts satisfy the expression.
    ///
    /// # Errors
    /// The expression has no value for these facts.
    pub fn evaluate(&self, facts: &Facts<'_>) -> Result<bool, EvaluationError> {
        Ok(self.terms.iter().any(|term| match term {
            Term::Constant(value) => *value,
            Term::ClientType(name) => facts.client_type == Some(name),
        }))
    }
}

/// A text that is no expression.
#[derive(Debug, thiserror::Error)]
#[error("not an expression")]
pub struct ExpressionError {
    start: usize,
    end: usize,
}

impl ExpressionError {
    /// The mistake in the expression's text.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::error("not an expression").at(self.start..self.end)
    }
}

/// Something that is probably not what was meant.
#[derive(Debug)]
pub struct Warning {
    name: String,
    start: usize,
    end: usize,
}

impl Warning {
    /// The oddity in the expression's text.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::warning(format!("no key has the client type `{}`", self.name))
            .at(self.start..self.end)
    }
}

/// An expression that has no value for the given facts.
#[derive(Debug, thiserror::Error)]
#[error("not evaluated")]
pub struct EvaluationError;
