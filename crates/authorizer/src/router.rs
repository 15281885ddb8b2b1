//! The authorizer over HTTP: `/auth` and everything below it, by any method.

use std::{
    convert::Infallible,
    iter::{repeat, zip},
    sync::Arc,
};

use axum::{Router, extract, response::Response, routing::any_service};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either, Ready, ready},
};
use http::{HeaderMap, request::Parts};
use keygate_headers::{Gateway, gateway::target_below};
use tower::service_fn;

use crate::{Authorizer, ClientTypeSource, Decision, Request};

/// Returns the routes of the authorizer, to be served or merged into another router.
///
/// Behind nginx, responses have an empty body; other gateways get a body for the caller of a denied request.
/// The extension [`Peer`](keygate_users::peers::Peer) of a request, if the server
/// sets it, is the gateway that trusted headers come from.
pub fn router(authorizer: Arc<Authorizer>) -> Router {
    let routes = ["/auth", "/auth/", "/auth/{*rest}"];
    zip(routes, repeat(authorizer)).fold(Router::new(), |router, (path, authorizer)| {
        let authorize = move |request| respond(&authorizer, request);
        router.route(path, any_service(service_fn(authorize)))
    })
}

/// A response: ready, or after the lookup of a user.
pub type Responding =
    Either<Ready<Result<Response, Infallible>>, BoxFuture<'static, Result<Response, Infallible>>>;

/// A request without a user is decided before the future is made, which then is small.
fn respond(authorizer: &Arc<Authorizer>, request: extract::Request) -> Responding {
    let (parts, _) = request.into_parts();
    if let Some(decision) = authorizer.authorize_at_once(&received(&parts)) {
        return Either::Left(ready(Ok(response(
            authorizer.gateway(),
            parts.headers,
            decision,
        ))));
    }
    let authorizer = Arc::clone(authorizer);
    let decided = async move {
        let request = Request {
            peer: parts.extensions.get().copied(),
            ..received(&parts)
        };
        let decision = authorizer.authorize_with_user(&request).await;
        Ok(response(authorizer.gateway(), parts.headers, decision))
    };
    Either::Right(decided.boxed())
}

/// Returns the request without its peer, which only the lookup of a user needs.
fn received(parts: &Parts) -> Request<'_> {
    Request {
        method: &parts.method,
        target: target_below("/auth", &parts.uri),
        headers: &parts.headers,
        client_type: ClientTypeSource::Gateway,
        peer: None,
        gateway: None,
    }
}

/// The request's map becomes the response's: hyper keeps it for the next request.
fn response(gateway: Gateway, mut headers: HeaderMap, decision: Decision) -> Response {
    gateway.clear(&mut headers);
    let (status, reason) = (decision.status, decision.reason.as_str());
    decision.write_for(gateway, &mut headers);
    gateway.response(status, reason, headers)
}
