//! The access matrix: the decision for each endpoint and client type.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use keygate_expression::{Expression, Facts, User};
use keygate_policy::{Decision, Policy, Reason, Request, Rule, policy::Example};
use serde::Serialize;

/// The decision for each endpoint and client type.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matrix {
    /// The columns; `null` stands for callers without a key.
    pub client_types: Vec<Option<String>>,
    /// The rows: one for each rule of the policy, in its order.
    pub endpoints: Vec<Row>,
    /// The number of rules that are not shown.
    pub omitted: usize,
    /// The number of all client types, shown or not.
    #[serde(skip)]
    pub known_client_types: usize,
}

/// The decisions at one endpoint.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The label of the rule.
    pub endpoint: String,
    /// The description of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The request on which the decisions are made.
    pub example: Shown,
    /// The cells: one for each client type, in the order of the columns.
    pub cells: Vec<Cell>,
}

/// An [`Example`], serializable.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The request method.
    pub method: String,
    /// The request target.
    pub uri: String,
    /// The host, if the policy has rules for hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// The decision for one client type at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// The decision.
    #[serde(flatten)]
    pub outlook: Outlook,
    /// The decision of a shadow, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Outlook>,
    /// The decision for the back-office gateway, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoffice: Option<Outlook>,
}

/// A decision, and whether a login could change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// The reason of the decision.
    #[serde(serialize_with = "name")]
    pub reason: Reason,
    /// Whether it is denied, but a logged-in user could be allowed.
    pub depends_on_user: bool,
}

/// The facts that are the same for all cells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// The logged-in user.
    pub user: Option<&'a User>,
    /// Whether requests come through the back-office gateway.
    pub is_backoffice: bool,
    /// A shadow policy.
    pub shadow_policy: Option<&'a Policy>,
}

/// The part of a matrix that is computed.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// How many rules come before its first one.
    pub first_rule: usize,
    /// The most rules.
    pub rules: usize,
    /// How many client types come before its first one.
    pub first_client_type: usize,
    /// The most client types.
    pub client_types: usize,
}

impl Window {
    /// The window of the whole matrix.
    pub const EVERYTHING: Self = Self {
        first_rule: 0,
        rules: usize::MAX,
        first_client_type: 0,
        client_types: usize::MAX,
    };
}

impl Matrix {
    /// Returns the matrix of a policy, as far as the window shows it.
    ///
    /// The columns are callers without a key, the client types in the policy and its shadows, and the
    /// client types of the keys.
    #[must_use]
    pub fn of<'a>(
        policy: &'a Policy,
        known: impl IntoIterator<Item = &'a str>,
        circumstances: Circumstances<'a>,
        window: Window,
    ) -> Self {
        let mut client_types: BTreeSet<&str> = known.into_iter().collect();
        let shadow_rules = circumstances.shadow_policy.map(Policy::rules);
        for rule in policy
            .rules()
            .iter()
            .chain(shadow_rules.unwrap_or_default())
        {
            let shadow = rule.shadow_expression(false);
            let expressions = [rule.group_expression(), rule.backoffice_expression()];
            for expression in expressions.into_iter().chain(shadow) {
                client_types.extend(expression.client_types());
            }
        }
        let known_client_types = client_types.len();
        let shown = client_types
            .into_iter()
            .skip(window.first_client_type)
            .take(window.client_types);
        let client_types: Vec<_> = std::iter::once(None).chain(shown.map(Some)).collect();
        let rows = policy.rules().iter().zip(policy.examples());
        Self {
            omitted: policy.rules().len().saturating_sub(window.rules),
            known_client_types,
            endpoints: rows
                .skip(window.first_rule)
                .take(window.rules)
                .filter_map(|(rule, example)| {
                    let example = example?;
                    Some(row(policy, rule, &example, &client_types, circumstances))
                })
                .collect(),
            client_types: client_types
                .into_iter()
                .map(|it| it.map(str::to_owned))
                .collect(),
        }
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.endpoints.iter().flat_map(|row| &row.cells)
    }

    /// Returns the additional marks in its cells, and their meanings.
    #[must_use]
    pub fn asides(&self) -> Vec<(&'static str, &'static str)> {
        let (shadow, backoffice) = (
            self.cells().any(|cell| cell.shadow.is_some()),
            self.cells().any(|cell| cell.backoffice.is_some()),
        );
        let used = [(SHADOW, shadow), (BACKOFFICE, backoffice)];
        let used = used.into_iter().filter(|(_, is_used)| *is_used);
        used.map(|(aside, _)| aside).collect()
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
        Cell::of(policy, circumstances.shadow_policy, example, facts)
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
    fn of(
        policy: &Policy,
        shadow_policy: Option<&Policy>,
        example: &Example,
        facts: Facts<'_>,
    ) -> Self {
        let request = example.request(facts);
        let decision = policy.decide(&request);
        let outlook = Outlook::of(&decision, &request);
        let shadow = match shadow_policy {
            Some(shadow) => Some(Outlook::of(&shadow.decide(&request), &request)),
            None => Outlook::by_shadow_expression(&decision, &request),
        };
        let backoffice = (!facts.is_backoffice).then(|| {
            let facts = Facts {
                is_backoffice: true,
                ..facts
            };
            let request = example.request(facts);
            Outlook::of(&policy.decide(&request), &request)
        });
        Self {
            outlook,
            shadow: shadow.filter(|shadow| shadow.differs_from(outlook)),
            backoffice: backoffice.filter(|backoffice| backoffice.differs_from(outlook)),
        }
    }

    /// Returns the additional marks: the mark, its meaning, and the other decision.
    pub fn asides(self) -> impl Iterator<Item = (&'static str, &'static str, Outlook)> {
        let aside = |(mark, about)| move |outlook| (mark, about, outlook);
        let shadow = self.shadow.map(aside(SHADOW));
        shadow
            .into_iter()
            .chain(self.backoffice.map(aside(BACKOFFICE)))
    }
}

/// The mark of a cell whose shadow decides differently.
pub const SHADOW: (&str, &str) = ("~", "the shadow decides differently");
/// The mark of a cell for which the back-office gateway decides differently.
pub const BACKOFFICE: (&str, &str) = ("b", "the decision differs for back-office requests");

impl Outlook {
    fn of(decision: &Decision<'_>, request: &Request<'_>) -> Self {
        let is_backoffice = request.facts.is_backoffice;
        let expression = decision.rule.map(|rule| rule.expression(is_backoffice));
        Self::new(decision.reason, expression, &request.facts)
    }

    /// The decision of the shadow expression of the rule, if it has one.
    fn by_shadow_expression(decision: &Decision<'_>, request: &Request<'_>) -> Option<Self> {
        let rule = decision.rule?;
        let expression = rule.shadow_expression(request.facts.is_backoffice);
        let reason = rule.judge_by_shadow(request)?;
        Some(Self::new(reason, expression, &request.facts))
    }

    fn new(reason: Reason, expression: Option<&Expression>, facts: &Facts<'_>) -> Self {
        let could_be_logged_in = facts.user.is_none()
            && matches!(
                reason,
                Reason::MissingUser | Reason::ExpressionFalse | Reason::ExpressionError
            );
        Self {
            reason,
            depends_on_user: could_be_logged_in
                && expression.is_some_and(|expression| expression.may_pass_logged_in(facts)),
        }
    }

    /// Whether some caller gets another decision, not only another reason.
    fn differs_from(self, other: Self) -> bool {
        let outcome = |it: Self| (it.reason == Reason::Ok, it.depends_on_user);
        outcome(self) != outcome(other)
    }

    /// Returns one character that identifies it without colour.
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

    /// Returns the meaning of the mark.
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

/// For people: the mark and the additional marks.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outlook.mark())?;
        self.asides().try_for_each(|(mark, ..)| f.write_str(mark))
    }
}

/// A table for people, with a legend of its marks.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.client_types.iter();
        let head = head.map(|it| it.as_deref().unwrap_or("no key").to_owned());
        let mut lines = vec![("endpoint", head.collect::<Vec<_>>())];
        lines.extend(self.endpoints.iter().map(|row| {
            let cells = row.cells.iter().map(Cell::to_string);
            (row.endpoint.as_str(), cells.collect())
        }));
        let labels = lines.iter().map(|(label, _)| label.chars().count());
        let label_width = labels.max().unwrap_or_default();
        let widths: Vec<_> = (0..self.client_types.len())
            .map(|column| {
                let texts = lines.iter().filter_map(|(_, texts)| texts.get(column));
                texts
                    .map(|text| text.chars().count())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        for (label, texts) in &lines {
            let mut line = format!("{label:label_width$}");
            for (text, width) in texts.iter().zip(&widths) {
                let _ = write!(line, "  {text:width$}");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        let marks = self.cells().map(|cell| cell.outlook);
        let legend: BTreeSet<_> = marks.map(|it| (it.mark(), it.meaning())).collect();
        legend
            .into_iter()
            .chain(self.asides())
            .try_for_each(|(mark, meaning)| write!(f, "\n{mark} {meaning}"))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn name<S: serde::Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_type_in_a_shadow_has_a_column() {
        let text = "version: 1\nendpoints: [{ path: /a, shadow: clientType === 'NEW' }]\n";
        let policy = Policy::from_yaml(text).unwrap().policy;
        let text =
            "version: 1\nendpoints: [{ path: /a, groupExpression: clientType === 'NEWER' }]\n";
        let circumstances = Circumstances {
            shadow_policy: Some(&Policy::from_yaml(text).unwrap().policy),
            ..Circumstances::default()
        };
        let matrix = Matrix::of(&policy, [], circumstances, Window::EVERYTHING);
        let named = [None, Some("NEW".to_owned()), Some("NEWER".to_owned())];
        assert_eq!(matrix.client_types, named);
    }

    /// The cells of a policy's first row: no key, A, B, C.
    fn first_row(rule: &str, circumstances: Circumstances<'_>) -> Vec<String> {
        let text = format!("version: 1\nendpoints: [{{ path: /a, {rule} }}]\n");
        let policy = Policy::from_yaml(&text).unwrap().policy;
        let matrix = Matrix::of(&policy, ["A", "B", "C"], circumstances, Window::EVERYTHING);
        let cells = matrix.endpoints[0].cells.iter();
        cells.map(Cell::to_string).collect()
    }

    #[test]
    fn a_cell_marks_where_a_shadow_or_the_back_office_differs() {
        let plain = Circumstances::default();
        let only_a = "groupExpression: clientType === 'A'";
        assert_eq!(first_row(only_a, plain), ["k", "✓", "✗", "✗"]);
        let rule = format!("{only_a}, shadow: clientType === 'B'");
        assert_eq!(first_row(&rule, plain), ["k", "✓~", "✗~", "✗"]);
        let rule = format!("{only_a}, shadow: clientType === 'A' || groups.x");
        assert_eq!(first_row(&rule, plain), ["k", "✓", "✗~", "✗~"]);
        let rule = format!("{only_a}, backofficeExpression: clientType === 'C'");
        assert_eq!(first_row(&rule, plain), ["k", "✓b", "✗", "✗b"]);
        let backoffice = Circumstances {
            is_backoffice: true,
            ..plain
        };
        assert_eq!(first_row(&rule, backoffice), ["k", "✗", "✗", "✓"]);
        let nothing = Policy::default();
        let shadowed = Circumstances {
            shadow_policy: Some(&nothing),
            ..plain
        };
        assert_eq!(first_row(&rule, shadowed), ["k", "✓~b", "✗", "✗b"]);
    }

    #[test]
    fn rows_over_the_limit_are_only_counted() {
        let text = "version: 1\nendpoints: [{ path: /a }, { path: /b }, { path: /c }]\n";
        let policy = Policy::from_yaml(text).unwrap().policy;
        let window = Window {
            rules: 2,
            ..Window::EVERYTHING
        };
        let matrix = Matrix::of(&policy, ["x"], Circumstances::default(), window);
        let endpoints: Vec<_> = matrix
            .endpoints
            .iter()
            .map(|row| row.endpoint.as_str())
            .collect();
        assert_eq!((endpoints, matrix.omitted), (vec!["/a", "/b"], 1));
        assert_eq!(matrix.client_types, [None, Some("x".to_owned())]);
        let window = Window {
            first_rule: 1,
            rules: 1,
            first_client_type: 1,
            client_types: 1,
        };
        let matrix = Matrix::of(&policy, ["x", "y", "z"], Circumstances::default(), window);
        assert_eq!(matrix.client_types, [None, Some("y".to_owned())]);
        assert_eq!(matrix.known_client_types, 3);
        let [row] = matrix.endpoints.as_slice() else {
            panic!("one row")
        };
        assert_eq!((row.endpoint.as_str(), row.cells.len()), ("/b", 2));
    }
}
