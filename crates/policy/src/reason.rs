//! The reason of a decision, and its status.

use std::fmt;

/// The HTTP status of a response: nginx's `auth_request` supports only the first three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200: allowed.
    Ok,
    /// 401: denied, and a key or a login may change that.
    Unauthorized,
    /// 403: denied.
    Forbidden,
    /// 503: denied, because the user is not known now; a later request may be allowed.
    Unavailable,
}

impl Status {
    /// Returns the status code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }
}

/// Why a request was allowed or denied: the values of callers' headers, logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Allowed.
    Ok,
    /// The endpoint requires an API key, and the request has none.
    MissingKey,
    /// The endpoint requires a logged-in user, and the request has none.
    MissingUser,
    /// The user's token is invalid.
    InvalidToken,
    /// The source of users does not respond.
    UserUnavailable,
    /// The user's identity does not fit into response headers.
    IdentityTooLarge,
    /// The group expression is false for an identified caller.
    ExpressionFalse,
    /// The group expression could not be evaluated, e.g. a property of a missing property.
    ExpressionError,
    /// No endpoint covers the path.
    NoEndpoint,
    /// An endpoint covers the path, but not this method.
    MethodNotAllowed,
    /// Servers interpret this path differently.
    AmbiguousPath,
    /// The authorization request is invalid, e.g. has a repeated header with different values.
    MalformedRequest,
}

impl Reason {
    /// Every reason, for metrics and documentation.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::MissingKey,
        Self::MissingUser,
        Self::InvalidToken,
        Self::UserUnavailable,
        Self::IdentityTooLarge,
        Self::ExpressionFalse,
        Self::ExpressionError,
        Self::NoEndpoint,
        Self::MethodNotAllowed,
        Self::AmbiguousPath,
        Self::MalformedRequest,
    ];

    /// Returns the name in `x-keygate-reason`: lower case and hyphens only, so that it is safe inside a
    /// header and inside JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::MissingKey => "missing-key",
            Self::MissingUser => "missing-user",
            Self::InvalidToken => "invalid-token",
            Self::UserUnavailable => "user-unavailable",
            Self::IdentityTooLarge => "identity-too-large",
            Self::ExpressionFalse => "expression-false",
            Self::ExpressionError => "expression-error",
            Self::NoEndpoint => "no-endpoint",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::AmbiguousPath => "ambiguous-path",
            Self::MalformedRequest => "malformed-request",
        }
    }

    /// Returns an explanation for the person who investigates a decision.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "all requirements of the endpoint are met",
            Self::MissingKey => "the endpoint requires an API key, but the request has none",
            Self::MissingUser => "the endpoint requires a logged-in user, but nobody is logged in",
            Self::InvalidToken => "the user's token is invalid",
            Self::UserUnavailable => {
                "the endpoint needs the user, but the source of users does not respond"
            }
            Self::IdentityTooLarge => "the user's identity is longer than `identity-header-limit`",
            Self::ExpressionFalse => "the endpoint's expression is false for this caller",
            Self::ExpressionError => {
                "the endpoint's expression fails for this caller, so the request is denied"
            }
            Self::NoEndpoint => "no endpoint in the policy covers this path",
            Self::MethodNotAllowed => "an endpoint covers this path, but not this method",
            Self::AmbiguousPath => "servers interpret this path differently",
            Self::MalformedRequest => "the gateway's authorization request is invalid",
        }
    }

    /// Returns the status for a caller who is identified by a key or a login, or is not.
    #[must_use]
    pub const fn status(self, caller_is_known: bool) -> Status {
        match self {
            Self::Ok => Status::Ok,
            Self::MissingKey | Self::MissingUser | Self::InvalidToken => Status::Unauthorized,
            Self::UserUnavailable => Status::Unavailable,
            Self::ExpressionFalse if !caller_is_known => Status::Unauthorized,
            Self::ExpressionFalse
            | Self::IdentityTooLarge
            | Self::ExpressionError
            | Self::NoEndpoint
            | Self::MethodNotAllowed
            | Self::AmbiguousPath
            | Self::MalformedRequest => Status::Forbidden,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
