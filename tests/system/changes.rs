//! A change of either file is active within one second, also on nginx's open connections.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::report;

const KEY: &str = "client-key: sample-key-of-client-a";

/// Changes a file of the gateway, waits for a status, and returns how long that took.
fn change(gateway: &Gateway, file: &str, from: &str, to: &str, until: u16) -> Duration {
    let path = gateway.file(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {file}");
    let next = gateway.file("next");
    fs::write(&next, text.replacen(from, to, 1)).unwrap();
    fs::rename(next, path).unwrap();
    let changed = Instant::now();
    while caller::get(&gateway.address, "/orders", &[KEY]).status() != until {
        assert!(
            changed.elapsed() < Duration::from_secs(5),
            "never {until}: {}",
            gateway.logs()
        );
        thread::sleep(Duration::from_millis(5));
    }
    changed.elapsed()
}

#[apply(each_nginx)]
fn key_and_policy_changes_are_active_within_one_second(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let gateway = Gateway::start(
        version,
        &Setup {
            services,
            ..Setup::PLAIN
        },
    );
    assert_eq!(
        caller::get(&gateway.address, "/orders", &[KEY]).status(),
        200
    );
    let on = "id: client-a\n    clientType: A\n";
    let off = "id: client-a\n    clientType: A\n    active: false\n";
    let rule = "groupExpression: clientType === 'A' || clientType === 'B'";
    let stricter = "groupExpression: clientType === 'B'";
    for (file, from, to, until) in [
        ("keys.yaml", on, off, 401),
        ("keys.yaml", off, on, 200),
        ("policy.yaml", rule, stricter, 403),
        ("policy.yaml", stricter, rule, 200),
    ] {
        let took = change(&gateway, file, from, to, until);
        assert!(
            took < Duration::from_secs(1),
            "{file}: {until} after {took:?}"
        );
        report::passed(
            &version.number(),
            &format!("changes: {until} by {file}, {services:?}"),
        );
    }
}
