//! The example check of docs/identity-token.md in Python accepts a token of Keygate, and no other one.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::caller;
use crate::support::gateway::{ROOT, corpus_file, free_port};
use crate::support::program::{Service, keygate};
use crate::support::signing::{AUDIENCE, ED25519, KEY_FILE, P256, identity_section};

/// The address in the examples.
const IN_PAGE: &str = "http://127.0.0.1:7092/";

/// Prints what the example says of each token of the standard input.
const DRIVER: &str = "
import json, sys

for line in sys.stdin:
    try:
        print(json.dumps(caller({'x-keygate-token': line.strip()}), sort_keys=True))
    except jwt.PyJWTError as error:
        print(type(error).__name__)
";

/// A `keygate serve` over TCP; its data listener and its operations listener.
fn serve(folder: &Path, key: &str, audience: &str) -> (Service, [String; 2]) {
    let addresses = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
    let settings = identity_section(folder).replace(AUDIENCE, audience);
    fs::write(folder.join(KEY_FILE), key).unwrap();
    fs::write(folder.join("settings.yaml"), settings).unwrap();
    let mut command = keygate();
    command.args(["serve", "--listen", &addresses[0]]);
    command.args(["--operations", &addresses[1], "--config"]);
    command.arg(folder.join("settings.yaml"));
    command.arg("--keys").arg(corpus_file("keys.yaml"));
    command.arg("--policy").arg(corpus_file("policy.yaml"));
    let service = Service::start(command, &addresses[0], &folder.join("log"));
    (service, addresses)
}

/// The token of client A.
fn token(data: &str) -> String {
    let key = "client-key: sample-key-of-client-a";
    let response = caller::get(data, "/check/orders", &[key]);
    response.header("x-keygate-token").unwrap().to_owned()
}

/// The example of the page in a language.
fn example(language: &str) -> String {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/identity-token.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// What the Python example says of each token.
fn by_python(operations: &str, tokens: &[String]) -> Vec<String> {
    let example = example("python");
    assert!(example.contains(IN_PAGE));
    let program = example.replace(IN_PAGE, &format!("http://{operations}/")) + DRIVER;
    let mut python = Command::new("python3")
        .args(["-c", &program])
        .env("PYTHONPATH", Path::new(ROOT).join("target/tools/jwt"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = tokens.join("\n");
    let mut input = python.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "`make tools` installs PyJWT: {output:?}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_python_example_accepts_keygates_tokens_alone() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [own, other_key, other_audience] =
        [(P256, AUDIENCE), (ED25519, AUDIENCE), (P256, "billing")];
    let start = |n: usize, (key, audience)| serve(folders[n].path(), key, audience);
    let (own, other_key, other_audience) =
        (start(0, own), start(1, other_key), start(2, other_audience));
    let valid = token(&own.1[0]);
    let (rest, signature) = valid.rsplit_once('.').unwrap();
    let (first, others) = signature.split_at(1);
    let changed = format!("{rest}.{}{others}", if first == "A" { "B" } else { "A" });
    let (_, rest) = valid.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{rest}");
    let tokens = [
        valid,
        changed,
        unsigned,
        token(&other_key.1[0]),
        token(&other_audience.1[0]),
    ];
    let said = by_python(&own.1[1], &tokens);
    let claims: serde_json::Value = serde_json::from_str(&said[0]).unwrap();
    assert_eq!(claims["client_type"], "A");
    assert_eq!(claims["key_id"], "client-a");
    let errors = [
        "InvalidSignatureError",
        "PyJWKClientError",
        "PyJWKClientError",
        "InvalidAudienceError",
    ];
    assert_eq!(said[1..], errors);
}
