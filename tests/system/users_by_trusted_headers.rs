//! Users by headers of a trusted gateway: nginx names them by variables, and a caller cannot.

use rstest::rstest;
use rstest_reuse::apply;

use crate::support::caller;
use crate::support::configured::Files;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::report;

const POLICY: &str = "
version: 1
endpoints:
  - {path: /orders, groupExpression: clientType === 'A'}
  - {path: /me, apiKeyRequired: false, authenticationRequired: true}
  - {path: /both, groupExpression: clientType === 'A' && groups.admin}
  - {path: /own, apiKeyRequired: false, groupExpression: user.email === 'a@example.com'}
";

const KEY: &str = "client-key: sample-key-of-client-a";

/// How the gateway learns the user, in place of a client certificate.
const SET: &str = "
    underscores_in_headers on;
    set $keygate_trusted_user_id $http_x_test_id;
    set $keygate_trusted_user_groups $http_x_test_groups;
    set $keygate_trusted_user_properties $http_x_test_properties;";

/// Names of trusted headers, and settings for them.
#[derive(Debug, Clone, Copy)]
enum Names {
    Default,
    Chosen,
}

impl Names {
    fn settings(self, peers: &str) -> String {
        let names = match self {
            Self::Default => "",
            Self::Chosen => "    id: x-user\n    groups: miagroups\n    properties: x-user-data\n",
        };
        format!("users:\n  trusted-headers:\n    peers: {peers}\n{names}")
    }

    /// Headers that no backend gets, from any sender.
    fn removed(self) -> &'static [&'static str] {
        const ALWAYS: &[&str] = &["miagroups", "mia-userid", "mia_userid"];
        match self {
            Self::Default => ALWAYS,
            Self::Chosen => &[
                "x-user",
                "x_user",
                "x-user-data",
                "x_user-data",
                "miagroups",
                "mia_userid",
            ],
        }
    }
}

/// What a caller claims under every name.
const CLAIMED: [&str; 11] = [
    "miauserid: root",
    "miausergroups: admin",
    "miauserproperties: {\"email\":\"a@example.com\"}",
    "miagroups: admin",
    "x-user: root",
    "x_user: root",
    "x-user-data: {\"email\":\"a@example.com\"}",
    "x_user-data: x",
    "mia-userid: root",
    "mia_userid: root",
    "keygate-trusted-user-id: root",
];

fn start(version: Version, services: Services, settings: &str) -> Gateway {
    let setup = Setup {
        services,
        server: SET,
        location: "include keygate-users.conf;",
        ..Setup::PLAIN
    };
    let files = Files {
        policy: POLICY,
        settings,
    };
    Gateway::start_configured(version, &setup, &files, &[])
}

fn send(gateway: &Gateway, target: &str, headers: &[&str]) -> Message {
    caller::get(&gateway.address, target, &[headers, &CLAIMED].concat())
}

fn assert_denied(gateway: &Gateway, target: &str, headers: &[&str], status: u16, reason: &str) {
    gateway.assert_denied(target, &[headers, &CLAIMED].concat(), status, reason);
}

/// The identity that the backend receives for an allowed request.
fn identity(
    gateway: &Gateway,
    names: Names,
    target: &str,
    headers: &[&str],
) -> [Option<String>; 4] {
    let response = send(gateway, target, headers);
    assert_eq!(
        response.status(),
        200,
        "{target}: {response:?}, {}",
        gateway.logs()
    );
    let received = gateway.backend.take_one();
    for name in names.removed() {
        assert_eq!(received.header(name), None, "{target}: {received:?}");
    }
    let names = [
        "client-type",
        "miauserid",
        "miausergroups",
        "miauserproperties",
    ];
    names.map(|name| received.header(name).map(str::to_owned))
}

fn some(texts: [&str; 4]) -> [Option<String>; 4] {
    texts.map(|text| (!text.is_empty()).then(|| text.to_owned()))
}

#[apply(each_nginx)]
fn only_the_gateway_names_the_user(
    version: Version,
    #[values(Services::PairOverUnix, Services::PairOverTcp, Services::Single)] services: Services,
    #[values(Names::Default, Names::Chosen)] names: Names,
) {
    let gateway = start(version, services, &names.settings("[unix, 127.0.0.1]"));
    let ada = ["x-test-id: ada", "x-test-groups: admin, editor ,a;b"];
    let with_key = [ada[0], ada[1], KEY];
    assert_eq!(
        identity(&gateway, names, "/both", &with_key),
        some(["A", "ada", "a;b,admin,editor", ""])
    );
    let properties = "x-test-properties: {\"email\":\"a@example.com\"}";
    assert_eq!(
        identity(&gateway, names, "/own", &[ada[0], properties]),
        some(["", "ada", "", "{\"email\":\"a@example.com\"}"])
    );
    // Mia-Platform's Envoy writes properties that are not always JSON: they are left out.
    let broken = "x-test-properties: {\"email\":a@example.com}";
    assert_eq!(
        identity(&gateway, names, "/me", &[ada[0], broken]),
        some(["", "ada", "", ""])
    );
    assert_denied(&gateway, "/own", &[ada[0], broken], 403, "expression-false");

    // What the caller says itself counts for nothing.
    assert_denied(&gateway, "/me", &[], 401, "missing-user");
    assert_denied(&gateway, "/both", &[KEY], 403, "expression-false");
    assert_denied(
        &gateway,
        "/both",
        &["x-test-groups: admin", KEY],
        403,
        "expression-false",
    );
    assert_eq!(
        identity(&gateway, names, "/orders", &with_key),
        some(["A", "", "", ""])
    );
    report::passed(
        &version.number(),
        &format!("users: trusted headers, {services:?}, {names:?}"),
    );
}

#[rstest]
fn headers_of_other_peers_name_nobody(
    #[values(Services::PairOverTcp, Services::Single)] services: Services,
) {
    let settings = Names::Default.settings("[unix, 10.0.0.0/8, '::1']");
    let gateway = start(Version::Packaged, services, &settings);
    assert_denied(&gateway, "/me", &["x-test-id: ada"], 401, "missing-user");
    report::passed(
        &Version::Packaged.number(),
        &format!("users: untrusted peer, {services:?}"),
    );
}

/// With includes that do not remove these headers, callers could name themselves.
#[rstest]
fn includes_without_trusted_headers_are_denied(
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let setup = Setup {
        services,
        ..Setup::PLAIN
    };
    let files = Files {
        policy: POLICY,
        settings: &Names::Chosen.settings("[unix, 127.0.0.1]"),
    };
    let gateway = Gateway::start_with_default_includes(Version::Packaged, &setup, &files);
    for target in ["/me", "/orders"] {
        assert_denied(
            &gateway,
            target,
            &[KEY, "x-user: ada"],
            403,
            "malformed-request",
        );
    }
    let log = gateway.logs();
    assert!(log.contains("keygate nginx-includes"), "{log}");
    report::passed(
        &Version::Packaged.number(),
        &format!("users: default includes, {services:?}"),
    );
}
