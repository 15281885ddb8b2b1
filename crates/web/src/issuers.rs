//! The issuers of tokens in `/-/check-up`: whether their keys are known, and how old these are.

use jiff::Timestamp;
use keygate_telemetry::operations::Operations;
use serde::Serialize;

/// The keys of an issuer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuerDetail {
    /// The issuer's name.
    issuer: String,
    /// How many usable keys it has.
    keys: usize,
    /// When they were loaded or fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    /// Why the last fetch failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// The keys of the set that are ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
}

impl IssuerDetail {
    /// Whether there are keys, and the last fetch succeeded.
    pub(crate) fn is_well(&self) -> bool {
        self.keys > 0 && self.last_error.is_none()
    }
}

/// Returns the state of each issuer.
pub(crate) fn details(operations: &Operations) -> Vec<IssuerDetail> {
    let sources = operations.users.iter();
    let issuers = sources.flat_map(|sources| sources.tokens.issuers());
    issuers
        .map(|(issuer, keys)| {
            let status = keys.status();
            IssuerDetail {
                issuer: issuer.to_owned(),
                keys: status.keys.unwrap_or(0),
                updated_at: status.updated,
                last_error: status.failure.map(|failure| failure.to_string()),
                ignored: status.ignored.iter().map(ToString::to_string).collect(),
            }
        })
        .collect()
}
