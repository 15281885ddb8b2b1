//! `clientTypes`: the short form for a list of client types.

use std::ops::Range;

use keygate_documents::diagnostic::Diagnostic;
use keygate_expression::{Expression, ExpressionError, Warning, can_be_client_type};

use super::PolicyError;

/// The client types that a rule is for; every expression of the rule holds beside them.
#[derive(Debug, Clone)]
pub(crate) struct ClientTypes {
    names: Vec<ClientTypeName>,
    /// Where the list stands.
    pub(crate) at: Range<usize>,
}

/// One client type of a list, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct ClientTypeName {
    name: String,
    at: Range<usize>,
}

/// The same name twice is the same entry twice, wherever it stands.
impl PartialEq for ClientTypeName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What a rule's expressions were before its client types were added to them.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub(super) group: Option<Expression>,
    pub(super) backoffice: Option<Expression>,
    pub(super) shadow: Option<Expression>,
}

impl ClientTypeName {
    /// Takes a name that some key may have.
    ///
    /// # Errors
    /// No key can have it.
    pub(crate) fn parse(name: &str, at: Range<usize>) -> Result<Self, PolicyError> {
        let help = match name {
            "*" => "leave `clientTypes` out for every client type",
            name if can_be_client_type(name) => {
                let name = name.to_owned();
                return Ok(Self { name, at });
            }
            _ => {
                "a client type is 1 to 128 characters of visible ASCII, without blanks; write one an entry"
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

    /// The names that no key has.
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
