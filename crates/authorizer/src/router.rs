//! The authorizer over HTTP: `/auth` and everything below it, by any method.

use std::{
    iter::{repeat, zip},
    sync::Arc,
};

use axum::{Router, body::Body, extract, response::Response, routing::any_service};
use http::Uri;
use tower::service_fn;

use crate::{Authorizer, ClientTypeSource, Request};

/// Returns the routes of the authorizer, to be served or merged into another router.
///
/// Responses have an empty body. The extension [`Peer`](keygate_users::peers::Peer) of a request, if the server sets it, is the gateway that
/// trusted headers come from.
pub fn router(authorizer: Arc<Authorizer>) -> Router {
    let routes = ["/auth", "/auth/", "/auth/{*rest}"];
    zip(routes, repeat(authorizer)).fold(Router::new(), |router, (path, authorizer)| {
        let authorize = move |request| {
            let authorizer = Arc::clone(&authorizer);
            async move { Ok(respond(&authorizer, request).await) }
        };
        router.route(path, any_service(service_fn(authorize)))
    })
}

async fn respond(authorizer: &Authorizer, request: extract::Request) -> Response {
    let (parts, _) = request.into_parts();
    let mut headers = parts.headers;
    let request = Request {
        method: &parts.method,
        target: target_below("/auth", &parts.uri),
        headers: &headers,
        client_type: ClientTypeSource::Gateway,
        peer: parts.extensions.get().copied(),
    };
    let decision = authorizer.authorize(&request).await;
    // The request's map becomes the response's: hyper keeps it for the next request.
    headers.clear();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = decision.status;
    decision.write(&mut headers);
    *response.headers_mut() = headers;
    response
}

/// Returns the target of the client request that Envoy's `ext_authz` puts behind its `path_prefix`.
#[must_use]
pub fn target_below<'u>(prefix: &str, uri: &'u Uri) -> Option<&'u str> {
    let target = uri.path_and_query()?.as_str().strip_prefix(prefix)?;
    target.starts_with('/').then_some(target)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/auth", None)]
    #[case("/auth?a", None)]
    #[case("/auth/", Some("/"))]
    #[case("/auth//a?b", Some("//a?b"))]
    #[case("/auth/a%2Fb", Some("/a%2Fb"))]
    fn the_target_follows_the_prefix(#[case] uri: &str, #[case] target: Option<&str>) {
        assert_eq!(target_below("/auth", &uri.parse().unwrap()), target);
    }
}
