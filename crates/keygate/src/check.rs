//! Both steps in one hop: `/check` and everything below it, by any method.

use std::{
    iter::{repeat, zip},
    sync::Arc,
};

use axum::{Router, body::Body, extract, response::Response, routing::any_service};
use futures_util::{
    FutureExt,
    future::{Either, ready},
};
use http::{HeaderMap, StatusCode, request::Parts};
use keygate_authorizer::{
    Authorizer, Caller, ClientTypeSource, Decision,
    router::{Responding, target_below},
};
use keygate_headers::{Gateway, KEY_ID};
use keygate_resolver::{Identity, Presence, Resolver, WithoutKey};
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
    resolver: &Resolver,
    authorizer: &Arc<Authorizer>,
    request: extract::Request,
) -> Responding {
    let (parts, _) = request.into_parts();
    let gateway = authorizer.gateway();
    let owner = resolver.resolve(&keygate_resolver::Request {
        presence: Presence::Optional,
        headers: &parts.headers,
        gateway: None,
    });
    if !owner.status.is_success() {
        let (status, reason) = (owner.status, owner.reason.as_str());
        let rejected = response(gateway, status, reason, parts.headers, |headers| {
            owner.write(headers);
        });
        return Either::Left(ready(Ok(rejected)));
    }
    let identity = owner.identity;
    let without_key = resolver.without_key(gateway, &parts.headers);
    if let Some(decision) = authorizer.authorize_at_once(&received(&parts, identity.as_ref())) {
        let decided = Decided {
            decision,
            identity,
            without_key,
        };
        return Either::Left(ready(Ok(decided.response(gateway, parts.headers))));
    }
    let authorizer = Arc::clone(authorizer);
    let response = async move {
        let request = received(&parts, identity.as_ref());
        let decision = authorizer.authorize_with_user(&request).await;
        let decided = Decided {
            decision,
            identity,
            without_key,
        };
        Ok(decided.response(gateway, parts.headers))
    };
    Either::Right(response.boxed())
}

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
        peer: parts.extensions.get().copied(),
        gateway: None,
    }
}

/// What both steps found.
struct Decided {
    decision: Decision,
    identity: Option<Identity>,
    without_key: WithoutKey,
}

impl Decided {
    fn response(self, gateway: Gateway, headers: HeaderMap) -> Response {
        let (status, reason) = (self.decision.status, self.decision.reason.as_str());
        response(gateway, status, reason, headers, |headers| {
            self.decision.write_for(gateway, headers);
            self.without_key.write(headers);
            if let Some(identity) = self.identity {
                headers.insert(KEY_ID, identity.key_id);
            }
        })
    }
}

/// The request's map becomes the response's: hyper keeps it for the next request.
fn response(
    gateway: Gateway,
    status: StatusCode,
    reason: &str,
    mut headers: HeaderMap,
    write: impl FnOnce(&mut HeaderMap),
) -> Response {
    headers.clear();
    write(&mut headers);
    let response = gateway.response(status, reason, headers);
    response.map(|body| body.map_or_else(Body::empty, Body::from))
}
