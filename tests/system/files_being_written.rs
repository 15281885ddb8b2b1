//! A file that is still being written is never active: neither its first half, which may allow more
//! than the file before and after, nor at the start.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keygate_keys::Digest;

use crate::support::caller;
use crate::support::gateway::{Role, free_port};
use crate::support::program::{Service, keygate, run_to_end};

/// `/orders/secret` is denied by both versions, but not by each part of the second one.
const POLICIES: [&str; 2] = [
    "version: 1\nendpoints:\n  - path: /orders\n    groupExpression: clientType === 'A'\n    routes:\n\
     \x20     - path: /secret\n        groupExpression: 'false'\n",
    "version: 1\nendpoints:\n  - path: /orders\n    groupExpression: clientType === 'A' || clientType === 'C'\n\
     \x20   routes:\n      - path: /secret\n        groupExpression: 'false'\n",
];

/// The key `sample-key-off` is invalid in both versions, but not in each part of the second one.
fn keys() -> [String; 2] {
    let digest = |key: &str| Digest::sha256(key.as_bytes());
    let first = format!(
        "version: 1\nkeys:\n  - id: a\n    clientType: A\n    digest: {}\n  - id: c\n    clientType: C\n\
         \x20   digest: {}\n",
        digest("sample-key-a"),
        digest("sample-key-c"),
    );
    let off = format!(
        "  - id: off\n    clientType: A\n    digest: {}\n    active: false\n",
        digest("sample-key-off")
    );
    let second = format!("{first}{off}");
    [first, second]
}

fn status(listen: &str, key: &str, target: &str) -> u16 {
    let headers = [
        format!("client-key: {key}"),
        format!("original-request-uri: {target}"),
        "original-request-method: GET".to_owned(),
    ];
    caller::get(listen, "/check", &headers.each_ref().map(String::as_str)).status()
}

fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

fn wait_for(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < patience, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The lengths up to each line's end.
fn line_ends(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(index, _)| index + 1);
    ends.collect()
}

/// Ends the callers however the test ends.
struct End<'f>(&'f AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn half_a_file_is_never_active_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let keys = keys();
    let versions = [
        ("policy.yaml", POLICIES),
        ("keys.yaml", [&*keys[0], &*keys[1]]),
    ];
    for (name, [before, _]) in versions {
        fs::write(at(name), before).unwrap();
    }
    let listen = format!("127.0.0.1:{}", free_port());
    let service = Role::Serve.start(&listen, folder.path(), &[]);
    let (over, requests) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for (key, target) in [
            ("sample-key-a", "/orders/secret"),
            ("sample-key-off", "/orders"),
            ("sample-key-off", "/orders/secret"),
        ] {
            let (over, requests, listen) = (&over, &requests, &listen);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    assert_ne!(status(listen, key, target), 200, "{key} {target}");
                    requests.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _end = End(&over);
        for (name, [before, after]) in versions {
            let ends = line_ends(after);
            for (index, cut) in ends.iter().enumerate() {
                let mut writer = File::create(at(name)).unwrap();
                writer.write_all(&after.as_bytes()[..*cut]).unwrap();
                // The last part but one is the most dangerous one; a long pause is not the end.
                let is_long = index + 2 == ends.len();
                thread::sleep(Duration::from_millis(if is_long { 6_000 } else { 500 }));
                if is_long {
                    service.signal("HUP");
                    wait_for("SIGHUP is reported", Duration::from_secs(5), || {
                        service.output().contains("not reloaded yet")
                    });
                }
                writer.write_all(&after.as_bytes()[*cut..]).unwrap();
                drop(writer);
                if is_long && name == "policy.yaml" {
                    wait_for(
                        "the complete policy is active",
                        Duration::from_secs(5),
                        || status(&listen, "sample-key-c", "/orders") == 200,
                    );
                }
                replace(&at(name), before);
            }
        }
        wait_for(
            "the first policy is active again",
            Duration::from_secs(5),
            || status(&listen, "sample-key-c", "/orders") == 403,
        );
        assert_eq!(status(&listen, "sample-key-a", "/orders"), 200);
    });
    assert!(requests.into_inner() > 100);
}

#[test]
fn the_start_waits_for_a_file_that_is_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let keys = &keys()[1];
    fs::write(folder.path().join("policy.yaml"), POLICIES[0]).unwrap();
    let mut writer = File::create(folder.path().join("keys.yaml")).unwrap();
    let half = keys.len() - "    active: false\n".len();
    writer.write_all(&keys.as_bytes()[..half]).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let done = AtomicBool::new(false);
    let service: Service = thread::scope(|scope| {
        let service = scope.spawn(|| {
            let service = Role::Serve.start(&listen, folder.path(), &[]);
            assert!(done.load(Ordering::Relaxed), "it started with half a file");
            service
        });
        thread::sleep(Duration::from_secs(2));
        done.store(true, Ordering::Relaxed);
        writer.write_all(&keys.as_bytes()[half..]).unwrap();
        drop(writer);
        service.join().unwrap()
    });
    assert!(
        service
            .output()
            .contains("waiting for a file before the start")
    );
    assert_eq!(status(&listen, "sample-key-off", "/orders"), 401);
    assert_eq!(status(&listen, "sample-key-a", "/orders"), 200);
}

#[test]
fn the_start_fails_for_a_young_file_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, pipe) = (folder.path().join("keys.yaml"), folder.path().join("pipe"));
    fs::write(&keys, keys_without_line_break()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for (file, message) in [
        (&keys, "does not end in a line break"),
        (&pipe, "is a named pipe, not a regular file"),
    ] {
        let mut command = keygate();
        command.args(["resolver", "--listen", "127.0.0.1:0", "--operations"]);
        command.args(["127.0.0.1:0", "--keys"]).arg(file);
        let output = run_to_end(&mut command);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(message), "{error}");
    }
}

fn keys_without_line_break() -> String {
    keys()[1].trim_end().to_owned()
}
