//! A token from standard input, verified with the issuers of the settings.

use std::io::{self, Read};

use jiff::Timestamp;
use keygate_explain::{
    ExplainedToken,
    token::{Named, issuer_of},
};
use keygate_users::{
    crypto::{self, SelfTestFailed},
    jwt::MOST_BYTES,
    settings::Jwt,
};
use zeroize::Zeroizing;

use crate::{
    settings::Settings,
    users::{IssuerKeys, UsersError},
};

/// Why a token cannot be verified.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("standard input cannot be read")]
    Unreadable(#[from] io::Error),
    #[error("no token on standard input: pipe one in, as in `--token-stdin < token`")]
    Empty,
    #[error("the settings name no issuer of tokens: add `users.jwt`")]
    NoIssuers,
    #[error("the keys of the issuer cannot be loaded")]
    Keys(#[from] UsersError),
    #[error(transparent)]
    Crypto(#[from] SelfTestFailed),
    #[error("the system refuses what a network connection needs: {0}")]
    System(io::Error),
}

/// Reads a token and verifies it.
///
/// Only the keys of the issuer that it names are loaded: others may be down.
pub(super) fn explain(settings: &Settings, now: Timestamp) -> Result<ExplainedToken, TokenError> {
    let users = settings.users.as_ref();
    let users = users
        .filter(|users| !users.jwt.is_empty())
        .ok_or(TokenError::NoIssuers)?;
    crypto::self_test()?;
    let text = read(io::stdin().lock())?;
    let token = without_scheme(text.trim_ascii());
    if token.is_empty() {
        return Err(TokenError::Empty);
    }
    let loaded = match issuer_of(token, users) {
        Some(jwt) => Some((jwt, load(jwt)?)),
        None => None,
    };
    let named = loaded.as_ref().map(|(jwt, keys)| Named {
        issuer: &jwt.issuer,
        keys: &keys.set,
        ignored: &keys.ignored,
    });
    Ok(ExplainedToken::of(token, users, named, now))
}

/// Reads a little more than the longest token: a longer one is rejected for its length.
fn read(input: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let mut text = Zeroizing::new(Vec::with_capacity(2 * MOST_BYTES));
    input.take(2 * most).read_to_end(&mut text)?;
    Ok(text)
}

/// A value of `authorization` is what people copy.
fn without_scheme(text: &[u8]) -> &[u8] {
    const SCHEME: &[u8] = b"bearer ";
    match text.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_ascii(),
        _ => text,
    }
}

fn load(jwt: &Jwt) -> Result<IssuerKeys, TokenError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TokenError::System)?;
    Ok(runtime.block_on(IssuerKeys::of(jwt))?)
}
