//! Probes: ready from the load to the signal; problems that need attention fail the check-up only.

use std::time::{Duration, Instant};

use crate::support::operations::{Watched, until};
use crate::support::program::accepts;

#[test]
fn shutdown_is_not_ready_first_then_serves_then_drains() {
    let mut watched = Watched::start(&[("KEYGATE_SHUTDOWN_DELAY_SECONDS", "2")]);
    assert_eq!(watched.page("/-/ready").status(), 200);
    watched.service.signal("TERM");
    let signalled = Instant::now();
    until("it is not ready", || {
        watched.page("/-/ready").status() == 503
    });
    assert_eq!(watched.json("/-/ready")["ready"], false);
    assert_eq!(watched.page("/-/healthz").status(), 200);
    // New connections of clients that do not know yet are served.
    while signalled.elapsed() < Duration::from_millis(1500) {
        assert_eq!(watched.decide("/public", None), "ok");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(watched.service.wait(Duration::from_secs(5)).success());
    assert!(signalled.elapsed() >= Duration::from_secs(2));
    assert!(!accepts(&watched.data) && !accepts(&watched.operations));
}

#[test]
fn a_rejected_file_fails_the_check_up_and_not_readiness() {
    let watched = Watched::start(&[]);
    assert_eq!(watched.page("/-/check-up").status(), 200);
    watched.write("policy.yaml", "version: 1\nendpoints: [{ pth: /a }]\n");
    until("the file is rejected", || {
        watched.page("/-/check-up").status() == 503
    });
    assert_eq!(watched.page("/-/ready").status(), 200);
    let sources = watched.json("/-/check-up")["sources"].clone();
    let policy = sources
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "policy")
        .unwrap();
    let error = policy["lastError"].as_str().unwrap();
    assert!(
        error.contains("policy.yaml:2:") && error.contains("did you mean `path`"),
        "{error}"
    );
    assert_eq!(policy["generation"], 1);

    watched.write("policy.yaml", "version: 1\nendpoints: [{ path: /a }]\n");
    until("a valid file clears the error", || {
        watched.page("/-/check-up").status() == 200
    });
}

#[test]
fn active_settings_are_shown_with_their_source() {
    let watched = Watched::start(&[("KEYGATE_RECENT_DECISIONS", "7")]);
    let page = watched.json("/debug/config");
    assert_eq!(page["role"], "serve");
    let settings = &page["settings"];
    assert_eq!(settings["recent-decisions"]["value"], 7);
    assert_eq!(
        settings["recent-decisions"]["from"],
        "KEYGATE_RECENT_DECISIONS"
    );
    assert_eq!(settings["operations"]["value"], watched.operations);
    assert_eq!(settings["operations"]["from"], "--operations");
    assert_eq!(settings["decision-log-deny-limit"]["from"], "default");
}
