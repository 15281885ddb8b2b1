//! A request as a person describes it.

use std::fmt;

use keygate_expression::{Facts, NameSet, User};
use keygate_policy::Request;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

/// A request as a person describes it: in the flags of a command, in a query string, or in a file of
/// cases.
#[derive(Debug, Clone, PartialEq, clap::Args, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestDescription {
    /// Request method
    #[arg(long, default_value = GET)]
    #[serde(default = "get", deserialize_with = "method")]
    pub method: String,
    /// Request target: path and query, as a client sends them
    #[arg(long, value_name = "TARGET")]
    pub uri: String,
    /// Request host, if endpoints name hosts
    #[arg(long)]
    #[serde(default, deserialize_with = "text")]
    pub host: Option<String>,
    /// Client type of the caller's key; omit it for a caller without a key
    #[arg(long, value_name = "TYPE")]
    #[serde(default, alias = "client-type", deserialize_with = "text")]
    pub client_type: Option<String>,
    /// Groups of the logged-in user, separated by commas
    #[arg(long, value_delimiter = ',')]
    #[serde(default, deserialize_with = "names")]
    pub groups: Vec<String>,
    /// Permissions of the logged-in user, separated by commas
    #[arg(long, value_delimiter = ',')]
    #[serde(default, deserialize_with = "names")]
    pub permissions: Vec<String>,
    /// Properties of the logged-in user, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = properties)]
    #[serde(default, deserialize_with = "object")]
    pub user: Option<Map<String, Value>>,
    /// The request comes through the back-office gateway
    #[arg(long)]
    #[serde(default)]
    pub backoffice: bool,
}

const GET: &str = "GET";

impl RequestDescription {
    /// Returns the logged-in user, if the description has one.
    #[must_use]
    pub fn logged_in(&self) -> Option<User> {
        logged_in(&self.groups, &self.permissions, self.user.as_ref())
    }

    /// Returns the request with the user from [`RequestDescription::logged_in`].
    #[must_use]
    pub fn request<'a>(&'a self, user: Option<&'a User>) -> Request<'a> {
        Request {
            method: &self.method,
            target: self.uri.as_bytes(),
            host: filled(self.host.as_deref()),
            is_cors_preflight: false,
            facts: Facts {
                // An empty header means no client type.
                client_type: filled(self.client_type.as_deref()),
                is_backoffice: self.backoffice,
                user,
            },
        }
    }
}

/// `GET`, and no other value.
impl Default for RequestDescription {
    fn default() -> Self {
        Self {
            method: get(),
            uri: String::new(),
            host: None,
            client_type: None,
            groups: Vec::new(),
            permissions: Vec::new(),
            user: None,
            backoffice: false,
        }
    }
}

/// Parses a text that must not be empty.
fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Returns a user if any of their properties is set.
#[must_use]
pub fn logged_in(
    groups: &[String],
    permissions: &[String],
    properties: Option<&Map<String, Value>>,
) -> Option<User> {
    let names = |names: &[String]| {
        let names = names.iter().map(|name| name.trim());
        names.filter(|name| !name.is_empty()).collect::<NameSet>()
    };
    let (groups, permissions) = (names(groups), names(permissions));
    let nothing = properties.is_none() && groups.is_empty() && permissions.is_empty();
    (!nothing).then(|| User {
        id: String::new(),
        groups,
        permissions,
        properties: properties.cloned().unwrap_or_default(),
    })
}

/// Parses the properties of a user.
///
/// # Errors
/// The text is not a JSON object.
pub fn properties(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

/// One line, e.g. `POST /orders/7, client type B`.
impl fmt::Display for RequestDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, .. } = self;
        write!(f, "{method} {}{uri}", self.host.as_deref().unwrap_or(""))?;
        match filled(self.client_type.as_deref()) {
            Some(client_type) => write!(f, ", client type {client_type}")?,
            None => f.write_str(", no key")?,
        }
        for (what, names) in [("groups", &self.groups), ("permissions", &self.permissions)] {
            if !names.is_empty() {
                write!(f, ", {what} {}", names.join(","))?;
            }
        }
        if let Some(user) = &self.user {
            write!(f, ", user {}", Value::Object(user.clone()))?;
        }
        f.write_str(if self.backoffice { ", back office" } else { "" })
    }
}

fn get() -> String {
    GET.to_owned()
}

/// An empty form field is treated as absent.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(from)?.filter(|text: &String| !text.is_empty()))
}

fn method<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(text(from)?.unwrap_or_else(get))
}

/// A list, or one comma-separated string.
fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(from)? {
        Written::List(names) => names,
        Written::Text(text) => {
            let names = text.split(',').map(str::trim);
            names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        }
    })
}

/// An object, or an object as JSON text.
fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Map<String, Value>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Object(Map<String, Value>),
        Text(String),
    }
    match Written::deserialize(from)? {
        Written::Object(properties) => Ok(Some(properties)),
        Written::Text(text) if text.trim().is_empty() => Ok(None),
        Written::Text(text) => properties(&text).map(Some).map_err(de::Error::custom),
    }
}
