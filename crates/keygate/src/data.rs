//! What is answered on the data listener: the questions of gateways, and nothing else.

use std::sync::Arc;

use http::{HeaderName, StatusCode};
use keygate_authorizer::{Authorizer, Caller, ClientTypeFrom};
use keygate_http1::{Head, Response};
use keygate_resolver::{Presence, Resolver};

const KEY_ID: HeaderName = HeaderName::from_static("x-keygate-key-id");

/// The path at which both steps are one hop, in a process that does both.
const CHECK: &str = "/check";

/// The services of this process.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// The resolver, if it is one.
    pub resolver: Option<Arc<Resolver>>,
    /// The authorization service, if it is one.
    pub authorizer: Option<Arc<Authorizer>>,
}

impl Data {
    /// Answers one question. What is nobody's is 404, so that a wrong gateway setting is not taken
    /// for a decision.
    pub fn respond<'o>(&self, head: &Head<'_>, out: &'o mut Vec<u8>) -> Response<'o> {
        if let (Some(resolver), Some(authorizer)) = (&self.resolver, &self.authorizer)
            && head.behind(CHECK).is_some()
        {
            return check(resolver, authorizer, head, out);
        }
        if let Some(resolver) = &self.resolver
            && let Some(presence) = Resolver::is_asked(head)
        {
            return resolver.respond(head.headers, presence, out);
        }
        match &self.authorizer {
            Some(authorizer) if Authorizer::is_asked(head) => authorizer.respond(head, out),
            _ => Response::begin(out, StatusCode::NOT_FOUND),
        }
    }
}

/// What `/resolve` and then `/auth` would answer.
fn check<'o>(
    resolver: &Resolver,
    authorizer: &Authorizer,
    head: &Head<'_>,
    out: &'o mut Vec<u8>,
) -> Response<'o> {
    let whose = resolver.answer(head.headers, Presence::Optional);
    if !whose.status.is_success() {
        return whose.begin(out);
    }
    let identity = whose.identity.as_ref();
    let caller = identity.map(|identity| Caller {
        client_type: &identity.client_type,
        key_id: &identity.key_id,
    });
    let mut response = authorizer.respond_at(CHECK, head, ClientTypeFrom::Resolver(caller), out);
    if let Some(identity) = identity {
        response.header(&KEY_ID, &identity.key_id);
    }
    response
}
