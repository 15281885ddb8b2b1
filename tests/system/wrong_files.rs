//! A file of the wrong kind may contain API keys: no message and no log quotes any part of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rstest::rstest;

use crate::support::gateway::free_port;
use crate::support::program::{Service, keygate, run_to_end};
use crate::support::yaml_file::File;

/// Texts with the secret `sample-key-zq`, and with parts of it where a line is cut.
const TEXTS: [(&str, &str); 28] = [
    (
        "keys file",
        "version: 1\nkeys:\n  - id: a\n    clientType: A\n    key: sample-key-zq\n",
    ),
    (
        "keys in JSON",
        r#"{"version":1,"keys":[{"id":"a","clientType":"A","key":"sample-key-zq"}]}"#,
    ),
    (
        "Console",
        r#"{"secrets":[{"secret":"sample-key-zq","clientType":"A","active":true}]}"#,
    ),
    (
        "Console with endpoints",
        r#"{"version":"0.1","endpoints":{"/a":{"basePath":"/a","acl":"tru"}},"secrets":[{"secret":"sample-key-zq"}]}"#,
    ),
    (
        "Console of endpoints first",
        r#"{"endpoints":[{"a":1}],"secrets":[{"secret":"sample-key-zq"}]}"#,
    ),
    (
        "list of keys",
        r#"[{"secret":"sample-key-zq","clientType":"A"}]"#,
    ),
    (
        "cut JSON",
        r#"{"endpoints":{"/a":{}},"secrets":[{"secret":"sample-key-zq"#,
    ),
    ("settings", "listen: 127.0.0.1:1\npepper: sample-key-zq\n"),
    (
        "settings, misspelt",
        "listen: 127.0.0.1:1\npeper: sample-key-zq\nkeys: [\n",
    ),
    (
        "syntax error in the key",
        "version: 1\nkeys:\n  - id: a\n    key: \"sample-key-zq\" x\n",
    ),
    (
        "quote not closed",
        "version: 1\nkeys:\n  - id: a\n    key: \"sample-key-zq\n",
    ),
    (
        "colon in the key",
        "version: 1\nkeys:\n  - id: a\n    key: sample-key-zq: x\n",
    ),
    (
        "tag",
        "version: 1\nkeys:\n  - id: a\n    key: !sample-key-zq x\n",
    ),
    (
        "anchor",
        "version: 1\nkeys:\n  - id: a\n    key: &sample-key-zq x\n",
    ),
    (
        "alias",
        "version: 1\nkeys:\n  - id: a\n    key: *sample-key-zq\n",
    ),
    ("field", "sample-key-zq: a\nversion: 1\n"),
    (
        "field in a policy",
        "version: 1\nsample-key-zq: a\nendpoints: []\n",
    ),
    (
        "field of an entry",
        "version: 1\nendpoints:\n  - path: /a\n    key: sample-key-zq\n",
    ),
    ("key alone", "sample-key-zq\n"),
    ("key and colon", "sample-key-zq:\n"),
    ("keys, one a line", "- sample-key-zq\n- sample-key-zr\n"),
    ("variables", "API_KEY=sample-key-zq\nOTHER=1\n"),
    (
        "nginx map",
        "map $http_client_key $c {\n  \"sample-key-zq\" A\n}\n",
    ),
    (
        "nginx map, cut",
        "map $http_client_key $c {\n  \"sample-key-zq\n",
    ),
    ("keys twice", "keys: sample-key-zq\nkeys: sample-key-zq\n"),
    ("two documents", "version: 1\n---\nsample-key-zq: 1\n"),
    ("control characters", "\0\u{1}sample-key-zq\u{7}\n\0"),
    ("tabs", "version: 1\nkeys:\n\t- sample-key-zq\n"),
];

/// Returns every command that reads a file.
fn commands(file: &Path, good_policy: &Path, good_cases: &Path) -> Vec<Command> {
    let command = |arguments: &[&str], more: &[&Path]| {
        let mut command = keygate();
        command.args(arguments).args(more);
        command
    };
    let listen = format!("127.0.0.1:{}", free_port());
    let request = ["--method", "GET", "--uri", "/a"];
    let mut explain = command(&["explain", "--policy"], &[file]);
    explain.args(request);
    let mut shadow = command(&["explain", "--shadow-policy"], &[file]);
    shadow.args(request).arg("--policy").arg(good_policy);
    let mut serve = command(&["serve", "--policy"], &[file]);
    serve.args(["--keys", "/no/such/file", "--listen", &listen]);
    let mut resolver = command(&["resolver", "--config"], &[file]);
    resolver.args(["--keys", "/no/such/file", "--listen", &listen]);
    let mut authorizer = command(&["authorizer", "--config"], &[file]);
    authorizer.args(["--policy", "/no/such/file", "--listen", &listen]);
    vec![
        command(&["check", "--policy"], &[file]),
        command(&["check", "--keys"], &[file]),
        command(&["matrix", "--policy"], &[file]),
        explain,
        shadow,
        command(&["test"], &[file]),
        command(&["test", "--policy"], &[file, good_cases]),
        serve,
        resolver,
        authorizer,
        command(&["import", "nginx-map"], &[file]),
        command(&["keys", "list", "--keys"], &[file]),
    ]
}

#[rstest]
fn no_command_repeats_a_file_of_another_kind(
    #[values("file.yaml", "file.json", "file")] name: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let (file, policy, cases) = (
        folder.path().join(name),
        folder.path().join("good-policy.yaml"),
        folder.path().join("good-cases.yaml"),
    );
    fs::write(&policy, File::Policy.plain()).unwrap();
    fs::write(&cases, File::Cases.plain()).unwrap();
    for (what, text) in TEXTS {
        fs::write(&file, text).unwrap();
        for mut command in commands(&file, &policy, &cases) {
            // `run_to_end` fails if the output contains a sample key; this also searches for parts.
            let output = run_to_end(&mut command);
            let said = [output.stdout.as_slice(), &output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("-zq"), "{what}: {command:?}\n{said}");
            assert!(!said.contains("panicked"), "{what}: {command:?}\n{said}");
        }
    }
}

#[test]
fn no_log_repeats_a_file_of_another_kind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let next = folder.path().join("next");
    fs::write(&file, File::Policy.plain()).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = keygate();
    command.args(["authorizer", "--listen", &listen, "--policy"]);
    command
        .arg(&file)
        .args(["--operations", &format!("127.0.0.1:{}", free_port())]);
    let service = Service::start(command, &listen, &folder.path().join("log"));
    for (what, text) in TEXTS {
        let before = service.output().len();
        fs::write(&next, text).unwrap();
        fs::rename(&next, &file).unwrap();
        let started = Instant::now();
        while !service
            .output()
            .get(before..)
            .unwrap()
            .contains("policy.yaml")
        {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{what}: not in the log"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(
            !service.output().contains("-zq"),
            "{what}: {}",
            service.output()
        );
    }
}

/// A policy with an error is still shown, with the line and a mark.
#[rstest]
#[case::expression("groupExpression: clientType = 'A'", "clientType = 'A'", "^")]
#[case::tag("groupExpression: !isBackoffice", "!isBackoffice", "^^^^")]
#[case::text_after_a_quote("groupExpression: \"a\" in groups", "\"a\" in groups", "^")]
#[case::text_after_a_list("groupExpression: [\"a\"] in groups", "[\"a\"] in groups", "^")]
#[case::unknown_field("groupExpresion: 'true'", "groupExpresion: 'true'", "^^^^")]
#[case::wrong_kind("methods: GET", "methods: GET", "^^^")]
fn a_policy_with_an_error_is_shown(#[case] field: &str, #[case] line: &str, #[case] mark: &str) {
    let text = format!("version: 1\nendpoints:\n  - path: /a\n    {field}\n");
    let said = File::Policy.is_accepted(&text).unwrap_err();
    assert!(said.contains(&format!("4 |     {field}")), "{said}");
    assert!(said.contains(line) && said.contains(mark), "{said}");
}

#[test]
fn the_format_of_a_policy_is_detected_by_content() {
    let native = "{\"version\": 1, \"endpoints\": [{\"path\": \"/a\"}]}";
    let theirs =
        "{\"/a\": {\"GET\": {\"authorization\": {\"expression\": \"true\", \"public\": true}}}}";
    for text in [native, theirs] {
        for name in [
            "policy.yaml",
            "policy.json",
            "auth.json",
            "auth",
            "auth.yaml",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            let output = run_to_end(keygate().args(["check", "--policy"]).arg(&file));
            assert!(output.status.success(), "{name}: {output:?}\n{text}");
        }
    }
}
