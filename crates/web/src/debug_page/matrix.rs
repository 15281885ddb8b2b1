//! The parts of the page that are about the policy: the form, the explanation and the matrix.

use keygate_authorizer::Authorizer;
use keygate_explain::{
    Answer, Question,
    matrix::{Cell, Circumstances, Matrix, Row, Window},
};
use keygate_keys::KeyTable;

use super::{
    form::Form,
    paging::{Pager, Pages, Table},
    words,
};

/// What the policy in force does.
pub(super) struct Access {
    pub(super) form: Form,
    /// What the form asks, and the answer.
    pub(super) explained: Option<(Question, Answer)>,
    pub(super) matrix: Matrix,
    /// The links to the rest of the matrix.
    pub(super) pagers: Vec<Pager>,
}

/// A cell of the matrix, as a link to its explanation.
pub(super) struct Link {
    pub(super) class: &'static str,
    pub(super) mark: &'static str,
    /// What stands beside the mark.
    pub(super) asides: Vec<&'static str>,
    pub(super) title: String,
    pub(super) href: String,
}

impl Access {
    pub(super) fn of(authorizer: &Authorizer, keys: Option<&KeyTable>, pages: &Pages) -> Self {
        let (form, question) = Form::read(&pages.question);
        let explained = question.map(|question| {
            let answer =
                authorizer.look(|policy, shadow| Answer::to(&question, policy, shadow, keys));
            (question, answer)
        });
        let known = keys.map(KeyTable::client_types).unwrap_or_default();
        let matrix = authorizer.look(|policy, shadow_policy| {
            let circumstances = Circumstances {
                shadow_policy,
                ..Circumstances::default()
            };
            let rules = pages.range(Table::Rules, policy.rules().len());
            let window = Window {
                first_rule: rules.start,
                rules: rules.len(),
                first_client_type: pages.first(Table::ClientTypes),
                client_types: Table::ClientTypes.length(),
            };
            Matrix::of(policy, known.iter().copied(), circumstances, window)
        });
        let links = [
            pages.pager(
                Table::Rules,
                "rules",
                matrix.endpoints.len() + matrix.omitted,
            ),
            pages.pager(
                Table::ClientTypes,
                "client types",
                matrix.known_client_types,
            ),
        ];
        Self {
            form,
            explained,
            matrix,
            pagers: links.into_iter().flatten().collect(),
        }
    }

    /// A question that has an answer with something in it, for programs.
    pub(super) fn example(&self) -> Option<String> {
        let example = &self.matrix.endpoints.first()?.example;
        Some(words::query(&[
            ("method", &example.method),
            ("uri", &example.uri),
            ("host", example.host.as_deref().unwrap_or_default()),
        ]))
    }

    pub(super) fn cells(&self, row: &Row) -> Vec<Link> {
        let cells = self.matrix.client_types.iter().zip(&row.cells);
        cells
            .map(|(client_type, cell)| link(row, client_type.as_deref(), *cell))
            .collect()
    }
}

fn link(row: &Row, client_type: Option<&str>, cell: Cell) -> Link {
    let who = client_type.unwrap_or("no key");
    let mut title = format!("{who}, {}: {}", row.endpoint, cell.outlook.meaning());
    for (_, about, outlook) in cell.asides() {
        title.push_str("; ");
        title.push_str(about);
        title.push_str(": ");
        title.push_str(outlook.meaning());
    }
    Link {
        class: match cell.outlook.mark() {
            "✓" => "ok",
            "?" => "depends",
            "k" => "key",
            "!" => "fails",
            _ => "no",
        },
        mark: cell.outlook.mark(),
        asides: cell.asides().map(|(mark, ..)| mark).collect(),
        title,
        href: words::link(&[
            ("method", &row.example.method),
            ("uri", &row.example.uri),
            ("host", row.example.host.as_deref().unwrap_or_default()),
            ("client-type", client_type.unwrap_or_default()),
        ]),
    }
}
