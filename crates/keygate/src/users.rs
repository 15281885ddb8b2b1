//! The sources of users that the settings name, put together and kept up to date.

mod issuer_keys;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use http::header::AUTHORIZATION;
use keygate_documents::source::SourceError;
use keygate_user_sources::{
    Client, Keys, Sources, Timing, Tokens, UserinfoClient,
    client::InvalidClient,
    keys::{FetchFailure, Fetcher},
    userinfo::KeyNames,
};
use keygate_users::{
    Issuer,
    crypto::{self, SelfTestFailed},
    settings::{Jwt, KeySource, Url, Userinfo, Users},
};

use crate::{reload::Watched, settings::Settings};
pub(crate) use issuer_keys::IssuerKeys;

/// Why the sources of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// A file with keys is invalid.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No signature can be verified.
    #[error(transparent)]
    Crypto(#[from] SelfTestFailed),
    /// A client for a URL cannot be set up.
    #[error("{url}: {error}")]
    Client {
        /// The URL.
        url: String,
        /// What is wrong.
        error: InvalidClient,
    },
    /// The keys of an issuer cannot be fetched.
    #[error("{url}: {error}")]
    Fetch {
        /// The URL.
        url: String,
        /// What is wrong.
        error: FetchFailure,
    },
}

/// The sources of users, and what keeps them up to date.
pub struct Loaded {
    /// The sources.
    pub sources: Arc<Sources>,
    /// Files with keys, loaded.
    pub files: Vec<Watched>,
    /// Tasks that fetch keys, not running yet.
    pub fetchers: Vec<Fetcher>,
}

impl Loaded {
    /// Loads the sources that the settings name; `None` if nobody is ever logged in.
    ///
    /// # Errors
    /// A file with keys or certificates cannot be used.
    pub fn new(settings: &Settings) -> Result<Option<Self>, UsersError> {
        let Some(users) = &settings.users else {
            return Ok(None);
        };
        crypto::self_test()?;
        let (mut files, mut fetchers) = (Vec::new(), Vec::new());
        let mut issuers = Vec::new();
        for Jwt { issuer, keys } in &users.jwt {
            let keys = match keys {
                KeySource::Url {
                    url,
                    ca_file,
                    max_stale_seconds,
                } => {
                    let client = client(url, ca_file.as_deref())?;
                    let (keys, fetcher) = Keys::at(
                        url.clone(),
                        client,
                        Timing::with_max_stale(*max_stale_seconds),
                    );
                    fetchers.push(fetcher);
                    keys
                }
                KeySource::File(path) => watched(issuer, path, IssuerKeys::of_jwks, &mut files)?,
                KeySource::Secret(path) => {
                    watched(issuer, path, IssuerKeys::of_secret, &mut files)?
                }
            };
            issuers.push((issuer.clone(), keys));
        }
        let sources = Sources {
            trusted: users.trusted_headers.clone(),
            tokens: Tokens::new(issuers),
            token_from: users.token_from.clone(),
            bearer_may_be_key: settings.credential_names().headers.contains(&AUTHORIZATION),
            invalid_token: users.invalid_token,
            userinfo: users
                .userinfo
                .as_ref()
                .map(|it| userinfo(it, settings))
                .transpose()?,
        };
        Ok(Some(Self {
            sources: Arc::new(sources),
            files,
            fetchers,
        }))
    }
}

/// Checks the file with an issuer's keys or certificates, and returns warnings.
pub(crate) fn check_keys(jwt: &Jwt) -> Result<Vec<String>, UsersError> {
    let (path, read): (_, issuer_keys::Read) = match &jwt.keys {
        KeySource::File(path) => (path, IssuerKeys::of_jwks),
        KeySource::Secret(path) => (path, IssuerKeys::of_secret),
        KeySource::Url { url, ca_file, .. } => {
            client(url, ca_file.as_deref())?;
            return Ok(Vec::new());
        }
    };
    let ignored = IssuerKeys::read(path, read)?.ignored;
    let path = path.display();
    Ok(ignored.iter().map(|key| format!("{path}: {key}")).collect())
}

/// Checks the file with the certificates of a userinfo service.
pub(crate) fn check_certificates(userinfo: &Userinfo) -> Result<(), UsersError> {
    client(&userinfo.url, userinfo.ca_file.as_deref()).map(drop)
}

/// Whether the sources need to know which gateway a request came from.
#[must_use]
pub fn needs_peer(users: Option<&Users>) -> bool {
    users.is_some_and(|users| users.trusted_headers.is_some())
}

fn userinfo(settings: &Userinfo, all: &Settings) -> Result<UserinfoClient, UsersError> {
    let names = all.credential_names();
    let keys = KeyNames {
        headers: names.headers,
        cookies: names.cookies,
    };
    let ca = settings.ca_file.as_deref().map(certificates).transpose()?;
    UserinfoClient::new(settings.clone(), keys, ca.as_deref()).map_err(|error| UsersError::Client {
        url: settings.url.to_string(),
        error,
    })
}

fn client(url: &Url, ca_file: Option<&Path>) -> Result<Client, UsersError> {
    let ca = ca_file.map(certificates).transpose()?;
    Client::new(url, ca.as_deref()).map_err(|error| UsersError::Client {
        url: url.to_string(),
        error,
    })
}

fn certificates(path: &Path) -> Result<Vec<u8>, SourceError> {
    fs::read(path).map_err(|error| SourceError::Unreadable {
        path: path.to_owned(),
        error,
    })
}

/// Loads the keys of an issuer from a file, now and whenever it changes.
fn watched(
    issuer: &Issuer,
    path: &Path,
    read: issuer_keys::Read,
    files: &mut Vec<Watched>,
) -> Result<Arc<Keys>, SourceError> {
    let keys = Keys::of_file();
    let target = Arc::clone(&keys);
    let load = move |path: &Path, text: &str| {
        let IssuerKeys { set, ignored } = issuer_keys::parse(path, text, read)?;
        for key in &ignored {
            tracing::warn!("{key}");
        }
        target.replace(set, ignored);
        Ok(())
    };
    let name = format!("issuer {}", issuer.name);
    files.push(Watched::start(&name, PathBuf::from(path), Box::new(load))?);
    Ok(keys)
}
