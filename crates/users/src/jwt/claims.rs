//! The claims that decide whether a token is valid now and here.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::{Audience, Issuer, Refusal};

/// A claim that holds a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Time {
    /// `exp`.
    Expiry,
    /// `nbf`.
    NotBefore,
    /// `iat`.
    IssuedAt,
}

impl Time {
    const fn name(self) -> &'static str {
        match self {
            Self::Expiry => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
        }
    }

    /// Seconds since 1970. RFC 7519 allows fractions; nobody needs them, and a rounding that differs
    /// from the issuer's is a hole.
    fn of(self, claims: &Value) -> Result<Option<i64>, Refusal> {
        let Some(value) = claims.get(self.name()) else {
            return Ok(None);
        };
        let seconds = value.as_u64().ok_or(Refusal::NotATime(self))?;
        Ok(Some(i64::try_from(seconds).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks the times of a token, and returns its expiry in seconds since 1970, without leeway.
pub(super) fn check_times(claims: &Value, issuer: &Issuer, now: Timestamp) -> Result<i64, Refusal> {
    let expiry = Time::Expiry.of(claims)?.ok_or(Refusal::NoExpiry)?;
    let not_before = Time::NotBefore.of(claims)?;
    Time::IssuedAt.of(claims)?;
    if !issuer.is_unexpired(expiry, now) {
        return Err(Refusal::Expired);
    }
    let latest = now
        .as_second()
        .saturating_add(i64::from(issuer.leeway_seconds));
    if not_before.is_some_and(|start| latest < start) {
        return Err(Refusal::NotYetValid);
    }
    Ok(expiry)
}

/// Checks that a token is for one of us.
pub(super) fn check_audience(claims: &Value, accepted: &Audience) -> Result<(), Refusal> {
    let named: Vec<&str> = match claims.get("aud") {
        None => Vec::new(),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().ok_or(Refusal::AudienceNotText))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(Refusal::AudienceNotText),
    };
    match accepted {
        Audience::Any => Ok(()),
        Audience::AnyOf(_) if named.is_empty() => Err(Refusal::NoAudience),
        Audience::AnyOf(ours) if named.iter().any(|name| ours.iter().any(|it| it == name)) => {
            Ok(())
        }
        Audience::AnyOf(_) => Err(Refusal::OtherAudience),
    }
}
