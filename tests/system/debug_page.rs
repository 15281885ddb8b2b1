//! The debug page: in a real browser, and the headers that it is sent with.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rstest::rstest;

use crate::support::caller;
use crate::support::gateway::{ROOT, corpus_file, free_port};
use crate::support::operations::{Watched, keep_busy, until};
use crate::support::program::{Service, keygate};

#[test]
fn a_browser_and_axe_report_no_problem_on_the_page() {
    let watched = Watched::start(&[("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1")]);
    let keys = fs::read_to_string(watched.path("keys.yaml")).unwrap();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(30);
    let expiring = format!(
        "  - {{ id: ending, clientType: A, key: sample-key-of-ending, expiresAt: {soon} }}\n"
    );
    watched.write("keys.yaml", &(keys + &expiring));
    until("the keys are active", || {
        watched.page("/debug/").text().contains("ending")
    });
    keep_busy(&watched);
    // A problem is shown too.
    watched.write("policy.yaml", "version: 1\nendpoint: []\n");
    until("the policy is rejected", || {
        watched.page("/-/check-up").status() == 503
    });
    let root = Path::new(ROOT);
    let output = Command::new("python3")
        .env("PYTHONPATH", root.join("target/tools/python"))
        .arg(root.join("tests/browser/debug_page.py"))
        .args([&watched.operations, &watched.data])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn the_page_runs_no_inline_and_no_external_scripts() {
    let watched = Watched::start(&[]);
    for path in [
        "/debug/",
        "/debug/recent",
        "/debug/page.js",
        "/debug/page.css",
    ] {
        let page = watched.page(path);
        assert_eq!(page.status(), 200, "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
    }
    assert_eq!(watched.page("/debug").header("location"), Some("debug/"));
    assert_eq!(caller::get(&watched.data, "/debug/", &[]).status(), 404);
}

#[test]
fn each_role_shows_its_own_data() {
    let folder = tempfile::tempdir().unwrap();
    for (role, setting, file, shown, not_shown) in [
        (
            "resolver",
            "KEYGATE_KEYS",
            "keys.yaml",
            "client-b",
            "Access by client type",
        ),
        (
            "authorizer",
            "KEYGATE_POLICY",
            "policy.yaml",
            "Access by client type",
            "Last use",
        ),
    ] {
        let data = format!("127.0.0.1:{}", free_port());
        let operations = format!("127.0.0.1:{}", free_port());
        let mut command = keygate();
        command
            .args([role, "--listen", &data, "--operations", &operations])
            .env(setting, corpus_file(file));
        let _service = Service::start(command, &data, &folder.path().join(role));
        let page = caller::get_operations(&operations, "/debug/", &[]);
        assert_eq!(page.status(), 200);
        let text = page.text();
        assert!(
            text.contains(shown) && !text.contains(not_shown),
            "{role}: {text}"
        );
    }
}

#[rstest]
#[case("uri=/orders&user=x&groups=staff", &["not a JSON object", r#"value="staff""#, r#"name="user" value="x""#])]
#[case("uri=&client-type=A", &["enter a path", r#"name="client-type" value="A""#])]
#[case("client-type=A", &["enter a path"])]
#[case("uri=+&user=x", &["enter a path", "not a JSON object"])]
#[case("uri=/orders&colour=red", &["unknown field `colour`", r#"value="/orders""#])]
fn a_form_error_is_shown_beside_the_input(#[case] query: &str, #[case] shown: &[&str]) {
    let watched = Watched::start(&[]);
    let page = watched.page(&format!("/debug/?{query}"));
    assert_eq!(page.status(), 400);
    let text = page.text();
    for shown in shown {
        assert!(text.contains(shown), "`{shown}` is not in {text}");
    }
    assert!(!text.contains("class=\"verdict"), "{text}");
}

#[rstest]
#[case("D", Some("no valid key has the client type `D`"))]
#[case(
    "admin",
    Some("no valid key has the client type `admin`: did you mean `ADMIN`?")
)]
#[case(
    "LATER",
    Some("no valid key has the client type `LATER`: the key `later` is not-yet-valid")
)]
#[case("A", None)]
#[case("", None)]
fn an_impossible_client_type_is_a_warning(
    #[case] client_type: &str,
    #[case] warning: Option<&str>,
) {
    let watched = Watched::start(&[]);
    let keys = fs::read_to_string(watched.path("keys.yaml")).unwrap();
    let later = "  - { id: later, clientType: LATER, key: sample-key-of-later, notBefore: 2999-01-01T00:00:00Z }\n";
    watched.write("keys.yaml", &(keys + later));
    until("the keys are active", || {
        watched.page("/debug/").text().contains("later")
    });
    let query = format!("?uri=/orders&client-type={client_type}");
    let explained = watched.json(&format!("/debug/explain{query}"));
    assert_eq!(explained["warning"].as_str(), warning);
    let page = watched.page(&format!("/debug/{query}")).text();
    assert_eq!(page.contains("no valid key"), warning.is_some(), "{page}");
}

#[test]
fn without_a_key_no_part_of_the_expression_is_marked() {
    let watched = Watched::start(&[]);
    let page = watched.page("/debug/?uri=/orders&host=h").text();
    assert!(page.contains("an API key ← decided</span>, then"), "{page}");
    assert_eq!(page.matches("← decided").count(), 1, "{page}");
    let page = watched
        .page("/debug/?uri=/orders&host=h&client-type=C")
        .text();
    assert_eq!(page.matches("← decided").count(), 1, "{page}");
    assert!(page.contains("an API key</span>, then"), "{page}");
}

#[test]
fn rejected_keys_are_grouped_by_cause() {
    let watched = Watched::start(&[]);
    assert!(
        watched
            .page("/debug/")
            .text()
            .contains("No key has been rejected")
    );
    watched.decide("/orders", Some("expired"));
    watched.decide("/orders", Some("nobody"));
    watched.decide("/orders", Some("nobody-else"));
    let page = watched.page("/debug/").text();
    for count in ["2 unknown", "1 expired"] {
        assert!(page.contains(count), "{page}");
    }
}

#[test]
fn the_link_to_the_json_explanation_works() {
    let watched = Watched::start(&[]);
    let page = watched.page("/debug/").text();
    let (_, link) = page.split_once("<a href=\"explain").unwrap();
    let (query, _) = link.split_once('"').unwrap();
    let explained = watched.json(&format!("/debug/explain{}", query.replace("&#38;", "&")));
    assert_eq!(explained["endpoint"], "/orders");
}
