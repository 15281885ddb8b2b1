//! Both steps in one hop: `/check` and everything below it, by any method.

use std::{
    iter::{repeat, zip},
    sync::Arc,
};

use axum::{Router, extract, response::Response, routing::any_service};
use futures_util::{
    FutureExt,
    future::{Either, ready},
};
use http::request::Parts;
use keygate_authorizer::{Authorizer, Caller, ClientTypeSource, Decision, router::Responding};
use keygate_headers::{Gateway, KEY_ID, gateway::target_below};
use keygate_resolver::{Identity, Presence, Resolver};
use tower::service_fn;

/// Returns the routes for a process that is both services.
///
/// The response is the one that `/resolve` and then `/auth` would give.
pub fn router(resolver: Arc<Resolver>, authorizer: Arc<Authorizer>) -> Router {
    let routes = ["/check", "/check/", "/check/{*rest}"];
    let services = repeat((resolver, authorizer));
    zip(routes, services).fold(Router::new(), |router, (path, (resolver, authorizer))| {
        let check = move |request| respond(&resolver, &authorizer, request);
        router.route(path, any_service(service_fn(check)))
    })
}

/// A request without a user is decided before the future is made, which then is small.
fn respond(
    resolver: &Arc<Resolver>,
    authorizer: &Arc<Authorizer>,
    request: extract::Request,
) -> Responding {
    let (parts, _) = request.into_parts();
    let gateway = authorizer.gateway();
    let owner = resolver.resolve(&keygate_resolver::Request {
        presence: Presence::Optional,
        method: &parts.method,
        target: target_below("/check", &parts.uri),
        headers: &parts.headers,
        gateway: None,
    });
    if !owner.status.is_success() {
        let (status, reason) = (owner.status, owner.reason.as_str());
        let mut headers = parts.headers;
        gateway.clear(&mut headers);
        owner.write(&mut headers);
        let rejected = gateway.response(status, reason, headers);
        return Either::Left(ready(Ok(rejected)));
    }
    let identity = owner.identity;
    if let Some(decision) = authorizer.authorize_at_once(&received(&parts, identity.as_ref())) {
        let response = decided(resolver, gateway, parts, decision, identity);
        return Either::Left(ready(Ok(response)));
    }
    let (resolver, authorizer) = (Arc::clone(resolver), Arc::clone(authorizer));
    let response = async move {
        let request = keygate_authorizer::Request {
            peer: parts.extensions.get().copied(),
            ..received(&parts, identity.as_ref())
        };
        let decision = authorizer.authorize_with_user(&request).await;
        Ok(decided(&resolver, gateway, parts, decision, identity))
    };
    Either::Right(response.boxed())
}

/// Returns the request without its peer, which only the lookup of a user needs.
fn received<'h>(
    parts: &'h Parts,
    identity: Option<&'h Identity>,
) -> keygate_authorizer::Request<'h> {
    keygate_authorizer::Request {
        method: &parts.method,
        target: target_below("/check", &parts.uri),
        headers: &parts.headers,
        client_type: ClientTypeSource::Resolver(identity.map(|identity| Caller {
            client_type: &identity.client_type,
            key_id: &identity.key_id,
        })),
        peer: None,
        gateway: None,
    }
}

/// Returns the response of both steps.
fn decided(
    resolver: &Resolver,
    gateway: Gateway,
    parts: Parts,
    decision: Decision,
    identity: Option<Identity>,
) -> Response {
    let Parts {
        uri, mut headers, ..
    } = parts;
    let without_key = resolver.without_key(gateway, target_below("/check", &uri), &headers);
    // The request's map becomes the response's: hyper keeps it for the next request.
    gateway.clear(&mut headers);
    let (status, reason) = (decision.status, decision.reason.as_str());
    decision.write_for(gateway, &mut headers);
    if let Some(without_key) = without_key {
        without_key.write(&mut headers);
    }
    if let Some(identity) = identity {
        headers.insert(KEY_ID, identity.key_id);
    }
    gateway.response(status, reason, headers)
}
