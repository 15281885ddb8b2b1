//! Group expressions: a small part of JavaScript over the facts about a caller.
//!
//! Each stage is one file: [`lexer`] and [`literal`] make tokens, [`parser`] makes the [`tree`],
//! which is checked and compiled as it grows; [`evaluate`] walks it over the facts with the
//! meanings that [`value`], [`text`] and [`operators`] give, and [`explain`] shows the walk. [`warning`] finds
//! likely mistakes, by [`truth`] tables; [`mentions`] tells what a tree speaks of; [`printer`] writes a
//! tree as text. [`Facts`] are what it is evaluated over.
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
    // Shared, so that rules which say the same are one thing in memory, and in the processor's cache.
    source: Arc<str>,
    root: Arc<Expr>,
}

impl Expression {
    /// Reads an expression: everything that can be wrong without a request is found here.
    ///
    /// # Errors
    /// The text is outside the language.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        Ok(Self {
            root: Arc::new(parser::parse(source)?),
            source: source.into(),
        })
    }

    /// The expression `true`, which everybody satisfies.
    #[must_use]
    pub fn always() -> Self {
        Self {
            source: "true".into(),
            root: Arc::new(Expr::constant(true)),
        }
    }

    /// The expression `false`, which nobody satisfies.
    #[must_use]
    pub fn never() -> Self {
        Self {
            source: "false".into(),
            root: Arc::new(Expr::constant(false)),
        }
    }

    /// That the client type is one of these, and `also` where there is one.
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

    /// The text as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the facts satisfy the expression: whether its value is truthy.
    ///
    /// # Errors
    /// The expression has no value for these facts: JavaScript would throw a `TypeError`. Callers
    /// deny, whatever stands around the part that failed.
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

/// Equal expressions have the same tree, however they are spaced and quoted.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

#[cfg(test)]
mod tests;
