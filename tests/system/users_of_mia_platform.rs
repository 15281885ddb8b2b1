//! Mia-Platform's documented expressions about users, with the environment names of its Authorization
//! Service: by a userinfo service, and by trusted headers.

use std::fs;

use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::caller;
use crate::support::configured::Files;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::report;
use crate::support::userinfo::{Reply, Userinfo};

/// Paths, and expressions as their documentation writes them.
const EXPRESSIONS: [(&str, &str); 8] = [
    ("/admins", "groups.admin"),
    ("/either", r#""admin" in groups || "user" in groups"#),
    ("/list", r#"["admin","user"] in groups"#),
    ("/writers", r#"permissions["write:orders"]"#),
    ("/readers", r#""read" in permissions"#),
    ("/backoffice/users", "groups.admin && isBackoffice"),
    (
        "/backoffice/any",
        "isBackoffice && (groups.admin || groups.user)",
    ),
    ("/front", "groups.admin && isBackoffice"),
];

/// Each user's groups, and the paths that are allowed.
const USERS: [(&str, &[&str], &[&str]); 3] = [
    (
        "ada",
        &["admin", "x"],
        &[
            "/admins",
            "/either",
            "/list",
            "/writers",
            "/readers",
            "/backoffice/users",
            "/backoffice/any",
        ],
    ),
    (
        "bob",
        &["user"],
        &["/either", "/list", "/readers", "/backoffice/any"],
    ),
    ("eve", &["Admin"], &[]),
];

/// What only a source with permissions allows.
const BY_PERMISSION: [&str; 2] = ["/writers", "/readers"];

fn permissions(user: &str) -> &'static [&'static str] {
    match user {
        "ada" => &["read", "write:orders"],
        "bob" => &["read"],
        _ => &[],
    }
}

/// Their `auth.json`; `public: false` requires a user.
fn policy() -> String {
    let rule = |expression: &str| json!({"ALL": {"authorization": {"expression": expression, "public": false}}});
    let mut paths: serde_json::Map<String, Value> = EXPRESSIONS
        .iter()
        .map(|(path, expression)| ((*path).to_owned(), rule(expression)))
        .collect();
    let open = json!({"GET": {"authorization": {"expression": "true", "public": true}}});
    paths.insert("/open".to_owned(), open);
    Value::Object(paths).to_string()
}

/// What nginx does to name a user, for trusted headers.
const SET: &str = "
    set $keygate_trusted_user_id $cookie_user;
    set $keygate_trusted_user_groups $cookie_groups;
    set $keygate_trusted_user_properties $http_x_test_properties;";

fn start(version: Version, server: &'static str, environment: &[(&str, &str)]) -> Gateway {
    let setup = Setup {
        services: Services::PairOverUnix,
        server,
        location: "include keygate-users.conf;",
        ..Setup::PLAIN
    };
    let files = Files {
        policy: &policy(),
        settings: "",
    };
    Gateway::start_configured(version, &setup, &files, environment)
}

/// Requests every path for a user, and compares with what their expressions say.
fn assert_decisions(gateway: &Gateway, user: &str, headers: &[&str], allowed: &[&str]) {
    for (path, expression) in EXPRESSIONS {
        let response = caller::get(&gateway.address, path, headers);
        let received = gateway.backend.take();
        if allowed.contains(&path) {
            let context = format!("{user}: {expression}: {response:?}");
            assert_eq!(response.status(), 200, "{context}, {}", gateway.logs());
            assert_eq!(received[0].header("miauserid"), Some(user), "{context}");
        } else {
            is_problem(&response, 403, "expression-false")
                .unwrap_or_else(|wrong| panic!("{user}: {expression}: {wrong}, {response:?}"));
            assert!(received.is_empty());
        }
    }
}

fn assert_nobody(gateway: &Gateway, headers: &[&str]) {
    for (path, _) in EXPRESSIONS {
        let response = caller::get(&gateway.address, path, headers);
        is_problem(&response, 401, "missing-user")
            .unwrap_or_else(|wrong| panic!("{path}: {wrong}, {response:?}"));
        assert!(gateway.backend.take().is_empty());
    }
    assert_eq!(
        caller::get(&gateway.address, "/open", headers).status(),
        200
    );
    gateway.backend.take_one();
}

#[apply(each_nginx)]
fn documented_expressions_hold_with_a_userinfo_service(version: Version) {
    let userinfo = Userinfo::start(Reply::Respond(401, String::new()));
    let (url, backoffice) = (userinfo.url("/users/me"), userinfo.url("/backoffice/me"));
    let gateway = start(
        version,
        "",
        &[
            ("USERINFO_URL", &url),
            ("BACKOFFICE_USERINFO_URL", &backoffice),
            (
                "HEADERS_TO_PROXY",
                "x-request-id,request-id,cookie,authorization,client-type,host,x-forwarded-host",
            ),
            ("AUTHORIZATION_HEADERS_TO_PROXY", "cookie,authorization"),
            ("CUSTOM_USER_ID_KEY", "id"),
            ("CUSTOM_PERMISSIONS_KEY", "grants"),
            ("USER_PROPERTIES_TO_PROXY", "email,name"),
        ],
    );
    for (user, groups, allowed) in USERS {
        let session = format!("sid=sample-key-session-{user}");
        let document = json!({
            "id": user, "groups": groups, "grants": permissions(user), "email": "e@example.com", "other": 1,
        });
        userinfo.reply_to(&session, Reply::json(&document));
        let headers = [
            &format!("cookie: {session}"),
            "x-forwarded-host: shop.example",
        ];
        assert_decisions(&gateway, user, &headers, allowed);
        let received = userinfo.take();
        assert_eq!(received.len(), EXPRESSIONS.len());
        let of_backoffice = received.iter().filter(|it| it.target() == "/backoffice/me");
        assert_eq!(of_backoffice.count(), 2);
        for request in received {
            assert_eq!(request.header("x-forwarded-host"), Some("shop.example"));
            assert_eq!(
                request.header("host"),
                userinfo.origin.strip_prefix("http://")
            );
        }
        if user == "ada" {
            caller::get(&gateway.address, "/admins", &headers);
            let received = gateway.backend.take_one();
            assert_eq!(received.header("miausergroups"), Some("admin,x"));
            assert_eq!(
                received.header("miauserproperties"),
                Some(r#"{"email":"e@example.com"}"#)
            );
            userinfo.take();
        }
    }
    assert_nobody(&gateway, &["cookie: sid=sample-key-session-unknown"]);
    userinfo.take();
    assert_nobody(&gateway, &["x-forwarded-host: shop.example"]);
    assert!(userinfo.take().is_empty(), "called without a credential");
    report::passed(&version.number(), "users: Mia-Platform's userinfo");
}

#[apply(each_nginx)]
fn documented_expressions_hold_with_trusted_headers(version: Version) {
    let gateway = start(
        version,
        SET,
        &[
            ("TRUST_MIA_USER_HEADERS", "true"),
            // Their service does not require it.
            ("KEYGATE_TRUSTED_PEERS", "unix"),
            ("GROUPS_HEADER_KEY", "miagroups"),
        ],
    );
    // The names of the environment are those that nginx uses.
    let steps = fs::read_to_string(gateway.file("keygate-server.conf")).unwrap();
    let groups = "proxy_set_header miagroups $keygate_trusted_user_groups;";
    assert!(steps.contains(groups), "{steps}");
    let claimed = [
        "miauserid: root",
        "miagroups: admin",
        "miausergroups: admin",
    ];
    for (user, groups, allowed) in USERS {
        let cookie = format!("cookie: user={user}; groups={}", groups.join(", "));
        let headers = [claimed.as_slice(), &[cookie.as_str()]].concat();
        // Trusted headers have no permissions.
        let allowed: Vec<&str> = allowed
            .iter()
            .copied()
            .filter(|path| !BY_PERMISSION.contains(path))
            .collect();
        assert_decisions(&gateway, user, &headers, &allowed);
    }
    assert_nobody(&gateway, &claimed);
    report::passed(&version.number(), "users: Mia-Platform's trusted headers");
}
