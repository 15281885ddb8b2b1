//! The effective settings, each with the layer that it comes from.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use keygate_telemetry::role::Role;
use serde::Serialize;
use serde_json::Value;

use super::{Settings, layers::variable};

/// A setting's value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The value; a secret's is `[redacted]`.
    pub value: Value,
    /// `default`, a file's path, an environment variable or a flag.
    pub from: String,
}

/// Where a setting was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File { path: PathBuf, line: Option<usize> },
    MiaEnvironment { variable: &'static str },
    Environment,
    Flag,
}

/// Where each setting that is not a default was set last.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins(HashMap<String, Origin>);

impl Origins {
    /// Records that a later layer sets this setting.
    pub(super) fn record(&mut self, setting: &str, origin: Origin) {
        self.0.insert(setting.to_owned(), origin);
    }

    /// Where a setting was set, for `/debug/config`.
    fn of(&self, setting: &str) -> String {
        match self.0.get(setting) {
            None => "default".to_owned(),
            Some(Origin::File { path, .. }) => path.display().to_string(),
            Some(Origin::MiaEnvironment { variable }) => (*variable).to_owned(),
            Some(Origin::Environment) => variable(setting),
            Some(Origin::Flag) => format!("--{setting}"),
        }
    }

    /// Whether a setting was set by a name of Mia-Platform's.
    pub(super) fn is_mia(&self, setting: &str) -> bool {
        matches!(self.0.get(setting), Some(Origin::MiaEnvironment { .. }))
    }

    /// Returns the name by which the setting was set, for errors.
    ///
    /// A part of a setting, such as `users.jwt`, was set with the whole.
    pub(super) fn named(&self, setting: &str) -> String {
        let whole = setting.split('.').next().unwrap_or(setting);
        match self.0.get(whole) {
            None => format!("the default of `{setting}`"),
            Some(Origin::File { path, line }) => {
                let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                format!("`{setting}` ({}{line})", path.display())
            }
            Some(Origin::MiaEnvironment { variable }) => {
                format!("`{variable}` (the setting `{setting}`)")
            }
            Some(Origin::Environment) => format!("`{}`", variable(setting)),
            Some(Origin::Flag) => format!("`--{setting}`"),
        }
    }
}

impl Settings {
    /// Every setting that a role has a value for.
    #[must_use]
    pub fn effective(&self, role: Role) -> BTreeMap<String, Effective> {
        let filled = Self {
            listen: Some(self.listen(role)),
            operations: Some(self.operations(role)),
            ..self.clone()
        };
        let Ok(Value::Object(mut values)) = serde_json::to_value(&filled) else {
            return BTreeMap::new();
        };
        if let Some(users) = &self.users_written {
            values.insert("users".to_owned(), users.clone());
        }
        let set = values.into_iter().filter(|(_, value)| !value.is_null());
        set.map(|(name, value)| {
            let value = if is_secret(&name) {
                "[redacted]".into()
            } else {
                value
            };
            let from = self.origins.of(&name);
            (name, Effective { value, from })
        })
        .collect()
    }
}

/// Whether a setting's value is a secret, by its name, so that one to come cannot be forgotten. A
/// file's path is none, and neither is the section `identity-token`, which names a file.
fn is_secret(name: &str) -> bool {
    let mut words = name.split('-');
    !name.ends_with("-file")
        && name != "identity-token"
        && words.any(|word| matches!(word, "pepper" | "secret" | "password" | "token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognized_by_its_name() {
        for secret in ["pepper", "database-password", "token"] {
            assert!(is_secret(secret), "{secret}");
        }
        for open in [
            "pepper-file",
            "handoff-secret-file",
            "identity-token",
            "key-headers",
            "rejected-key-status",
        ] {
            assert!(!is_secret(open), "{open}");
        }
    }
}
