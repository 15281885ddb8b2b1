//! The access matrix: what each client type may do, endpoint by endpoint.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use keygate_policy::{Facts, Policy, Reason, Rule, User, policy::Example};
use serde::Serialize;

/// What each client type may do, endpoint by endpoint.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    /// The columns; `null` is a caller without a key.
    pub client_types: Vec<Option<String>>,
    /// One for each rule of the policy, in its order.
    pub endpoints: Vec<Row>,
    /// How many more rules there are.
    pub omitted: usize,
}

/// What each client type may do at one endpoint.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The rule.
    pub endpoint: String,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The request that stands for all that the rule decides.
    pub example: Shown,
    /// One for each client type, in the order of the columns.
    pub cells: Vec<Cell>,
}

/// An [`Example`], for programs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The method.
    pub method: String,
    /// The target.
    pub uri: String,
    /// The host, in a policy that names hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// What one client type may do at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// Why, which tells what.
    #[serde(serialize_with = "name")]
    pub reason: Reason,
    /// Whether it is denied as asked, and may pass for somebody who is logged in.
    pub depends_on_user: bool,
}

/// What is the same for all cells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// Who is logged in.
    pub user: Option<&'a User>,
    /// Whether requests come by the back-office gateway.
    pub is_backoffice: bool,
}

impl Matrix {
    /// The matrix of a policy for callers without a key, for the client types that the policy
    /// names, and for those that keys have; with so many rows at most.
    #[must_use]
    pub fn of<'a>(
        policy: &'a Policy,
        known: impl IntoIterator<Item = &'a str>,
        circumstances: Circumstances<'a>,
        most_rows: usize,
    ) -> Self {
        let mut client_types: BTreeSet<&str> = known.into_iter().collect();
        for rule in policy.rules() {
            client_types.extend(rule.group_expression().client_types());
            client_types.extend(rule.backoffice_expression().client_types());
        }
        let client_types: Vec<_> = std::iter::once(None)
            .chain(client_types.into_iter().map(Some))
            .collect();
        let rows = policy.rules().iter().zip(policy.examples());
        Self {
            omitted: policy.rules().len().saturating_sub(most_rows),
            endpoints: rows
                .take(most_rows)
                .filter_map(|(rule, example)| {
                    Some(row(policy, rule, &example?, &client_types, circumstances))
                })
                .collect(),
            client_types: client_types
                .into_iter()
                .map(|it| it.map(str::to_owned))
                .collect(),
        }
    }
}

fn row(
    policy: &Policy,
    rule: &Rule,
    example: &Example,
    client_types: &[Option<&str>],
    circumstances: Circumstances<'_>,
) -> Row {
    let cell = |client_type| {
        let facts = Facts {
            client_type,
            is_backoffice: circumstances.is_backoffice,
            user: circumstances.user,
        };
        Cell::of(policy, rule, example, facts)
    };
    Row {
        endpoint: rule.label().to_owned(),
        description: rule.description().map(str::to_owned),
        example: Shown {
            method: example.method.clone(),
            uri: example.target.clone(),
            host: example.host.clone(),
        },
        cells: client_types.iter().copied().map(cell).collect(),
    }
}

impl Cell {
    fn of(policy: &Policy, rule: &Rule, example: &Example, facts: Facts<'_>) -> Self {
        let reason = policy.decide(&example.request(facts)).reason;
        let could_be_logged_in = facts.user.is_none()
            && matches!(
                reason,
                Reason::MissingUser | Reason::ExpressionFalse | Reason::ExpressionError
            );
        Self {
            reason,
            depends_on_user: could_be_logged_in
                && rule
                    .expression(facts.is_backoffice)
                    .may_pass_logged_in(&facts),
        }
    }

    /// One character that tells it apart without colour.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self.reason {
            Reason::Ok => "✓",
            _ if self.depends_on_user => "?",
            Reason::MissingKey => "k",
            Reason::ExpressionError => "!",
            _ => "✗",
        }
    }

    /// The mark in words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self.reason {
            Reason::Ok => "allowed",
            _ if self.depends_on_user => "depends on who is logged in",
            Reason::MissingKey => "an API key is missing",
            Reason::ExpressionError => "the expression fails",
            _ => "denied",
        }
    }
}

/// A table for people, with the marks that it uses explained below.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> = self
            .client_types
            .iter()
            .map(|it| it.as_deref().unwrap_or("no key"))
            .collect();
        let labels = self.endpoints.iter().map(|row| row.endpoint.as_str());
        let width = labels.map(str::len).chain(["endpoint".len()]).max();
        let width = width.unwrap_or_default();
        let mut line = format!("{:width$}", "endpoint");
        for column in &columns {
            line.push_str("  ");
            line.push_str(column);
        }
        f.write_str(&line)?;
        let mut legend = BTreeSet::new();
        for row in &self.endpoints {
            let mut line = format!("{:width$}", row.endpoint);
            for (cell, column) in row.cells.iter().zip(&columns) {
                legend.insert((cell.mark(), cell.meaning()));
                let _ = write!(line, "  {:1$}", cell.mark(), column.len());
            }
            write!(f, "\n{}", line.trim_end())?;
        }
        f.write_str("\n")?;
        legend
            .iter()
            .try_for_each(|(mark, meaning)| write!(f, "\n{mark} {meaning}"))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn name<S: serde::Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.as_str())
}
