//! The environment of Mia-Platform's Authorization Service, so that its users can keep theirs.
//!
//! Source: Mia-Platform documentation, Authorization Service, "Environment variables".

use figment::value::{Dict, Value};

use super::{SettingsError, typed};

/// Names that are understood and change nothing. Most say something about users: nobody is logged
/// in here, so whatever asks for a user is denied. A service prefix is no secret to a gateway that
/// calls `/auth` itself.
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

/// The settings that the environment means.
///
/// # Errors
/// A switch that is neither on nor off.
pub(super) fn settings(environment: &[(String, String)]) -> Result<Dict, SettingsError> {
    let mut settings = Dict::new();
    let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
    let (mut folder, mut file) = (None, None);
    for (name, value) in environment {
        match name.as_str() {
            // Their services listen on every address of the container.
            "HTTP_PORT" => drop(set("listen", format!("0.0.0.0:{value}").into())),
            "LOG_LEVEL" => drop(set("log-level", value.as_str().into())),
            "CONFIGURATION_PATH" => folder = Some(value),
            "CONFIGURATION_FILE_NAME" => file = Some(value),
            "BACKOFFICE_HEADER_KEY" => drop(set("backoffice-header", value.as_str().into())),
            "CLIENT_TYPE_HEADER_KEY" => drop(set("client-type-header", value.as_str().into())),
            "DELAY_SHUTDOWN_SECONDS" => drop(set("shutdown-delay-seconds", typed(value))),
            "AUTHORIZATION_STRICT_MODE_ENABLED" => {
                let with = match value.as_str() {
                    "true" => "status",
                    "false" => "header",
                    _ => {
                        return Err(SettingsError::Setting(format!(
                            "`{name}` is `{value}`: write `true` or `false`"
                        )));
                    }
                };
                set("answer-with", with.into());
            }
            _ => {}
        }
    }
    if let Some(folder) = folder {
        let file = file.map_or("auth.json", String::as_str);
        set(
            "policy",
            format!("{}/{file}", folder.trim_end_matches('/')).into(),
        );
    }
    Ok(settings)
}

/// The names in the environment that are understood and change nothing.
pub(crate) fn without_effect(environment: &[(String, String)]) -> impl Iterator<Item = &str> {
    let is_set = |name: &&str| {
        environment
            .iter()
            .any(|(set, value)| set == name && !value.is_empty())
    };
    WITHOUT_EFFECT.into_iter().filter(move |name| is_set(name))
}
