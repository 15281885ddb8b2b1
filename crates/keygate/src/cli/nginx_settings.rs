//! The settings of Keygate's services with which nginx's configuration must agree.

use std::path::PathBuf;

use keygate_authorizer::AnswerWith;
use keygate_documents::source::SourceError;
use keygate_gateways::{
    Names, UserHeaders,
    nginx::check::{Expected, Service},
};
use keygate_telemetry::role::Role;

use super::settings_file;

/// The names and addresses in the settings files of one process, or of a pair.
///
/// A file of a resolver speaks for the resolver alone, one of an authorizer for that; any other for both.
///
/// # Errors
/// A service would not start with one of the files.
pub(super) fn expected(files: &[PathBuf]) -> Result<Expected, SourceError> {
    let mut expected = Expected::default();
    for file in files {
        let (role, settings) = settings_file::read(file)?;
        settings_file::require_nginx(file, &settings)?;
        let names = Names::new(settings.choice_of_names())
            .map_err(|error| settings_file::rejected(file, &error))?;
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
