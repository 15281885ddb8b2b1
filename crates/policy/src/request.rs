//! The client request that a policy decides on.

use keygate_expression::{Facts, User};

/// A client request as the gateway describes it, parsed once.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method as the caller sent it; methods are case-sensitive (RFC 9110, section 9.1).
    pub method: &'a str,
    /// The raw request target, path and query, exactly as in the request line.
    pub target: &'a [u8],
    /// The host that the gateway used to select its server, with or without a port.
    pub host: Option<&'a str>,
    /// A CORS preflight: `OPTIONS` with `origin` and `access-control-request-method`
    /// (Fetch standard, "CORS-preflight request").
    pub is_cors_preflight: bool,
    /// The facts about the caller.
    pub facts: Facts<'a>,
}

impl<'a> Request<'a> {
    /// Returns the request with this user among the facts.
    #[must_use]
    pub fn with_user<'u>(&self, user: Option<&'u User>) -> Request<'u>
    where
        'a: 'u,
    {
        Request {
            facts: Facts { user, ..self.facts },
            ..*self
        }
    }
}
