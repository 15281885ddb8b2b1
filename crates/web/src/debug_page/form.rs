//! The form for an explanation: its fields, and the errors in them.

use axum::extract::Query;
use http::Uri;
use keygate_explain::{RequestDescription, description::properties};
use serde::{Deserialize, de::DeserializeOwned};

/// The fields as the user typed them, to be shown again.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Form {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) host: String,
    #[serde(alias = "clientType")]
    pub(super) client_type: String,
    #[serde(alias = "userId")]
    pub(super) user_id: String,
    pub(super) groups: String,
    pub(super) permissions: String,
    pub(super) user: String,
    pub(super) backoffice: String,
    #[serde(skip)]
    pub(super) errors: FormErrors,
}

/// The errors in the form.
#[derive(Debug, Default)]
pub(super) struct FormErrors {
    /// The error in the path.
    pub(super) uri: Option<String>,
    /// The error in the user.
    pub(super) user: Option<String>,
    /// An error in a part of the query that is not a field.
    pub(super) elsewhere: Option<String>,
}

impl Form {
    /// Returns the form of a query string and its request; without a query, an empty form.
    pub(super) fn read(query: &str) -> (Self, Option<RequestDescription>) {
        if query.is_empty() {
            return (Self::default(), None);
        }
        let mut form: Self = parsed(query).unwrap_or_default();
        let request = parsed(query);
        form.errors = FormErrors::of(&form, request.as_ref().err());
        let request = request.ok().filter(|_| !form.is_wrong());
        (form, request)
    }

    /// Returns whether there is an error.
    pub(super) fn is_wrong(&self) -> bool {
        let FormErrors {
            uri,
            user,
            elsewhere,
        } = &self.errors;
        uri.is_some() || user.is_some() || elsewhere.is_some()
    }

    /// Returns whether a field of the collapsed part is filled in.
    pub(super) fn has_more(&self) -> bool {
        let hidden = [
            &self.host,
            &self.user_id,
            &self.permissions,
            &self.user,
            &self.backoffice,
        ];
        hidden.iter().any(|field| !field.is_empty())
    }
}

impl FormErrors {
    fn of(form: &Form, rejection: Option<&String>) -> Self {
        let uri = form.uri.trim().is_empty();
        let uri = uri.then(|| "enter a path, such as /orders/7".to_owned());
        let user = Some(&form.user).filter(|text| !text.trim().is_empty());
        let user = user.and_then(|text| properties(text).err());
        let has_error = uri.is_some() || user.is_some();
        Self {
            uri,
            user,
            elsewhere: rejection.filter(|_| !has_error).cloned(),
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
