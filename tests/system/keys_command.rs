//! `keygate keys`: the life of a key from its creation to its deletion.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use keygate_keys::generated::is_generated;
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{keygate, run_to_end};

/// A plaintext key for tests; no output may contain it.
const CLEAR: &str = "sample-key-q7LmZ2xVb9KtR4wNc6Yp";

/// A keys file, on which a test runs commands.
struct Keys {
    folder: TempDir,
    path: PathBuf,
}

impl Keys {
    fn none() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        Self { folder, path }
    }

    fn holding(text: &str) -> Self {
        let keys = Self::none();
        fs::write(&keys.path, text).unwrap();
        keys
    }

    /// Runs `keygate keys COMMAND --keys FILE …` with `input` as its standard input.
    fn run_with(&self, command: &str, arguments: &[&str], input: &str) -> Output {
        let stdin = self.folder.path().join("stdin");
        fs::write(&stdin, input).unwrap();
        let mut keygate = keygate();
        keygate.args(["keys", command, "--keys"]).arg(&self.path);
        keygate.args(arguments).stdin(File::open(stdin).unwrap());
        run_to_end(&mut keygate)
    }

    /// Runs a command that must succeed, and returns its standard output.
    fn run(&self, command: &str, arguments: &[&str]) -> String {
        let output = self.run_with(command, arguments, "");
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Creates a key and returns the plaintext key.
    fn create(&self, arguments: &[&str]) -> String {
        let key = self.run("create", arguments);
        key.strip_suffix('\n').unwrap().to_owned()
    }

    fn list(&self) -> Vec<Value> {
        serde_json::from_str(&self.run("list", &["--output", "json"])).unwrap()
    }

    fn states(&self) -> Vec<(String, String)> {
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = self.list();
        rows.iter()
            .map(|row| (text(row, "id"), text(row, "state")))
            .collect()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn check(arguments: &[&str], path: &Path) -> Output {
    run_to_end(
        keygate()
            .arg("check")
            .arg("--keys")
            .arg(path)
            .args(arguments),
    )
}

#[test]
fn a_created_key_is_printed_once_and_stored_as_a_digest() {
    let keys = Keys::none();
    let output = keys.run_with("create", &["--client-type", "A", "--id", "cms"], "");
    assert_eq!(output.status.code(), Some(0));
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    let key = shown.strip_suffix('\n').unwrap();
    assert!(is_generated(key), "not a generated key");
    let said = stderr(&output);
    assert_eq!(
        said,
        "created the key `cms` of client type `A`, which never expires\n"
    );

    assert!(!keys.text().contains(key));
    assert!(keys.text().contains("digest: sha256:"), "{}", keys.text());
    assert_eq!(fs::metadata(&keys.path).unwrap().mode() & 0o777, 0o600);
    assert!(!keys.run("list", &[]).contains(key));
    assert_eq!(check(&[], &keys.path).status.code(), Some(0));
    assert_ne!(
        keys.create(&["--client-type", "A"]),
        key,
        "a key is made twice"
    );
}

#[test]
fn a_key_can_be_disabled_enabled_rotated_and_deleted() {
    let keys = Keys::none();
    keys.create(&[
        "--client-type",
        "A",
        "--id",
        "cms",
        "--description",
        "CMS: front end",
    ]);
    let state = |id: &str, state: &str| (id.to_owned(), state.to_owned());
    assert_eq!(keys.states(), [state("cms", "valid")]);
    keys.run("disable", &["cms"]);
    assert_eq!(keys.states(), [state("cms", "inactive")]);
    let before = keys.text();
    keys.run("disable", &["cms"]);
    assert_eq!(
        keys.text(),
        before,
        "switching off twice is switching off once"
    );
    keys.run("enable", &["cms"]);
    assert_eq!(keys.states(), [state("cms", "valid")]);

    let next = keys.run("rotate", &["cms", "--overlap", "7d", "--new-id", "cms-2"]);
    assert!(is_generated(next.trim_end()));
    assert_eq!(
        keys.states(),
        [state("cms", "valid"), state("cms-2", "valid")]
    );
    let rows = keys.list();
    assert_eq!(rows[0]["expiresSoon"], true);
    let days = rows[0]["expiresInDays"].as_i64();
    assert!(matches!(days, Some(6 | 7)), "{rows:?}");
    assert_eq!(rows[1]["clientType"], "A");
    assert_eq!(rows[1]["description"], "CMS: front end");
    assert_eq!(rows[1]["expiresAt"], Value::Null);

    keys.run("rotate", &["cms-2", "--overlap", "0d", "--new-id", "cms-3"]);
    assert_eq!(keys.states()[1], state("cms-2", "expired"));
    keys.run("delete", &["cms"]);
    keys.run("delete", &["cms-2"]);
    keys.run("delete", &["cms-3"]);
    assert!(keys.list().is_empty());
    keys.create(&["--client-type", "A"]);
    assert_eq!(keys.list().len(), 1);
}

#[test]
fn a_rotation_never_extends_the_validity_of_a_key() {
    let keys = Keys::none();
    keys.create(&[
        "--client-type",
        "A",
        "--id",
        "a",
        "--expires-at",
        "2027-01-01T00:00:00Z",
    ]);
    let output = keys.run_with("rotate", &["a", "--overlap", "90y"], "");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(keys.list()[0]["expiresAt"], "2027-01-01T00:00:00Z");
}

#[test]
fn a_successor_lives_as_long_as_the_old_key() {
    let keys = Keys::none();
    let limits = [
        ("a", "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z"),
        ("b", "2026-06-01T00:00:00Z", "2036-06-01T00:00:00Z"),
    ];
    for (id, start, end) in limits {
        let arguments = [
            "--client-type",
            "A",
            "--id",
            id,
            "--not-before",
            start,
            "--expires-at",
            end,
        ];
        keys.create(&arguments);
        keys.run("rotate", &[id, "--new-id", &format!("{id}-2")]);
    }
    let rows = keys.list();
    let lifetime = |row: &Value| {
        let moment = |name: &str| {
            row[name]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        };
        moment("expiresAt")
            .duration_since(moment("createdAt"))
            .as_hours()
    };
    // Ten years, with their leap days.
    assert_eq!(lifetime(&rows[1]), 24 * 3652, "{rows:?}");
    keys.run("rotate", &["b-2", "--new-id", "b-3", "--expires-in", "1d"]);
    assert_eq!(lifetime(&keys.list()[4]), 24);
}

#[test]
fn a_successor_of_unknown_lifetime_needs_an_expiry() {
    let digest = "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
        .replace("5e88", "6e88");
    let keys = Keys::holding(&format!(
        "version: 1\nkeys:\n  - id: a\n    clientType: A\n    digest: {digest}\n    expiresAt: 2036-01-01T00:00:00Z\n"
    ));
    let before = keys.text();
    let output = keys.run_with("rotate", &["a"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        stderr(&output).contains("set the lifetime of its successor with `--expires-in`"),
        "{output:?}"
    );
    assert_eq!(keys.text(), before);
    assert!(
        keys.run_with("rotate", &["a", "--expires-in", "90d"], "")
            .status
            .success()
    );
}

#[test]
fn the_expiry_and_the_description_of_a_key_can_be_set() {
    let keys = Keys::none();
    keys.create(&["--client-type", "A", "--id", "cms"]);
    keys.run(
        "set",
        &[
            "cms",
            "--expires-at",
            "2036-01-01T00:00:00Z",
            "--description",
            "CMS: \"front\" end",
        ],
    );
    let row = keys.list().remove(0);
    assert_eq!(row["expiresAt"], "2036-01-01T00:00:00Z");
    assert_eq!(row["description"], "CMS: \"front\" end");
    keys.run("set", &["cms", "--expires-in", "1d"]);
    assert_eq!(keys.list()[0]["expiresSoon"], true);
    assert_eq!(keys.list()[0]["description"], "CMS: \"front\" end");
    let nothing = keys.run_with("set", &["cms"], "");
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
}

#[test]
fn an_id_that_no_key_has_suggests_the_ones_that_may_be_meant() {
    let keys = Keys::none();
    for id in ["shop-2026-11-24", "shop-2026-12-24", "other"] {
        keys.create(&["--client-type", "A", "--id", id]);
    }
    for (id, suggestion) in [
        (
            "shop",
            "did you mean `shop-2026-11-24` or `shop-2026-12-24`?",
        ),
        ("otehr", "did you mean `other`?"),
        (
            "A",
            "did you mean `shop-2026-11-24` or `shop-2026-12-24` or `other`?",
        ),
    ] {
        let output = keys.run_with("delete", &[id], "");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).contains(suggestion), "{output:?}");
    }
}

#[test]
fn a_key_with_a_successor_is_not_reported_as_expiring() {
    let keys = Keys::none();
    let list = || keys.run_with("list", &[], "");
    keys.create(&["--client-type", "A", "--id", "old", "--expires-in", "2d"]);
    assert!(stderr(&list()).contains("the key `old` of client type `A` expires"));
    keys.create(&["--client-type", "B", "--id", "other", "--expires-in", "90d"]);
    assert!(stderr(&list()).contains("the key `old` of client type `A` expires"));
    keys.create(&["--client-type", "A", "--id", "new", "--expires-in", "90d"]);
    assert_eq!(stderr(&list()), "");
    keys.run("disable", &["new"]);
    assert!(stderr(&list()).contains("the key `old` of client type `A` expires"));
}

#[test]
fn the_keys_file_can_be_named_by_the_environment() {
    let keys = Keys::none();
    keys.create(&["--client-type", "A", "--id", "cms"]);
    let mut command = keygate();
    command
        .args(["keys", "list"])
        .env("KEYGATE_KEYS", &keys.path);
    let output = run_to_end(&mut command);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("cms"),
        "{output:?}"
    );
    assert_eq!(
        run_to_end(keygate().args(["keys", "list"])).status.code(),
        Some(2)
    );
}

#[test]
fn ids_are_client_type_and_day_and_are_never_reused() {
    let keys = Keys::none();
    for _ in 0..3 {
        keys.create(&["--client-type", "mobile"]);
    }
    let ids: Vec<_> = keys.states().into_iter().map(|(id, _)| id).collect();
    assert!(ids[0].starts_with("mobile-20"), "{ids:?}");
    assert_eq!(ids[1], format!("{}-2", ids[0]));
    assert_eq!(ids[2], format!("{}-3", ids[0]));
}

#[test]
fn a_key_from_standard_input_is_stored_and_not_printed() {
    let keys = Keys::none();
    let create = ["--client-type", "A", "--id", "own", "--key-stdin"];
    let output = keys.run_with("create", &create, &format!("{CLEAR}\n"));
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty());
    assert!(!stderr(&output).contains(CLEAR) && !keys.text().contains(CLEAR));

    let again = keys.run_with("create", &["--client-type", "B", "--key-stdin"], CLEAR);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("contain the same key"), "{again:?}");
    assert!(!stderr(&again).contains(CLEAR));

    let weak = ["--client-type", "A", "--key-stdin"];
    let rejected = keys.run_with("create", &weak, "shop-key\n");
    assert_eq!(rejected.status.code(), Some(1));
    assert_eq!(
        stderr(&rejected),
        "error: the key is weak: it is shorter than 20 characters; to accept it anyway, use \
         `--allow-weak`\n"
    );
    let allowed = keys.run_with(
        "create",
        &[&weak[..], &["--allow-weak"]].concat(),
        "shop-key\n",
    );
    assert!(allowed.status.success(), "{allowed:?}");
}

#[test]
fn hashing_a_plaintext_keys_file_keeps_its_comments() {
    let keys = Keys::holding(&format!(
        "# ours\nversion: 1\nkeys:\n  - id: a # first\n    clientType: A\n    key: {CLEAR}\n  \
         - {{id: b, clientType: B, key: \"{CLEAR}-2\"}}\n"
    ));
    let warned = check(&[], &keys.path);
    let warned = String::from_utf8(warned.stdout).unwrap();
    assert!(
        warned.contains("the key `a` is stored in plaintext"),
        "{warned}"
    );
    assert!(!warned.contains(CLEAR));
    let output = keys.run_with("hash", &[], "");
    assert_eq!(stderr(&output), "hashed 2 plaintext keys\n");
    let text = keys.text();
    assert!(!text.contains(CLEAR), "a key is left");
    assert!(
        text.starts_with("# ours\n") && text.contains("id: a # first\n"),
        "{text}"
    );
    assert_eq!(keys.list().len(), 2);
    assert_eq!(
        stderr(&keys.run_with("hash", &[], "")),
        "the file contains no plaintext keys\n"
    );
}

#[test]
fn peppered_keys_need_the_pepper_to_load_and_not_to_be_edited() {
    let keys = Keys::none();
    let pepper = keys.folder.path().join("pepper");
    fs::write(&pepper, "an example pepper, not a secret\n").unwrap();
    let pepper = pepper.to_str().unwrap();
    keys.create(&["--client-type", "A", "--id", "a", "--pepper-file", pepper]);
    assert!(
        keys.text().contains("digest: hmac-sha256:"),
        "{}",
        keys.text()
    );
    keys.create(&[
        "--client-type",
        "A",
        "--scheme",
        "sha256",
        "--pepper-file",
        pepper,
    ]);
    assert_eq!(keys.list()[1]["stored"], "sha256");

    assert_eq!(check(&[], &keys.path).status.code(), Some(1));
    assert_eq!(
        check(&["--pepper-file", pepper], &keys.path).status.code(),
        Some(0)
    );
    // The successor of a key with a pepper has one too.
    let before = keys.text();
    let rotated = keys.run_with("rotate", &["a"], "");
    assert_eq!(rotated.status.code(), Some(1));
    assert!(stderr(&rotated).contains("with a pepper"), "{rotated:?}");
    assert_eq!(keys.text(), before);
    // A pipe can be read only once.
    let pipe = keys.folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let writer = thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, "an example pepper, not a secret\n").unwrap()
    });
    let pipe = pipe.to_str().unwrap();
    keys.run("rotate", &["a", "--new-id", "b", "--pepper-file", pipe]);
    writer.join().unwrap();
    assert_eq!(keys.list()[2]["stored"], "hmac-sha256");
    keys.run("disable", &["a"]);

    let without = keys.run_with(
        "create",
        &["--client-type", "A", "--scheme", "hmac-sha256"],
        "",
    );
    assert_eq!(without.status.code(), Some(1));
    assert!(stderr(&without).contains("need a pepper"), "{without:?}");
}

#[test]
fn list_and_check_report_keys_that_expire_soon() {
    let keys = Keys::none();
    let far = ("far", "B", "14d 12h");
    for (id, client_type, period) in [far, ("soon", "A", "12d 12h"), ("today", "A", "5h")] {
        keys.create(&[
            "--client-type",
            client_type,
            "--id",
            id,
            "--expires-in",
            period,
        ]);
    }
    keys.create(&["--client-type", "A", "--id", "off", "--expires-in", "2d"]);
    keys.run("disable", &["off"]);
    let said = stderr(&keys.run_with("list", &[], ""));
    let checked = String::from_utf8(check(&[], &keys.path).stdout).unwrap();
    for text in [said, checked] {
        assert!(
            text.contains("the key `soon` of client type `A` expires in 12 days"),
            "{text}"
        );
        assert!(text.contains("the key `today` of client type `A` expires in less than a day"));
        assert!(!text.contains("`far`") && !text.contains("`off`"), "{text}");
    }
    let list = keys.run("list", &[]);
    assert!(
        list.starts_with("ID     CLIENT TYPE  STATE     AGE  EXPIRES"),
        "{list}"
    );
    assert!(list.contains("(in 14d)"), "{list}");
}

#[rstest]
#[case::unknown_id("disable", &["nobody"], 1, "no key has the id `nobody`")]
#[case::slip("delete", &["csm"], 1, "did you mean `cms`?")]
#[case::taken_id("create", &["--client-type", "A", "--id", "cms"], 1, "two keys have the id `cms`")]
#[case::never_valid("create", &["--client-type", "A", "--not-before", "2097-01-01T00:00:00Z", "--expires-at", "2096-01-01T00:00:00Z"], 1, "expires before it becomes valid")]
#[case::no_pepper_file("create", &["--client-type", "A", "--pepper-file", "/nowhere"], 1, "cannot read the pepper")]
#[case::far_end("create", &["--client-type", "A", "--expires-in", "9000y"], 1, "too far in the future")]
#[case::no_client_type("create", &[], 2, "--client-type")]
#[case::blank_client_type("create", &["--client-type", "A B"], 2, "visible ASCII")]
#[case::bad_id("create", &["--client-type", "A", "--id", "a\nb"], 2, "visible ASCII")]
#[case::bad_period("create", &["--client-type", "A", "--expires-in", "soon"], 2, "such as `90d`")]
#[case::bad_moment("create", &["--client-type", "A", "--expires-at", "2027-01-01"], 2, "--expires-at")]
#[case::two_ends("create", &["--client-type", "A", "--expires-at", "2027-01-01T00:00:00Z", "--expires-in", "1d"], 2, "cannot be used with")]
#[case::unknown_scheme("create", &["--client-type", "A", "--scheme", "md5"], 2, "possible values: sha256, hmac-sha256")]
#[case::weak_without_stdin("create", &["--client-type", "A", "--allow-weak"], 2, "--key-stdin")]
#[case::negative_overlap("rotate", &["cms", "--overlap=-1d"], 2, "such as `90d`")]
fn a_rejected_command_changes_nothing(
    #[case] command: &str,
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] message: &str,
) {
    let keys = Keys::none();
    keys.create(&["--client-type", "A", "--id", "cms"]);
    let before = keys.text();
    let output = keys.run_with(command, arguments, "");
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(stderr(&output).contains(message), "{output:?}");
    assert!(output.stdout.is_empty());
    assert_eq!(keys.text(), before);
}

#[rstest]
#[case::same_id(
    "  - {id: a, clientType: A, key: sample-key-1}\n  - {id: a, clientType: B, key: sample-key-2}\n",
    "two keys have the id `a`"
)]
#[case::same_key(
    "  - {id: a, clientType: A, key: sample-key-1}\n  - {id: b, clientType: B, key: sample-key-1}\n",
    "the entries `a` and `b` contain the same key"
)]
#[case::bad_date(
    "  - {id: a, clientType: A, key: sample-key-1, expiresAt: 2026-02-30T00:00:00Z}\n",
    "keys.yaml:3:58"
)]
#[case::ends_before_it_begins(
    "  - {id: a, clientType: A, key: sample-key-1, notBefore: 2027-01-01T00:00:00Z, expiresAt: 2026-01-01T00:00:00Z}\n",
    "expires before it becomes valid"
)]
#[case::blank_in_a_key("  - {id: a, clientType: A, key: 'sample-key 1'}\n", "such as a space")]
#[case::blank_in_a_client_type(
    "  - {id: a, clientType: 'A ', key: sample-key-1}\n",
    "invalid client type"
)]
#[case::unknown_scheme(
    "  - {id: a, clientType: A, digest: 'md5:sample-key'}\n",
    "a digest is `sha256:` or `hmac-sha256:`"
)]
#[case::digest_too_short(
    "  - {id: a, clientType: A, digest: 'sha256:sample-key'}\n",
    "exactly 64 hexadecimal digits"
)]
#[case::both(
    "  - {id: a, clientType: A, key: sample-key-1, digest: 'sha256:00'}\n",
    "are both set"
)]
#[case::unknown_field(
    "  - {id: a, clientType: A, key: sample-key-1, enabled: true}\n",
    "keys.yaml:3:47"
)]
#[case::not_yaml("  - {id: a, clientType: A, key: [sample-key-1\n", "error: ")]
fn an_invalid_file_is_rejected_with_its_line_and_no_secret(
    #[case] entries: &str,
    #[case] message: &str,
) {
    let keys = Keys::holding(&format!("version: 1\nkeys:\n{entries}"));
    let before = keys.text();
    let checked = check(&[], &keys.path);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains(message), "{checked}");
    assert!(checked.contains("keys.yaml:"), "no location: {checked}");
    let listed = keys.run_with("list", &[], "");
    let created = keys.run_with("create", &["--client-type", "A"], "");
    for output in [&listed, &created] {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(output).contains(message), "{output:?}");
        assert!(output.stdout.is_empty());
        assert!(!stderr(output).contains("sample-key") && !checked.contains("sample-key"));
    }
    assert_eq!(keys.text(), before);
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        "create", "list", "enable", "disable", "rotate", "set", "delete", "hash",
    ] {
        let output = run_to_end(keygate().args(["keys", command, "--help"]));
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(
            help.contains(&format!("keygate keys {command} --keys")),
            "{help}"
        );
    }
}
