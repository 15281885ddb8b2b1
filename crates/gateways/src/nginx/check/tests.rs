use std::fs;
use std::path::{Path, PathBuf};

use keygate_documents::source::SourceError;
use rstest::rstest;
use tempfile::TempDir;

use super::{Outcome, check};

/// The includes that users copy.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nginx")
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

/// Checks a configuration; paths are told without the folder.
fn check_text(text: &str) -> Result<Outcome, String> {
    let folder = folder_with(text);
    let prefix = format!("{}/", folder.path().display());
    match check(&folder.path().join("site.conf")) {
        Ok(mut outcome) => {
            for warning in &mut outcome.warnings {
                *warning = warning.replace(&prefix, "");
            }
            Ok(outcome)
        }
        Err(error) => Err(error.to_string().replace(&prefix, "")),
    }
}

/// A server with the includes and what is odd about it.
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
fn the_files_that_users_copy_have_nothing_odd() {
    for server in ["keygate-server.conf", "keygate-server-single.conf"] {
        let demo = fs::read_to_string(shipped().join("nginx.conf")).unwrap();
        let outcome = check_text(&demo.replace("keygate-server.conf", server)).unwrap();
        assert_eq!(outcome.warnings, Vec::<String>::new());
        assert_eq!(outcome.asking, 2);
    }
}

#[rstest]
#[case::underscores(
    "underscores_in_headers on;",
    "",
    "",
    "`underscores_in_headers on` lets"
)]
#[case::underscores_of_a_server(
    "",
    "underscores_in_headers on;",
    "",
    "`underscores_in_headers on` lets"
)]
#[case::invalid_names(
    "ignore_invalid_headers off;",
    "",
    "",
    "`ignore_invalid_headers off` lets"
)]
#[case::slashes("merge_slashes off;", "", "", "with `merge_slashes off` nginx chooses")]
#[case::open_location(
    "",
    "location /a { proxy_pass http://b; }",
    "",
    "`location /a` passes requests on without asking Keygate"
)]
#[case::open_expression(
    "",
    r"location ~ \.php$ { fastcgi_pass b; }",
    "",
    r"`location ~ \.php$` passes requests on without"
)]
#[case::switched_off(
    "",
    "",
    "location /a { auth_request off; proxy_pass http://b; }",
    "`location /a` passes requests on without"
)]
#[case::another_question(
    "",
    "location /a { auth_request /login; proxy_pass http://b; }",
    "",
    "`location /a` passes requests on without"
)]
#[case::named(
    "",
    "location @app { proxy_pass http://b; }",
    "",
    "`location @app` passes on the caller's own identity headers"
)]
#[case::nested_headers(
    "",
    "",
    "location /a { proxy_set_header host x; proxy_pass http://b; }",
    "`location /a` passes on what the caller wrote as `client-type`, `miauserid`"
)]
#[case::doubled_header(
    "",
    "",
    "proxy_set_header Client-Type $http_client_type;",
    "`client-type` is set twice"
)]
#[case::grpc(
    "",
    "location /a { include keygate-authorize.conf; grpc_pass b; }",
    "",
    "`grpc_pass` does not send the headers"
)]
#[case::cache(
    "proxy_cache all;",
    "",
    "",
    "`proxy_cache` may give to one client type"
)]
#[case::cache_key(
    "proxy_cache all; proxy_cache_key $uri;",
    "",
    "",
    "`proxy_cache` may give to one client type"
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
    "`error_page 401 =200 /welcome` makes a success"
)]
#[case::error_page_of_its_own(
    "",
    "",
    "error_page 403 = @welcome;",
    "`error_page 403 = @welcome` makes a success"
)]
#[case::rewrite(
    "",
    "rewrite ^/a /b;",
    "",
    "Keygate decides on the path as the caller wrote it"
)]
#[case::rewrite_in_a_location(
    "",
    "",
    "rewrite ^/a /b break;",
    "Keygate decides on the path as the caller wrote it"
)]
fn what_could_let_a_request_past_is_told(
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
#[case::static_files("", "location /assets/ { root /var/www; }", "")]
#[case::nested_again(
    "",
    "",
    "location /a { proxy_set_header host x; include keygate-authorize.conf; proxy_pass http://b; }"
)]
#[case::nested_inherits("", "", "location /a { proxy_pass http://b; }")]
fn what_is_harmless_is_not_told(#[case] http: &str, #[case] server: &str, #[case] location: &str) {
    let outcome = check_text(&with(http, server, location)).unwrap();
    assert_eq!(outcome.warnings, Vec::<String>::new());
}

#[test]
fn a_question_that_nobody_of_ours_answers_is_an_error() {
    let text = with("", "", "").replace("        include keygate-server.conf;\n", "");
    insta::assert_snapshot!(check_text(&text).unwrap_err(), @r"
    error: `location /` asks Keygate, but this server does not have Keygate's own locations: the question goes to another one, and whatever answers there lets everybody in
     --> site.conf:6:9
      |
    6 |         location / {
      |         ^^^^^^^^^^
      |
      = help: include `keygate-server.conf` in the server
    ");
}

#[test]
fn a_rewrite_before_the_include_is_told_as_such() {
    let text = with("", "", "").replace(
        "include keygate-server.conf;",
        "rewrite ^/(.*)$ /app/$1; include keygate-server.conf;",
    );
    insta::assert_snapshot!(check_text(&text).unwrap().warnings.join("\n\n"), @r"
    warning: `rewrite` may catch the question that nginx asks Keygate
     --> site.conf:5:9
      |
    5 |         rewrite ^/(.*)$ /app/$1; include keygate-server.conf;
      |         ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: include `keygate-server.conf` before it
    ");
}

#[test]
fn a_server_without_keygate_is_told_once() {
    let text =
        "server { location / { proxy_pass http://b; } location /c { proxy_pass http://c; } }";
    insta::assert_snapshot!(check_text(text).unwrap().warnings.join("\n\n"), @r"
    warning: no location of this server asks Keygate
     --> site.conf:1:23
      |
    1 | server { location / { proxy_pass http://b; } location /c { proxy_pass http://c; } }
      |                       ^^^^^^^^^^^^^^^^^^^
      |
      = help: include `keygate-authorize.conf` in those that it is to guard
    ");
}

#[test]
fn lost_headers_are_shown_where_they_are_lost() {
    let text = with(
        "",
        "",
        "location /orders/ {
                proxy_set_header x-a b;
                proxy_pass http://b;
            }",
    );
    insta::assert_snapshot!(check_text(&text).unwrap().warnings.join("\n\n"), @r"
    warning: `location /orders/` passes on what the caller wrote as `client-type`, `miauserid`, `miausergroups`, `miauserproperties`, `isbackoffice`, `client_type`, `client-key`, `secret`, `cookie`
      --> site.conf:11:17
       |
    11 |                 proxy_set_header x-a b;
       |                 ^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: a block with a `proxy_set_header` of its own inherits none: include `keygate-authorize.conf` in this one
    ");
}

#[test]
fn what_stands_in_an_included_file_is_told_with_that_file() {
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
#[case::open("http { server {", "this is no nginx configuration: ")]
#[case::no_end("merge_slashes off", "this is no nginx configuration: ")]
fn what_cannot_be_read_is_an_error(#[case] text: &str, #[case] expected: &str) {
    let error = check_text(text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_file_that_is_absent_is_said_to_be() {
    let error = check(Path::new("/no/such/file")).unwrap_err();
    assert!(matches!(error, SourceError::Unreadable { .. }), "{error}");
}
