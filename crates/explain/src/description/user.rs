//! The user of a request as a person describes them.

use std::fmt;

use keygate_expression::{NameSet, User};
use serde::Serialize;
use serde_json::{Map, Value};

use super::filled;

/// The user who is logged in; nobody is if no field is set.
#[derive(Debug, Clone, PartialEq, Default, clap::Args, Serialize)]
pub struct UserDescription {
    /// User id of the logged-in user
    #[arg(long = "user-id", value_name = "ID")]
    #[serde(rename = "userId")]
    pub id: Option<String>,
    /// Comma-separated groups of the logged-in user
    #[arg(long, value_delimiter = ',')]
    pub groups: Vec<String>,
    /// Comma-separated permissions of the logged-in user
    #[arg(long, value_delimiter = ',')]
    pub permissions: Vec<String>,
    /// Properties of the logged-in user, as a JSON object
    #[arg(long = "user", value_name = "JSON", value_parser = properties)]
    #[serde(rename = "user")]
    pub properties: Option<Map<String, Value>>,
}

impl UserDescription {
    /// Returns the user, if one is described.
    #[must_use]
    pub fn user(&self) -> Option<User> {
        let user = User {
            id: self.id.clone().unwrap_or_default(),
            groups: set(&self.groups),
            permissions: set(&self.permissions),
            properties: self.properties.clone().unwrap_or_default(),
        };
        (user != User::default() || self.properties.is_some()).then_some(user)
    }
}

fn set(names: &[String]) -> NameSet {
    let names = names.iter().map(|name| name.trim());
    names.filter(|name| !name.is_empty()).collect()
}

/// Parses the properties of a user.
///
/// # Errors
/// The text is not a JSON object.
pub fn properties(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

/// The end of a line, e.g. `, user id ada, groups staff`.
impl fmt::Display for UserDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = filled(self.id.as_deref()) {
            write!(f, ", user id {id}")?;
        }
        for (what, names) in [("groups", &self.groups), ("permissions", &self.permissions)] {
            if !names.is_empty() {
                write!(f, ", {what} {}", names.join(","))?;
            }
        }
        match &self.properties {
            Some(properties) => write!(f, ", user {}", Value::Object(properties.clone())),
            None => Ok(()),
        }
    }
}
