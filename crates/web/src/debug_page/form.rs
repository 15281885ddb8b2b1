//! The two forms of the page: for an explanation, and for the user whose access the matrix shows.

use axum::extract::Query;
use http::Uri;
use keygate_explain::{RequestDescription, description::properties};
use serde::{Deserialize, de::DeserializeOwned};

/// The fields of both forms as they were typed, to be shown again.
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
    /// Whether it is the form of the matrix, which describes no request.
    #[serde(skip)]
    pub(super) is_of_matrix: bool,
    #[serde(skip)]
    pub(super) errors: FormErrors,
}

/// The fields of the form of the matrix: who is logged in, and the gateway.
const OF_MATRIX: [&str; 5] = ["user-id", "groups", "permissions", "user", "backoffice"];

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
    /// Returns the form of a query string and what it describes; without a query, an empty form.
    ///
    /// The form of the matrix describes a request for `/`.
    pub(super) fn read(query: &str) -> (Self, Option<RequestDescription>) {
        if query.is_empty() {
            return (Self::default(), None);
        }
        let mut form: Self = parsed(query).unwrap_or_default();
        form.is_of_matrix = query.split('&').all(|field| {
            let name = field.split_once('=').map_or(field, |(name, _)| name);
            OF_MATRIX.contains(&name)
        });
        let request = if form.is_of_matrix {
            parsed(&format!("uri=/&{query}"))
        } else {
            parsed(query)
        };
        form.errors = FormErrors::of(&form, request.as_ref().err());
        let request = request.ok().filter(|_| !form.is_wrong());
        (form, request)
    }

    /// Returns the names and the values of the fields of the matrix; no values if there is an error.
    pub(super) fn of_matrix(&self) -> Vec<(&'static str, &str)> {
        let texts = [
            &self.user_id,
            &self.groups,
            &self.permissions,
            &self.user,
            &self.backoffice,
        ];
        let fields = OF_MATRIX.into_iter().zip(texts);
        fields
            .filter(|_| !self.is_wrong())
            .map(|(name, text)| (name, text.as_str()))
            .collect()
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

    /// Returns whether a field of the collapsed part is filled in, in the form of the matrix.
    pub(super) fn has_more_of_user(&self) -> bool {
        let hidden = [
            &self.user_id,
            &self.permissions,
            &self.user,
            &self.backoffice,
        ];
        hidden.iter().any(|field| !field.is_empty())
    }

    /// Returns the same for the form of an explanation.
    pub(super) fn has_more(&self) -> bool {
        !self.host.is_empty() || self.has_more_of_user()
    }

    /// Returns the error in the user, if it was typed into this form.
    pub(super) fn user_error(&self, is_of_matrix: bool) -> Option<&str> {
        let error = self.errors.user.as_deref();
        error.filter(|_| self.is_of_matrix == is_of_matrix)
    }
}

impl FormErrors {
    fn of(form: &Form, rejection: Option<&String>) -> Self {
        let uri = !form.is_of_matrix && form.uri.trim().is_empty();
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
