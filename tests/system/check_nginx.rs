//! The findings of `keygate check --nginx` on a real nginx: requests do bypass Keygate.

use std::fs;

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::program::{keygate, run_to_end};
use crate::support::report;

const SETUP: Setup = Setup {
    http: "limit_req_zone $keygate_client_type zone=by_type:1m rate=1r/m;",
    server: r"
        location /return { include keygate-authorize.conf; return 200 'open'; }
        location /rewrite { include keygate-authorize.conf; rewrite ^ /elsewhere permanent; }
        location /preflight {
            include keygate-authorize.conf;
            if ($request_method = GET) { return 204; }
            proxy_pass http://backend;
        }
        location = /file { alias nginx.conf; }
        location /nested {
            include keygate-authorize.conf;
            location /nested/off { auth_request off; proxy_pass http://backend; }
        }
        location ~ \.open$ { proxy_pass http://backend; }
        location ~ ^/any-key/(.*)$ {
            include keygate-authorize.conf;
            proxy_pass http://backend/$1;
        }
        location ~* ^/public/admin { include keygate-authorize.conf; proxy_pass http://backend; }
        location /orders/limited {
            include keygate-authorize.conf;
            limit_req zone=by_type;
            proxy_pass http://backend;
        }
        location /orders/not-a {
            include keygate-authorize.conf;
            if ($keygate_client_type = A) { return 403; }
            proxy_pass http://backend;
        }
        location /backoffice/any {
            include keygate-authorize.conf;
            set $keygate_backoffice $http_x_office;
            proxy_pass http://backend;
        }
        ",
    ..Setup::PLAIN
};

const A: &str = "client-key: sample-key-of-client-a";
const C: &str = "client-key: sample-key-of-client-c";

#[apply(each_nginx)]
#[case::return_in_a_location("/return", &[], 200, "`return 200 open` responds before the authorization")]
#[case::redirect("/rewrite", &[], 301, "permanent` responds before the authorization")]
#[case::condition("/preflight", &[], 204, "`return 204` responds before the authorization")]
#[case::file("/file", &[], 200, "`location = /file` serves files without")]
#[case::off("/nested/off", &[], 200, "`auth_request off` lets every request to `location /nested/off`")]
#[case::open_expression("/orders/x.open", &[], 200, "does not start with `^`")]
#[case::other_case("/public/ADMIN", &[], 200, "`location ~* ^/public/admin` matches `/public/admin` and `/public/ADMIN`")]
#[case::read_early("/orders/not-a", &[A], 200, "uses `$keygate_client_type`, which is empty")]
#[case::back_office("/backoffice/any", &[C, "x-office: 1"], 200, "`$http_x_office` lets any caller")]
fn findings_of_the_check_are_true_on_a_real_nginx(
    #[case] target: &str,
    #[case] headers: &[&str],
    #[case] status: u16,
    #[case] expected: &str,
    version: Version,
) {
    let gateway = Gateway::start(version, &SETUP);
    let response = caller::get(&gateway.address, target, headers);
    assert_eq!(response.status(), status, "{target}");
    assert_found(&gateway, expected);
    report::passed(&version.number(), "check --nginx: a finding is true");
}

#[apply(each_nginx)]
fn a_decoded_capture_changes_what_the_backend_gets(version: Version) {
    let gateway = Gateway::start(version, &SETUP);
    let response = caller::get(&gateway.address, "/any-key/a%3fadmin=1", &[A]);
    assert_eq!(response.status(), 200);
    let received = gateway.backend.take_one();
    assert_eq!(received.target(), "/a?admin=1");
    assert_found(&gateway, "`$1` in `proxy_pass` is decoded");
    report::passed(&version.number(), "check --nginx: a decoded capture");
}

#[apply(each_nginx)]
fn a_zone_keyed_by_client_type_limits_no_request(version: Version) {
    let gateway = Gateway::start(version, &SETUP);
    for _ in 0..4 {
        let response = caller::get(&gateway.address, "/orders/limited", &[A]);
        assert_eq!(response.status(), 200);
    }
    assert_found(&gateway, "`limit_req_zone` uses `$keygate_client_type`");
    report::passed(&version.number(), "check --nginx: a zone that never counts");
}

fn assert_found(gateway: &Gateway, expected: &str) {
    let mut check = keygate();
    check
        .args(["check", "--nginx"])
        .arg(gateway.file("nginx.conf"));
    check.arg("--policy").arg(gateway.file("policy.yaml"));
    let output = run_to_end(&mut check);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(expected), "no `{expected}` in {text}");
    assert!(
        output.status.success(),
        "warnings must not change the exit code: {text}"
    );
}

#[test]
fn settings_of_a_pair_are_compared_with_the_includes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../nginx")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
    }
    let check = |resolver: &str, authorizer: &str, environment: &[(&str, &str)]| {
        fs::write(
            path.join("resolver.yaml"),
            format!("keys: k.yaml\n{resolver}\n"),
        )
        .unwrap();
        fs::write(
            path.join("authorizer.yaml"),
            format!("policy: p.yaml\n{authorizer}\n"),
        )
        .unwrap();
        let mut check = keygate();
        check.envs(environment.iter().copied()).current_dir(path);
        check.args([
            "check",
            "--nginx",
            "nginx.conf",
            "--config",
            "resolver.yaml",
        ]);
        let output = run_to_end(check.args(["--config", "authorizer.yaml"]));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text, output.status.code())
    };
    let (text, code) = check("", "", &[]);
    assert!(text.contains("0 warnings") && code == Some(0), "{text}");

    let resolver = "key-headers: [x-api-key]\nkey-cookies: [apikey]\nlisten: 127.0.0.1:9081";
    let authorizer = "client-type-header: x-client-type\nbackoffice-header: x-office";
    let (text, code) = check(resolver, authorizer, &[]);
    for expected in [
        "`x-api-key`",
        "the key in the header `x-api-key` is also sent to the authorizer",
        "the key in the cookie `apikey` is sent to backends",
        "the authorizer trusts the caller's own `x-client-type`",
        "the authorizer trusts the caller's own `x-office`",
        "nginx connects to the resolver at `127.0.0.1:7081`, but according to its settings it \
         listens on `127.0.0.1:9081`",
    ] {
        assert!(text.contains(expected), "no `{expected}` in {text}");
    }
    assert_eq!(code, Some(0));

    let (text, _) = check("", "", &[("KEYGATE_KEY_HEADERS", "x-api-key")]);
    assert!(text.contains("`x-api-key`"), "{text}");
    let (text, _) = check("", "", &[("CLIENT_TYPE_HEADER_KEY", "x-client-type")]);
    assert!(text.contains("caller's own `x-client-type`"), "{text}");
    let (text, code) = check("key-header: x-api-key", "", &[]);
    assert!(
        text.contains("could not be checked") && code == Some(1),
        "{text}"
    );

    // The includes that are generated for these settings agree with them.
    check(resolver, authorizer, &[]);
    let mut generate = keygate();
    generate.args(["nginx-includes", "--config", "resolver.yaml", "--config"]);
    let generated = run_to_end(
        generate
            .args(["authorizer.yaml", "--out", "."])
            .current_dir(path),
    );
    assert!(generated.status.success(), "{generated:?}");
    let (text, code) = check(resolver, authorizer, &[]);
    assert!(text.contains("0 warnings") && code == Some(0), "{text}");
    let (text, _) = check("listen: 127.0.0.1:9081", "", &[]);
    assert!(
        text.contains("other than the ones in the settings, so the resolver"),
        "{text}"
    );
    assert!(
        text.contains("other than the ones in the settings, so the authorizer"),
        "{text}"
    );
}

#[apply(each_nginx)]
fn a_user_location_below_keygates_path_allows_every_caller(version: Version) {
    let setup = Setup {
        server: "location = /_keygate/authorize { return 200; }",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let response = caller::get(&gateway.address, "/orders", &[]);
    assert_eq!(response.status(), 200);
    assert_found(
        &gateway,
        "`location = /_keygate/authorize` might respond to authorization requests",
    );
    report::passed(&version.number(), "check --nginx: an own location");
}

#[apply(each_nginx)]
fn a_parameter_in_proxy_pass_chooses_the_path(version: Version) {
    let setup = Setup {
        server: "location /public/page { include keygate-authorize.conf; proxy_pass http://backend/$arg_x; }",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let response = caller::get(&gateway.address, "/public/page?x=admin", &[]);
    assert_eq!(response.status(), 200);
    assert_eq!(gateway.backend.take_one().target(), "/admin");
    assert_found(&gateway, "`$arg_x` in `proxy_pass` lets the caller choose");
    report::passed(&version.number(), "check --nginx: a parameter");
}

#[apply(each_nginx)]
fn a_guard_of_the_whole_server_is_no_finding(version: Version) {
    let setup = Setup {
        server: "include keygate-authorize.conf;",
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    assert_eq!(caller::get(&gateway.address, "/orders", &[]).status(), 401);
    let mut check = keygate();
    check.args(["check", "--nginx"]);
    let output = run_to_end(check.arg(gateway.file("nginx.conf")));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("@keygate_"), "{text}");
}
