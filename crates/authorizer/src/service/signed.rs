//! What is signed: the hand-off from the resolver, and the identity for backends.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use jiff::Timestamp;
use keygate_headers::{
    HandOff,
    hand_off::{HandedOff, InvalidHandOff},
};
use keygate_policy::Reason;
use keygate_users::{Identity, IdentityTokens, User, identity::Unfit, identity_token};

use super::Authorizer;
use crate::{ClientTypeSource, Malformed, Request, response::Shown};

/// The hand-off that is required: without a secret, no client type is accepted.
#[derive(Debug, Default)]
pub(super) struct RequiredHandOff(ArcSwapOption<HandOff>);

/// The signer of identities: without keys, nothing is allowed.
#[derive(Debug)]
pub(super) struct Signer {
    tokens: ArcSwapOption<IdentityTokens>,
    /// The longest token, in bytes.
    limit: usize,
}

impl Authorizer {
    /// Denies a client type or a key id of the gateway that the resolver has not signed.
    ///
    /// Until [`replace_hand_off`](Self::replace_hand_off) gives the secret, none is accepted.
    #[must_use]
    pub fn requiring_hand_off(mut self) -> Self {
        self.hand_off = Some(RequiredHandOff::default());
        self
    }

    /// Replaces the secret of the signed hand-off, if one is required.
    pub fn replace_hand_off(&self, secret: HandOff) {
        if let Some(RequiredHandOff(held)) = &self.hand_off {
            held.store(Some(Arc::new(secret)));
        }
    }

    /// Signs the identity of each allowed request, in a token of at most `limit` bytes.
    ///
    /// Until [`replace_identity_tokens`](Self::replace_identity_tokens) gives the keys, every request is denied.
    #[must_use]
    pub fn signing_identities(mut self, limit: usize) -> Self {
        self.signer = Some(Signer {
            tokens: ArcSwapOption::empty(),
            limit,
        });
        self
    }

    /// Replaces the keys of identity tokens, if identities are signed.
    pub fn replace_identity_tokens(&self, tokens: IdentityTokens) {
        if let Some(signer) = &self.signer {
            signer.tokens.store(Some(Arc::new(tokens)));
        }
    }

    /// Returns the identity tokens, if identities are signed.
    #[must_use]
    pub fn identity_tokens(&self) -> Option<Arc<IdentityTokens>> {
        self.signer.as_ref()?.tokens.load_full()
    }

    /// Checks what the gateway says of the caller, as far as it is signed, or is going to be.
    ///
    /// A caller without a key has nothing that a signature could prove.
    pub(super) fn check_caller(
        &self,
        request: &Request<'_>,
        described: &keygate_policy::Request<'_>,
    ) -> Result<(), Malformed> {
        if self.hand_off.is_none() && self.signer.is_none() {
            return Ok(());
        }
        let (client_type, key_id) = (described.facts.client_type, request.key_id()?);
        let is_handed_off = matches!(request.client_type, ClientTypeSource::Gateway)
            && (client_type.is_some() || key_id.is_some());
        let Some(RequiredHandOff(secret)) = self.hand_off.as_ref().filter(|_| is_handed_off) else {
            return Ok(());
        };
        let caller = HandedOff {
            client_type: client_type.unwrap_or_default().as_bytes(),
            key_id: key_id.unwrap_or_default().as_bytes(),
        };
        let secret = secret.load();
        let secret = secret.as_ref().ok_or(InvalidHandOff::Missing)?;
        Ok(secret.verify(request.headers, caller, Timestamp::now().as_second())?)
    }

    /// Returns what the backend of an allowed request learns of the caller besides the client type.
    pub(super) fn shown(
        &self,
        request: &Request<'_>,
        described: &keygate_policy::Request<'_>,
        user: Option<&User>,
    ) -> Result<Option<Box<Shown>>, Unfit> {
        if user.is_none() && self.signer.is_none() {
            return Ok(None);
        }
        let identity = self
            .users
            .as_ref()
            .zip(user)
            .map(|(users, user)| Identity::of(user, users.identity_limit));
        let token = self
            .signer
            .as_ref()
            .map(|signer| signer.token(request, described.facts.client_type, user));
        Ok(Some(Box::new(Shown {
            identity: identity.transpose()?,
            token: token.transpose()?,
        })))
    }
}

impl Signer {
    /// Returns the token of an allowed request.
    pub(super) fn token(
        &self,
        request: &Request<'_>,
        client_type: Option<&str>,
        user: Option<&User>,
    ) -> Result<HeaderValue, Unfit> {
        let caller = identity_token::Caller {
            client_type,
            key_id: request.key_id().ok().flatten(),
            user,
        };
        let tokens = self.tokens.load();
        let tokens = tokens.as_ref().ok_or(Unfit::NotSigned)?;
        tokens.token(caller, self.limit, Timestamp::now())
    }
}

/// The reason for a denial of a caller whose identity does not fit.
pub(super) const fn reason(unfit: &Unfit) -> Reason {
    match unfit {
        Unfit::TooLarge { .. } | Unfit::NotAHeader(_) => Reason::IdentityTooLarge,
        Unfit::NotSigned => Reason::UserUnavailable,
    }
}
