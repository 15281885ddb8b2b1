//! The operations listener under slow readers and partial request heads: bounded memory and time, and
//! no effect on decisions, probes or the shutdown.

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::caller;
use crate::support::gateway::free_port;
use crate::support::program::{Service, keygate};

const KEYS: usize = 20_000;
const CLIENT_TYPES: usize = 100;
const RULES: usize = 500;

/// The memory that slow readers may use in total.
const MEMORY: u64 = 100 << 20;

struct Large {
    service: Service,
    data: String,
    operations: String,
    _folder: tempfile::TempDir,
}

impl Large {
    /// Starts a service with more keys and rules than fit on one page.
    fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (keys, policy) = (
            folder.path().join("keys.json"),
            folder.path().join("policy.yaml"),
        );
        let list: Vec<_> = (0..KEYS)
            .map(|n| {
                let (client_type, digest) = (n % CLIENT_TYPES, format!("{n:08x}").repeat(8));
                format!(r#"{{"id":"key-{n}","clientType":"type-{client_type}","digest":"sha256:{digest}"}}"#)
            })
            .collect();
        fs::write(
            &keys,
            format!("{{\"version\":1,\"keys\":[\n{}\n]}}\n", list.join(",\n")),
        )
        .unwrap();
        let mut text = "version: 1\nendpoints:\n".to_owned();
        for n in 0..RULES {
            writeln!(text, "  - {{ path: /endpoint-{n} }}").unwrap();
        }
        fs::write(&policy, text).unwrap();
        let data = format!("127.0.0.1:{}", free_port());
        let operations = format!("127.0.0.1:{}", free_port());
        let mut command = keygate();
        command
            .args([
                "serve",
                "--listen",
                &data,
                "--operations",
                &operations,
                "--keys",
            ])
            .arg(&keys)
            .arg("--policy")
            .arg(&policy)
            .envs(settings.iter().copied());
        let service = Service::start(command, &data, &folder.path().join("log"));
        Self {
            service,
            data,
            operations,
            _folder: folder,
        }
    }

    /// Sends the start of a request to the operations listener, and reads nothing.
    fn send(&self, beginning: &str) -> TcpStream {
        let mut stream = caller::connect(&self.operations);
        let beginning = beginning.replace("HOST", &self.operations);
        stream.write_all(beginning.as_bytes()).unwrap();
        stream
    }

    fn slow_readers(&self, count: usize) -> Vec<TcpStream> {
        let pages = ["/debug/", "/debug/keys", "/debug/", "/metrics"];
        let pages = pages.iter().cycle().take(count);
        pages
            .map(|page| self.send(&format!("GET {page} HTTP/1.1\r\nhost: HOST\r\n\r\n")))
            .collect()
    }

    /// The resident memory, in bytes.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.service.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() << 10
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&caller::get_operations(&self.operations, path, &[]).body).unwrap()
    }
}

/// Returns whether the server closes a connection in time.
fn is_closed(stream: &mut TcpStream, patience: Duration) -> bool {
    let started = Instant::now();
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut chunk = [0; 8192];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return true,
            Ok(_) if started.elapsed() > patience => return false,
            Ok(_) => {}
            Err(error) => {
                return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
    }
}

#[test]
fn slow_readers_and_partial_heads_use_bounded_memory() {
    let large = Large::start(&[]);
    caller::get_operations(&large.operations, "/debug/", &[]);
    let before = large.memory();
    let mut open = large.slow_readers(60);
    open.extend((0..60).map(|_| large.send("GET /debug/ HTTP/1.1\r\nhost: HO")));
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(4) {
        let probe = Instant::now();
        assert_eq!(
            caller::get_operations(&large.operations, "/-/ready", &[]).status(),
            200
        );
        assert_eq!(caller::get(&large.data, "/resolve", &[]).status(), 200);
        assert!(probe.elapsed() < Duration::from_secs(2));
        let grown = large.memory().saturating_sub(before);
        assert!(grown < MEMORY, "{} MiB more", grown >> 20);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_operator_connection_ends_in_time() {
    let large = Large::start(&[("KEYGATE_OPERATIONS_TIMEOUT_SECONDS", "1")]);
    let mut silent = large.send("");
    let mut half = large.send("GET /-/ready HTTP/1.1\r\nhost: HO");
    let mut whole = large.send("GET /-/ready HTTP/1.1\r\nhost: HOST\r\n\r\n");
    for stream in [&mut silent, &mut half, &mut whole] {
        assert!(is_closed(stream, Duration::from_secs(5)));
    }
}

#[test]
fn the_oldest_operator_connection_makes_room() {
    let large = Large::start(&[("KEYGATE_OPERATIONS_MAX_CONNECTIONS", "3")]);
    let mut first = large.send("");
    let _others: Vec<_> = (0..3).map(|_| large.send("")).collect();
    assert!(is_closed(&mut first, Duration::from_secs(5)));
    assert_eq!(
        caller::get_operations(&large.operations, "/-/ready", &[]).status(),
        200
    );
    let log = large.service.output();
    assert!(log.contains("`operations-max-connections`"), "{log}");
}

#[test]
fn slow_readers_do_not_delay_the_shutdown() {
    let mut large = Large::start(&[]);
    let _open = large.slow_readers(20);
    let _half = large.send("GET / HTTP/1.1\r\nhost: HO");
    thread::sleep(Duration::from_millis(500));
    large.service.signal("TERM");
    assert!(large.service.wait(Duration::from_secs(4)).success());
}

#[test]
fn the_pages_of_keys_are_complete() {
    let large = Large::start(&[]);
    let (mut seen, mut path) = (0, "/debug/keys".to_owned());
    loop {
        let page = large.json(&path);
        assert_eq!(page["total"], KEYS);
        let keys = page["keys"].as_array().unwrap();
        for key in keys {
            assert_eq!(key["id"], format!("key-{seen}"));
            seen += 1;
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/debug/keys?limit=7000&after={next}"),
            None => break,
        }
        assert!(!keys.is_empty() && keys.len() <= 7000);
    }
    assert_eq!(seen, KEYS);
    for query in [
        "limit=0",
        "limit=10001",
        "limit=x",
        "after=nobody",
        "page=2",
    ] {
        let page = caller::get_operations(&large.operations, &format!("/debug/keys?{query}"), &[]);
        assert_eq!(page.status(), 400, "{query}");
    }
}

#[test]
fn the_debug_page_does_not_grow_with_keys_and_rules() {
    let large = Large::start(&[]);
    let page = |query: &str| {
        let page = caller::get_operations(&large.operations, &format!("/debug/{query}"), &[]);
        assert_eq!(page.status(), 200);
        assert!(page.body.len() < 1 << 20, "{}", page.body.len());
        page.text()
    };
    let first = page("");
    for text in [
        "rules 1 to 50 of 500",
        "client types 1 to 20 of 100",
        "keys 1 to 100 of 20000",
        "<td>key-99</td>",
    ] {
        assert!(first.contains(text), "{text}");
    }
    assert!(!first.contains("<td>key-100</td>"));
    let other = page("?uri=/endpoint-7&rules-page=10&client-types-page=5&keys-page=200");
    for text in [
        "rules 451 to 500 of 500",
        "client types 81 to 100 of 100",
        "keys 19901 to 20000 of 20000",
        "<td>key-19999</td>",
        "<code>/endpoint-499</code>",
        "value=\"/endpoint-7\"",
    ] {
        assert!(other.contains(text), "{text}");
    }
}
