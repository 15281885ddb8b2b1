//! The settings of Keygate's services with which nginx's configuration must agree.

use std::{
    env,
    path::{Path, PathBuf},
};

use figment::value::Dict;
use keygate_authorizer::AnswerWith;
use keygate_documents::source::SourceError;
use keygate_gateways::{
    Names, UserHeaders,
    nginx::check::{Expected, Service},
};
use keygate_telemetry::role::Role;

use crate::settings::{Settings, SettingsError};

/// The names and addresses in the settings files of one process, or of a pair.
///
/// The environment counts as it does for a role. A file with `keys` is the resolver's, one with
/// `policy` the authorizer's; a file with both, or with neither, speaks for both.
///
/// # Errors
/// A service would not start with one of the files.
pub(super) fn expected(files: &[PathBuf]) -> Result<Expected, SourceError> {
    let mut expected = Expected::default();
    for file in files {
        let (role, settings) = settings_of(file)?;
        let names =
            Names::new(settings.choice_of_names()).map_err(|error| rejected(file, &error))?;
        if role != Some(Role::Authorizer) {
            let headers = names.key_headers().iter().map(ToString::to_string);
            expected.key_headers = headers.collect();
            expected.key_cookies = names.key_cookies().to_vec();
            expected.stated_of_keys = Some(names.resolver_value());
        }
        if role != Some(Role::Resolver) {
            expected.client_type_header = names.client_type().to_string();
            expected.backoffice_header = names.backoffice().to_string();
            let user = names.user().into_iter().flat_map(UserHeaders::all);
            expected.user_headers = user.map(ToString::to_string).collect();
            expected.stated_of_identity = Some(names.authorizer_value());
            expected.needs_hand_off |= settings.handoff_secret_file.is_some();
            expected.answers_with_header |= settings.answer_with == AnswerWith::Header;
        }
        if let Some(role) = role {
            let service = match role {
                Role::Resolver => Service::Resolver,
                Role::Authorizer => Service::Authorizer,
                Role::Serve => Service::Serve,
            };
            let listener = settings.listen(role).to_string();
            expected.listeners.push((service, listener));
        }
    }
    Ok(expected)
}

fn rejected(file: &Path, error: &dyn std::error::Error) -> SourceError {
    SourceError::Rejected(vec![format!("error: {}: {error}", file.display())])
}

fn settings_of(file: &Path) -> Result<(Option<Role>, Settings), SourceError> {
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
