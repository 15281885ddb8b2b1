//! A gateway whose services sign: identities for backends, and the hand-off between them.

use std::fs;
use std::path::Path;

use keygate_users::{
    Issuer, KeySet, Mapping, Refusal, Unverified,
    jwt::{Algorithms, Audience},
};
use serde_json::Value;

use crate::support::gateway::{Gateway, ROOT, Setup, corpus_file};
use crate::support::http_message::Message;
use crate::support::nginx::Version;

/// A P-256 key of the tests, as `openssl genpkey` writes it.
pub(crate) const P256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgU4/tyWmV4KB0H7Il
6+DQV1rbN+5pi0TXgF4CFhwOs8ChRANCAARkoT3AiLNHN+5g4t5pHPCTmNwiQ5ki
98/XZxLfcaqNXti7/Wt9+6aNKvIRerW7x/l89URGAfD3tDPaZjPScghl
-----END PRIVATE KEY-----
";

/// An Ed25519 key of the tests.
pub(crate) const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIBk0WC5mdHJGPj3UMhzl7McESAQZ+4Yihe8rBOPs6FBz
-----END PRIVATE KEY-----
";

pub(crate) const ISSUER: &str = "https://keygate.example.com";
pub(crate) const AUDIENCE: &str = "orders-api";

/// The file with the keys of identities.
pub(crate) const KEY_FILE: &str = "identity-key.pem";

/// The section `identity-token` of a settings file, for keys in this folder.
pub(crate) fn identity_section(folder: &Path) -> String {
    let key_file = folder.join(KEY_FILE);
    format!(
        "identity-token: {{key-file: {}, issuer: '{ISSUER}', audience: {AUDIENCE}}}\n",
        key_file.display()
    )
}

/// Starts a gateway with the corpus' policy and keys, whose services have these files and settings.
pub(crate) fn start(
    version: Version,
    setup: &Setup,
    files: &[(&str, &str)],
    settings: impl FnOnce(&Path) -> String,
) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["keys.yaml", "policy.yaml"] {
        fs::copy(corpus_file(name), path(name)).unwrap();
    }
    for (name, text) in files {
        fs::write(path(name), text).unwrap();
    }
    fs::write(path("settings.yaml"), settings(folder.path())).unwrap();
    let includes = Path::new(ROOT).join("nginx");
    Gateway::start_in(folder, version, setup, &[], &includes)
}

/// The claims of a token that a backend accepts with these published keys.
pub(crate) fn claims(token: &str, key_set: &Message) -> Result<Value, Refusal> {
    let (keys, ignored) = KeySet::parse(&key_set.body).unwrap();
    assert!(ignored.is_empty(), "{ignored:?}");
    let claim = |name: &str| format!("/{name}").parse().unwrap();
    let issuer = Issuer {
        name: ISSUER.to_owned(),
        audience: Audience::AnyOf(vec![AUDIENCE.to_owned()]),
        algorithms: Algorithms::with_public_keys(),
        leeway_seconds: 0,
        mapping: Mapping {
            id: claim("iss"),
            groups: Vec::new(),
            permissions: Vec::new(),
            properties: ["sub", "client_type", "key_id", "groups"].map(claim).into(),
        },
    };
    let token = Unverified::parse(token.as_bytes())?;
    let now = jiff::Timestamp::now();
    let verified = issuer.verify(&token, &keys, now)?;
    Ok(Value::Object(verified.user.properties))
}
