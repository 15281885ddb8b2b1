use std::fs;
use std::path::{Path, PathBuf};

use keygate_documents::source::SourceError;
use rstest::rstest;
use tempfile::TempDir;

use super::{Context, Outcome};

mod finds;

/// The includes that users copy.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nginx")
}

fn check(path: &Path) -> Result<Outcome, SourceError> {
    super::check(path, &Context::default())
}

/// Writes a configuration beside the includes.
fn folder_with(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(shipped()).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    fs::write(folder.path().join("site.conf"), text).unwrap();
    folder
}

fn check_text(text: &str) -> Result<Outcome, String> {
    check_text_with(text, &Context::default())
}

/// Checks a configuration; paths are reported without the folder.
fn check_text_with(text: &str, context: &Context) -> Result<Outcome, String> {
    let folder = folder_with(text);
    let prefix = format!("{}/", folder.path().display());
    match super::check(&folder.path().join("site.conf"), context) {
        Ok(mut outcome) => {
            for found in outcome.warnings.iter_mut().chain(&mut outcome.errors) {
                *found = found.replace(&prefix, "");
            }
            Ok(outcome)
        }
        Err(error) => Err(error.to_string().replace(&prefix, "")),
    }
}

/// A server with the includes and these lines.
fn with(http: &str, server: &str, location: &str) -> String {
    format!(
        "http {{
    include keygate.conf;
    {http}
    server {{
        include keygate-server.conf;
        {server}
        location / {{
            include keygate-authorize.conf;
            proxy_pass http://backend;
            {location}
        }}
    }}
}}
"
    )
}

#[test]
fn the_files_that_users_copy_have_no_findings() {
    for server in ["keygate-server.conf", "keygate-server-single.conf"] {
        let demo = fs::read_to_string(shipped().join("nginx.conf")).unwrap();
        let outcome = check_text(&demo.replace("keygate-server.conf", server)).unwrap();
        assert_eq!(outcome.warnings, Vec::<String>::new());
        assert_eq!(outcome.guarded, 2);
    }
}

#[rstest]
#[case::underscores(
    "underscores_in_headers on;",
    "",
    "",
    "`underscores_in_headers on` allows"
)]
#[case::underscores_of_a_server(
    "",
    "underscores_in_headers on;",
    "",
    "`underscores_in_headers on` allows"
)]
#[case::invalid_names(
    "ignore_invalid_headers off;",
    "",
    "",
    "`ignore_invalid_headers off` allows"
)]
#[case::slashes(
    "merge_slashes off;",
    "",
    "",
    "with `merge_slashes off`, nginx and Keygate"
)]
#[case::open_location(
    "",
    "location /a { proxy_pass http://b; }",
    "",
    "`location /a` passes requests to a backend without authorization by Keygate"
)]
#[case::open_expression(
    "",
    r"location ~ \.php$ { fastcgi_pass b; }",
    "",
    r"`location ~ \.php$` passes requests to a backend without"
)]
#[case::switched_off(
    "",
    "",
    "location /a { auth_request off; proxy_pass http://b; }",
    "`auth_request off` lets every request to `location /a` pass without Keygate"
)]
#[case::another_service(
    "",
    "location /a { auth_request /login; proxy_pass http://b; }",
    "",
    "`location /a` passes requests to a backend without"
)]
#[case::named(
    "",
    "location @app { proxy_pass http://b; }",
    "",
    "`location @app` passes the identity headers to the backend as sent by the caller"
)]
#[case::nested_headers(
    "",
    "",
    "location /a { proxy_set_header host x; proxy_pass http://b; }",
    "`location /a` passes `client-type`, `x-keygate-key-id`, `miauserid`"
)]
#[case::repeated_header(
    "",
    "",
    "proxy_set_header Client-Type $http_client_type;",
    "`client-type` is set twice"
)]
#[case::grpc(
    "",
    "location /a { include keygate-authorize.conf; grpc_pass b; }",
    "",
    "`location /a` passes `client-type`, `x-keygate-key-id`, `miauserid`"
)]
#[case::grpc_header(
    "",
    "location /a { include keygate-authorize.conf; include keygate-grpc.conf; grpc_pass b;
       location /a/b { grpc_set_header x-a b; grpc_pass b; } }",
    "",
    "`location /a/b` passes `client-type`"
)]
#[case::grpc_key(
    "",
    "location /a { include keygate-authorize.conf; include keygate-grpc.conf; grpc_set_header x-a $http_client_key;
       grpc_pass b; }",
    "",
    "`$http_client_key` in `grpc_set_header` contains the caller's key"
)]
#[case::fastcgi(
    "",
    "location /a { include keygate-authorize.conf; fastcgi_pass b; }",
    "",
    "`fastcgi_pass` does not send the headers"
)]
#[case::cache(
    "proxy_cache all;",
    "",
    "",
    "`proxy_cache` may send the response for one client type"
)]
#[case::cache_key(
    "proxy_cache all; proxy_cache_key $uri;",
    "",
    "",
    "`proxy_cache` may send the response for one client type"
)]
#[case::satisfy(
    "",
    "",
    "location /a { satisfy any; allow all; }",
    "`satisfy any` lets another condition"
)]
#[case::error_page(
    "",
    "",
    "error_page 401 =200 /welcome;",
    "`error_page 401 =200 /welcome` sends Keygate's denial as a success"
)]
#[case::error_page_of_its_own(
    "",
    "",
    "error_page 403 = @welcome;",
    "`error_page 403 = @welcome` sends Keygate's denial as a success"
)]
#[case::rewrite("", "rewrite ^/a /b;", "", "Keygate decides on the original path")]
#[case::rewrite_in_a_location(
    "",
    "",
    "rewrite ^/a /b break;",
    "Keygate decides on the original path"
)]
fn what_could_let_a_request_bypass_keygate_is_reported(
    #[case] http: &str,
    #[case] server: &str,
    #[case] location: &str,
    #[case] expected: &str,
) {
    let warnings = check_text(&with(http, server, location)).unwrap().warnings;
    let [warning] = warnings.as_slice() else {
        panic!("expected one warning: {}", warnings.join("\n"));
    };
    assert!(
        warning.contains(&format!("warning: {expected}")),
        "{warning}"
    );
    assert!(warning.contains("= help: "), "{warning}");
}

#[rstest]
#[case::nothing("", "", "")]
#[case::defaults("merge_slashes on; underscores_in_headers off;", "", "")]
#[case::a_cache_for_each(
    "proxy_cache all; proxy_cache_key $keygate_client_type$keygate_user_id$uri;",
    "",
    ""
)]
#[case::no_cache_here("proxy_cache all;", "", "proxy_cache off;")]
#[case::outer_error_pages("error_page 401 =200 /welcome; error_page 404 =200 /lost;", "", "")]
#[case::other_error_pages("", "", "error_page 404 =200 /lost; error_page 401 /login;")]
#[case::redirect("", "rewrite ^/old /new permanent; rewrite ^ https://other$uri;", "")]
#[case::nested_again(
    "",
    "",
    "location /a { proxy_set_header host x; include keygate-authorize.conf; proxy_pass http://b; }"
)]
#[case::nested_inherits("", "", "location /a { proxy_pass http://b; }")]
fn harmless_configurations_are_not_reported(
    #[case] http: &str,
    #[case] server: &str,
    #[case] location: &str,
) {
    let outcome = check_text(&with(http, server, location)).unwrap();
    assert_eq!(outcome.warnings, Vec::<String>::new());
}

#[test]
fn a_guarded_location_needs_the_server_include() {
    let text = with("", "", "").replace("        include keygate-server.conf;\n", "");
    insta::assert_snapshot!(check_text(&text).unwrap().errors.join("\n\n"), @r"
    error: `location /` sends authorization requests to Keygate, but this server lacks Keygate's own locations: another location receives the requests, and its response might allow every caller
     --> site.conf:6:9
      |
    6 |         location / {
      |         ^^^^^^^^^^
      |
      = help: include `keygate-server.conf` in the server
    ");
}

#[test]
fn a_rewrite_before_the_include_is_reported() {
    let text = with("", "", "").replace(
        "include keygate-server.conf;",
        "rewrite ^/(.*)$ /app/$1; include keygate-server.conf;",
    );
    insta::assert_snapshot!(check_text(&text).unwrap().warnings.join("\n\n"), @r"
    warning: `rewrite` might match authorization requests to Keygate
     --> site.conf:5:9
      |
    5 |         rewrite ^/(.*)$ /app/$1; include keygate-server.conf;
      |         ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: include `keygate-server.conf` before it
    ");
}

#[test]
fn a_server_without_keygate_is_reported_once() {
    let text =
        "server { location / { proxy_pass http://b; } location /c { proxy_pass http://c; } }";
    insta::assert_snapshot!(check_text(text).unwrap().warnings.join("\n\n"), @r"
    warning: no location of this server sends authorization requests to Keygate
     --> site.conf:1:23
      |
    1 | server { location / { proxy_pass http://b; } location /c { proxy_pass http://c; } }
      |                       ^^^^^^^^^^^^^^^^^^^
      |
      = help: include `keygate-authorize.conf` in the locations that you want to protect
    ");
}

#[test]
fn lost_headers_are_reported_at_the_directive_that_drops_them() {
    let text = with(
        "",
        "",
        "location /orders/ {
                proxy_set_header x-a b;
                proxy_pass http://b;
            }",
    );
    insta::assert_snapshot!(check_text(&text).unwrap().warnings.join("\n\n"), @r"
    warning: `location /orders/` passes `client-type`, `x-keygate-key-id`, `miauserid`, `miausergroups`, `miauserproperties`, `isbackoffice`, `x-keygate-token`, `client_type`, `client-key`, `secret`, `cookie` to the backend as sent by the caller
      --> site.conf:11:17
       |
    11 |                 proxy_set_header x-a b;
       |                 ^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: a block with its own `proxy_set_header` does not inherit any: include `keygate-authorize.conf` in this block
    ");
}

#[test]
fn findings_in_an_included_file_name_that_file() {
    let folder = folder_with("http { include conf.d/*.conf; include none/*.conf; }");
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    fs::write(
        folder.path().join("conf.d/a.conf"),
        "\nmerge_slashes off;\n",
    )
    .unwrap();
    let outcome = check(&folder.path().join("site.conf")).unwrap();
    assert!(
        outcome.warnings[0].contains("conf.d/a.conf:2:1"),
        "{outcome:?}"
    );
}

#[rstest]
#[case::absent("http { include absent.conf; }", "cannot read absent.conf: ")]
#[case::endless("http { include site.conf; }", "`site.conf` includes itself")]
#[case::open("http { server {", "not an nginx configuration: ")]
#[case::no_end("merge_slashes off", "not an nginx configuration: ")]
fn unreadable_configurations_are_errors(#[case] text: &str, #[case] expected: &str) {
    let error = check_text(text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_missing_file_is_reported() {
    let error = check(Path::new("/no/such/file")).unwrap_err();
    assert!(matches!(error, SourceError::Unreadable { .. }), "{error}");
}

#[rstest]
#[case::json("{\"secrets\": [{\"secret\": \"sample-key-1\", \"clientType\": \"A\"}]}")]
#[case::keys("version: 1\nkeys:\n  - id: a\n    key: sample-key-1\n")]
#[case::an_open_map("http { map $http_client_key $t { sample-key-1 A }")]
#[case::a_map("http { map $http_client_key $t { sample-key-1 A; } merge_slashes off; }")]
#[case::a_token(
    "http { server { location / { proxy_set_header authorization sample-key-1; proxy_pass http://b; } } }"
)]
#[case::a_comparison(
    "http { server { location / { include keygate-authorize.conf; proxy_pass http://b; }
     location /a { if ($http_client_key = sample-key-1) { proxy_pass http://b; } } } }"
)]
#[case::a_condition(
    "http { server { location / { include keygate-authorize.conf;
     if ($http_client_key = sample-key-1$keygate_client_type) { set $x 1; } } } }"
)]
#[case::a_variable(
    "http { server { location / { include keygate-authorize.conf;
     set $api_key sample-key-1$keygate_client_type; proxy_pass http://b; } } }"
)]
#[case::a_query("http { server { location / { proxy_pass http://b/?apikey=sample-key-1; } } }")]
#[case::a_redirect(
    "http { server { location / { include keygate-authorize.conf;
     return 301 https://b/?x=1&token=sample-key-1; } } }"
)]
fn lines_that_may_contain_a_key_are_not_shown(#[case] text: &str) {
    let shown = match check_text(text) {
        Ok(outcome) => [outcome.errors, outcome.warnings].concat().join("\n"),
        Err(error) => error,
    };
    assert!(shown.contains("site.conf:"), "{shown}");
    assert!(!shown.contains("sample-key"), "{shown}");
}

#[test]
fn bytes_that_are_not_utf_8_are_accepted_as_in_nginx() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.conf");
    fs::write(&path, b"# caf\xe9\r\nmerge_slashes off;\r\n").unwrap();
    assert_eq!(check(&path).unwrap().warnings.len(), 1);
    fs::write(&path, b"\x7fELF\0\x01{\xff;\0").unwrap();
    assert!(check(&path).is_err());
}

#[test]
fn the_other_includes_have_no_findings() {
    let text = with(
        "limit_req_zone $binary_remote_addr zone=keygate_failures:1m rate=5r/s;",
        "include keygate-limit-failures.conf;
         location /shop.Orders/ {
             include keygate-authorize.conf;
             include keygate-grpc.conf;
             grpc_pass grpc://backend;
         }
         location /reports/ {
             include keygate-require-key.conf;
             include keygate-users.conf;
             include keygate-identity-token.conf;
             proxy_pass http://backend;
         }",
        "include keygate-users.conf; include keygate-identity-token.conf;",
    );
    let outcome = check_text(&text).unwrap();
    assert_eq!(outcome.warnings, Vec::<String>::new());
}

#[test]
fn the_configurations_of_deploy_have_no_findings() {
    let deploy = shipped().join("../deploy/kubernetes");
    for overlay in ["nginx", "sidecar", "single"] {
        let folder = folder_with("");
        let gateway = ["gateway/gateway.conf", "gateway/nginx.conf"].map(|name| deploy.join(name));
        let own = fs::read_dir(deploy.join("overlays").join(overlay)).unwrap();
        let own = own.flatten().map(|entry| entry.path());
        let own = own.filter(|path| path.extension().is_some_and(|it| it == "conf"));
        for path in gateway.into_iter().chain(own) {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let outcome = check(&folder.path().join("nginx.conf")).unwrap();
        assert_eq!(outcome.warnings, Vec::<String>::new(), "{overlay}");
        assert_eq!(outcome.guarded, 1);
    }
}
