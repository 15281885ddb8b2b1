//! Why a request is allowed or denied, and the status that says so.

use std::fmt;

/// The HTTP status of an answer: nginx's `auth_request` knows no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200: allowed.
    Ok,
    /// 401: denied, and a key or a login may change that.
    Unauthorized,
    /// 403: denied.
    Forbidden,
}

impl Status {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
        }
    }
}

/// Why a request was allowed or denied: the closed list that callers, logs and metrics see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Allowed.
    Ok,
    /// The endpoint asks for an API key and the request has none.
    MissingKey,
    /// The endpoint asks for a logged-in user and nobody is.
    MissingUser,
    /// The group expression is false for an identified caller.
    ExpressionFalse,
    /// The group expression could not be evaluated, e.g. a property of a missing property.
    ExpressionError,
    /// No endpoint covers the path.
    NoEndpoint,
    /// An endpoint covers the path, but not this method.
    MethodNotAllowed,
    /// Servers read this path in different ways.
    AmbiguousPath,
    /// The gateway's question itself is wrong, e.g. a doubled header.
    MalformedRequest,
}

impl Reason {
    /// Every reason, for metrics and documentation.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::MissingKey,
        Self::MissingUser,
        Self::ExpressionFalse,
        Self::ExpressionError,
        Self::NoEndpoint,
        Self::MethodNotAllowed,
        Self::AmbiguousPath,
        Self::MalformedRequest,
    ];

    /// The name as it stands in `x-keygate-reason`: lower case and hyphens alone, so that it is
    /// safe inside a header and inside JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::MissingKey => "missing-key",
            Self::MissingUser => "missing-user",
            Self::ExpressionFalse => "expression-false",
            Self::ExpressionError => "expression-error",
            Self::NoEndpoint => "no-endpoint",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::AmbiguousPath => "ambiguous-path",
            Self::MalformedRequest => "malformed-request",
        }
    }

    /// What it means, for a person who has to do something about it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "the endpoint's demands are met",
            Self::MissingKey => "the endpoint asks for an API key, and the request has none",
            Self::MissingUser => "the endpoint asks for a logged-in user, and nobody is",
            Self::ExpressionFalse => "the endpoint's expression is false for this caller",
            Self::ExpressionError => {
                "the endpoint's expression has no value for this caller, which denies"
            }
            Self::NoEndpoint => "no endpoint of the policy covers this path",
            Self::MethodNotAllowed => "an endpoint covers this path, but not this method",
            Self::AmbiguousPath => "servers read this path in different ways",
            Self::MalformedRequest => "the gateway's question cannot be read",
        }
    }

    /// The status that goes with it, for a caller with a key or a user, or without both.
    #[must_use]
    pub const fn status(self, caller_is_known: bool) -> Status {
        match self {
            Self::Ok => Status::Ok,
            Self::MissingKey | Self::MissingUser => Status::Unauthorized,
            Self::ExpressionFalse if !caller_is_known => Status::Unauthorized,
            Self::ExpressionFalse
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
