//! Both services in one process: a gateway asks once.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use http::HeaderName;
use keygate_authorizer::{Authorizer, Caller, ClientTypeFrom};
use keygate_resolver::{Presence, Resolver};

const KEY_ID: HeaderName = HeaderName::from_static("x-keygate-key-id");

#[derive(Clone)]
struct Pair {
    resolver: Arc<Resolver>,
    authorizer: Arc<Authorizer>,
}

/// The routes of both services, and `/check`, which does both steps.
pub fn router(resolver: Arc<Resolver>, authorizer: Arc<Authorizer>) -> Router {
    let pair = Pair {
        resolver: Arc::clone(&resolver),
        authorizer: Arc::clone(&authorizer),
    };
    // A wildcard takes no empty rest: what is asked about `/` has a route of its own.
    Router::new()
        .route("/check", any(check))
        .route("/check/", any(check))
        .route("/check/{*rest}", any(check))
        .with_state(pair)
        .merge(keygate_resolver::router(resolver))
        .merge(keygate_authorizer::router(authorizer))
}

/// What `/resolve` and then `/auth` would answer.
async fn check(State(pair): State<Pair>, request: Request) -> Response {
    let resolved = pair.resolver.answer(request.headers(), Presence::Optional);
    if !resolved.status.is_success() {
        return resolved.into_response();
    }
    let caller = resolved.identity.as_ref().map(|identity| Caller {
        client_type: &identity.client_type,
        key_id: &identity.key_id,
    });
    let client_type = ClientTypeFrom::Resolver(caller);
    let mut response = pair.authorizer.respond(&request, "/check", client_type);
    if let Some(identity) = resolved.identity {
        response.headers_mut().insert(KEY_ID, identity.key_id);
    }
    response
}
