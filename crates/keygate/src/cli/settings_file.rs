//! The settings file of a service, read by a command.

use std::{env, path::Path};

use figment::value::Dict;
use keygate_documents::source::SourceError;
use keygate_headers::Gateway;
use keygate_telemetry::role::Role;

use crate::settings::{Settings, SettingsError};

/// Reads a settings file, with the role that it is for; `None` if it does not say.
///
/// The environment counts as it does for a role. A file with `keys` is the resolver's, one with
/// `policy` the authorizer's, and one with both is for `keygate serve`.
///
/// # Errors
/// A service would not start with it.
pub(super) fn read(file: &Path) -> Result<(Option<Role>, Settings), SourceError> {
    let layered = |role| {
        let environment = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Settings::layered(role, Some(file), Dict::new(), environment).map_err(|error| match error {
            SettingsError::File(error) => error,
            other => rejected(file, &other),
        })
    };
    let settings = layered(Role::Serve)?;
    let role = match (&settings.keys, &settings.policy) {
        (Some(_), None) => Some(Role::Resolver),
        (None, Some(_)) => Some(Role::Authorizer),
        (Some(_), Some(_)) => Some(Role::Serve),
        (None, None) => None,
    };
    // Mia-Platform's variables of the environment are the authorizer's alone.
    let settings = match role {
        Some(Role::Authorizer) => layered(Role::Authorizer)?,
        _ => settings,
    };
    Ok((role, settings))
}

/// Makes sure that the settings are for nginx.
///
/// # Errors
/// The services would not believe what nginx says of a request.
pub(super) fn require_nginx(file: &Path, settings: &Settings) -> Result<(), SourceError> {
    match settings.gateway {
        Gateway::Nginx => Ok(()),
        gateway => Err(SourceError::Rejected(vec![format!(
            "error: {}: the setting `gateway` is `{gateway}`: for nginx it must be `nginx`",
            file.display()
        )])),
    }
}

/// The error that a file cannot be used.
pub(super) fn rejected(file: &Path, error: &dyn std::error::Error) -> SourceError {
    SourceError::Rejected(vec![format!("error: {}: {error}", file.display())])
}
