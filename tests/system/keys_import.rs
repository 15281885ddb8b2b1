//! `keygate import`: the keys of other gateways become a keys file with digests only.

use std::fs;
use std::process::Output;

use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{keygate, run_to_end};

/// The relevant part of a Console configuration.
const CONSOLE: &str = r#"{
	"version": "0.50.0",
	"secrets": [
		{"secret": "sample-key-of-the-cms-0\/1", "clientType": "CMS", "active": true, "description": "the 😀 \u0043MS"},
		{"secret": "sample-key-of-partner-x-98", "clientType": "partner", "active": false, "custom": 1},
		{"secret": "sample-key-short", "clientType": "CMS", "active": true, "description": ""}
	],
	"services": {"orders": {"replicas": 1}}
}"#;

const MAP: &str = r#"
http {
    map $http_client_key $client_type {
        default "";
        volatile;
        # ours
        "sample-key-of-the-cms-0001" CMS; # the CMS
        sample-key-of.partner_x-98   partner;
        'sample-key-of-all=/+{;} '   0;
        sample-key-of=/+==           "A";
        \volatile                D;
        sample-key-of-nobody         "";
    }
    map $uri $other { /sample-key x; }
}
"#;

struct Import {
    folder: TempDir,
}

impl Import {
    fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("from"), text).unwrap();
        Self { folder }
    }

    fn run(&self, kind: &str, arguments: &[&str]) -> Output {
        let mut command = keygate();
        command.current_dir(self.folder.path());
        let output = run_to_end(command.args(["import", kind, "from"]).args(arguments));
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            assert!(
                !text.contains("sample-key"),
                "a key is in the output: {text}"
            );
        }
        output
    }

    /// Returns type, state and description of each key in the written file.
    fn keys(&self) -> Vec<[String; 3]> {
        let mut list = keygate();
        let path = self.folder.path().join("keys.yaml");
        assert!(!fs::read_to_string(&path).unwrap().contains("sample-key"));
        list.args(["keys", "list", "--output", "json", "--keys"])
            .arg(path);
        let rows: Vec<Value> = serde_json::from_slice(&run_to_end(&mut list).stdout).unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
        rows.iter()
            .map(|row| ["clientType", "state", "description"].map(|name| text(row, name)))
            .collect()
    }
}

fn list_alone(console: &str) -> &str {
    let (_, list) = console.split_once("\"secrets\": ").unwrap();
    list.split_once(",\n\t\"services\"").unwrap().0
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[rstest]
#[case::in_a_configuration(CONSOLE)]
#[case::alone(list_alone(CONSOLE))]
fn keys_of_a_console_configuration_are_imported_hashed(#[case] text: &str) {
    let import = Import::of(text);
    let output = import.run("mia", &["--keys-out", "keys.yaml"]);
    assert!(output.status.success(), "{output:?}");
    let row = |client_type: &str, state: &str, description: &str| {
        [client_type, state, description].map(str::to_owned)
    };
    assert_eq!(
        import.keys(),
        [
            row("CMS", "valid", "the 😀 CMS"),
            row("partner", "inactive", "-"),
            row("CMS", "valid", "-"),
        ]
    );
    let said = stderr(&output);
    assert!(said.contains("ignored 1 other field"), "{said}");
    assert!(said.contains("is weak: it is shorter than 20"), "{said}");
    assert!(said.ends_with("added 3 keys to keys.yaml, stored as digests\n"));
    assert_eq!(
        said.contains("ignored the field `services`"),
        text == CONSOLE,
        "{said}"
    );

    // A second import would add the same keys again.
    let again = import.run("mia", &["--keys-out", "keys.yaml"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("contain the same key"), "{again:?}");
    assert_eq!(import.keys().len(), 3);
}

#[test]
fn an_imported_key_is_stored_as_its_digest() {
    let import = Import::of(CONSOLE);
    let printed = import.run("mia", &[]);
    assert!(printed.status.success(), "{printed:?}");
    let digest = keygate_keys::Digest::sha256(b"sample-key-of-the-cms-0/1").to_string();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains(&digest), "{printed}");
    assert!(printed.starts_with("version: 1\nkeys:\n  - id: CMS-"));

    fs::write(import.folder.path().join("pepper"), "0123456789abcdef").unwrap();
    let peppered = import.run("mia", &["--pepper-file", "pepper"]);
    let peppered = String::from_utf8(peppered.stdout).unwrap();
    assert_eq!(peppered.matches("digest: hmac-sha256:").count(), 3);
}

#[test]
fn keys_of_an_nginx_map_are_imported_hashed() {
    let import = Import::of(MAP);
    let output = import.run("nginx-map", &["--keys-out", "keys.yaml"]);
    assert!(output.status.success(), "{output:?}");
    let types = import
        .keys()
        .into_iter()
        .map(|[client_type, ..]| client_type);
    assert_eq!(types.collect::<Vec<_>>(), ["CMS", "partner", "A", "D"]);
    let said = stderr(&output);
    let ignored = "ignored 2 entries without a client type (the value is empty or `0`)\n";
    assert!(said.starts_with(ignored), "{said}");
    let text = fs::read_to_string(import.folder.path().join("keys.yaml")).unwrap();
    for key in [
        "sample-key-of-the-cms-0001",
        "sample-key-of.partner_x-98",
        "sample-key-of=/+==",
        "volatile",
    ] {
        let digest = keygate_keys::Digest::sha256(key.as_bytes()).to_string();
        assert!(text.contains(&digest), "{key}");
    }
}

#[test]
fn an_import_names_the_header_and_the_rules_that_are_left() {
    let text = "
map $http_x_api_key $client { sample-key-1 A; }
map $cookie_sid $by_cookie { sample-key-2 B; }
server {
  location / {
    if ($client = \"\") { return 401; }
    if ($by_cookie$uri ~ ^$) { return 401; }
    if ($client_other) { return 401; }
  }
}
";
    let import = Import::of(text);
    let variables = ["--variable", "$http_x_api_key", "--variable", "$cookie_sid"];
    let output = import.run(
        "nginx-map",
        &[&["--keys-out", "keys.yaml"][..], &variables].concat(),
    );
    let said = stderr(&output);
    for line in [
        "clients send keys in the header `x-api-key`: add it to the setting `key-headers`",
        "clients send keys in the cookie `sid`: add it to the setting `key-cookies`",
        ":6:5: this `if` decides on `$client`: move the rule to the policy, and remove the `if`\n",
        ":7:5: this `if` decides on `$by_cookie`",
    ] {
        assert!(said.contains(line), "`{line}` is not in:\n{said}");
    }
    assert_eq!(said.matches("this `if`").count(), 2, "{said}");
}

#[rstest]
#[case::windows_line_ends("map $http_client_key $t {\r\n  sample-key-1 A;\r\n}\r\n")]
#[case::a_quoted_variable("map \"$http_client_key\" \"$t\" { sample-key-1 A; }")]
#[case::braces_of_a_variable("map ${http_client_key} $t { sample-key-1 A; }")]
#[case::a_quote_in_another_map(
    "map $uri $u { it's 1; } map $http_client_key $t { sample-key-1 A; }"
)]
fn a_map_is_imported_as_nginx_reads_it(#[case] text: &str) {
    let import = Import::of(text);
    let output = import.run("nginx-map", &["--keys-out", "keys.yaml"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(import.keys()[0][0], "A");
}

#[test]
fn a_map_of_another_variable_is_imported_if_named() {
    let text =
        "map $http_x_api_key $t { sample-key-1 A; }\nmap $http_client_key $u { sample-key-2 B; }\n";
    let import = Import::of(text);
    let output = import.run(
        "nginx-map",
        &["--variable", "$http_x_api_key", "--keys-out", "keys.yaml"],
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(import.keys().len(), 1);
}

#[rstest]
#[case::not_json("mia", "{\"secrets\": [", "from:1:")]
#[case::nothing("mia", "{}", "contains nothing to import")]
#[case::no_lists("mia", "{\"services\": {}}", "contains nothing to import")]
#[case::no_key("mia", "[{\"clientType\": \"A\"}]", "secret")]
#[case::no_client_type("mia", "[{\"secret\": \"sample-key\"}]", "clientType")]
#[case::active_is_text(
    "mia",
    "[{\"secret\": \"sample-key\", \"clientType\": \"A\", \"active\": \"yes\"}]",
    "from:1:"
)]
#[case::a_blank(
    "mia",
    "[{\"secret\": \"sample-key 1\", \"clientType\": \"A\"}]",
    "such as a space\n --> from:1:2"
)]
#[case::empty(
    "mia",
    "[{\"secret\": \"\", \"clientType\": \"A\"}]",
    "invalid key: it is empty\n --> from:1:2"
)]
#[case::a_placeholder_for_a_type(
    "mia",
    "[{\"secret\": \"sample-key\", \"clientType\": \"{{CMS}}\"}]",
    "invalid client type: it is a template variable that was not substituted: replace it"
)]
#[case::a_blank_in_a_type(
    "mia",
    "[{\"secret\": \"sample-key\", \"clientType\": \"A B\"}]",
    "invalid client type"
)]
#[case::twice(
    "mia",
    "[\n{\"secret\": \"sample-key\", \"clientType\": \"A\"},\n{\"secret\": \"sample-key\", \"clientType\": \"B\"}]",
    "twice\n --> from:3:1\n  = help: it is also at from:2:1"
)]
#[case::no_map("nginx-map", "http { }", "contains nothing to import")]
#[case::not_nginx(
    "nginx-map",
    "map $http_client_key $t { sample-key",
    "not an nginx configuration"
)]
#[case::a_default(
    "nginx-map",
    "map $http_client_key $t { default A; }",
    "the default allows callers"
)]
#[case::a_pattern(
    "nginx-map",
    "map $http_client_key $t { ~^sample-key A; }",
    "a regular expression is not a key\n --> from:1:27"
)]
#[case::an_include(
    "nginx-map",
    "map $http_client_key $t { include keys.map; }",
    "with the contents"
)]
#[case::host_names(
    "nginx-map",
    "map $http_client_key $t { hostnames; *.sample-key A; }",
    "host names"
)]
#[case::a_variable(
    "nginx-map",
    "map $http_client_key $t { sample-key $host; }",
    "contains a variable"
)]
#[case::a_blank_in_a_map(
    "nginx-map",
    "map $http_client_key $t { 'sample-key 1' A; }",
    "such as a space"
)]
#[case::twice_in_a_map(
    "nginx-map",
    "map $http_client_key $t { sample-key A; sample-key B; }",
    "twice"
)]
fn a_failed_import_is_reported_and_writes_nothing(
    #[case] kind: &str,
    #[case] text: &str,
    #[case] message: &str,
) {
    let import = Import::of(text);
    let output = import.run(kind, &["--keys-out", "keys.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains(message), "{said}");
    assert!(!import.folder.path().join("keys.yaml").exists());
}
