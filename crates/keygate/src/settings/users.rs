//! The section `users`: shown as it was written, and merged from a file and Mia-Platform's environment.

use figment::value::{Dict, Value};
use keygate_users::settings::Users;
use serde::Serializer;

/// Serializes nothing: the section is shown as it was written.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(super) fn not_here<S: Serializer>(_: &Option<Users>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_none()
}

/// Returns the section as JSON.
pub(super) fn written(section: &Value) -> Option<serde_json::Value> {
    serde_json::to_value(section).ok()
}

/// Adds `later` to `section`; where both have a value, the later one counts.
pub(super) fn merged(section: Option<Value>, later: Dict) -> Value {
    let mut section = section.and_then(Value::into_dict).unwrap_or_default();
    for (name, value) in later {
        let value = match (section.remove(&name), value) {
            (Some(former @ Value::Dict(..)), Value::Dict(_, later)) => merged(Some(former), later),
            (_, value) => value,
        };
        section.insert(name, value);
    }
    Value::from(section)
}
