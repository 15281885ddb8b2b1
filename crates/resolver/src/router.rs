//! The resolver over HTTP: `/resolve`, `/require` and everything below them, by any method.

use std::{
    future::ready,
    iter::{repeat, zip},
    sync::Arc,
};

use axum::{Router, extract, response::Response, routing::any_service};
use keygate_headers::{gateway::target_below, hand_off::HAND_OFF};
use tower::service_fn;

use crate::{Presence, Request, Resolver};

/// Returns the routes of the resolver, to be served or merged into another router.
///
/// Behind nginx, responses have an empty body; other gateways get a body for the caller of a denied request.
pub fn router(resolver: Arc<Resolver>) -> Router {
    let routes = [
        ("/resolve", Presence::Optional),
        ("/resolve/", Presence::Optional),
        ("/resolve/{*rest}", Presence::Optional),
        ("/require", Presence::Required),
        ("/require/", Presence::Required),
        ("/require/{*rest}", Presence::Required),
    ];
    zip(routes, repeat(resolver)).fold(Router::new(), |router, ((path, presence), resolver)| {
        let resolve = move |request| ready(Ok(respond(&resolver, presence, request)));
        router.route(path, any_service(service_fn(resolve)))
    })
}

fn respond(resolver: &Resolver, presence: Presence, request: extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let (mut headers, prefix) = (parts.headers, presence.path());
    let decision = resolver.resolve(&Request {
        presence,
        method: &parts.method,
        target: target_below(prefix, &parts.uri),
        headers: &headers,
        gateway: None,
    });
    let hand_off = resolver.hand_off(&decision);
    let without_key = resolver.without_key(
        resolver.gateway(),
        target_below(prefix, &parts.uri),
        &headers,
    );
    // The request's map becomes the response's: hyper keeps it for the next request.
    resolver.gateway().clear(&mut headers);
    let (status, reason) = (decision.status, decision.reason.as_str());
    decision.write(&mut headers);
    if let Some(without_key) = without_key {
        without_key.write(&mut headers);
    }
    if let Some(signature) = hand_off {
        headers.insert(HAND_OFF, signature);
    }
    resolver.gateway().response(status, reason, headers)
}
