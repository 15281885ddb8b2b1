//! The secret and the keys that services sign with: loaded from their files, now and whenever they change.

use std::{path::Path, sync::Arc};

use keygate_authorizer::Authorizer;
use keygate_documents::{
    diagnostic::Diagnostic,
    source::{self, SourceError},
};
use keygate_headers::HandOff;
use keygate_resolver::Resolver;
use keygate_telemetry::role::Role;
use keygate_users::{IdentityToken, IdentityTokens, SigningKeys};

use crate::{reload::Watched, settings::Settings};

/// Loads what the settings name for these services.
///
/// # Errors
/// A file cannot be used.
pub fn watched(
    settings: &Settings,
    resolver: Option<&Arc<Resolver>>,
    authorizer: Option<&Arc<Authorizer>>,
) -> Result<Vec<Watched>, SourceError> {
    let hand_off = settings.handoff_secret_file.as_deref();
    let hand_off = hand_off.map(|path| hand_off_secret(path, resolver, authorizer));
    let identity = settings.identity_token.as_ref().zip(authorizer);
    let identity = identity.map(|(settings, authorizer)| identity_keys(settings, authorizer));
    [hand_off, identity].into_iter().flatten().collect()
}

/// Checks the files that the settings name for this role, as its start would.
///
/// # Errors
/// A file cannot be used.
pub fn check(settings: &Settings, role: Option<Role>) -> Result<(), SourceError> {
    if let Some(path) = &settings.handoff_secret_file {
        let text = source::read(path)?;
        HandOff::parse(&text).map_err(|error| rejected(path, &text, &error))?;
    }
    let identity = settings.identity_token.as_ref();
    if let Some(identity) = identity.filter(|_| role != Some(Role::Resolver)) {
        let path = &identity.key_file;
        let text = source::read(path)?;
        SigningKeys::parse(&text).map_err(|error| rejected(path, &text, &error))?;
    }
    Ok(())
}

fn hand_off_secret(
    path: &Path,
    resolver: Option<&Arc<Resolver>>,
    authorizer: Option<&Arc<Authorizer>>,
) -> Result<Watched, SourceError> {
    let (resolver, authorizer) = (resolver.cloned(), authorizer.cloned());
    let load = move |path: &Path, text: &str| {
        let secret = HandOff::parse(text).map_err(|error| rejected(path, text, &error))?;
        if let Some(authorizer) = &authorizer {
            authorizer.replace_hand_off(secret.clone());
        }
        if let Some(resolver) = &resolver {
            resolver.replace_hand_off(secret);
        }
        Ok(())
    };
    Watched::start("handoff-secret", path.to_owned(), Box::new(load))
}

fn identity_keys(
    settings: &IdentityToken,
    authorizer: &Arc<Authorizer>,
) -> Result<Watched, SourceError> {
    let target = Arc::clone(authorizer);
    let path = settings.key_file.clone();
    let settings = settings.clone();
    let load = move |path: &Path, text: &str| {
        let keys = SigningKeys::parse(text).map_err(|error| rejected(path, text, &error))?;
        target.replace_identity_tokens(IdentityTokens::new(&settings, keys));
        Ok(())
    };
    Watched::start("identity-key", path, Box::new(load))
}

/// The errors of these files repeat no text of them.
fn rejected(path: &Path, text: &str, error: &dyn std::error::Error) -> SourceError {
    let diagnostic = Diagnostic::error(error.to_string());
    let origin = path.display().to_string();
    SourceError::Rejected(vec![diagnostic.render_without_source(&origin, text)])
}
