//! Why a token is rejected.

use crate::{
    JsonError,
    jwks::MOST_TRIED,
    jwt::{MOST_BYTES, Time},
    mapping::InvalidId,
};

/// A part of a token, between its dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Claims,
    /// The third.
    Signature,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
        })
    }
}

/// Why a token is rejected: for the log, never for the caller. It repeats nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The request has several tokens, and they differ.
    #[error("the request contains several different tokens")]
    SeveralTokens,
    /// It is too long.
    #[error("the token is longer than {MOST_BYTES} bytes")]
    TooLong,
    /// It is not three parts.
    #[error("the token does not have three parts")]
    NotThreeParts,
    /// A part is empty; the signature of an unsigned token is.
    #[error("the token's {0} is empty")]
    EmptyPart(Part),
    /// A part is not base64url without padding.
    #[error("the token's {0} is not base64url without padding")]
    NotBase64(Part),
    /// The header is not readable.
    #[error("the token's header is rejected: {0}")]
    Header(JsonError),
    /// The header names no algorithm.
    #[error("`alg` is missing from the token's header, or is not a string")]
    NoAlgorithm,
    /// The algorithm is not known here; `none` is not.
    #[error("the token's `alg` is `none` or not supported")]
    UnknownAlgorithm,
    /// The header requires an extension.
    #[error("the token's header has `crit`, but no extensions are supported")]
    Critical,
    /// It is another kind of token, or of something else that is signed.
    #[error("the token's `typ` is neither `JWT` nor `at+jwt`")]
    OtherType,
    /// The key id is not a string.
    #[error("the token's `kid` is not a string")]
    KeyIdNotText,
    /// The claims are not readable.
    #[error("the token's claims are rejected: {0}")]
    Claims(JsonError),
    /// No issuer is named.
    #[error("the token has no `iss`")]
    NoIssuer,
    /// The issuer is not a string.
    #[error("the token's `iss` is not a string")]
    IssuerNotText,
    /// The issuer is not one of the settings.
    #[error("the token's `iss` is not an issuer in the setting `users`")]
    OtherIssuer,
    /// The issuer may not use this algorithm.
    #[error("the token's `alg` is not one of this issuer's `algorithms`")]
    AlgorithmNotAllowed,
    /// No key has this id.
    #[error("the issuer has no key with the token's `kid`")]
    UnknownKey,
    /// The key is for another algorithm.
    #[error("the key that the token names does not support the token's `alg`")]
    AlgorithmOfAnotherKey,
    /// Too many keys could have signed it.
    #[error(
        "the token does not identify its key, and more than {MOST_TRIED} keys could have signed \
         it"
    )]
    TooManyKeys,
    /// The signature is not by the key that it names.
    #[error("the token's signature is invalid")]
    BadSignature,
    /// It never expires.
    #[error("the token has no `exp`")]
    NoExpiry,
    /// A time is not one.
    #[error("the token's `{0}` is not a whole number of seconds")]
    NotATime(Time),
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// No audience is named.
    #[error("the token has no `aud`")]
    NoAudience,
    /// The audience is neither a string nor a list of strings.
    #[error("the token's `aud` is neither a string nor a list of strings")]
    AudienceNotText,
    /// It is for others.
    #[error("the token's `aud` is not in this issuer's `audience`")]
    OtherAudience,
    /// It names no user.
    #[error("the token identifies no user: {0}")]
    Id(InvalidId),
}

impl Refusal {
    /// Whether newer keys of the issuer could verify the token: a key has been rotated in.
    #[must_use]
    pub const fn newer_keys_may_help(self) -> bool {
        matches!(
            self,
            Self::UnknownKey | Self::BadSignature | Self::AlgorithmOfAnotherKey
        )
    }
}
