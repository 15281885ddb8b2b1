//! Group expressions: a small subset of JavaScript over the facts about a caller.
//!
//! Each stage is one file: [`lexer`] and [`literal`] make tokens, [`parser`] makes the [`tree`],
//! which is checked and compiled as it grows; [`evaluate`] walks it over the [`Facts`] with the
//! semantics of [`value`], [`text`] and [`operators`], and [`explain`] records the walk. [`warning`]
//! finds likely errors with [`truth`] tables; [`mentions`] lists the facts that a tree uses;
//! [`printer`] writes a tree as text.
//!
//! *Invariant: pure.* Text and facts go in, values come out: no I/O, async, HTTP or clock.
//! Evaluation allocates nothing, takes no lock, and its recursion is bounded by the depth that the
//! parser lets a tree have.

mod characters;
mod error;
mod evaluate;
mod explain;
mod facts;
mod fault;
mod lexer;
mod literal;
mod mentions;
mod operators;
mod parser;
mod printer;
mod text;
mod tree;
mod truth;
mod value;
mod warning;

use self::tree::Expr;
pub use self::{
    error::{ExpressionError, Foreign},
    evaluate::EvaluationError,
    explain::{Explanation, Outcome, Part},
    facts::{Facts, NameSet, User},
    fault::Fault,
    warning::{Warning, can_be_client_type},
};
use std::{
    fmt::{self, Display, Formatter},
    sync::Arc,
};

/// A group expression that has passed every check.
#[derive(Debug, Clone)]
pub struct Expression {
    // Shared, so that equal rules share memory and processor cache.
    source: Arc<str>,
    root: Arc<Expr>,
}

impl Expression {
    /// Parses an expression and reports every error that can be found without a request.
    ///
    /// # Errors
    /// The text is outside the language.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        Ok(Self {
            root: Arc::new(parser::parse(source)?),
            source: source.into(),
        })
    }

    /// Returns the expression `true`.
    #[must_use]
    pub fn always() -> Self {
        Self {
            source: "true".into(),
            root: Arc::new(Expr::constant(true)),
        }
    }

    /// Returns the expression `false`.
    #[must_use]
    pub fn never() -> Self {
        Self {
            source: "false".into(),
            root: Arc::new(Expr::constant(false)),
        }
    }

    /// Returns the test that the client type is one of these, combined with `also` by `&&`.
    ///
    /// # Errors
    /// Together they are longer or deeper than an expression may be.
    pub fn of_client_types<'n>(
        names: impl IntoIterator<Item = &'n str>,
        also: Option<&Self>,
    ) -> Result<Self, ExpressionError> {
        let names: Vec<_> = names.into_iter().map(printer::in_quotes).collect();
        let list = format!("[{}].includes(clientType)", names.join(", "));
        match also.filter(|also| **also != Self::always()) {
            Some(also) => Self::parse(&format!("{list} && ({})", also.source)),
            None => Self::parse(&list),
        }
    }

    /// Returns the text as the user wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether the facts satisfy the expression: whether its value is truthy.
    ///
    /// # Errors
    /// The expression has no value for these facts: JavaScript would throw a `TypeError`. Callers
    /// must deny, even if the part that failed is negated.
    pub fn evaluate(&self, facts: &Facts<'_>) -> Result<bool, EvaluationError> {
        evaluate::evaluate(&self.root, facts)
    }
}

/// The canonical form: it parses to the same tree.
impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.root, f)
    }
}

/// Equal expressions have the same tree; white space and quotes do not matter.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

#[cfg(test)]
mod tests;
