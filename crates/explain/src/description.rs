//! A request as a person describes it.

mod user;

use std::fmt;

use keygate_expression::Facts;
use keygate_policy::Request;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

pub use user::{UserDescription, properties};

/// A request as a person describes it: in the flags of a command, in a query string, or in a file of
/// cases.
#[derive(Debug, Clone, PartialEq, clap::Args, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", from = "Written")]
pub struct RequestDescription {
    /// Method of the request
    #[arg(long, default_value = GET)]
    pub method: String,
    /// Path and query of the request, exactly as a client sends them
    #[arg(long, value_name = "TARGET")]
    pub uri: String,
    /// Host of the request; required if the policy names hosts
    #[arg(long)]
    pub host: Option<String>,
    /// Client type of the caller's key; omit this flag for a caller without a key
    #[arg(long, value_name = "TYPE")]
    pub client_type: Option<String>,
    /// The user who is logged in.
    #[command(flatten)]
    #[serde(flatten)]
    pub user: UserDescription,
    /// Evaluate the request as a back-office request
    #[arg(long)]
    pub backoffice: bool,
}

/// The fields in a file and in a query string: an unknown one is an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default = "get", deserialize_with = "method")]
    method: String,
    uri: String,
    #[serde(default, deserialize_with = "text")]
    host: Option<String>,
    #[serde(default, alias = "client-type", deserialize_with = "text")]
    client_type: Option<String>,
    #[serde(default, alias = "user-id", deserialize_with = "text")]
    user_id: Option<String>,
    #[serde(default, deserialize_with = "names")]
    groups: Vec<String>,
    #[serde(default, deserialize_with = "names")]
    permissions: Vec<String>,
    #[serde(default, deserialize_with = "object")]
    user: Option<Map<String, Value>>,
    #[serde(default)]
    backoffice: bool,
}

const GET: &str = "GET";

impl RequestDescription {
    /// Returns the request, without its user.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            target: self.uri.as_bytes(),
            host: filled(self.host.as_deref()),
            is_cors_preflight: false,
            facts: Facts {
                // An empty header means no client type.
                client_type: filled(self.client_type.as_deref()),
                is_backoffice: self.backoffice,
                user: None,
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
            user: UserDescription::default(),
            backoffice: false,
        }
    }
}

impl From<Written> for RequestDescription {
    fn from(written: Written) -> Self {
        Self {
            method: written.method,
            uri: written.uri,
            host: written.host,
            client_type: written.client_type,
            user: UserDescription {
                id: written.user_id,
                groups: written.groups,
                permissions: written.permissions,
                properties: written.user,
            },
            backoffice: written.backoffice,
        }
    }
}

/// Parses a text that must not be empty.
fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
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
        write!(f, "{}", self.user)?;
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
