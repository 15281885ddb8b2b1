//! One snippet for each way to bypass Keygate, and one similar snippet that is harmless.

use rstest::rstest;

use super::super::{CaseGap, Context, Expected, Service};
use super::{check_text_with, with};

fn warnings(http: &str, server: &str, location: &str, context: &Context) -> Vec<String> {
    check_text_with(&with(http, server, location), context)
        .unwrap()
        .warnings
}

#[rstest]
#[case::returns(
    "return 200 ok;",
    "`return 200 ok` responds before the authorization request"
)]
#[case::redirect_by_return("return 301 https://x$request_uri;", "`return 301 ")]
#[case::return_of_a_url("return https://x;", "`return https://x` responds before")]
#[case::redirect(
    "rewrite ^/old /new redirect;",
    "`rewrite ^/old /new redirect` responds"
)]
#[case::permanent(
    "rewrite ^/old /new permanent;",
    "`rewrite ^/old /new permanent` responds"
)]
#[case::to_a_url("rewrite ^ https://other/;", "`rewrite ^ https://other/` responds")]
#[case::preflight(
    "if ($request_method = OPTIONS) { return 204; }",
    "`return 204` responds before"
)]
#[case::condition(
    "if ($keygate_client_type = A) { set $x 1; }",
    "`if ($keygate_client_type = A)` uses `$keygate_client_type`, which is empty here"
)]
#[case::copy(
    "set $type $keygate_client_type;",
    "`set $type $keygate_client_type` uses"
)]
#[case::nested_off(
    "location /a { auth_request off; proxy_pass http://b; }",
    "`auth_request off` lets every request to `location /a` pass"
)]
#[case::nested_other(
    "location /a { auth_request /mine; return 404; }",
    "`location /a` sends authorization requests to `/mine` instead of Keygate"
)]
#[case::decoded_header(
    "location /a { include keygate-authorize.conf; proxy_set_header x $uri; }",
    "`$uri` is decoded"
)]
#[case::back_office(
    "set $keygate_backoffice $http_x_office;",
    "`$http_x_office` lets any caller mark a request as a back-office request"
)]
#[case::user(
    "set $keygate_trusted_user_id $cookie_user;",
    "`$cookie_user` lets any caller choose the user"
)]
fn a_guarded_location_keeps_its_guard(#[case] location: &str, #[case] expected: &str) {
    assert_one(&warnings("", "", location, &Context::default()), expected);
}

#[rstest]
#[case::denial("return 404;")]
#[case::close("if ($bad) { return 444; }")]
#[case::plain_header(
    "location /a { include keygate-authorize.conf; proxy_set_header x $request_uri; }"
)]
#[case::back_office("set $keygate_backoffice 1;")]
#[case::user("set $keygate_trusted_user_id $ssl_client_s_dn;")]
#[case::variable_of_ones_own("if ($uri = /x) { set $x 1; }")]
fn a_denial_before_keygate_is_harmless(#[case] location: &str) {
    assert_none(&warnings("", "", location, &Context::default()));
}

#[rstest]
#[case::root("location /a { root /srv; }", "`location /a` serves files without")]
#[case::alias("location /a/ { alias /srv/; }", "`location /a/` serves files without")]
#[case::try_files("location /a { try_files $uri =404; }", "`location /a` serves files")]
#[case::autoindex("location /a { autoindex on; }", "`location /a` lists directories")]
#[case::status("location /a { stub_status; }", "`location /a` shows nginx's counters")]
#[case::dav("location /a { dav_methods PUT; }", "`location /a` writes files")]
#[case::gif("location /a { empty_gif; }", "`location /a` responds")]
#[case::njs("location /a { js_content m.f; }", "`location /a` runs JavaScript")]
#[case::perl("location /a { perl m::f; }", "`location /a` runs Perl")]
#[case::lua(
    "location /a { content_by_lua_block { say('}') } }",
    "`location /a` runs Lua"
)]
#[case::mirror("location /a { mirror /m; }", "`location /a` sends copies")]
#[case::fastcgi(
    "location ~ \\.php$ { fastcgi_pass b; }",
    "`location ~ \\.php$` passes requests to a backend without"
)]
#[case::uwsgi(
    "location /a { uwsgi_pass b; }",
    "`location /a` passes requests to a backend without"
)]
#[case::scgi(
    "location /a { scgi_pass b; }",
    "`location /a` passes requests to a backend without"
)]
#[case::grpc(
    "location /a { grpc_pass b; }",
    "`location /a` passes requests to a backend without"
)]
#[case::memcached(
    "location /a { memcached_pass b; }",
    "`location /a` passes requests to a backend"
)]
#[case::alias_behind_a_bare_prefix(
    "location /a { internal; alias /srv/; }",
    "`location /a` also matches `/a../x`, which `alias /srv/` maps to `/srv/../x`"
)]
#[case::alias_without_its_slash(
    "location /a/ { internal; alias /srv; }",
    "`alias /srv` maps `/a/x` to `/srvx`"
)]
#[case::off_by_slash(
    "location /a { include keygate-authorize.conf; proxy_pass http://b/; }",
    "`location /a` also matches `/a../x`"
)]
#[case::off_by_slash_preferred(
    "location ^~ /a { include keygate-authorize.conf; proxy_pass http://b/c/; }",
    "`location ^~ /a` also matches `/a../x`"
)]
#[case::decoded(
    "location /a { include keygate-authorize.conf; proxy_pass http://b$uri; }",
    "`$uri` in `proxy_pass` is decoded"
)]
#[case::decoded_document(
    "location /a { include keygate-authorize.conf; proxy_pass http://b${document_uri}; }",
    "`$document_uri` in `proxy_pass` is decoded"
)]
#[case::decoded_capture(
    "location ~ ^/a/(.*)$ { include keygate-authorize.conf; proxy_pass http://b/$1; }",
    "`$1` in `proxy_pass` is decoded"
)]
#[case::decoded_name(
    "location ~ ^/a/(?<rest>[^/]+)$ { include keygate-authorize.conf; proxy_pass http://b/$rest; }",
    "`$rest` in `proxy_pass` is decoded"
)]
#[case::any_case(
    "location ~* ^/orders { include keygate-authorize.conf; proxy_pass http://b; }",
    "`location ~* ^/orders` is case-insensitive"
)]
#[case::intercepted(
    "location /a { include keygate-authorize.conf; proxy_intercept_errors on; proxy_pass http://b; }",
    "with `proxy_intercept_errors on`"
)]
#[case::callers_header(
    "location /a { include keygate-authorize.conf; location /a/b { proxy_set_header client-type $http_client_type; proxy_pass http://b; } }",
    "`location /a/b` passes `client-type`"
)]
fn locations_beside_a_guarded_one_are_checked(#[case] server: &str, #[case] expected: &str) {
    assert_one(&warnings("", server, "", &Context::default()), expected);
}

#[rstest]
#[case::internal_files("location /files/ { internal; alias /srv/; }")]
#[case::closed_status("location = /status { stub_status; allow 127.0.0.1; deny all; }")]
#[case::error_page("error_page 502 /50x.html; location = /50x.html { root html; }")]
#[case::named_files("location @lost { root /srv; }")]
#[case::health("location = /healthz { return 200 ok; }")]
#[case::both_slashes("location /a/ { include keygate-authorize.conf; proxy_pass http://b/; }")]
#[case::neither_slash("location /a { include keygate-authorize.conf; proxy_pass http://b/c; }")]
#[case::raw("location /a { include keygate-authorize.conf; proxy_pass http://b$request_uri; }")]
#[case::plain_capture(
    "location ~ ^/a/([a-z0-9.-]+)$ { include keygate-authorize.conf; proxy_pass http://b/$1; }"
)]
#[case::unanchored("location ~ ^/A { include keygate-authorize.conf; proxy_pass http://b; }")]
fn a_closed_or_exact_location_is_harmless(#[case] server: &str) {
    assert_none(&warnings("", server, "", &Context::default()));
}

#[rstest]
#[case::requests(
    "limit_req_zone $keygate_client_type zone=a:1m rate=1r/s;",
    "limit_req_zone"
)]
#[case::connections("limit_conn_zone $keygate_user_id zone=a:1m;", "limit_conn_zone")]
#[case::by_a_map(
    "limit_req_zone $y zone=a:1m rate=1r/s; map $x $y { default $x; } map $keygate_client_type $x { A a; }",
    "limit_req_zone` uses `$y`"
)]
fn a_zone_with_an_empty_key_is_reported(#[case] http: &str, #[case] expected: &str) {
    let found = warnings(http, "", "", &Context::default());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains(expected) && found[0].contains("before the authorization request"),
        "{found:?}"
    );
    assert_none(&warnings(
        "limit_req_zone $http_client_key zone=a:1m rate=1r/s;",
        "",
        "",
        &Context::default(),
    ));
}

#[rstest]
#[case::any_protocol(
    "",
    "proxy_set_header upgrade $http_upgrade; proxy_set_header connection upgrade;",
    "`upgrade` passes on every protocol that the caller requests"
)]
#[case::any_protocol_by_a_map(
    "map $http_upgrade $u { default $http_upgrade; }",
    "proxy_set_header Upgrade $u;",
    "`Upgrade` passes on every protocol"
)]
#[case::callers_host(
    "",
    "proxy_set_header host $http_host;",
    "`host` is sent exactly as the caller wrote it"
)]
#[case::callers_forwarded_host(
    "",
    "proxy_set_header X-Forwarded-Host ${http_host};",
    "`X-Forwarded-Host` is sent exactly as the caller wrote it"
)]
#[case::callers_method(
    "",
    "proxy_method $http_x_method;",
    "`proxy_method` sends a method other"
)]
#[case::other_method("", "proxy_method DELETE;", "`proxy_method` sends a method other")]
#[case::key_in_another_header(
    "",
    "proxy_set_header x-copy $http_client_key;",
    "`$http_client_key` in `proxy_set_header` contains the caller's key"
)]
#[case::key_in_a_response(
    "",
    "add_header x-copy 'key=${http_secret}';",
    "`$http_secret` in `add_header` contains the caller's key"
)]
#[case::key_of_a_cookie(
    "",
    "proxy_set_header x-copy $cookie_mia_client_key;",
    "`$cookie_mia_client_key` in `proxy_set_header` contains the caller's key"
)]
#[case::key_with_all_cookies(
    "",
    "proxy_set_header x-copy $http_cookie;",
    "`$http_cookie` in `proxy_set_header` contains the caller's key"
)]
#[case::key_in_the_log(
    "log_format keys '$remote_addr $http_client_key';",
    "",
    "`$http_client_key` in `log_format` contains the caller's key"
)]
#[case::server_side_includes(
    "",
    "ssi on;",
    "`ssi on` makes subrequests without authorization by Keygate"
)]
#[case::addition(
    "",
    "add_after_body /a;",
    "`add_after_body /a` makes subrequests without authorization by Keygate"
)]
#[case::addition_before("", "add_before_body /a;", "`add_before_body /a` makes subrequests")]
fn requests_that_differ_from_the_authorized_ones_are_found(
    #[case] http: &str,
    #[case] location: &str,
    #[case] expected: &str,
) {
    assert_one(&warnings(http, "", location, &Context::default()), expected);
}

#[rstest]
#[case::web_sockets(
    "map $http_upgrade $u { default ''; ~*^websocket$ websocket; }",
    "proxy_set_header upgrade $u; proxy_set_header connection upgrade;"
)]
#[case::constant("", "proxy_set_header upgrade websocket;")]
#[case::no_upgrade("", "proxy_set_header upgrade '';")]
#[case::decided_host(
    "",
    "proxy_set_header host $host; proxy_set_header x-forwarded-host $host;"
)]
#[case::callers_method("", "proxy_method $request_method;")]
#[case::id_of_the_key("log_format ids '$keygate_key_id $keygate_client_type';", "")]
#[case::other_cookie("", "proxy_set_header x-session $cookie_session;")]
#[case::no_includes("", "ssi off;")]
#[case::limit_by_key("limit_req_zone $http_client_key zone=a:1m rate=1r/s;", "")]
fn headers_without_the_key_of_the_same_request_are_harmless(
    #[case] http: &str,
    #[case] location: &str,
) {
    assert_none(&warnings(http, "", location, &Context::default()));
}

#[rstest]
#[case::any_address(
    "set_real_ip_from 0.0.0.0/0;",
    "",
    "",
    "`set_real_ip_from 0.0.0.0/0` lets any caller choose the address"
)]
#[case::any_address_of_ipv6(
    "",
    "set_real_ip_from ::/0;",
    "",
    "`set_real_ip_from ::/0` lets any caller choose the address"
)]
#[case::path_of_a_parameter(
    "",
    "location /a { include keygate-authorize.conf; proxy_pass http://b/$arg_x; }",
    "",
    "`$arg_x` in `proxy_pass` lets the caller choose the backend's host or path"
)]
#[case::host_of_a_header(
    "",
    "location /a { include keygate-authorize.conf; proxy_pass http://$http_x_target; }",
    "",
    "`$http_x_target` in `proxy_pass` lets the caller choose"
)]
#[case::cache_without_path(
    "",
    "",
    "proxy_cache all; proxy_cache_key $keygate_client_type$host;",
    "`proxy_cache_key` contains no path"
)]
#[case::cache_without_host(
    "",
    "server_name a.example b.example;",
    "proxy_cache all; proxy_cache_key $keygate_client_type$request_uri;",
    "`proxy_cache_key` contains no host"
)]
#[case::own_response(
    "",
    "location = /_keygate/authorize { return 200; }",
    "",
    "`location = /_keygate/authorize` might respond to authorization requests instead of Keygate"
)]
#[case::own_location(
    "",
    "location /_keygate/x { proxy_pass http://b; }",
    "",
    "`location /_keygate/x` might respond"
)]
fn choices_of_a_caller_or_of_another_location_are_found(
    #[case] http: &str,
    #[case] server: &str,
    #[case] location: &str,
    #[case] expected: &str,
) {
    let found = warnings(http, server, location, &Context::default());
    assert_one(&found, expected);
}

#[rstest]
#[case::own_proxies("set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:;", "", "")]
#[case::parameter_in_the_query(
    "",
    "location /a { include keygate-authorize.conf; proxy_pass http://b/x?y=$arg_x; }",
    ""
)]
#[case::mapped_parameter(
    "map $arg_x $target { default ''; a /a; }",
    "location /a { include keygate-authorize.conf; proxy_pass http://b$target; }",
    ""
)]
#[case::whole_cache_key(
    "",
    "server_name a.example b.example;",
    "proxy_cache all; proxy_cache_key $keygate_client_type$host$request_uri;"
)]
#[case::guard_of_the_server("", "include keygate-authorize.conf;", "")]
#[case::response_to_denied_callers(
    "",
    "include keygate-authorize.conf; location /a { proxy_pass http://b; }",
    ""
)]
fn choices_of_the_configuration_alone_are_harmless(
    #[case] http: &str,
    #[case] server: &str,
    #[case] location: &str,
) {
    assert_none(&warnings(http, server, location, &Context::default()));
}

#[test]
fn server_side_includes_beside_a_guarded_location_are_found() {
    assert_one(
        &warnings(
            "",
            "location /a { internal; ssi on; root /srv; }",
            "",
            &Context::default(),
        ),
        "`ssi on` makes subrequests without authorization by Keygate",
    );
}

#[test]
fn an_unanchored_regular_expression_is_named_as_the_reason() {
    let found = warnings(
        "",
        "location ~ \\.png$ { root /srv; }",
        "",
        &Context::default(),
    );
    assert!(found[0].contains("does not start with `^`"), "{found:?}");
}

#[test]
fn case_matters_where_the_policy_decides_differently() {
    let server = "location ~* ^/orders { include keygate-authorize.conf; proxy_pass http://b; }";
    let gap = CaseGap {
        path: "/orders/1".to_owned(),
        other: "/ORDERS/1".to_owned(),
        decided_by: "/".to_owned(),
    };
    let context = |case_gaps| Context {
        case_gaps: Some(case_gaps),
        ..Context::default()
    };
    assert_none(&warnings("", server, "", &context(Vec::new())));
    assert_one(
        &warnings("", server, "", &context(vec![gap.clone()])),
        "`location ~* ^/orders` matches `/orders/1` and `/ORDERS/1`, but in the policy the latter matches the rule `/`",
    );
    let elsewhere = server.replace("orders", "users");
    assert_none(&warnings("", &elsewhere, "", &context(vec![gap])));
}

fn settings(change: impl FnOnce(&mut Expected)) -> Context {
    let mut expected = Expected::default();
    change(&mut expected);
    Context {
        expected,
        has_settings: true,
        case_gaps: None,
    }
}

#[test]
fn the_default_settings_agree_with_the_includes() {
    let context = settings(|it| {
        it.listeners = vec![
            (Service::Resolver, "127.0.0.1:7081".to_owned()),
            (Service::Authorizer, "0.0.0.0:7082".to_owned()),
        ];
    });
    assert_none(&warnings("", "", "", &context));
}

#[rstest]
#[case::key_header(
    settings(|it| it.key_headers = vec!["x-api-key".to_owned()]),
    &["`location /` passes `x-api-key`", "the key in the header `x-api-key` is also sent to the authorizer"]
)]
#[case::key_cookie(
    settings(|it| it.key_cookies = vec!["apikey".to_owned()]),
    &["the key in the cookie `apikey` is sent to backends"]
)]
#[case::client_type(
    settings(|it| it.client_type_header = "x-client-type".to_owned()),
    &["`location /` passes `x-client-type`", "the authorizer trusts the caller's own `x-client-type`"]
)]
#[case::back_office(
    settings(|it| it.backoffice_header = "x-office".to_owned()),
    &["`location /` passes `x-office`", "the authorizer trusts the caller's own `x-office`"]
)]
#[case::other_keys_stated(
    settings(|it| it.stated_of_keys = Some("headers=x".to_owned())),
    &["the includes were generated for header and cookie names other than the ones in the \
       settings, so the resolver"]
)]
#[case::other_identity_stated(
    settings(|it| it.stated_of_identity = Some("client-type=x".to_owned())),
    &["the includes were generated for header and cookie names other than the ones in the \
       settings, so the authorizer"]
)]
#[case::no_user_stated(
    settings(|it| it.stated_of_identity = Some("isbackoffice;user=a,b,c".to_owned())),
    &["the includes were generated for header and cookie names other than the ones in the \
       settings, so the authorizer"]
)]
#[case::user(
    settings(|it| it.user_headers = vec!["x-user".to_owned()]),
    &[
        "`location /` passes `x-user`",
        "the authorizer trusts the caller's own `x-user` (setting `users.trusted-headers`)",
    ]
)]
#[case::address(
    settings(|it| it.listeners = vec![(Service::Resolver, "127.0.0.1:9081".to_owned())]),
    &["nginx connects to the resolver at `127.0.0.1:7081`, but according to its settings it \
       listens on `127.0.0.1:9081`"]
)]
#[case::socket(
    settings(|it| it.listeners = vec![(Service::Authorizer, "unix:/run/a.sock".to_owned())]),
    &["nginx connects to the authorizer at `127.0.0.1:7082`"]
)]
fn settings_that_the_includes_do_not_follow_are_found(
    #[case] context: Context,
    #[case] expected: &[&str],
) {
    let found = warnings("", "", "", &context).join("\n");
    for part in expected {
        assert!(found.contains(part), "no `{part}` in {found}");
    }
}

#[rstest]
#[case::nowhere("", true)]
#[case::only_the_groups("set $keygate_trusted_user_groups staff;", true)]
#[case::in_the_server("set $keygate_trusted_user_id $ssl_client_s_dn;", false)]
#[case::in_a_location(
    "location /a { set $keygate_trusted_user_id $ssl_client_s_dn; }",
    false
)]
fn trusted_headers_that_nginx_never_sets_are_found(#[case] server: &str, #[case] expected: bool) {
    let map = "map '' $keygate_trusted_user_id { default ''; }";
    let nobody = "nothing sets `$keygate_trusted_user_id`";
    let trusted = settings(|it| it.user_headers = vec!["miauserid".to_owned()]);
    let found = warnings(map, server, "", &trusted).join("\n");
    assert_eq!(found.contains(nobody), expected, "{found}");
    let found = warnings(map, server, "", &settings(|_| ())).join("\n");
    assert!(!found.contains(nobody), "{found}");
}

#[rstest]
#[case::current("x-keygate-names", 0)]
#[case::without_the_names("x-other", 1)]
fn header_mode_is_reported_for_includes_without_their_header(
    #[case] header: &str,
    #[case] expected: usize,
) {
    let text = format!(
        "server {{ location /_keygate/ {{ internal; location = /_keygate/authorizer {{
            proxy_set_header {header} x;
            proxy_set_header isbackoffice $keygate_isbackoffice;
            proxy_set_header client-type $keygate_resolved_client_type;
            proxy_set_header client-key '';
            proxy_set_header secret '';
            proxy_set_header cookie $keygate_cookie;
            proxy_pass http://127.0.0.1:7082/auth; }} }} }}"
    );
    let context = settings(|it| it.answers_with_header = true);
    let found = check_text_with(&text, &context).unwrap().warnings;
    assert_eq!(found.len(), expected, "{found:?}");
    assert!(found.iter().all(|it| it.contains("`answer-with: header`")));
}

#[rstest]
#[case::of_step_1("$keygate_resolved_handoff", false)]
#[case::removed("''", true)]
fn includes_that_lose_the_signature_are_found(#[case] value: &str, #[case] expected: bool) {
    let text = format!(
        "server {{ location /_keygate/ {{ internal; location = /_keygate/authorizer {{
            proxy_set_header x-keygate-handoff {value};
            proxy_pass http://127.0.0.1:7082/auth; }} }} }}"
    );
    let found = |context| {
        check_text_with(&text, &context)
            .unwrap()
            .warnings
            .join("\n")
    };
    let lost = "the authorizer does not receive `x-keygate-handoff`";
    assert_eq!(
        found(settings(|it| it.needs_hand_off = true)).contains(lost),
        expected
    );
    assert!(!found(settings(|_| ())).contains(lost));
}

#[test]
fn the_includes_hand_the_signature_on() {
    let found = warnings("", "", "", &settings(|it| it.needs_hand_off = true));
    assert_none(&found);
}

fn assert_one(found: &[String], expected: &str) {
    let [warning] = found else {
        panic!("expected one warning: {}", found.join("\n"));
    };
    assert!(
        warning.contains(&format!("warning: {expected}")),
        "{warning}"
    );
    assert!(
        warning.contains("= help: ") && warning.contains("site.conf:"),
        "{warning}"
    );
}

fn assert_none(found: &[String]) {
    assert_eq!(found, Vec::<String>::new());
}
