//! A file that is still being written is never active, neither at a reload nor at the start: its first
//! part may allow more than the previous and the complete file.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keygate_keys::Digest;

use crate::support::caller;
use crate::support::gateway::{Role, free_port};
use crate::support::program::{Service, keygate, run_to_end};

/// Both versions deny `/orders/secret` to `A`. Parts of the second one allow it: without the route, or
/// with the route's expression up to its first condition.
const POLICIES: [&str; 2] = [
    "version: 1\nendpoints:\n  - path: /orders\n    groupExpression: clientType === 'A'\n    routes:\n\
     \x20     - path: /secret\n        groupExpression: 'false'\n",
    "version: 1\nendpoints:\n  - path: /orders\n    groupExpression: clientType === 'A' || clientType === 'C'\n\
     \x20   routes:\n      - path: /secret\n        groupExpression: clientType === 'A' && isBackoffice\n",
];

/// The key `sample-key-off` is invalid in both versions. It is valid in parts of the second one that end
/// within or after its client type, `A-off`, and before `active: false`.
fn keys() -> [String; 2] {
    let digest = |key: &str| Digest::sha256(key.as_bytes());
    let first = format!(
        "version: 1\nkeys:\n  - id: a\n    clientType: A\n    digest: {}\n",
        digest("sample-key-a"),
    );
    let off = format!(
        "  - id: off\n    digest: {}\n    clientType: A-off\n    active: false\n",
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

fn wait_for(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < patience, "timed out: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Stops the callers, also if the test panics.
struct End<'f>(&'f AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The pause after each byte: longer than the interval in which a service checks its files.
const PAUSE: Duration = Duration::from_millis(300);

/// The number of services that share the bytes of a file, each with its own writer.
const SERVICES: usize = 4;

/// Keys and targets that both versions of both files deny.
const DENIED: [(&str, &str); 3] = [
    ("sample-key-a", "/orders/secret"),
    ("sample-key-off", "/orders"),
    ("sample-key-off", "/orders/secret"),
];

/// Returns the generation of a service's file: the number of versions that became active.
fn generation(folder: &Path, name: &str) -> f64 {
    let page = caller::get_unix(&Role::Serve.operations(folder), "/metrics");
    let text = String::from_utf8(page.body).unwrap();
    let source = name.trim_end_matches(".yaml");
    let sample = format!("keygate_reload_generation{{source=\"{source}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&sample));
    value.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Writes a file byte by byte, with a pause at each byte of `cuts`, while callers send requests.
fn write_slowly(name: &str, versions: [(&str, [&str; 2]); 2], cuts: Range<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    for (file, [first, _]) in versions {
        fs::write(folder.path().join(file), first).unwrap();
    }
    let (_, [_, after]) = versions
        .into_iter()
        .find(|(file, _)| *file == name)
        .unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let service = Role::Serve.start(&listen, folder.path(), &[]);
    let (over, requests) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for (key, target) in DENIED.iter().cycle() {
                assert_ne!(status(&listen, key, target), 200, "{name}: {key} {target}");
                requests.fetch_add(1, Ordering::Relaxed);
                if over.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_millis(3));
            }
        });
        let _end = End(&over);
        let mut writer = File::create(&path).unwrap();
        let mut written = 0;
        for cut in cuts.clone() {
            writer.write_all(&after.as_bytes()[written..cut]).unwrap();
            written = cut;
            thread::sleep(PAUSE);
        }
        let before = generation(folder.path(), name);
        assert!((before - 1.0).abs() < 0.1, "{name}: a part became active");
        service.signal("HUP");
        // While there are requests, the log never pauses.
        let log = || fs::read_to_string(folder.path().join("serve.log")).unwrap();
        wait_for("SIGHUP is reported", Duration::from_secs(5), || {
            log().contains("not reloaded yet")
        });
        writer.write_all(&after.as_bytes()[written..]).unwrap();
        drop(writer);
        wait_for("the whole file is active", Duration::from_secs(5), || {
            generation(folder.path(), name) > 1.5
        });
        assert_eq!(status(&listen, "sample-key-a", "/orders"), 200);
    });
    let requests = requests.into_inner();
    assert!(
        requests > 10 * u32::try_from(cuts.len()).unwrap(),
        "{requests}"
    );
}

#[test]
fn no_part_of_a_file_is_active_under_load() {
    let keys = keys();
    let versions = [
        ("policy.yaml", POLICIES),
        ("keys.yaml", [&*keys[0], &*keys[1]]),
    ];
    thread::scope(|scope| {
        for (name, [_, after]) in versions {
            let cuts: Vec<usize> = (0..after.len()).collect();
            for part in cuts.chunks(cuts.len().div_ceil(SERVICES)) {
                let cuts = part[0]..part[part.len() - 1] + 1;
                scope.spawn(move || write_slowly(name, versions, cuts));
            }
        }
    });
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
            .contains("waiting for a file before starting")
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
        (&keys, "does not end with a line break"),
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
