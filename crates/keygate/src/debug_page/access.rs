//! The parts of the page that are about the policy: the form, the explanation and the matrix.

use axum::extract::Query;
use http::Uri;
use keygate_authorizer::Authorizer;

use super::words;
use crate::explain::{
    Answer, Question,
    matrix::{Cell, Circumstances, Matrix, Row},
};

/// Rules shown at most: a page is for looking.
const ROWS_SHOWN: usize = 500;

/// What the policy in force does.
pub(super) struct Access {
    /// What the form asks, or would ask.
    pub(super) question: Question,
    /// What is wrong with it.
    pub(super) mistake: Option<String>,
    /// The answer.
    pub(super) answer: Option<Answer>,
    pub(super) matrix: Matrix,
}

/// A cell of the matrix, as a link to its explanation.
pub(super) struct Link {
    pub(super) class: &'static str,
    pub(super) mark: &'static str,
    pub(super) title: String,
    pub(super) href: String,
}

impl Access {
    pub(super) fn of(authorizer: &Authorizer, client_types: &[&str], query: &str) -> Self {
        let (question, mistake) = read(query);
        let is_asked = mistake.is_none() && !question.uri.is_empty();
        let user = question.logged_in();
        let (answer, matrix) = authorizer.look(|policy, shadow| {
            let request = question.request(user.as_ref());
            let known = client_types.iter().copied();
            (
                is_asked.then(|| Answer::of(&request, policy, shadow)),
                Matrix::of(policy, known, Circumstances::default(), ROWS_SHOWN),
            )
        });
        Self {
            question,
            mistake,
            answer,
            matrix,
        }
    }

    /// Whether a field is filled in that the form hides at first.
    pub(super) fn has_more(&self) -> bool {
        let Question {
            host,
            permissions,
            user,
            backoffice,
            ..
        } = &self.question;
        host.is_some() || !permissions.is_empty() || user.is_some() || *backoffice
    }

    /// The user's properties as the form's field holds them.
    pub(super) fn user(&self) -> String {
        let properties = self.question.user.clone();
        properties.map_or_else(String::new, |it| serde_json::Value::Object(it).to_string())
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
    Link {
        class: match cell.mark() {
            "✓" => "ok",
            "?" => "depends",
            "k" => "key",
            "!" => "fails",
            _ => "no",
        },
        mark: cell.mark(),
        title: format!("{who}, {}: {}", row.endpoint, cell.meaning()),
        href: words::link(&[
            ("method", &row.example.method),
            ("uri", &row.example.uri),
            ("host", row.example.host.as_deref().unwrap_or_default()),
            ("client-type", client_type.unwrap_or_default()),
        ]),
    }
}

/// The question of a query string; without one, that of a form not yet filled in.
fn read(query: &str) -> (Question, Option<String>) {
    if query.is_empty() {
        return (Question::default(), None);
    }
    let parsed = Uri::builder()
        .path_and_query(format!("/?{query}"))
        .build()
        .map_err(|error| error.to_string())
        .and_then(|uri| {
            Query::<Question>::try_from_uri(&uri).map_err(|rejection| rejection.body_text())
        });
    match parsed {
        Ok(Query(question)) => (question, None),
        Err(mistake) => (Question::default(), Some(mistake)),
    }
}
