//! A filter for kept decisions.

use keygate_policy::Reason as Authorization;
use keygate_resolver::ResolutionReason as Resolution;
use serde::{Deserialize, Deserializer, de};

use crate::entry::{Entry, Step};

/// The conditions on a decision, from a query string. Absent fields and empty names match every
/// decision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Filter {
    client_type: String,
    user_id: String,
    endpoint: String,
    #[serde(deserialize_with = "reason")]
    reason: String,
    step: Option<Step>,
    allowed: Option<bool>,
}

impl Filter {
    /// Returns whether an entry meets all conditions.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        let is = |wanted: &str, is: Option<&str>| wanted.is_empty() || is == Some(wanted);
        is(&self.client_type, entry.client_type.as_deref())
            && is(&self.user_id, entry.user_id.as_deref())
            && is(&self.endpoint, entry.endpoint.as_deref())
            && is(&self.reason, Some(entry.reason))
            && self.step.is_none_or(|step| step == entry.step)
            && self.allowed.is_none_or(|allowed| allowed == entry.allowed)
    }
}

/// Rejects a misspelled reason, which would look like one that did not occur.
fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let reason = String::deserialize(from)?;
    let known = || {
        let resolutions = Resolution::ALL.iter().map(|it| it.as_str());
        let authorizations = Authorization::ALL.iter().map(|it| it.as_str());
        resolutions.chain(authorizations)
    };
    if reason.is_empty() || known().any(|it| it == reason) {
        return Ok(reason);
    }
    let mut known: Vec<_> = known().collect();
    known.sort_unstable();
    known.dedup();
    let known = known.join(", ");
    Err(de::Error::custom(format!(
        "`{reason}` is not a reason; the known reasons are {known}"
    )))
}
