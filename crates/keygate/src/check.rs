//! Both steps in one hop: `/check` and everything below it, by any method.

use std::{
    iter::{repeat, zip},
    sync::Arc,
};

use axum::{Router, body::Body, extract, response::Response, routing::any_service};
use keygate_authorizer::{Authorizer, Caller, ClientTypeSource, router::target_below};
use keygate_headers::KEY_ID;
use keygate_resolver::{Presence, Resolver};
use tower::service_fn;

/// Returns the routes for a process that is both services.
///
/// The response is the one that `/resolve` and then `/auth` would give.
pub fn router(resolver: Arc<Resolver>, authorizer: Arc<Authorizer>) -> Router {
    let routes = ["/check", "/check/", "/check/{*rest}"];
    let services = repeat((resolver, authorizer));
    zip(routes, services).fold(Router::new(), |router, (path, (resolver, authorizer))| {
        let check = move |request| {
            let (resolver, authorizer) = (Arc::clone(&resolver), Arc::clone(&authorizer));
            async move { Ok(respond(&resolver, &authorizer, request).await) }
        };
        router.route(path, any_service(service_fn(check)))
    })
}

async fn respond(
    resolver: &Resolver,
    authorizer: &Authorizer,
    request: extract::Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let mut headers = parts.headers;
    let mut response = Response::new(Body::empty());
    let owner = resolver.resolve(&keygate_resolver::Request {
        presence: Presence::Optional,
        headers: &headers,
    });
    if owner.status.is_success() {
        let request = keygate_authorizer::Request {
            method: &parts.method,
            target: target_below("/check", &parts.uri),
            headers: &headers,
            client_type: ClientTypeSource::Resolver(owner.identity.as_ref().map(|identity| {
                Caller {
                    client_type: &identity.client_type,
                    key_id: &identity.key_id,
                }
            })),
            peer: parts.extensions.get().copied(),
        };
        let decision = authorizer.authorize(&request).await;
        *response.status_mut() = decision.status;
        headers.clear();
        decision.write(&mut headers);
        if let Some(identity) = owner.identity {
            headers.insert(KEY_ID, identity.key_id);
        }
    } else {
        *response.status_mut() = owner.status;
        headers.clear();
        owner.write(&mut headers);
    }
    *response.headers_mut() = headers;
    response
}
