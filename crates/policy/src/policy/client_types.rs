//! `clientTypes`: the short form for a list of client types.

use std::ops::Range;

use keygate_documents::diagnostic::Diagnostic;
use keygate_expression::{Expression, ExpressionError, Warning, can_be_client_type};

use super::PolicyError;

/// The client types of a rule; they must match in addition to each of its expressions.
#[derive(Debug, Clone)]
pub(crate) struct ClientTypes {
    names: Vec<ClientTypeName>,
    /// The location of the list.
    pub(crate) at: Range<usize>,
}

/// A client type of a list, and its location.
#[derive(Debug, Clone)]
pub(crate) struct ClientTypeName {
    name: String,
    at: Range<usize>,
}

/// Entries with the same name are equal, at any location.
impl PartialEq for ClientTypeName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The expressions of a rule before its client types were added.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub(super) group: Option<Expression>,
    pub(super) backoffice: Option<Expression>,
    pub(super) shadow: Option<Expression>,
}

impl ClientTypeName {
    /// Parses a name that a key can have.
    ///
    /// # Errors
    /// No key can have this name.
    pub(crate) fn parse(name: &str, at: Range<usize>) -> Result<Self, PolicyError> {
        let help = match name {
            "*" => "remove `clientTypes` to match every client type",
            name if can_be_client_type(name) => {
                let name = name.to_owned();
                return Ok(Self { name, at });
            }
            _ => {
                "a client type is 1 to 128 characters of visible ASCII, without spaces; write one \
                 client type per entry"
            }
        };
        Err(PolicyError::UnknownValue {
            field: "clientTypes",
            value: name.to_owned(),
            help: help.to_owned(),
            at,
        })
    }
}

impl ClientTypes {
    pub(crate) fn new(names: Vec<ClientTypeName>, at: Range<usize>) -> Self {
        Self { names, at }
    }

    pub(super) fn and(&self, expression: &Expression) -> Result<Expression, ExpressionError> {
        Expression::of_client_types(self.names.iter().map(|it| &*it.name), Some(expression))
    }

    /// Returns warnings for the names that no key has.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<Diagnostic> {
        let names = self.names.iter().filter_map(|it| {
            let expression = Expression::of_client_types([&*it.name], None).ok()?;
            let warnings = expression.warnings(Some(known));
            let warning = warnings
                .into_iter()
                .find(|warning| matches!(warning, Warning::UnknownClientType { .. }))?;
            Some(warning.diagnostic().at(it.at.clone()))
        });
        names.collect()
    }
}
