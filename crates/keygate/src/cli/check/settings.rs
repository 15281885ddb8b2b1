//! The sources of users in a settings file, and the files that they need.

use std::path::Path;

use keygate_documents::source::SourceError;
use keygate_telemetry::role::Role;
use keygate_users::settings::Users;

use super::{Report, VALID, WOULD_NOT_LOAD};
use crate::{
    cli::settings_file,
    signatures,
    users::{self, UsersError},
};

/// A settings file that was checked.
pub(super) struct Checked {
    pub(super) report: Report,
    /// Whether somebody can be logged in; `None` if it is for a resolver, which knows no users.
    has_users: Option<bool>,
}

/// Checks a settings file.
///
/// # Errors
/// A service would not start with it.
pub(super) fn check(path: &Path) -> Result<Checked, SourceError> {
    let (role, settings) = settings_file::read(path)?;
    let users = settings.users.as_ref();
    let sources = users.map(Users::sources).unwrap_or_default();
    let has_users = (role != Some(Role::Resolver)).then_some(!sources.is_empty());
    let (mut errors, warnings) = users.map(files).unwrap_or_default();
    if let Err(error) = signatures::check(&settings, role) {
        let error = error.to_string();
        let is_shown = error.starts_with("error: ");
        errors.push(if is_shown {
            error
        } else {
            format!("error: {error}")
        });
    }
    Ok(Checked {
        report: Report {
            verdict: if errors.is_empty() {
                VALID
            } else {
                WOULD_NOT_LOAD
            },
            summary: match has_users {
                None => "settings for a resolver".to_owned(),
                Some(false) => {
                    "no source of users is configured (nobody is ever logged in)".to_owned()
                }
                Some(true) => format!("users come from {}", sources.join(", then ")),
            },
            errors,
            warnings,
        },
        has_users,
    })
}

/// Returns whether somebody can be logged in by one of these settings; `None` if they do not say.
pub(super) fn have_users<'a>(
    all: impl Iterator<Item = &'a Result<Checked, SourceError>>,
) -> Option<bool> {
    all.filter_map(|checked| checked.as_ref().ok()?.has_users)
        .reduce(|one, other| one || other)
}

/// Returns the errors and warnings of the files with keys and certificates.
fn files(users: &Users) -> (Vec<String>, Vec<String>) {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let mut note = |checked: Result<Vec<String>, UsersError>| match checked {
        Ok(found) => warnings.extend(found.iter().map(|it| format!("warning: {it}"))),
        Err(error) => errors.push(format!("error: {error}")),
    };
    for jwt in &users.jwt {
        note(users::check_keys(jwt));
    }
    if let Some(userinfo) = &users.userinfo {
        note(users::check_certificates(userinfo).map(|()| Vec::new()));
    }
    (errors, warnings)
}
