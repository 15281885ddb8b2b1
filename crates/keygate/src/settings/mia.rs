//! The environment variables of Mia-Platform's Authorization Service, so that its users can keep them.
//!
//! Source: Mia-Platform documentation, Authorization Service, "Environment variables".

use figment::value::Value;

use super::SettingsError;

/// Known names that are ignored. Most describe users, which are not supported here, so a rule that
/// needs a user denies. A gateway that requests `/auth` itself needs no service prefix.
const WITHOUT_EFFECT: [&str; 12] = [
    "USERINFO_URL",
    "BACKOFFICE_USERINFO_URL",
    "HEADERS_TO_PROXY",
    "AUTHORIZATION_HEADERS_TO_PROXY",
    "CUSTOM_USER_ID_KEY",
    "CUSTOM_PERMISSIONS_KEY",
    "USER_PROPERTIES_TO_PROXY",
    "TRUST_MIA_USER_HEADERS",
    "USERID_HEADER_KEY",
    "GROUPS_HEADER_KEY",
    "USER_PROPERTIES_HEADER_KEY",
    "SERVICE_PREFIX",
];

/// The folder of the policy file.
pub(super) const FOLDER: &str = "CONFIGURATION_PATH";

/// The name of the policy file, to which Mia-Platform's service adds `.json`.
pub(super) const FILE: &str = "CONFIGURATION_FILE_NAME";

/// The port of the data listener.
pub(crate) const PORT: &str = "HTTP_PORT";

/// A setting that a variable of theirs stands for.
pub(super) struct Set {
    pub(super) variable: &'static str,
    pub(super) setting: &'static str,
    pub(super) value: Value,
}

/// The settings that the environment stands for; an empty variable is not set.
///
/// # Errors
/// A value that cannot be translated into one of ours.
pub(super) fn settings(environment: &[(String, String)]) -> Result<Vec<Set>, SettingsError> {
    let mut settings = Vec::new();
    let mut set = |variable, setting, value: &str| {
        settings.push(Set {
            variable,
            setting,
            value: value.into(),
        });
    };
    if let Some(port) = variable(environment, PORT) {
        if port.parse::<u16>().is_err() {
            return Err(bad(
                PORT,
                port,
                "write a port from 1 to 65535, such as `3000`",
            ));
        }
        // Their services listen on every address of the container.
        set(PORT, "listen", &format!("0.0.0.0:{port}"));
    }
    for (name, setting) in [
        ("LOG_LEVEL", "log-level"),
        ("BACKOFFICE_HEADER_KEY", "backoffice-header"),
        ("CLIENT_TYPE_HEADER_KEY", "client-type-header"),
        ("DELAY_SHUTDOWN_SECONDS", "shutdown-delay-seconds"),
        ("SERVICE_VERSION", "service-version"),
    ] {
        if let Some(value) = variable(environment, name) {
            set(name, setting, value);
        }
    }
    let strict = "AUTHORIZATION_STRICT_MODE_ENABLED";
    match variable(environment, strict) {
        Some("true") => set(strict, "answer-with", "status"),
        Some("false") => set(strict, "answer-with", "header"),
        Some(other) => return Err(bad(strict, other, "write `true` or `false`")),
        None => {}
    }
    if let Some(folder) = variable(environment, FOLDER) {
        let folder = folder.trim_end_matches('/');
        let file = file_name(variable(environment, FILE).unwrap_or("auth"));
        set(FOLDER, "policy", &format!("{folder}/{file}"));
    }
    Ok(settings)
}

/// The file's name: theirs has no suffix, and one that has is taken as it is.
fn file_name(name: &str) -> String {
    if [".json", ".yaml", ".yml"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
    {
        name.to_owned()
    } else {
        format!("{name}.json")
    }
}

fn bad(variable: &str, value: &str, help: &str) -> SettingsError {
    SettingsError::Setting(format!("`{variable}` is `{value}`: {help}"))
}

pub(super) fn variable<'e>(environment: &'e [(String, String)], name: &str) -> Option<&'e str> {
    let (_, value) = environment.iter().find(|(set, _)| set == name)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// The names in the environment that are known and change nothing.
pub(crate) fn without_effect(environment: &[(String, String)]) -> impl Iterator<Item = &str> {
    let is_set = |name: &&str| variable(environment, name).is_some();
    WITHOUT_EFFECT.into_iter().filter(move |name| is_set(name))
}
