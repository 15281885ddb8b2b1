//! The debug page: in a real browser, and what every browser is told about it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::caller;
use crate::gateway::{ROOT, corpus_file, free_port};
use crate::metrics::keep_busy;
use crate::operations::{Watched, until};
use crate::program::{Service, keygate};

#[test]
fn a_browser_and_axe_find_nothing_wrong_with_it() {
    let watched = Watched::start(&[("KEYGATE_DECISION_LOG_ALLOW_SAMPLE", "1")]);
    let keys = fs::read_to_string(watched.path("keys.yaml")).unwrap();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(30);
    let expiring = format!(
        "  - {{ id: ending, clientType: A, key: sample-key-of-ending, expiresAt: {soon} }}\n"
    );
    watched.write("keys.yaml", &(keys + &expiring));
    until("the keys are in force", || {
        watched.page("/debug/").text().contains("ending")
    });
    keep_busy(&watched);
    // A problem is shown too.
    watched.write("policy.yaml", "version: 1\nendpoint: []\n");
    until("the policy is refused", || {
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
fn nothing_from_elsewhere_and_nothing_inline_may_run_on_it() {
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
fn each_role_shows_what_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    for (role, setting, file, shown, not_shown) in [
        (
            "resolver",
            "KEYGATE_KEYS",
            "keys.yaml",
            "client-b",
            "Who may do what",
        ),
        (
            "authorizer",
            "KEYGATE_POLICY",
            "policy.yaml",
            "Who may do what",
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
        let page = caller::get(&operations, "/debug/", &[]);
        assert_eq!(page.status(), 200);
        let text = page.text();
        assert!(
            text.contains(shown) && !text.contains(not_shown),
            "{role}: {text}"
        );
    }
}

#[test]
fn a_question_that_is_wrong_is_told_so_on_the_page() {
    let watched = Watched::start(&[]);
    let page = watched.page("/debug/?uri=/orders&user=x");
    assert_eq!(page.status(), 200);
    let text = page.text();
    assert!(text.contains("not a JSON object"), "{text}");
    assert!(!text.contains("class=\"verdict"), "{text}");
}
