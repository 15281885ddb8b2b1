use figment::value::Value;
use rstest::rstest;

use super::*;

fn layered(
    role: Role,
    file: Option<&str>,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.yaml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let flags = flags
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    Settings::layered(
        role,
        file.map(|_| path.as_path()),
        flags.collect(),
        environment.iter().map(pair),
    )
    .and_then(|settings| settings.with_different_addresses(role))
    .and_then(|settings| settings.fitting_the_gateway(role))
    .map_err(|error| {
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "")
    })
}

#[test]
fn a_later_layer_wins() {
    let file = Some("keys: file\npolicy: file\nlisten: 127.0.0.1:1\noperations: 127.0.0.1:1\n");
    let environment = [
        ("KEYGATE_KEYS", "environment"),
        ("KEYGATE_LISTEN", "127.0.0.1:2"),
    ];
    let flags = [("listen", "127.0.0.1:3")];
    let settings = layered(Role::Serve, file, &environment, &flags).unwrap();
    assert_eq!(settings.policy, Some("file".into()));
    assert_eq!(settings.keys, Some("environment".into()));
    assert_eq!(settings.listen(Role::Serve).to_string(), "127.0.0.1:3");
    let nothing = layered(Role::Serve, None, &[], &[]).unwrap();
    assert_eq!(nothing.listen(Role::Serve).to_string(), "127.0.0.1:7080");
}

#[test]
fn lists_numbers_and_names_come_from_the_environment_too() {
    let environment = [
        ("KEYGATE_KEY_HEADERS", "x-key, x-other"),
        ("KEYGATE_REJECTED_KEY_STATUS", "403"),
        ("KEYGATE_LOG_LEVEL", "debug"),
        ("KEYGATE_SOCKET_MODE", "0600"),
        ("KEYGATE_DRAIN_SECONDS", "3"),
    ];
    let settings = layered(Role::Resolver, None, &environment, &[]).unwrap();
    assert_eq!(settings.credential_names().headers, ["x-key", "x-other"]);
    assert_eq!(settings.rejected_key_status, RejectedKeyStatus::Forbidden);
    assert_eq!(settings.log_level, LogLevel::Debug);
    assert_eq!(settings.socket_mode.to_string(), "0600");
    assert_eq!(settings.drain(), Duration::from_secs(3));
}

/// The mode that one spelling means: in a file, in the environment and as a flag.
fn socket_modes(text: &str) -> [Result<String, String>; 3] {
    let file = format!("socket-mode: {text}\n");
    let unquoted = text.trim_matches(['"', '\'']);
    [
        layered(Role::Resolver, Some(&file), &[], &[]),
        layered(
            Role::Resolver,
            None,
            &[("KEYGATE_SOCKET_MODE", unquoted)],
            &[],
        ),
        layered(Role::Resolver, None, &[], &[("socket-mode", unquoted)]),
    ]
    .map(|settings| settings.map(|it| it.socket_mode.to_string()))
}

#[test]
fn a_socket_mode_is_octal_wherever_it_is_set() {
    for (text, mode) in [
        ("0660", "0660"),
        ("660", "0660"),
        ("\"660\"", "0660"),
        ("'0660'", "0660"),
        ("0o660", "0660"),
        ("0o0660", "0660"),
        ("0640", "0640"),
        ("600", "0600"),
        ("0666 any-local-user", "0666 any-local-user"),
        ("'777 any-local-user'", "0777 any-local-user"),
    ] {
        for found in socket_modes(text) {
            assert_eq!(found.as_deref(), Ok(mode), "{text}");
        }
    }
}

#[test]
fn a_socket_mode_of_another_form_is_rejected() {
    for text in [
        "432",
        "0x1b0",
        "1e2",
        "6.6e2",
        "-660",
        "+660",
        "00660",
        "2660",
        "4660",
        "1777",
        "66",
        "6",
        "0",
        "999",
        "rw",
        "0b110",
        "0O660",
        "6_60",
        "420",
        "0440",
        "0666",
        "0662",
        "666",
        "true",
        "0660 any-local-user",
        "0666 any",
    ] {
        for found in socket_modes(text) {
            let error = found.expect_err(text);
            assert!(
                error.contains("socket-mode") || error.contains("SOCKET_MODE"),
                "{text}: {error}"
            );
            assert!(error.contains("`0660`"), "{text}: {error}");
        }
    }
}

#[test]
fn an_error_names_the_setting_and_the_fix() {
    let errors = vec![
        layered(Role::Serve, None, &[("KEYGATE_LISTN", "x")], &[]),
        layered(Role::Serve, None, &[("KEYGATE_LISTEN", "7081")], &[]),
        layered(
            Role::Serve,
            None,
            &[("KEYGATE_REJECTED_KEY_STATUS", "500")],
            &[],
        ),
        layered(Role::Serve, None, &[("KEYGATE_LOG_LEVEL", "loud")], &[]),
        layered(Role::Serve, None, &[("KEYGATE_KEY_HEADERS", "a b")], &[]),
        layered(Role::Serve, None, &[("KEYGATE_SOCKET_MODE", "rw")], &[]),
        layered(Role::Serve, None, &[("KEYGATE_SOCKET_MODE", "0666")], &[]),
        layered(Role::Serve, None, &[], &[("socket-mode", "2660")]),
        layered(Role::Serve, Some("socket-mode: 432"), &[], &[]),
        layered(
            Role::Serve,
            None,
            &[("KEYGATE_DRAIN_SECONDS", "70000")],
            &[],
        ),
        layered(Role::Serve, None, &[("KEYGATE_DRAIN_SECONDS", "-1")], &[]),
        layered(Role::Serve, None, &[("KEYGATE_DRAIN_SECONDS", "10s")], &[]),
        layered(Role::Serve, None, &[("KEYGATE_DRAIN_SECONDS", "")], &[]),
        layered(
            Role::Serve,
            None,
            &[("KEYGATE_FAILED_KEYS_PER_MINUTE", "0")],
            &[],
        ),
        layered(Role::Serve, Some("drain-seconds: 70000"), &[], &[]),
        layered(Role::Serve, Some("drain-seconds: 1.5"), &[], &[]),
        layered(Role::Serve, None, &[], &[("listen", "7081")]),
        layered(
            Role::Serve,
            Some("listen: localhost:7000\n"),
            &[("KEYGATE_OPERATIONS", "localhost:7000")],
            &[],
        ),
        layered(
            Role::Serve,
            None,
            &[],
            &[("listen", "unix:/run/a"), ("operations", "unix:/run/a")],
        ),
        layered(Role::Resolver, None, &[], &[("listen", "127.0.0.1:7091")]),
        layered(Role::Serve, Some("listn: 127.0.0.1:1\n"), &[], &[]),
        layered(Role::Serve, Some("listen: 7081\n"), &[], &[]),
        layered(Role::Serve, Some("listen: ["), &[], &[]),
        layered(
            Role::Authorizer,
            None,
            &[("AUTHORIZATION_STRICT_MODE_ENABLED", "1")],
            &[],
        ),
        layered(Role::Authorizer, None, &[("HTTP_PORT", "http")], &[]),
        layered(Role::Authorizer, None, &[("HTTP_PORT", "70000")], &[]),
        layered(Role::Authorizer, None, &[("LOG_LEVEL", "loud")], &[]),
        layered(
            Role::Authorizer,
            None,
            &[("CLIENT_TYPE_HEADER_KEY", "a b")],
            &[],
        ),
        layered(
            Role::Authorizer,
            None,
            &[("DELAY_SHUTDOWN_SECONDS", "-3")],
            &[],
        ),
        layered(
            Role::Authorizer,
            None,
            &[("CONFIGURATION_FILE_NAME", "auth")],
            &[],
        ),
        layered(
            Role::Authorizer,
            None,
            &[
                ("HTTP_PORT", "7092"),
                ("KEYGATE_OPERATIONS", "0.0.0.0:7092"),
            ],
            &[],
        ),
    ];
    let errors: Vec<_> = errors.into_iter().map(Result::unwrap_err).collect();
    insta::assert_snapshot!(errors.join("\n\n"));
}

#[test]
fn a_pepper_is_never_shown() {
    let environment = [
        ("KEYGATE_PEPPER", "12345"),
        ("KEYGATE_LISTEN", "127.0.0.1:1"),
    ];
    let settings = layered(Role::Serve, None, &environment, &[]).unwrap();
    assert!(!format!("{settings:?}").contains("12345"));
    let short = settings.pepper().unwrap_err().to_string();
    assert!(short.contains("KEYGATE_PEPPER") && !short.contains("12345"));

    for file in [
        "pepper: hunter2\n",
        "pepper: [hunter2]\n",
        "pepper: hunter2\nlisten: [\n",
    ] {
        let error = layered(Role::Serve, Some(file), &[], &[]).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }

    let environment = [
        ("KEYGATE_PEPPER", "0123456789abcdef"),
        ("KEYGATE_PEPPER_FILE", "p"),
    ];
    let settings = layered(Role::Serve, None, &environment, &[]).unwrap();
    assert!(matches!(settings.pepper(), Err(PepperError::Two { .. })));
}

#[test]
fn service_addresses_from_kubernetes_are_not_settings() {
    let environment = [
        ("KEYGATE_RESOLVER_SERVICE_HOST", "10.0.0.1"),
        ("KEYGATE_RESOLVER_SERVICE_PORT_HTTP", "7081"),
        ("KEYGATE_RESOLVER_PORT", "tcp://10.0.0.1:7081"),
        ("KEYGATE_RESOLVER_PORT_7081_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(layered(Role::Serve, None, &environment, &[]).is_ok());
}

#[test]
fn two_listeners_may_both_take_a_free_port() {
    let flags = [("listen", "127.0.0.1:0"), ("operations", "127.0.0.1:0")];
    assert!(layered(Role::Serve, None, &[], &flags).is_ok());
}

#[test]
fn mia_platforms_file_name_has_a_suffix_or_not() {
    for (name, path) in [
        (None, "/configs/auth.json"),
        (Some(""), "/configs/auth.json"),
        (Some("auth"), "/configs/auth.json"),
        (Some("auth.json"), "/configs/auth.json"),
        (Some("acl.v2"), "/configs/acl.v2.json"),
        (Some("policy.yaml"), "/configs/policy.yaml"),
        (Some("policy.yml"), "/configs/policy.yml"),
    ] {
        let mut environment = vec![("CONFIGURATION_PATH", "/configs")];
        environment.extend(name.map(|name| ("CONFIGURATION_FILE_NAME", name)));
        let settings = layered(Role::Authorizer, None, &environment, &[]).unwrap();
        assert_eq!(settings.policy, Some(path.into()), "{name:?}");
    }
}

#[test]
fn only_the_authorizer_reads_mia_platforms_environment() {
    let environment = [
        ("HTTP_PORT", "3000"),
        ("LOG_LEVEL", "fatal"),
        ("CONFIGURATION_PATH", "/configs/"),
        ("CLIENT_TYPE_HEADER_KEY", "x-client-type"),
        ("AUTHORIZATION_STRICT_MODE_ENABLED", "false"),
        ("DELAY_SHUTDOWN_SECONDS", "10"),
        ("SERVICE_PREFIX", "/auth"),
        ("SERVICE_VERSION", "1.2.3"),
    ];
    let settings = layered(Role::Authorizer, None, &environment, &[]).unwrap();
    assert_eq!(
        settings.listen(Role::Authorizer).to_string(),
        "0.0.0.0:3000"
    );
    assert_eq!(settings.policy, Some("/configs/auth.json".into()));
    assert_eq!(settings.log_level, LogLevel::Error);
    assert_eq!(settings.header_names().client_type, "x-client-type");
    assert_eq!(settings.answer_with, AnswerWith::Header);
    assert_eq!(settings.shutdown_delay(), Duration::from_secs(10));
    assert_eq!(settings.service_version.as_deref(), Some("1.2.3"));

    let owned: Vec<_> = environment
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect();
    assert_eq!(
        mia::without_effect(&owned).collect::<Vec<_>>(),
        ["SERVICE_PREFIX"]
    );

    let resolver = layered(Role::Resolver, None, &environment, &[]).unwrap();
    assert_eq!(
        resolver.listen(Role::Resolver).to_string(),
        "127.0.0.1:7081"
    );
}

#[test]
fn mia_platforms_environment_names_the_sources_of_users() {
    let environment = [
        ("USERINFO_URL", "http://users/me"),
        ("BACKOFFICE_USERINFO_URL", "http://cms-users/me"),
        (
            "HEADERS_TO_PROXY",
            "x-request-id, cookie,host,authorization",
        ),
        ("AUTHORIZATION_HEADERS_TO_PROXY", "cookie"),
        ("CUSTOM_USER_ID_KEY", "userId"),
        ("CUSTOM_PERMISSIONS_KEY", "https://a/b"),
        ("USER_PROPERTIES_TO_PROXY", "email,name"),
        ("TRUST_MIA_USER_HEADERS", "true"),
        ("GROUPS_HEADER_KEY", "miagroups"),
        ("KEYGATE_TRUSTED_PEERS", "unix, 10.1.0.0/16"),
    ];
    let settings = layered(Role::Authorizer, None, &environment, &[]).unwrap();
    let written: Settings = serde_json::from_value(serde_json::json!({"users": {
        "userinfo": {
            "url": "http://users/me",
            "backoffice-url": "http://cms-users/me",
            "headers": ["x-request-id", "cookie", "authorization"],
            "only-with": ["cookie"],
            "id": "/userId",
            "permissions": ["/https:~1~1a~1b"],
            "properties": ["/email", "/name"],
        },
        "trusted-headers": {"peers": ["unix", "10.1.0.0/16"], "groups": "miagroups"},
    }}))
    .unwrap();
    assert_eq!(settings.users, written.users);
    assert!(layered(Role::Resolver, None, &environment[..1], &[]).is_ok());
}

#[rstest]
#[case(&[("USERINFO_URL", "http://users/me")], "`HEADERS_TO_PROXY` is not")]
#[case(&[("TRUST_MIA_USER_HEADERS", "true")], "set `KEYGATE_TRUSTED_PEERS`")]
#[case(&[("TRUST_MIA_USER_HEADERS", "yes")], "write `true` or `false`")]
#[case(&[("TRUST_MIA_USER_HEADERS", "true"), ("KEYGATE_TRUSTED_PEERS", "gateway")], "`gateway` is neither")]
#[case(&[("KEYGATE_TRUSTED_PEERS", "unix")], "unknown setting `trusted-peers`")]
#[case(&[("USERINFO_URL", "users"), ("HEADERS_TO_PROXY", "cookie")], "not a URL")]
fn incomplete_sources_of_users_are_rejected(
    #[case] environment: &[(&str, &str)],
    #[case] expected: &str,
) {
    let error = layered(Role::Authorizer, None, environment, &[]).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn contradictory_trust_in_headers_is_rejected() {
    let environment = [("TRUST_MIA_USER_HEADERS", "false")];
    let file = "users: {trusted-headers: {peers: [unix]}}\n";
    let error = layered(Role::Authorizer, Some(file), &environment, &[]).unwrap_err();
    assert!(error.contains("remove one of the two"), "{error}");
    let file = "users: {jwt: [{issuer: a, audience: any, jwks-file: a.json}]}\n";
    assert!(layered(Role::Authorizer, Some(file), &environment, &[]).is_ok());
}

#[test]
fn the_environment_completes_the_users_of_a_file() {
    let file =
        Some("users: {trusted-headers: {peers: [unix], id: x-user}, token-from: ['cookie:sid']}\n");
    let environment = [
        ("TRUST_MIA_USER_HEADERS", "true"),
        ("GROUPS_HEADER_KEY", "miagroups"),
    ];
    let users = layered(Role::Authorizer, file, &environment, &[])
        .unwrap()
        .users
        .unwrap();
    let names = users.trusted_headers.unwrap().names;
    assert_eq!(
        (names.id, names.groups),
        ("x-user".parse().unwrap(), "miagroups".parse().unwrap())
    );
    assert_eq!(users.token_from.len(), 1);
    assert_ne!(users.token_from, [keygate_users::TokenFrom::Authorization]);
}

#[test]
fn the_users_are_shown_as_they_were_written() {
    let file = Some("users: {jwt: [{issuer: a, audience: any, jwks-file: a.json}]}\n");
    let settings = layered(Role::Serve, file, &[], &[]).unwrap();
    let shown = &settings.effective(Role::Serve)["users"];
    let written =
        serde_json::json!({"jwt": [{"issuer": "a", "audience": "any", "jwks-file": "a.json"}]});
    assert_eq!(shown.value, written);
    let bare = layered(Role::Serve, None, &[], &[]).unwrap();
    assert!(!bare.effective(Role::Serve).contains_key("users"));
}

#[test]
fn every_active_setting_names_its_source() {
    let file = Some("log-level: debug\nkey-headers: [x-key]\n");
    let environment = [
        ("KEYGATE_LOG_LEVEL", "warn"),
        ("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "0.25"),
        ("LOG_LEVEL", "trace"),
        ("HTTP_PORT", "3000"),
    ];
    let flags = [("policy", "policy.yaml")];
    let settings = layered(Role::Authorizer, file, &environment, &flags).unwrap();
    let lines: Vec<_> = settings
        .effective(Role::Authorizer)
        .iter()
        .map(|(name, setting)| {
            // The settings file is a temporary one.
            let from = setting.from.rsplit('/').next().unwrap();
            format!("{name}: {} from {from}", setting.value)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_gateway_that_decides_by_status_gets_statuses() {
    let file = Some("gateway: traefik\nanswer-with: header\n");
    let error = layered(Role::Authorizer, file, &[], &[]).unwrap_err();
    assert!(
        error.contains("so it would allow every request: remove `answer-with`"),
        "{error}"
    );
    assert!(layered(Role::Resolver, file, &[], &[]).is_ok());
    let nginx = Some("gateway: nginx\nanswer-with: header\n");
    assert!(layered(Role::Authorizer, nginx, &[], &[]).is_ok());
}

#[test]
fn the_failed_key_limit_needs_an_address_of_the_gateway() {
    let file = "gateway: caddy\nfailed-keys-per-minute: 5\n";
    let error = layered(Role::Serve, Some(file), &[], &[]).unwrap_err();
    assert!(
        error.contains("requires `client-address-header`"),
        "{error}"
    );
    assert!(layered(Role::Authorizer, Some(file), &[], &[]).is_ok());
    let with_header = format!("{file}client-address-header: x-real-ip\n");
    assert!(layered(Role::Serve, Some(&with_header), &[], &[]).is_ok());
}
