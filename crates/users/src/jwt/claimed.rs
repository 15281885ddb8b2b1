//! What a token says of itself, for the person who has it.

use serde_json::Value;

use super::Unverified;

/// The parts of a token that decide whether it is accepted, verified or not.
///
/// They are for the person who has the token. They have no `Debug`, since none of them belongs into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    /// `iss`, where it is a string.
    pub issuer: Option<String>,
    /// `aud`: the strings in it.
    pub audience: Vec<String>,
    /// `kid` of the header.
    pub key_id: Option<String>,
    /// `alg` of the header.
    pub algorithm: String,
    /// `nbf`, in seconds since 1970.
    pub not_before: Option<i64>,
    /// `exp`, in seconds since 1970.
    pub expires_at: Option<i64>,
}

impl Unverified<'_> {
    /// Returns what the token says of itself.
    #[must_use]
    pub fn claimed(&self) -> Claimed {
        Claimed {
            issuer: self.issuer().ok().map(str::to_owned),
            audience: strings(self.claims.get("aud")),
            key_id: self.key_id.clone(),
            algorithm: format!("{:?}", self.algorithm),
            not_before: self.seconds("nbf"),
            expires_at: self.seconds("exp"),
        }
    }

    pub(super) fn seconds(&self, claim: &str) -> Option<i64> {
        let seconds = self.claims.get(claim)?.as_u64()?;
        i64::try_from(seconds).ok()
    }
}

fn strings(claim: Option<&Value>) -> Vec<String> {
    let all: Vec<_> = match claim {
        Some(Value::Array(names)) => names.iter().collect(),
        Some(name) => vec![name],
        None => Vec::new(),
    };
    let texts = all.into_iter().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
