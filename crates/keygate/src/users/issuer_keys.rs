//! The keys of one issuer, read from a file or fetched once.

use std::path::Path;

use keygate_documents::source::{self, SourceError};
use keygate_user_sources::{Keys, Timing};
use keygate_users::{
    KeySet,
    jwks::Ignored,
    settings::{Jwt, KeySource, Url},
};

use super::{UsersError, client};

/// The keys of an issuer.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    /// The keys.
    pub(crate) set: KeySet,
    /// The keys of the set that are ignored.
    pub(crate) ignored: Vec<Ignored>,
}

/// Reads keys from the text of a file.
pub(super) type Read = fn(&str) -> Result<IssuerKeys, String>;

/// Reads keys from the text of this file.
pub(super) fn parse(path: &Path, text: &str, read: Read) -> Result<IssuerKeys, SourceError> {
    read(text).map_err(|why| SourceError::Rejected(vec![format!("{}: {why}", path.display())]))
}

impl IssuerKeys {
    pub(super) fn of_jwks(text: &str) -> Result<Self, String> {
        let (set, ignored) = KeySet::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { set, ignored })
    }

    pub(super) fn of_secret(text: &str) -> Result<Self, String> {
        let set = KeySet::of_secret(text.as_bytes()).map_err(|error| error.to_string())?;
        let ignored = Vec::new();
        Ok(Self { set, ignored })
    }

    /// Loads the keys of an issuer from where they are.
    ///
    /// # Errors
    /// There are none, or a file cannot be used.
    pub(crate) async fn of(jwt: &Jwt) -> Result<Self, UsersError> {
        let (path, read): (_, Read) = match &jwt.keys {
            KeySource::File(path) => (path, Self::of_jwks),
            KeySource::Secret(path) => (path, Self::of_secret),
            KeySource::Url { url, ca_file, .. } => return Self::at(url, ca_file.as_deref()).await,
        };
        Ok(Self::read(path, read)?)
    }

    /// Reads the keys in a file.
    pub(super) fn read(path: &Path, read: Read) -> Result<Self, SourceError> {
        parse(path, &source::read(path)?, read)
    }

    async fn at(url: &Url, ca_file: Option<&Path>) -> Result<Self, UsersError> {
        let client = client(url, ca_file)?;
        let (_, fetcher) = Keys::at(url.clone(), client, Timing::default());
        let (set, ignored) = fetcher.once().await.map_err(|error| UsersError::Fetch {
            url: url.to_string(),
            error,
        })?;
        Ok(Self { set, ignored })
    }
}
