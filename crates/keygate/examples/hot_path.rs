//! Sends requests to the routes of the data listener, with everything on that is on by default, and
//! without sockets: what `make instructions` counts.
//!
//! `hot_path PATH COUNT`, where `PATH` is `resolve`, `auth` or `check`.

#![expect(clippy::print_stderr, reason = "a program says why it stops")]

use std::{
    error::Error,
    hint::black_box,
    path::Path,
    pin::pin,
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use axum::{Router, body::Body};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use keygate::{check, policy_file, settings::Settings};
use keygate_authorizer::Authorizer;
use keygate_keys::{Digest, keys_file};
use keygate_resolver::Resolver;
use keygate_telemetry::decisions::Decisions;
use tower::Service;

const KEYS: usize = 1_000;
const ENDPOINTS: usize = 100;
const CLIENT_TYPES: usize = 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("name a path and a number of requests".into());
    };
    let count: usize = count.parse()?;
    let mut router = router()?;
    let heads: Vec<_> = (0..KEYS).map(|number| request(&path, number)).collect();
    let mut context = Context::from_waker(Waker::noop());
    for (uri, headers) in heads.iter().cycle().take(count) {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        let Poll::Ready(Ok(response)) = pin!(router.call(request)).poll(&mut context) else {
            return Err("a decision waited".into());
        };
        if black_box(&response).status() != 200 {
            return Err(format!("{response:?}").into());
        }
    }
    Ok(())
}

/// Both services with their files loaded, and every decision counted.
fn router() -> Result<Router, Box<dyn Error>> {
    let settings = Settings::default();
    let decisions = Arc::new(Decisions::new(settings.retention(), None));
    let keys = keys_file::parse(Path::new("keys.yaml"), &keys(), None)?.table;
    let status = settings.rejected_key_status;
    let resolver = Resolver::new(keys, settings.credential_names(), status);
    let policy = policy_file::parse(Path::new("policy.yaml"), &policy())?.policy;
    let authorizer = Authorizer::new(policy, settings.header_names(), settings.answer_with);
    let (observer, other): (Arc<Decisions>, _) = (Arc::clone(&decisions), decisions);
    let resolver = resolver.with_failed_keys(settings.failed_keys());
    let resolver = Arc::new(resolver.observed_by(observer));
    let authorizer = Arc::new(authorizer.observed_by(other));
    Ok(keygate_resolver::router(Arc::clone(&resolver))
        .merge(keygate_authorizer::router(Arc::clone(&authorizer)))
        .merge(check::router(resolver, authorizer)))
}

fn key(number: usize) -> String {
    format!("kg_{number:043}")
}

fn client_type(number: usize) -> String {
    format!("client-{:02}", number % CLIENT_TYPES)
}

fn keys() -> String {
    let keys = (0..KEYS).map(|number| {
        let digest = Digest::sha256(key(number).as_bytes());
        let client_type = client_type(number);
        format!("- {{id: key-{number:04}, clientType: {client_type}, digest: '{digest}'}}")
    });
    format!("version: 1\nkeys:\n{}", keys.collect::<Vec<_>>().join("\n"))
}

fn policy() -> String {
    let endpoints = (0..ENDPOINTS).map(|number| {
        let (one, other) = (client_type(number), client_type(number + 1));
        let expression = format!("clientType === '{one}' || clientType === '{other}'");
        format!("- {{path: /endpoint-{number:03}, groupExpression: \"{expression}\"}}")
    });
    let endpoints: Vec<_> = endpoints.collect();
    format!("version: 1\nendpoints:\n{}", endpoints.join("\n"))
}

/// The request that nginx sends with `nginx/keygate-server.conf` for a small client request.
fn request(path: &str, number: usize) -> (Uri, HeaderMap) {
    let number_of_endpoint = number % ENDPOINTS;
    let target = format!("/endpoint-{number_of_endpoint:03}/items/{number}?page=2");
    let (key, client_type) = (key(number), client_type(number));
    let mut lines = vec![
        ("original-request-uri", &*target),
        ("original-request-method", "GET"),
        ("original-request-host", "api.example.com"),
        ("x-keygate-client-address", "192.0.2.1"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
        ("host", "keygate"),
        ("client-key", &*key),
        ("user-agent", "bench/1"),
        ("accept", "application/json"),
    ];
    match path {
        "resolve" => lines.push(("x-keygate-next", "/_keygate/authorizer")),
        "auth" => lines.push(("client-type", &*client_type)),
        _ => {}
    }
    let lines = lines.into_iter().filter_map(|(name, value)| {
        let value = HeaderValue::from_str(value).ok()?;
        Some((HeaderName::from_static(name), value))
    });
    let uri = format!("/{path}").parse().unwrap_or_default();
    (uri, lines.collect())
}
