use std::{collections::BTreeSet, fs, path::Path};

use jsonschema::Validator;
use keygate_explain::cases::Cases;
use keygate_keys::keys_file;
use keygate_policy::Policy;
use keygate_telemetry::role::Role;
use rstest::rstest;
use serde_json::Value;

use super::File;
use crate::settings::Settings;

fn validator(file: File) -> Validator {
    let schema: Value = serde_json::from_str(file.schema()).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

/// What the program itself says of a file.
fn read(file: File, text: &str) -> Result<(), String> {
    match file {
        File::Keys => keys_file::parse(Path::new("keys.yaml"), text, None)
            .map(drop)
            .map_err(|error| error.to_string()),
        File::Policy => Policy::from_yaml(text).map(drop).map_err(|errors| {
            errors
                .iter()
                .map(|it| it.diagnostic().render("p", text))
                .collect()
        }),
        File::Cases => Cases::parse(text)
            .map(drop)
            .map_err(|error| error.render("cases.yaml", text)),
        File::Settings => {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("settings.yaml");
            fs::write(&path, text).unwrap();
            Settings::layered(Role::Serve, Some(&path), figment::value::Dict::new(), [])
                .map(drop)
                .map_err(|error| error.to_string())
        }
    }
}

fn both_accept(file: File, text: &str) -> (bool, bool) {
    let value: Value = serde_saphyr::from_str(text).unwrap();
    (validator(file).is_valid(&value), read(file, text).is_ok())
}

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[rstest]
#[case(File::Keys, include_str!("../../../../../tests/corpus/keys.yaml"))]
#[case(File::Keys, include_str!("../../../../../deploy/demo/keys.yaml"))]
#[case(File::Keys, "{version: 1, keys: []}")]
#[case(File::Policy, include_str!("../../../../../tests/corpus/policy.yaml"))]
#[case(File::Policy, include_str!("../../../../../deploy/demo/policy.yaml"))]
#[case(File::Policy, "{version: 1, trailingSlash: strict, endpoints: [
    {path: /a, hosts: ['*.example.com'], corsPreflight: allow, shadow: 'true', allowAmbiguous: [encoded-slash],
     routes: [{path: '/{id}', methods: [PURGE], backofficeExpression: false, groupExpression: 1}]}]}")]
#[case(File::Cases, "{version: 1, policy: p.yaml, cases: [
    {name: first, request: {uri: /a, userId: ada, groups: [g], user: {a: 1}, backoffice: true}, expect: expression-false, endpoint: /a},
    {request: {method: POST, uri: /a, clientType: A, groups: 'a,b'}, expect: allowed}]}")]
#[case(File::Settings, "{keys: keys.yaml, listen: 'unix:/run/k.sock', operations: '127.0.0.1:7090', socket-mode: '0660',
    log-level: debug, decision-log-allow-sample: 0.5, key-headers: 'a, b', key-cookies: [c], rejected-key-status: 403,
    failed-keys-per-minute: 5, answer-with: header, drain-seconds: 0,
    max-connections: 5, head-timeout-seconds: 1}")]
#[case(
    File::Settings,
    "{socket-mode: 0666 any-local-user, service-version: v7}"
)]
#[case(File::Settings, "{users: {jwt: [
    {issuer: 'https://id.example.com/', audience: [orders-api], jwks-url: 'https://id.example.com/jwks', algorithms: [RS256, ES256],
     leeway-seconds: 30, id: /sub, groups: [/groups, /realm_access/roles], permissions: [/scope], properties: [/email, /name]},
    {issuer: a, audience: any, jwks-file: a.json}, {issuer: b, audience: any, secret-file: b, algorithms: [HS256]}],
    token-from: [authorization, 'cookie:sid'], invalid-token: anonymous,
    userinfo: {url: 'http://userinfo.internal/me', backoffice-url: 'https://u:8443', headers: [cookie], only-with: [cookie],
      timeout-ms: 500, cache-seconds: 5, id: /id, groups: [], permissions: [/p], properties: [/name]},
    trusted-headers: {peers: [unix, 10.1.0.0/16, any-peer-dangerous], id: x-user}}, identity-header-limit: 8000}")]
#[case(
    File::Settings,
    "{identity-token: {key-file: k.pem, issuer: keygate, audience: orders}, handoff-secret-file: secret}"
)]
#[case(
    File::Settings,
    "{identity-token: {key-file: k.pem, issuer: keygate, audience: [a, b], lifetime-seconds: 3600}}"
)]
#[case(File::Settings, "{}")]
fn valid_files_match_the_schema(#[case] file: File, #[case] text: &str) {
    assert_eq!(
        both_accept(file, text),
        (true, true),
        "{:?}",
        read(file, text)
    );
}

#[rstest]
#[case(File::Keys, "{keys: []}")]
#[case(File::Keys, "{version: 2, keys: []}")]
#[case(File::Keys, "{version: 1, keys: [{id: a, clientType: A}]}")]
#[case(
    File::Keys,
    "{version: 1, keys: [{id: a, clientType: A, digest: 'sha256:ab'}]}"
)]
#[case(
    File::Keys,
    "{version: 1, keys: [{id: a, clientType: A, digest: '@', key: abc}]}"
)]
#[case(
    File::Keys,
    "{version: 1, keys: [{id: a b, clientType: A, digest: '@'}]}"
)]
#[case(
    File::Keys,
    "{version: 1, keys: [{id: a, clientType: '', digest: '@'}]}"
)]
#[case(
    File::Keys,
    "{version: 1, keys: [{id: a, clientType: A, digest: '@', active: 1}]}"
)]
#[case(File::Policy, "{endpoints: []}")]
#[case(File::Policy, "{version: 1}")]
#[case(File::Policy, "{version: 1, trailingSlash: no, endpoints: []}")]
#[case(File::Policy, "{version: 1, endpoints: [{}]}")]
#[case(File::Policy, "{version: 1, endpoints: [{path: a}]}")]
#[case(File::Policy, "{version: 1, endpoints: [{path: /a, methods: []}]}")]
#[case(
    File::Policy,
    "{version: 1, endpoints: [{path: /a, methods: [GET, GET]}]}"
)]
#[case(File::Policy, "{version: 1, endpoints: [{path: /a, methods: [get]}]}")]
#[case(
    File::Policy,
    "{version: 1, endpoints: [{path: /a, groupExpression: [a]}]}"
)]
#[case(
    File::Policy,
    "{version: 1, endpoints: [{path: /a, corsPreflight: yes}]}"
)]
#[case(
    File::Policy,
    "{version: 1, endpoints: [{path: /a, allowAmbiguous: [nul]}]}"
)]
#[case(
    File::Policy,
    "{version: 1, endpoints: [{path: /a, routes: [{path: /b, hosts: [a]}]}]}"
)]
#[case(
    File::Policy,
    "{version: 1, endpoints: [{path: /a, routes: [{path: /b, routes: []}]}]}"
)]
#[case(File::Cases, "{version: 1, cases: [{request: {uri: /a}}]}")]
#[case(File::Cases, "{version: 1, cases: [{request: {uri: /a}, expect: ok}]}")]
#[case(
    File::Cases,
    "{version: 1, cases: [{request: {method: GET}, expect: allowed}]}"
)]
#[case(File::Settings, "{rejected-key-status: 200}")]
#[case(File::Settings, "{log-level: loud}")]
#[case(File::Settings, "{decision-log-allow-sample: 2}")]
#[case(File::Settings, "{failed-keys-per-minute: 0}")]
#[case(File::Settings, "{drain-seconds: -1}")]
#[case(File::Settings, "{max-connections: 0}")]
#[case(File::Settings, "{head-timeout-seconds: 0}")]
#[case(File::Settings, "{key-headers: ['a b']}")]
#[case(File::Settings, "{listen: nowhere}")]
#[case(File::Settings, "{socket-mode: '0666'}")]
#[case(File::Settings, "{socket-mode: '2660'}")]
#[case(File::Settings, "{identity-header-limit: 0}")]
#[case(File::Settings, "{users: {}}")]
#[case(File::Settings, "{users: {jwt: [], invalid-token: deny}}")]
#[case(
    File::Settings,
    "{users: {userinfo: {url: 'http://u/', headers: [cookie], timeout-ms: 60001}}}"
)]
#[case(
    File::Settings,
    "{users: {userinfo: {url: 'http://u/', headers: [cookie], cache-seconds: 86401}}}"
)]
#[case(File::Settings, "{identity-token: {key-file: k, issuer: i}}")]
#[case(
    File::Settings,
    "{identity-token: {key-file: k, issuer: '', audience: a}}"
)]
#[case(
    File::Settings,
    "{identity-token: {key-file: k, issuer: i, audience: []}}"
)]
#[case(
    File::Settings,
    "{identity-token: {key-file: k, issuer: i, audience: a, lifetime-seconds: 9}}"
)]
#[case(
    File::Settings,
    "{identity-token: {key-file: k, issuer: i, audience: a, kid: b}}"
)]
#[case(File::Settings, "{users: {jwt: [{issuer: a, jwks-file: f}]}}")]
#[case(File::Settings, "{users: {jwt: [{issuer: a, audience: any}]}}")]
#[case(
    File::Settings,
    "{users: {jwt: [{issuer: a, audience: any, jwks-file: f, secret-file: g}]}}"
)]
#[case(
    File::Settings,
    "{users: {jwt: [{issuer: a, audience: any, jwks-file: f, allow-plaintext: true}]}}"
)]
#[case(
    File::Settings,
    "{users: {jwt: [{issuer: a, audience: any, jwks-url: 'ftp://a'}]}}"
)]
#[case(
    File::Settings,
    "{users: {jwt: [{issuer: a, audience: any, jwks-file: f, leeway-seconds: 3601}]}}"
)]
#[case(File::Settings, "{users: {trusted-headers: {}}}")]
#[case(File::Settings, "{users: {trusted-headers: {peers: [0.0.0.0/0]}}}")]
#[case(File::Settings, "{users: {userinfo: {url: 'http://a', headers: []}}}")]
#[case(File::Settings, "{users: {token-from: [x-token]}}")]
#[case(File::Settings, "{users: {jwks: []}}")]
fn invalid_files_do_not_match_the_schema(#[case] file: File, #[case] text: &str) {
    let text = text.replace('@', DIGEST);
    assert_eq!(both_accept(file, &text), (false, false));
}

/// The program names the fields that it knows where it meets another.
#[rstest]
#[case(File::Keys, "{version: 1, keys: [], odd: 1}", &["/properties"])]
#[case(File::Keys, "{version: 1, keys: [{odd: 1}]}", &["/$defs/key/properties"])]
#[case(File::Policy, "{version: 1, endpoints: [], odd: 1}", &["/properties"])]
#[case(File::Policy, "{version: 1, endpoints: [{odd: 1}]}", &["/$defs/endpoint/properties", "/$defs/rule/properties"])]
#[case(File::Cases, "{version: 1, cases: [], odd: 1}", &["/properties"])]
#[case(File::Cases, "{version: 1, cases: [{odd: 1}]}", &["/$defs/case/properties"])]
#[case(File::Cases, "{version: 1, cases: [{request: {odd: 1}}]}", &["/$defs/request/properties"])]
#[case(File::Settings, "{odd: 1}", &["/properties"])]
fn every_field_is_in_the_schema(#[case] file: File, #[case] text: &str, #[case] places: &[&str]) {
    let error = read(file, text).unwrap_err();
    let known = error.split_once("expected one of: ").unwrap().1;
    let known: BTreeSet<_> = known.lines().next().unwrap().split(", ").collect();
    // Other spellings, for query strings.
    let known = &known - &BTreeSet::from(["client-type", "user-id"]);
    let schema: Value = serde_json::from_str(file.schema()).unwrap();
    let fields = places
        .iter()
        .map(|place| schema.pointer(place).unwrap().as_object().unwrap());
    let described = fields
        .flat_map(|it| it.keys())
        .map(String::as_str)
        .collect();
    assert_eq!(known, described);
}

#[test]
fn defaults_of_settings_are_those_of_the_program() {
    let schema: Value = serde_json::from_str(File::Settings.schema()).unwrap();
    let program = serde_json::to_value(Settings::default()).unwrap();
    for (name, value) in program.as_object().unwrap() {
        if !value.is_null() {
            assert_eq!(&schema["properties"][name]["default"], value, "{name}");
        }
    }
}

/// The reasons of a denial, and the classes of ambiguous paths, have their list in the code.
#[test]
fn every_keyword_is_in_the_schema() {
    let words = |file: File, place: &str| -> BTreeSet<String> {
        let schema: Value = serde_json::from_str(file.schema()).unwrap();
        serde_json::from_value(schema.pointer(place).unwrap().clone()).unwrap()
    };
    let known = |file: File, text: &str, separator: &str| -> BTreeSet<String> {
        let error = read(file, text).unwrap_err();
        let known = error.split_once(separator).unwrap().1;
        known
            .lines()
            .next()
            .unwrap()
            .split(", ")
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        words(File::Cases, "/$defs/case/properties/expect/enum"),
        known(
            File::Cases,
            "{version: 1, cases: [{request: {uri: /}, expect: odd}]}",
            "is not one of "
        ),
    );
    assert_eq!(
        words(
            File::Policy,
            "/$defs/rule/properties/allowAmbiguous/items/enum"
        ),
        known(
            File::Policy,
            "{version: 1, endpoints: [{path: /a, allowAmbiguous: [qqqqqq]}]}",
            "expected one of: "
        ),
    );
}
