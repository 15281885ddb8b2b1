//! Users by a userinfo service: what it receives, what its responses mean, and that nobody else waits
//! for it.

use std::thread;

use rstest_reuse::apply;
use serde_json::json;

use crate::support::caller;
use crate::support::configured::Files;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::report;
use crate::support::userinfo::{Reply, Userinfo};

const POLICY: &str = r#"
version: 1
endpoints:
  - {path: /orders, groupExpression: clientType === 'A'}
  - {path: /public, apiKeyRequired: false}
  - {path: /me, apiKeyRequired: false, authenticationRequired: true}
  - {path: /both, groupExpression: clientType === 'A' && groups.admin}
  - {path: /write, apiKeyRequired: false, groupExpression: 'permissions["write:orders"]'}
  - {path: /backoffice, apiKeyRequired: false, backofficeExpression: groups.support}
"#;

const KEY: &str = "client-key: sample-key-of-client-a";

/// A session as a caller's cookie has it. Its name keeps it out of logs: each test looks for it.
const SESSION: &str = "cookie: sid=sample-key-session-ada";

/// How many requests hang; nginx of the tests has connections for these and some more.
const HELD: usize = 40;

fn start(version: Version, services: Services, userinfo: &Userinfo, timeout_ms: u32) -> Gateway {
    let setup = Setup {
        services,
        location: "include keygate-users.conf;",
        ..Setup::PLAIN
    };
    let settings = format!(
        "users:
  userinfo:
    url: {}
    backoffice-url: {}
    headers: [cookie, authorization, x-request-id]
    only-with: [cookie, authorization]
    timeout-ms: {timeout_ms}
    properties: [/email]
",
        userinfo.url("/me"),
        userinfo.url("/backoffice/me?x=1"),
    );
    let files = Files {
        policy: POLICY,
        settings: &settings,
    };
    Gateway::start_configured(version, &setup, &files, &[])
}

fn ada() -> Reply {
    Reply::json(&json!({
        "sub": "ada", "groups": ["admin", "a,b"], "permissions": ["write:orders"], "email": "a@example.com",
    }))
}

/// The one request that the userinfo service has received.
fn only_request(userinfo: &Userinfo) -> Message {
    let mut received = userinfo.take();
    assert_eq!(received.len(), 1, "{received:?}");
    received.remove(0)
}

#[apply(each_nginx)]
fn a_userinfo_service_gets_the_named_headers_and_decides(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let userinfo = Userinfo::start(ada());
    let gateway = start(version, services, &userinfo, 1000);

    let sent = [
        "cookie: sid=sample-key-session-ada; mia_client_key=sample-key-of-client-a",
        "miauserid: root",
        "miausergroups: root",
        "x-request-id: mine",
        "accept: text/html",
        "x-other: y",
        "user-agent: test",
    ];
    let received = gateway.assert_allowed("/both", &sent);
    let identity = [
        "client-type",
        "miauserid",
        "miausergroups",
        "miauserproperties",
    ];
    assert_eq!(
        identity.map(|name| received.header(name)),
        [
            Some("A"),
            Some("ada"),
            Some("admin"),
            Some(r#"{"email":"a@example.com"}"#)
        ]
    );
    let request = only_request(&userinfo);
    assert_eq!(request.start, "GET /me HTTP/1.1");
    let mut names: Vec<&str> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "cookie", "host", "x-request-id"]);
    // The key is for Keygate alone.
    assert_eq!(request.header("cookie"), Some("sid=sample-key-session-ada"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(
        request.header("host"),
        userinfo.origin.strip_prefix("http://")
    );

    let received = gateway.assert_allowed("/write", &["authorization: Bearer opaque"]);
    assert_eq!(received.header("miauserid"), Some("ada"));
    assert_eq!(
        only_request(&userinfo).header("authorization"),
        Some("Bearer opaque")
    );

    // It is not called without a credential, nor for a rule that needs no user.
    gateway.assert_denied("/me", &["x-request-id: a"], 401, "missing-user");
    gateway.assert_allowed("/orders", &[KEY, SESSION]);
    gateway.assert_denied("/both", &[SESSION], 401, "missing-key");
    assert_eq!(userinfo.take().len(), 0);

    // The back office has a service of its own.
    userinfo.reply(Reply::json(&json!({"sub": "eve", "groups": ["support"]})));
    gateway.assert_allowed("/backoffice/x", &[SESSION]);
    assert_eq!(only_request(&userinfo).target(), "/backoffice/me?x=1");
    gateway.assert_denied("/both", &[SESSION, KEY], 403, "expression-false");
    userinfo.take();

    // Nobody is logged in.
    for (status, body) in [(401, "{}"), (403, ""), (200, "")] {
        userinfo.reply(Reply::Respond(status, body.to_owned()));
        gateway.assert_denied("/me", &[SESSION], 401, "missing-user");
    }
    // The user is unknown.
    for reply in [
        Reply::Respond(500, "{\"sub\":\"ada\"}".to_owned()),
        Reply::Respond(302, String::new()),
        Reply::Respond(200, "<html>".to_owned()),
        Reply::Respond(200, "[\"ada\"]".to_owned()),
        Reply::Respond(
            200,
            format!("{{\"sub\":\"ada\",\"x\":\"{}\"}}", "x".repeat(70_000)),
        ),
        Reply::Reset,
        Reply::Truncate,
        Reply::Hold,
    ] {
        userinfo.reply(reply.clone());
        gateway.assert_denied("/me", &[SESSION], 503, "user-unavailable");
        let name = format!("{reply:.30?}");
        report::passed(
            &version.number(),
            &format!("users: userinfo {name}, {services:?}"),
        );
    }
    userinfo.reply(ada());
    gateway.assert_allowed("/me", &[SESSION]);
    // The longest identity passes through nginx, and a longer one is denied.
    let [id, properties, limit, over] = [1000, 4000, 4096, 4097].map(|it| "g".repeat(it));
    let long = json!({"sub": id, "groups": [limit], "email": properties});
    userinfo.reply(Reply::json(&long));
    let received = gateway.assert_allowed("/me", &[SESSION]);
    assert_eq!(received.header("miausergroups"), Some(limit.as_str()));
    userinfo.reply(Reply::json(&json!({"sub": "ada", "groups": [over]})));
    gateway.assert_denied("/me", &[SESSION], 403, "identity-too-large");
    report::passed(&version.number(), &format!("users: userinfo, {services:?}"));
}

#[apply(each_nginx)]
fn no_other_request_waits_for_a_hung_userinfo_service(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let userinfo = Userinfo::start(Reply::Hold);
    // Longer than the test takes: a request that waited would wait until the release.
    let gateway = start(version, services, &userinfo, 50_000);
    let held: Vec<_> = (0..HELD)
        .map(|n| {
            let address = gateway.address.clone();
            let session = format!("cookie: sid=sample-key-session-{n}");
            thread::spawn(move || caller::get(&address, "/me", &[&session]))
        })
        .collect();
    userinfo.wait_until_held(HELD);

    let callers: Vec<_> = (0..8)
        .map(|_| {
            let address = gateway.address.clone();
            thread::spawn(move || {
                for _ in 0..50 {
                    for (target, headers) in [
                        ("/orders", [KEY, SESSION]),
                        ("/public", [SESSION, "x: y"]),
                        ("/key-only/x", [KEY, SESSION]),
                    ] {
                        assert_eq!(
                            caller::get(&address, target, &headers).status(),
                            200,
                            "{target}"
                        );
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!(gateway.backend.take().len(), 8 * 50 * 3);
    gateway.assert_denied("/nowhere", &[KEY, SESSION], 403, "no-endpoint");
    assert_eq!(
        userinfo.held(),
        HELD,
        "lookups ended before the other requests"
    );

    userinfo.reply(ada());
    for request in held {
        assert_eq!(request.join().unwrap().status(), 200);
    }
    assert_eq!(gateway.backend.take().len(), HELD);
    report::passed(
        &version.number(),
        &format!("users: hung userinfo, {services:?}"),
    );
}
