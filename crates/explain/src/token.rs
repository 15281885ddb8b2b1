//! Explains a token: the claims that count, or why it is rejected and how to fix that.
//!
//! It is for the person who has the token: the parts that it shows belong into no log. The token itself is
//! never shown.

mod fix;

use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};
use keygate_expression::NameSet;
use keygate_policy::{Login, Reason};
use keygate_users::{
    Issuer, KeySet, Refusal, Unverified, User, Verified,
    jwks::Ignored,
    jwt::Claimed,
    settings::{InvalidToken, Jwt, Users},
};
use serde::Serialize;

/// The issuer that a token names, with its keys.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// The issuer.
    pub issuer: &'a Issuer,
    /// Its keys.
    pub keys: &'a KeySet,
    /// Keys of its set that are ignored.
    pub ignored: &'a [Ignored],
}

/// A token with its explanation.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedToken {
    /// Whether it is valid.
    pub valid: bool,
    /// Why it is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How to fix that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What it says of itself, if it can be read.
    #[serde(flatten)]
    pub claims: Option<Claims>,
    /// The user that it names, if it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The parts of the user that are ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How long it is accepted, from now; negative if it has expired.
    #[serde(skip)]
    remaining: Option<SignedDuration>,
    /// The setting `invalid-token`.
    #[serde(skip)]
    if_invalid: InvalidToken,
}

/// What a token says of itself, verified or not.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Vec<String>,
    /// `kid` of the header.
    pub key_id: Option<String>,
    /// `alg` of the header.
    pub algorithm: String,
    /// `nbf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// `exp`, without leeway.
    pub expires_at: Option<Timestamp>,
}

/// Returns the issuer that a token names, if the settings have it.
#[must_use]
pub fn issuer_of<'u>(token: &[u8], users: &'u Users) -> Option<&'u Jwt> {
    let token = Unverified::parse(token).ok()?;
    let name = token.issuer().ok()?;
    users.jwt.iter().find(|jwt| jwt.issuer.name == name)
}

impl ExplainedToken {
    /// Verifies a token with the keys of [`issuer_of`] it.
    #[must_use]
    pub fn of(token: &[u8], users: &Users, named: Option<Named<'_>>, now: Timestamp) -> Self {
        let parsed = Unverified::parse(token);
        let claims = parsed.as_ref().ok().map(|it| Claims::from(it.claimed()));
        let verified = match &parsed {
            Ok(token) => verified(token, named, now),
            Err(refusal) => Err(*refusal),
        };
        let remaining = claims.as_ref().and_then(|claims| {
            let leeway = named.map_or(0, |named| named.issuer.leeway_seconds);
            let left = in_seconds(claims.expires_at?.duration_since(now));
            left.checked_add(SignedDuration::from_secs(leeway.into()))
        });
        let base = Self {
            valid: verified.is_ok(),
            cause: None,
            fix: None,
            user: None,
            warnings: Vec::new(),
            remaining,
            if_invalid: users.invalid_token,
            claims,
        };
        match verified {
            Ok(verified) => Self {
                user: Some(verified.user),
                warnings: verified.warnings.iter().map(ToString::to_string).collect(),
                ..base
            },
            Err(refusal) => Self {
                cause: Some(refusal.to_string()),
                fix: fix::of(refusal, base.claims.as_ref(), users, named, now),
                ..base
            },
        }
    }

    /// Returns the user of a request with this token.
    #[must_use]
    pub fn login(&self) -> Login<'_> {
        match (&self.user, self.if_invalid) {
            (Some(user), _) => Login::User(user),
            (None, InvalidToken::Deny) => Login::Failed(Reason::InvalidToken),
            (None, InvalidToken::Anonymous) => Login::Nobody,
        }
    }
}

fn verified(
    token: &Unverified<'_>,
    named: Option<Named<'_>>,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    token.issuer()?;
    let Named { issuer, keys, .. } = named.ok_or(Refusal::OtherIssuer)?;
    issuer.verify(token, keys, now)
}

impl From<Claimed> for Claims {
    fn from(claimed: Claimed) -> Self {
        let moment = |seconds: Option<i64>| Timestamp::from_second(seconds?).ok();
        Self {
            issuer: claimed.issuer,
            audience: claimed.audience,
            key_id: claimed.key_id,
            algorithm: claimed.algorithm,
            not_before: moment(claimed.not_before),
            expires_at: moment(claimed.expires_at),
        }
    }
}

/// For people.
impl fmt::Display for ExplainedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, self.remaining) {
            (Some(cause), _) => write!(f, "token        rejected: {cause}")?,
            (None, Some(left)) => {
                write!(
                    f,
                    "token        valid for another {left:#}, including the leeway"
                )?;
            }
            (None, None) => f.write_str("token        valid")?,
        }
        if let Some(fix) = &self.fix {
            write!(f, "\nfix          {fix}")?;
        }
        if let Some(claims) = &self.claims {
            write!(f, "{claims}")?;
        }
        if let Some(user) = &self.user {
            write!(f, "\nuser         {}", visible(&user.id))?;
            write!(f, "\ngroups       {}", list(&user.groups))?;
            write!(f, "\npermissions  {}", list(&user.permissions))?;
            let properties = serde_json::to_string(&user.properties).unwrap_or_default();
            write!(f, "\nproperties   {}", visible(&properties))?;
        }
        for warning in &self.warnings {
            write!(f, "\nwarning      {warning}")?;
        }
        if !self.valid && self.if_invalid == InvalidToken::Anonymous {
            f.write_str(
                "\nnote         with `invalid-token: anonymous`, the request is decided \
                         without a user",
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = self.issuer.as_deref().map_or("none".to_owned(), visible);
        let audience: Vec<_> = self.audience.iter().map(|it| visible(it)).collect();
        write!(f, "\nissuer       {issuer}")?;
        write!(f, "\naudience     {}", or_none(&audience.join(", ")))?;
        write!(f, "\nsigned       {}, ", self.algorithm)?;
        match &self.key_id {
            Some(id) => write!(f, "kid {}", visible(id))?,
            None => f.write_str("no kid")?,
        }
        if let Some(moment) = self.not_before {
            write!(f, "\nnot before   {moment}")?;
        }
        if let Some(moment) = self.expires_at {
            write!(f, "\nexpires      {moment}")?;
        }
        Ok(())
    }
}

/// A duration without the fraction of a second, which nobody needs to read.
fn in_seconds(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs())
}

fn list(names: &NameSet) -> String {
    let names: Vec<_> = names.iter().map(visible).collect();
    or_none(&names.join(", ")).to_owned()
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The text of a claim for a terminal: an issuer's user may have chosen it.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '"' | '\'' | '\\') {
            shown.push(character);
        } else {
            let _ = write!(shown, "{}", character.escape_debug());
        }
    }
    shown
}
