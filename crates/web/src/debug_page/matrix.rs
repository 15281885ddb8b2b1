//! The parts of the page about the policy: the form, the explanation and the matrix.

use keygate_authorizer::Authorizer;
use keygate_explain::{
    ExplainedDecision, RequestDescription,
    matrix::{Cell, Circumstances, Matrix, Row, Window},
};
use keygate_keys::KeyTable;
use keygate_telemetry::operations::Operations;

use super::{
    form::Form,
    paging::{Pager, Pages, Table},
    words,
};
use crate::explain::explain;

/// The behaviour of the active policy.
pub(super) struct Access {
    pub(super) form: Form,
    /// The request in the form, and its decision.
    pub(super) explained: Option<(RequestDescription, ExplainedDecision)>,
    pub(super) matrix: Matrix,
    /// Who is logged in, in words; empty for nobody.
    pub(super) user: String,
    /// Whether the matrix is that of the back office.
    pub(super) is_backoffice: bool,
    /// The links to the other pages of the matrix.
    pub(super) pagers: Vec<Pager>,
}

/// A cell of the matrix, as a link to its explanation.
pub(super) struct Link {
    pub(super) class: &'static str,
    pub(super) mark: &'static str,
    /// The additional marks.
    pub(super) asides: Vec<&'static str>,
    pub(super) title: String,
    pub(super) href: String,
}

impl Access {
    pub(super) fn of(
        authorizer: &Authorizer,
        keys: Option<&KeyTable>,
        operations: &Operations,
        pages: &Pages,
    ) -> Self {
        let (form, request) = Form::read(&pages.form);
        let described = request.clone().unwrap_or_default();
        let user = described.user.user();
        let explained = request.filter(|_| !form.is_of_matrix).map(|request| {
            let decision = explain(&request, authorizer, operations);
            (request, decision)
        });
        let known = keys.map(KeyTable::client_types).unwrap_or_default();
        let matrix = authorizer.look(|policy, shadow_policy| {
            let circumstances = Circumstances {
                user: user.as_ref(),
                is_backoffice: described.backoffice,
                shadow_policy,
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
            user: described
                .user
                .to_string()
                .trim_start_matches(", ")
                .to_owned(),
            is_backoffice: described.backoffice,
            pagers: links.into_iter().flatten().collect(),
        }
    }

    /// Returns a request whose decision has an explanation, for links to JSON.
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
            .map(|(client_type, cell)| self.link(row, client_type.as_deref(), *cell))
            .collect()
    }

    fn link(&self, row: &Row, client_type: Option<&str>, cell: Cell) -> Link {
        let caller = client_type.unwrap_or("no key");
        let mut title = format!("{caller}, {}: {}", row.endpoint, cell.outlook.meaning());
        for (_, about, outlook) in cell.asides() {
            title.push_str("; ");
            title.push_str(about);
            title.push_str(": ");
            title.push_str(outlook.meaning());
        }
        let request = [
            ("method", row.example.method.as_str()),
            ("uri", &row.example.uri),
            ("host", row.example.host.as_deref().unwrap_or_default()),
            ("client-type", client_type.unwrap_or_default()),
        ];
        let fields = [&request[..], &self.form.of_matrix()].concat();
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
            href: words::link(&fields),
        }
    }
}
