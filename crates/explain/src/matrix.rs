//! The access matrix: what each client type may do, endpoint by endpoint.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use keygate_expression::{Expression, Facts, User};
use keygate_policy::{Decision, Policy, Reason, Request, Rule, policy::Example};
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
    /// How many client types there are, with those that are not shown.
    #[serde(skip)]
    pub known_client_types: usize,
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
    /// The answer.
    #[serde(flatten)]
    pub outlook: Outlook,
    /// What a shadow would answer, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Outlook>,
    /// The answer to the same request by the back-office gateway, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoffice: Option<Outlook>,
}

/// One answer, and what it may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
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
    /// A whole policy that is tried as shadow.
    pub shadow_policy: Option<&'a Policy>,
}

/// The part of a matrix that is computed.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// How many rules come before its first.
    pub first_rule: usize,
    /// How many rules it has at most.
    pub rules: usize,
    /// How many client types come before its first.
    pub first_client_type: usize,
    /// How many client types it has at most.
    pub client_types: usize,
}

impl Window {
    /// The whole matrix.
    pub const EVERYTHING: Self = Self {
        first_rule: 0,
        rules: usize::MAX,
        first_client_type: 0,
        client_types: usize::MAX,
    };
}

impl Matrix {
    /// The matrix of a policy for callers without a key, for the client types that the policy or a
    /// shadow names, and for those that keys have; as much of it as the window shows.
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

    /// The marks that stand beside others in its cells, and what they mean.
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

    /// What there is to say beside its mark: a mark, what it is about, and how it would come out.
    pub fn asides(self) -> impl Iterator<Item = (&'static str, &'static str, Outlook)> {
        let aside = |(mark, about)| move |outlook| (mark, about, outlook);
        let shadow = self.shadow.map(aside(SHADOW));
        shadow
            .into_iter()
            .chain(self.backoffice.map(aside(BACKOFFICE)))
    }
}

/// The mark of a cell where a shadow would answer otherwise.
pub const SHADOW: (&str, &str) = ("~", "a shadow would answer otherwise");
/// The mark of a cell that comes out otherwise through the back office.
pub const BACKOFFICE: (&str, &str) = ("b", "otherwise through the back office");

impl Outlook {
    fn of(decision: &Decision<'_, '_>, request: &Request<'_>) -> Self {
        let is_backoffice = request.facts.is_backoffice;
        let expression = decision.rule.map(|rule| rule.expression(is_backoffice));
        Self::new(decision.reason, expression, &request.facts)
    }

    /// What the shadow expression of the rule that decides would answer, where it has one.
    fn by_shadow_expression(decision: &Decision<'_, '_>, request: &Request<'_>) -> Option<Self> {
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

    /// Whether somebody gets another answer, not only another reason.
    fn differs_from(self, other: Self) -> bool {
        let outcome = |it: Self| (it.reason == Reason::Ok, it.depends_on_user);
        outcome(self) != outcome(other)
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

/// For people: the mark, and those of what else there is to say.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outlook.mark())?;
        self.asides().try_for_each(|(mark, ..)| f.write_str(mark))
    }
}

/// A table for people, with the marks that it uses explained below.
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
    fn a_client_type_that_only_a_shadow_names_has_a_column() {
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
    fn rows_over_the_limit_are_counted_and_not_computed() {
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
