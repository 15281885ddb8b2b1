//! The form that asks for an explanation: what was typed into it, and what is wrong with that.

use axum::extract::Query;
use http::Uri;
use keygate_explain::{Question, question::properties};
use serde::{Deserialize, de::DeserializeOwned};

/// The fields as they were typed, to be shown again whatever becomes of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Form {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) host: String,
    #[serde(alias = "clientType")]
    pub(super) client_type: String,
    pub(super) groups: String,
    pub(super) permissions: String,
    pub(super) user: String,
    pub(super) backoffice: String,
    #[serde(skip)]
    pub(super) mistakes: Mistakes,
}

/// What is wrong with the form.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    /// With the path.
    pub(super) uri: Option<String>,
    /// With the user.
    pub(super) user: Option<String>,
    /// With something that the form has no place for.
    pub(super) elsewhere: Option<String>,
}

impl Form {
    /// The form of a query string, and what it asks; without one, an empty form that asks nothing.
    pub(super) fn read(query: &str) -> (Self, Option<Question>) {
        if query.is_empty() {
            return (Self::default(), None);
        }
        let mut form: Self = parsed(query).unwrap_or_default();
        let question = parsed(query);
        form.mistakes = Mistakes::of(&form, question.as_ref().err());
        let question = question.ok().filter(|_| !form.is_wrong());
        (form, question)
    }

    /// Whether nothing can be answered.
    pub(super) fn is_wrong(&self) -> bool {
        let Mistakes {
            uri,
            user,
            elsewhere,
        } = &self.mistakes;
        uri.is_some() || user.is_some() || elsewhere.is_some()
    }

    /// Whether a field is filled in that is hidden at first.
    pub(super) fn has_more(&self) -> bool {
        let hidden = [&self.host, &self.permissions, &self.user, &self.backoffice];
        hidden.iter().any(|field| !field.is_empty())
    }
}

impl Mistakes {
    fn of(form: &Form, rejection: Option<&String>) -> Self {
        let uri = form.uri.trim().is_empty();
        let uri = uri.then(|| "a path is needed, such as /orders/7".to_owned());
        let user = Some(&form.user).filter(|text| !text.trim().is_empty());
        let user = user.and_then(|text| properties(text).err());
        let is_told = uri.is_some() || user.is_some();
        Self {
            uri,
            user,
            elsewhere: rejection.filter(|_| !is_told).cloned(),
        }
    }
}

fn parsed<T: DeserializeOwned>(query: &str) -> Result<T, String> {
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build();
    let uri = uri.map_err(|error| error.to_string())?;
    match Query::try_from_uri(&uri) {
        Ok(Query(value)) => Ok(value),
        Err(rejection) => Err(rejection.body_text()),
    }
}
