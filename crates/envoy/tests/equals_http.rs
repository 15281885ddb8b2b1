//! No check request is allowed that the HTTP services deny, and none panics.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test file uses a part of `support`")]

mod support;

use std::sync::Arc;

use axum::body::Body;
use envoy_types::pb::envoy::{
    config::core::v3::{HeaderMap as RawHeaders, HeaderValue as RawHeader},
    service::auth::v3::attribute_context::HttpRequest,
};
use http::{Request, Response, StatusCode};
use keygate_authorizer::AnswerWith;
use keygate_headers::Gateway;
use keygate_resolver::CredentialNames;
use proptest::{collection::vec, prelude::*, sample::select};
use support::{Answer, Role, authorizer, check_request, resolver};
use tower::ServiceExt;

/// The response of the services over HTTP; `None` if it is no HTTP request.
async fn over_http(role: Role, http: &HttpRequest) -> Option<Response<Body>> {
    let (router, prefix) = if role == Role::Resolver {
        let resolver = resolver(CredentialNames::default()).behind(Gateway::Envoy);
        (keygate_resolver::router(Arc::new(resolver)), "/resolve")
    } else {
        let authorizer = authorizer(AnswerWith::Status).behind(Gateway::Envoy);
        (keygate_authorizer::router(Arc::new(authorizer)), "/auth")
    };
    let mut request = Request::builder()
        .method(http.method.as_str())
        .uri(format!("{prefix}{}", http.path))
        .header("host", http.host.as_str());
    for line in &http.header_map.as_ref()?.headers {
        if !line.key.starts_with(':') && line.key != "host" {
            request = request.header(line.key.as_str(), line.raw_value.as_slice());
        }
    }
    let request = request.body(Body::empty()).ok()?;
    Some(router.oneshot(request).await.unwrap())
}

fn words(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![9 => select(words).prop_map(str::to_owned), 1 => any::<String>()]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let values = [
        "sample-key-of-client-a",
        "sample-key-of-client-b",
        "A",
        "1",
        "0",
        "true",
        "",
        "/public",
        "mia_client_key=sample-key-of-client-a; a=b",
        "a=b; mia_client_key=sample-key-of-client-b",
        "https://app.example.com",
        "GET",
    ];
    prop_oneof![
        9 => select(values.to_vec()).prop_map(|it| it.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn lines() -> impl Strategy<Value = Vec<RawHeader>> {
    let names = &[
        "client-key",
        "secret",
        "cookie",
        "client-type",
        "x-keygate-key-id",
        "x-keygate-handoff",
        "x-keygate-next",
        "x-keygate-names",
        "isbackoffice",
        "original-request-uri",
        "original-request-method",
        "x-forwarded-uri",
        "origin",
        "access-control-request-method",
        "authorization",
        "host",
        ":path",
        ":scheme",
        "client_type",
    ];
    let line = (words(names), bytes()).prop_map(|(key, raw_value)| RawHeader {
        key,
        raw_value,
        ..RawHeader::default()
    });
    vec(line, 0..6)
}

fn http() -> impl Strategy<Value = HttpRequest> {
    let methods = words(&["GET", "GET", "POST", "OPTIONS", "HEAD", "BREW", ""]);
    let paths = words(&[
        "/orders",
        "/orders?a=b",
        "/public",
        "/public/a",
        "/public/../orders",
        "/public//a",
        "/public/%2e%2e/orders",
        "/public#a",
        "/host",
        "/backoffice",
        "/login",
        "/nowhere",
        "*",
        "",
        "http://h/public",
    ]);
    let hosts = words(&[
        "api.example.com",
        "open.example.com",
        "OPEN.example.com:80",
        "",
    ]);
    (methods, paths, hosts, lines()).prop_map(|(method, path, host, headers)| HttpRequest {
        method,
        path,
        host,
        header_map: Some(RawHeaders { headers }),
        ..HttpRequest::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_http_denies_is_denied(
        http in http(),
        role in select(vec![Role::Resolver, Role::Authorizer]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (grpc, over_http) = runtime.block_on(async {
            let grpc = role.checks().respond(check_request(http.clone()), None).await;
            (Answer(grpc), over_http(role, &http).await)
        });
        match over_http {
            Some(response) if response.status() == StatusCode::OK => {}
            Some(response) if response.status() == StatusCode::NOT_FOUND => {
                prop_assert_ne!(grpc.code(), 0);
            }
            Some(response) => {
                let denied = grpc.denied();
                let reason = &response.headers()["x-keygate-reason"];
                let detail = format!("\"detail\":\"{}\"", reason.to_str().unwrap());
                let is_unreadable = denied.body.contains("malformed-request");
                prop_assert!(denied.body.contains(&detail) || is_unreadable, "{}", denied.body);
            }
            None => prop_assert_ne!(grpc.code(), 0),
        }
    }

    #[test]
    fn a_key_is_never_forwarded(http in http()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let checks = Role::Serve.checks();
        let answer = runtime.block_on(checks.respond(check_request(http.clone()), None));
        let answer = Answer(answer);
        if answer.code() != 0 {
            return Ok(());
        }
        let removed = &answer.allowed().headers_to_remove;
        let set = answer.set();
        for line in &set {
            // Text that is no key's cookie stays.
            let is_other_cookie = line.starts_with("cookie: ") && !line.contains("mia_client_key");
            prop_assert!(is_other_cookie || !line.contains("sample-key"), "{}", line);
        }
        let is_replaced = |key: &str| {
            removed.iter().any(|it| it == key) || set.iter().any(|it| it.starts_with(&format!("{key}: ")))
        };
        for line in &http.header_map.unwrap().headers {
            let key = line.key.to_ascii_lowercase();
            let cookie_with_key = key == "cookie" && line.raw_value.windows(14).any(|it| it == b"mia_client_key");
            if ["client-key", "secret", "client-type", "x-keygate-key-id"].contains(&&*key) || cookie_with_key {
                prop_assert!(is_replaced(&key), "{}: {:?} {:?}", key, removed, set);
            }
        }
    }
}
