//! All the sources of users that the settings name, in order.

use std::{pin::Pin, sync::Arc};

use keygate_users::{
    FindUser, Lookup, Outcome, Refusal, TokenFrom, Unavailable,
    settings::{InvalidToken, TrustedHeaders},
    trusted,
    userinfo::{Login, NobodyReason},
};

use crate::{Rejection, Tokens, UserinfoClient};

/// Where users come from.
#[derive(Debug, Default)]
pub struct Sources {
    /// Headers that a gateway is trusted with.
    pub trusted: Option<TrustedHeaders>,
    /// Issuers of tokens.
    pub tokens: Tokens,
    /// Where a request carries its token.
    pub token_from: Vec<TokenFrom>,
    /// Whether `authorization` may carry an API key as well.
    pub bearer_may_be_key: bool,
    /// What an invalid token means.
    pub invalid_token: InvalidToken,
    /// A userinfo service.
    pub userinfo: Option<UserinfoClient>,
}

impl FindUser for Sources {
    fn find<'a>(
        &'a self,
        lookup: Lookup<'a>,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        Box::pin(self.find_in_order(lookup))
    }
}

impl Sources {
    /// Finds the user of a request: by trusted headers, by a token, by the userinfo service.
    async fn find_in_order(&self, lookup: Lookup<'_>) -> Outcome {
        if let Some(outcome) = self.by_headers(lookup) {
            return outcome;
        }
        let invalid = match self.by_token(lookup).await {
            Ok(Some(outcome)) => return outcome,
            Ok(None) => None,
            Err(refusal) => Some(NobodyReason::InvalidToken(refusal)),
        };
        match self.by_userinfo(lookup).await {
            Outcome::Nobody(reason) => {
                let reason = reason.or(invalid);
                Outcome::Nobody(reason.or_else(|| self.untrusted_peer(lookup)))
            }
            outcome => outcome,
        }
    }

    fn by_headers(&self, lookup: Lookup<'_>) -> Option<Outcome> {
        let trusted = self.trusted.as_ref()?;
        if !trusted.peers.contains(lookup.peer?) {
            return None;
        }
        match trusted::find(lookup.headers, &trusted.names) {
            Ok(found) => found.map(|it| Outcome::User(Arc::new(it.user), it.warnings)),
            Err(error) => Some(Outcome::Malformed(error)),
        }
    }

    /// The reason for nobody where trusted headers came from a peer that is not trusted.
    fn untrusted_peer(&self, lookup: Lookup<'_>) -> Option<NobodyReason> {
        let (trusted, peer) = (self.trusted.as_ref()?, lookup.peer?);
        let is_ignored =
            !trusted.peers.contains(peer) && lookup.headers.contains_key(&trusted.names.id);
        is_ignored.then_some(NobodyReason::UntrustedPeer(peer))
    }

    /// Finds the user of a token, if the request has one.
    ///
    /// # Errors
    /// The token is invalid, and the settings treat it as none.
    async fn by_token(&self, lookup: Lookup<'_>) -> Result<Option<Outcome>, Refusal> {
        if self.tokens.is_empty() {
            return Ok(None);
        }
        // An opaque token is for the userinfo service.
        let may_be_other = self.bearer_may_be_key || self.userinfo.is_some();
        let rejection = match TokenFrom::find(&self.token_from, lookup.headers, may_be_other) {
            Ok(None) => return Ok(None),
            Ok(Some(token)) => match self.tokens.verify(token, lookup.now).await {
                Ok(it) => return Ok(Some(Outcome::User(it.user, it.warnings))),
                Err(rejection) => rejection,
            },
            Err(refusal) => refusal.into(),
        };
        match (rejection, self.invalid_token) {
            (Rejection::Unavailable, _) => Ok(Some(Outcome::Unavailable(Unavailable::Keys))),
            (Rejection::Invalid(refusal), InvalidToken::Deny) => {
                Ok(Some(Outcome::InvalidToken(refusal)))
            }
            (Rejection::Invalid(refusal), InvalidToken::Anonymous) => Err(refusal),
        }
    }

    async fn by_userinfo(&self, lookup: Lookup<'_>) -> Outcome {
        let Some(userinfo) = &self.userinfo else {
            return Outcome::Nobody(None);
        };
        let login = userinfo.find(lookup.headers, lookup.is_backoffice, lookup.now);
        match login.await {
            Ok(Login::User(found)) => Outcome::User(Arc::new(found.user), found.warnings),
            Ok(Login::Nobody(NobodyReason::NoCredential)) => Outcome::Nobody(None),
            Ok(Login::Nobody(reason)) => Outcome::Nobody(Some(reason)),
            Err(error) => Outcome::Unavailable(Unavailable::Userinfo(error.to_string())),
        }
    }
}
