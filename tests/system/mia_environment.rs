//! The authorizer starts with the environment that Mia-Platform documents for its service.

use std::fs;

use serde_json::Value;

use crate::support::caller;
use crate::support::gateway::free_port;
use crate::support::operations::until;
use crate::support::program::{Service, keygate, run_to_end};

/// Every variable of their page with the value shown there, except for the port and the folder.
const DOCUMENTED: [(&str, &str); 19] = [
    ("LOG_LEVEL", "info"),
    ("CONFIGURATION_FILE_NAME", "auth"),
    ("BACKOFFICE_HEADER_KEY", "isbackoffice"),
    ("CLIENT_TYPE_HEADER_KEY", "client-type"),
    ("USERINFO_URL", "http://session-manager/userinfo"),
    (
        "BACKOFFICE_USERINFO_URL",
        "http://backoffice-sessions/userinfo",
    ),
    (
        "HEADERS_TO_PROXY",
        "x-request-id,request-id,cookie,authorization,client-type,host,x-forwarded-host",
    ),
    ("AUTHORIZATION_HEADERS_TO_PROXY", "cookie,authorization"),
    ("CUSTOM_USER_ID_KEY", "sub"),
    ("CUSTOM_PERMISSIONS_KEY", "permissions"),
    ("USER_PROPERTIES_TO_PROXY", "name,email"),
    ("AUTHORIZATION_STRICT_MODE_ENABLED", "true"),
    ("TRUST_MIA_USER_HEADERS", "false"),
    ("USERID_HEADER_KEY", "miauserid"),
    ("GROUPS_HEADER_KEY", "miausergroups"),
    ("USER_PROPERTIES_HEADER_KEY", "miauserproperties"),
    ("SERVICE_PREFIX", "/"),
    ("SERVICE_VERSION", "2.4.2"),
    ("DELAY_SHUTDOWN_SECONDS", "0"),
];

const AUTH_JSON: &str = r#"{"/orders": {"GET": {"authorization": {"expression": "clientType === 'A'", "public": true}}}}"#;

#[test]
fn the_documented_environment_starts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("auth.json"), AUTH_JSON).unwrap();
    let (port, operations) = (free_port(), format!("127.0.0.1:{}", free_port()));
    let data = format!("127.0.0.1:{port}");
    let mut command = keygate();
    command
        .arg("authorizer")
        .envs(DOCUMENTED)
        .env("HTTP_PORT", port.to_string())
        .env("CONFIGURATION_PATH", folder.path())
        .env("KEYGATE_OPERATIONS", &operations);
    let service = Service::start(command, &data, &folder.path().join("log"));

    for (client_type, status) in [("A", 200), ("B", 403)] {
        let client_type = format!("client-type: {client_type}");
        let headers = [
            "original-request-uri: /orders",
            "original-request-method: GET",
            "original-request-host: shop.example",
            &client_type,
        ];
        assert_eq!(caller::get(&data, "/auth", &headers).status(), status);
    }
    let ready = caller::get_operations(&operations, "/-/ready", &[]);
    let ready: Value = serde_json::from_slice(&ready.body).unwrap();
    assert_eq!(ready["serviceVersion"], "2.4.2");

    until("it has started", || service.output().contains("started"));
    let log = service.output();
    let without_effect: Vec<_> = log
        .lines()
        .filter(|line| line.contains("has no effect"))
        .collect();
    assert!(
        matches!(&without_effect[..], [line] if line.contains("`SERVICE_PREFIX`")),
        "{log}"
    );
    let every_address = log.lines().find(|line| line.contains("`HTTP_PORT`"));
    let every_address = every_address.unwrap_or_else(|| panic!("{log}"));
    assert!(every_address.contains("WARN") && every_address.contains("every address"));
}

#[test]
fn an_error_names_the_variable_that_was_set() {
    for (name, value) in [
        ("HTTP_PORT", "-1"),
        ("LOG_LEVEL", "loud"),
        ("DELAY_SHUTDOWN_SECONDS", "70000"),
        ("BACKOFFICE_HEADER_KEY", "is backoffice"),
        ("CONFIGURATION_FILE_NAME", "auth"),
    ] {
        let output = run_to_end(keygate().arg("authorizer").env(name, value));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(&format!("`{name}`")), "{text}");
    }
}
