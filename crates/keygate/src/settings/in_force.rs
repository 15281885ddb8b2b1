//! What is set, and by what: for whoever asks why a process does what it does.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use figment::value::Dict;
use serde::Serialize;
use serde_json::Value;

use super::{Role, Settings, variable};

/// A setting's value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// The value; a secret's is `[redacted]`.
    pub value: Value,
    /// `default`, a file's path, an environment variable or a flag.
    pub from: String,
}

/// A layer of settings.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    File(PathBuf),
    MiaEnvironment,
    Environment,
    Flag,
}

/// The layer that won for each setting.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins(HashMap<String, Origin>);

impl Origins {
    /// Notes that a layer wins over those before it for the settings that it has.
    pub(super) fn note(&mut self, origin: &Origin, settings: &Dict) {
        let names = settings.keys().cloned();
        self.0.extend(names.map(|name| (name, origin.clone())));
    }

    fn of(&self, setting: &str) -> String {
        match self.0.get(setting) {
            None => "default".to_owned(),
            Some(Origin::File(path)) => path.display().to_string(),
            Some(Origin::MiaEnvironment) => "environment, by a name of Mia-Platform's".to_owned(),
            Some(Origin::Environment) => variable(setting),
            Some(Origin::Flag) => format!("--{setting}"),
        }
    }
}

impl Settings {
    /// Every setting that a role has a value for.
    #[must_use]
    pub fn in_force(&self, role: Role) -> BTreeMap<String, InForce> {
        let filled = Self {
            listen: Some(self.listen(role)),
            operations: Some(self.operations(role)),
            ..self.clone()
        };
        let Ok(Value::Object(values)) = serde_json::to_value(&filled) else {
            return BTreeMap::new();
        };
        let set = values.into_iter().filter(|(_, value)| !value.is_null());
        set.map(|(name, value)| {
            let value = if is_secret(&name) {
                "[redacted]".into()
            } else {
                value
            };
            let from = self.origins.of(&name);
            (name, InForce { value, from })
        })
        .collect()
    }
}

/// Whether a setting's value is a secret, by its name, so that one to come cannot be forgotten. A
/// file's path is none.
fn is_secret(name: &str) -> bool {
    let mut words = name.split('-');
    !name.ends_with("-file")
        && words.any(|word| matches!(word, "pepper" | "secret" | "password" | "token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_name() {
        for secret in ["pepper", "database-password", "token"] {
            assert!(is_secret(secret), "{secret}");
        }
        for open in ["pepper-file", "key-headers", "rejected-key-status"] {
            assert!(!is_secret(open), "{open}");
        }
    }
}
