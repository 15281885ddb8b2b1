//! The includes together with other directives of a user's configuration.

use std::process::Command;

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup, free_port, write_configuration};
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::report;

const KEY: &str = "client-key: sample-key-of-client-a";

#[apply(each_nginx)]
fn captures_and_custom_error_pages_keep_working(version: Version) {
    let setup = Setup {
        server: "
            location ~ ^/any-key/(?<named>[^/]+)/(.*)$ {
                include keygate-authorize.conf;
                error_page 404 = @not_found;
                proxy_intercept_errors on;
                proxy_pass http://backend;
                proxy_set_header x-captured $named-$2;
            }
            location @not_found { return 404 'nothing here'; }
            ",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let cookie = "cookie: a=1; mia_client_key=sample-key-of-client-a";
    let response = caller::get(&gateway.address, "/any-key/x/y", &[cookie]);
    assert_eq!(response.status(), 200);
    let received = gateway.backend.take_one();
    assert_eq!(received.header("x-captured"), Some("x-y"));
    assert_eq!(received.header("cookie"), Some("a=1"));

    let missing = caller::get(
        &gateway.address,
        "/any-key/x/y",
        &[KEY, "x-backend-status: 404"],
    );
    assert_eq!(
        (missing.status(), missing.body.as_slice()),
        (404, b"nothing here".as_slice())
    );
    gateway.backend.take();

    let denied = caller::get(&gateway.address, "/any-key/x/y", &[]);
    is_problem(&denied, 401, "missing-key").unwrap();
    report::passed(&version.number(), "settings: captures and error pages");
}

#[apply(each_nginx)]
#[case(401, "Unauthorized")]
#[case(403, "Forbidden")]
#[case(500, "Internal Server Error")]
fn an_intercepted_error_of_the_backend_is_not_keygates(
    version: Version,
    #[values(Services::PairOverTcp, Services::Single)] services: Services,
    #[case] status: u16,
    #[case] title: &str,
) {
    let setup = Setup {
        services,
        http: "proxy_intercept_errors on;",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let wanted = format!("x-backend-status: {status}");
    let challenge = "x-backend-adds: www-authenticate: Basic realm=\"backend\"";
    for target in ["/any-key/x", "/key-only/x"] {
        let response = caller::get(&gateway.address, target, &[KEY, &wanted, challenge]);
        assert_eq!(gateway.backend.take().len(), 1);
        assert_eq!(response.status(), status);
        let body = String::from_utf8(response.body.clone()).unwrap();
        assert!(body.contains(title) && !body.contains("detail"), "{body}");
        if status == 401 {
            assert_eq!(
                response.header("www-authenticate"),
                Some("Basic realm=\"backend\"")
            );
        }
    }
    let denied = caller::get(&gateway.address, "/any-key/x", &[]);
    is_problem(&denied, 401, "missing-key").unwrap();
    report::passed(
        &version.number(),
        &format!("settings: intercepted {status}"),
    );
}

#[apply(each_nginx)]
fn a_backends_accel_redirect_is_ignored(
    version: Version,
    #[values("/any-key/x", "/key-only/x")] target: &str,
) {
    let gateway = Gateway::start(version, &Setup::PLAIN);
    let redirect = "x-backend-adds: x-accel-redirect: /unprotected/secret";
    let response = caller::get(&gateway.address, target, &[KEY, redirect]);
    assert_eq!(response.status(), 200);
    assert_eq!(response.header("x-accel-redirect"), None);
    assert_eq!(gateway.backend.take_one().target(), target);
    report::passed(&version.number(), "settings: X-Accel-Redirect of a backend");
}

#[apply(each_nginx)]
fn nginx_rejects_satisfy_any_beside_the_include(version: Version) {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup {
        services: Services::ImpostorsOfPair,
        server: "location /x { satisfy any; allow all; include keygate-authorize.conf; }",
        ..Setup::PLAIN
    };
    write_configuration(&setup, "127.0.0.1:9", folder.path());
    let mut test = Command::new(version.binary());
    let output = test
        .arg("-t")
        .arg("-p")
        .arg(folder.path())
        .args(["-c", "nginx.conf"])
        .output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("\"satisfy\" directive is duplicate"),
        "{text}"
    );
    report::passed(&version.number(), "settings: satisfy any");
}

#[apply(each_nginx)]
fn a_cached_response_is_authorized_for_each_caller(version: Version) {
    let setup = Setup {
        http: "proxy_cache_path cache keys_zone=all:1m;",
        server: "
            location /any-key/cached {
                include keygate-authorize.conf;
                proxy_cache all;
                proxy_cache_valid any 10m;
                proxy_pass http://backend;
            }
            location /orders/cached {
                include keygate-authorize.conf;
                proxy_cache all;
                proxy_cache_key same-as-the-other;
                proxy_cache_valid any 10m;
                proxy_pass http://backend;
            }
            ",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let get = |target: &str, key: &str| {
        let response = caller::get(&gateway.address, target, &[key]);
        (response.status(), gateway.backend.take().len())
    };
    assert_eq!(get("/any-key/cached", KEY), (200, 1));
    assert_eq!(
        get("/any-key/cached", KEY),
        (200, 0),
        "not cached, so the test proves nothing"
    );
    assert_eq!(get("/any-key/cached", "x: y"), (401, 0));
    assert_eq!(
        get("/any-key/cached", "client-key: sample-key-of-nobody"),
        (401, 0)
    );
    assert_eq!(get("/orders/cached", KEY), (200, 1));
    assert_eq!(
        get("/orders/cached", "client-key: sample-key-of-client-c"),
        (403, 0)
    );
    report::passed(&version.number(), "settings: proxy_cache");
}

#[apply(each_nginx)]
fn a_server_that_includes_keygate_protects_every_location_in_it(version: Version) {
    let setup = Setup {
        server: "include keygate-authorize.conf;",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let response = caller::get(&gateway.address, "/unprotected/x", &[KEY]);
    is_problem(&response, 403, "no-endpoint").unwrap();
    let response = caller::get(&gateway.address, "/_keygate/authorize", &[KEY]);
    assert_eq!(response.status(), 404);
    assert_eq!(
        caller::get(&gateway.address, "/orders", &[KEY]).status(),
        200
    );
    assert_eq!(gateway.backend.take_one().header("client-type"), Some("A"));
    report::passed(&version.number(), "settings: a whole server");
}

#[apply(each_nginx)]
#[case::authorize("authorize")]
#[case::require_key("require-key")]
fn a_server_without_the_server_include_denies_every_request(
    version: Version,
    #[case] include: &str,
) {
    // nginx would send the subrequest to the server's own `location /`, whose backend returns 200.
    let forgotten = format!("127.0.0.1:{}", free_port());
    let server = format!(
        "server {{
            listen {forgotten};
            location / {{ include keygate-{include}.conf; proxy_pass http://backend; }}
        }}"
    );
    let setup = Setup {
        http: server.leak(),
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    for headers in [&[][..], &[KEY]] {
        assert_eq!(caller::get(&forgotten, "/admin", headers).status(), 503);
    }
    assert!(gateway.backend.take().is_empty());
    report::passed(&version.number(), "settings: no server include");
}

#[apply(each_nginx)]
fn requests_over_http_2_get_the_same_decisions(version: Version) {
    let gateway = Gateway::start(
        version,
        &Setup {
            listen: "http2",
            ..Setup::PLAIN
        },
    );
    // HTTP/2 may split cookies into several lines (RFC 9113, section 8.2.3).
    let crumbs = [
        "cookie: a=1",
        "cookie: mia_client_key=sample-key-of-client-a",
        "cookie: b=2",
    ];
    assert_eq!(
        caller::over_http_2(&gateway.address, "/orders", &crumbs).0,
        "2 200"
    );
    let received = gateway.backend.take_one();
    assert_eq!(received.header("client-type"), Some("A"));
    assert_eq!(received.header("cookie"), Some("a=1; b=2"));

    let (status, body) = caller::over_http_2(&gateway.address, "/orders", &["client-type: A"]);
    assert_eq!(status, "2 401");
    assert!(body.contains("\"detail\":\"missing-key\""), "{body}");

    let repeated = [KEY, "client-key: sample-key-of-client-c"];
    let (status, body) = caller::over_http_2(&gateway.address, "/orders", &repeated);
    assert_eq!(status, "2 401");
    assert!(body.contains("\"detail\":\"ambiguous-key\""), "{body}");

    let spoofed = [
        KEY,
        "client-type: ADMIN",
        "miauserid: root",
        "isbackoffice: 1",
    ];
    assert_eq!(
        caller::over_http_2(&gateway.address, "/orders", &spoofed).0,
        "2 200"
    );
    let received = gateway.backend.take_one();
    assert_eq!(received.header("client-type"), Some("A"));
    assert_eq!(received.header("miauserid"), None);
    assert_eq!(received.header("isbackoffice"), None);
    report::passed(&version.number(), "settings: HTTP/2");
}

/// A browser shows a refusal to a page of another origin only with these headers.
#[apply(each_nginx)]
fn denials_have_the_headers_that_a_server_adds(
    version: Version,
    #[values(
        "add_header access-control-allow-origin https://app.example always;",
        "add_header access-control-allow-origin $http_origin always;"
    )]
    server: &'static str,
) {
    let setup = Setup {
        server,
        ..Setup::PLAIN
    };
    let mut gateway = Gateway::start(version, &setup);
    let origin = "origin: https://app.example";
    let response =
        |lines: &[&str]| caller::get(&gateway.address, "/orders", &[lines, &[origin]].concat());
    let denied = [
        response(&[]),
        response(&["client-key: sample-key-of-client-c"]),
    ];
    for (response, status, reason) in [
        (&denied[0], 401, "missing-key"),
        (&denied[1], 403, "expression-false"),
    ] {
        assert_eq!(is_problem(response, status, reason), Ok(()));
        let allowed_origin = response.header("access-control-allow-origin");
        assert_eq!(allowed_origin, Some("https://app.example"), "{response:?}");
    }
    gateway.services.clear();
    let unavailable = caller::get(&gateway.address, "/orders", &[origin]);
    assert_eq!(
        is_problem(&unavailable, 503, "authorization-unavailable"),
        Ok(())
    );
    assert_eq!(
        unavailable.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    report::passed(
        &version.number(),
        "settings: headers of a server on denials",
    );
}
