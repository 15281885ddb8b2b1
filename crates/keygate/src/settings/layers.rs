//! The layers of the settings: each one overrides those before it.

use std::path::Path;

use figment::{
    Figment,
    error::Kind,
    providers::Serialized,
    value::{Dict, Value},
};
use keygate_documents::diagnostic::nearest;
use keygate_keys::pepper::{self, PepperText};
use keygate_telemetry::role::Role;

use super::{
    Settings, SettingsError,
    effective::{Origin, Origins},
    file::{self, FileLayer},
    mia, users,
};

const PREFIX: &str = "KEYGATE_";

impl Settings {
    /// Layers the settings of `role`.
    ///
    /// # Errors
    /// One of the layers has an unknown setting or a bad value.
    pub fn layered(
        role: Role,
        file: Option<&Path>,
        flags: Dict,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let (mut layered, mut origins) = (Dict::new(), Origins::default());
        let mut from_file = None;
        let mut set = |name: &str, value, origin| {
            layered.insert(name.to_owned(), value);
            origins.record(name, origin);
        };
        if let Some(path) = file {
            let FileLayer { settings, lines } = file::read(path)?;
            from_file = settings.get("users").cloned();
            for (name, value) in settings {
                let (path, line) = (path.to_owned(), lines.get(&name).copied());
                set(&name, value, Origin::File { path, line });
            }
        }
        if role == Role::Authorizer {
            let users = mia::users(&environment, from_file.as_ref())?;
            for set_by_mia in mia::settings(&environment)?.into_iter().chain(users) {
                let mia::Set {
                    variable,
                    setting,
                    value,
                } = set_by_mia;
                set(setting, value, Origin::MiaEnvironment { variable });
            }
        }
        let own = environment
            .iter()
            .filter(|(name, _)| !mia::is_companion(name, &environment))
            .filter_map(|(name, value)| own_setting(name, value));
        for (name, value) in own {
            set(&name, value, Origin::Environment);
        }
        for (name, value) in flags {
            set(&name, value, Origin::Flag);
        }
        let users_written = layered.get("users").and_then(users::written);
        let settings: Self = Figment::from(Serialized::globals(layered))
            .extract()
            .map_err(|error| SettingsError::Setting(explain(&error, &origins)))?;
        let folder_is_missing = role == Role::Authorizer && settings.policy.is_none();
        if folder_is_missing && mia::variable(&environment, mia::FILE).is_some() {
            return Err(SettingsError::NoConfigurationPath);
        }
        Ok(Self {
            pepper: pepper_in(&environment),
            origins,
            users_written,
            ..settings
        })
    }

    /// The names of the settings that a file may have.
    pub(super) fn names() -> Vec<String> {
        let defaults = Value::serialize(Self::default());
        let names = defaults.ok().and_then(Value::into_dict);
        names.unwrap_or_default().into_keys().collect()
    }
}

fn pepper_in(environment: &[(String, String)]) -> Option<PepperText> {
    let mut variables = environment.iter();
    let (_, text) = variables.find(|(name, _)| name == pepper::VARIABLE)?;
    Some(PepperText::from(text.clone()))
}

/// The setting that a variable of the environment stands for, if it is one of ours.
fn own_setting(name: &str, value: &str) -> Option<(String, Value)> {
    let setting = name.strip_prefix(PREFIX)?;
    (!is_service_link(setting) && name != pepper::VARIABLE)
        .then(|| (kebab(setting), Value::from(value)))
}

/// Kubernetes puts the address of every Service of the namespace into the environment, as
/// `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT…` and `NAME_PORT…` (Kubernetes, "Discovering
/// services"): a Service named `keygate-…` must not look like an unknown setting.
fn is_service_link(setting: &str) -> bool {
    setting.ends_with("_SERVICE_HOST")
        || setting.contains("_SERVICE_PORT")
        || setting.ends_with("_PORT")
        || setting.contains("_PORT_")
}

fn kebab(setting: &str) -> String {
    setting.to_lowercase().replace('_', "-")
}

/// Returns the environment variable of a setting.
pub(super) fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase().replace('-', "_"))
}

/// One sentence for an error, with the name that was set and the nearest known one.
fn explain(error: &figment::Error, origins: &Origins) -> String {
    let setting = error.path.join(".");
    let named = origins.named(&setting);
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let meant = nearest(name, known.iter().copied());
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}` ({})?", variable(meant)),
                None => format!("known settings: {}", known.join(", ")),
            };
            format!("unknown setting `{name}` ({}): {help}", variable(name))
        }
        Kind::UnknownVariant(found, known) => {
            format!("{named}: `{found}` is not one of {}", known.join(", "))
        }
        kind => format!("{named}: {kind}"),
    }
}
