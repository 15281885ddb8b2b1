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

#[test]
fn a_socket_mode_needs_no_quotes() {
    for file in [
        "socket-mode: 0640",
        "socket-mode: '0640'",
        "socket-mode: 640",
    ] {
        let settings = layered(Role::Resolver, Some(file), &[], &[]).unwrap();
        assert_eq!(settings.socket_mode.to_string(), "0640", "{file}");
    }
}

#[test]
fn a_mistake_names_the_setting_and_the_mend() {
    let mistakes = [
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
        layered(Role::Serve, Some("listn: 127.0.0.1:1\n"), &[], &[]),
        layered(Role::Serve, Some("listen: 7081\n"), &[], &[]),
        layered(Role::Serve, Some("listen: ["), &[], &[]),
        layered(
            Role::Authorizer,
            None,
            &[("AUTHORIZATION_STRICT_MODE_ENABLED", "1")],
            &[],
        ),
    ];
    let mistakes: Vec<_> = mistakes.into_iter().map(Result::unwrap_err).collect();
    insta::assert_snapshot!(mistakes.join("\n\n"));
}

#[test]
fn a_pepper_is_no_setting_like_others_and_is_never_shown() {
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
fn addresses_that_kubernetes_puts_into_the_environment_are_no_settings() {
    let environment = [
        ("KEYGATE_RESOLVER_SERVICE_HOST", "10.0.0.1"),
        ("KEYGATE_RESOLVER_SERVICE_PORT_HTTP", "7081"),
        ("KEYGATE_RESOLVER_PORT", "tcp://10.0.0.1:7081"),
        ("KEYGATE_RESOLVER_PORT_7081_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(layered(Role::Serve, None, &environment, &[]).is_ok());
}

#[test]
fn mia_platforms_environment_is_the_authorizers_alone() {
    let environment = [
        ("HTTP_PORT", "3000"),
        ("LOG_LEVEL", "fatal"),
        ("CONFIGURATION_PATH", "/configs/"),
        ("CLIENT_TYPE_HEADER_KEY", "x-client-type"),
        ("AUTHORIZATION_STRICT_MODE_ENABLED", "false"),
        ("DELAY_SHUTDOWN_SECONDS", "10"),
        ("USERINFO_URL", "http://users"),
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

    let owned: Vec<_> = environment
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect();
    assert_eq!(
        mia::without_effect(&owned).collect::<Vec<_>>(),
        ["USERINFO_URL"]
    );

    let resolver = layered(Role::Resolver, None, &environment, &[]).unwrap();
    assert_eq!(
        resolver.listen(Role::Resolver).to_string(),
        "127.0.0.1:7081"
    );
}

#[test]
fn every_setting_in_force_tells_where_it_comes_from() {
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
        .in_force(Role::Authorizer)
        .iter()
        .map(|(name, setting)| {
            // The settings file is a temporary one.
            let from = setting.from.rsplit('/').next().unwrap();
            format!("{name}: {} from {from}", setting.value)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
