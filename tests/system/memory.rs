//! A resolver's memory contains no key after the response.

use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use crate::support::caller;
use crate::support::gateway::{Role, free_port};
use crate::support::http_message::Message;

const REQUESTS: usize = 10_000;

/// Part of every key.
const KEY: &str = "sample-key-in-memory";

const CONNECTIONS: usize = 8;

/// The writable memory of a process, including stacks and heaps.
struct Memory(Vec<(String, Vec<u8>)>);

impl Memory {
    fn of(pid: u32) -> Self {
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let writable = maps.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (range, mode) = (fields.next()?, fields.next()?);
            let (start, end) = range.split_once('-')?;
            let place = |digits| u64::from_str_radix(digits, 16).ok();
            let (start, end) = (place(start)?, place(end)?);
            if !mode.starts_with("rw") {
                return None;
            }
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            memory.read_exact_at(&mut bytes, start).ok()?;
            Some((line.to_owned(), bytes))
        });
        let writable: Vec<_> = writable.collect();
        for name in ["[heap]", "[stack]"] {
            assert!(writable.iter().any(|(map, _)| map.ends_with(name)));
        }
        Self(writable)
    }

    /// Returns the locations of a text.
    fn find(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (map, bytes) in &self.0 {
            let at = indexes(bytes, text.as_bytes());
            found.extend(at.into_iter().map(|at| {
                let around = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
                format!("{map} +{at:#x}: {}", String::from_utf8_lossy(around))
            }));
        }
        found
    }
}

fn indexes(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == text[0]) {
        if bytes[from + at..].starts_with(text) {
            found.push(from + at);
        }
        from += at + 1;
    }
    found
}

/// Returns the bytes to send, and the expected number of responses.
fn request(n: usize) -> (String, usize) {
    let key = format!("{KEY}{}", n % 3);
    let get = |lines: &str| format!("GET /resolve HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n");
    match n % 7 {
        0 => (get(&format!("client-key: {key}")), 1),
        1 => (get(&format!("cookie: a=b; mia_client_key={key}; c=d")), 1),
        2 => (get(&format!("secret: {KEY}-unknown-{n}")), 1),
        3 => {
            let long = "x".repeat(9_000);
            (get(&format!("x: {long}\r\nclient-key: {key}")), 1)
        }
        4 => {
            let lines = format!("client-key: {key}\r\ncontent-length: 5");
            (get(&lines) + "hello", 1)
        }
        5 => (get(&format!("client-key: {key}")).repeat(2), 2),
        _ => {
            let lines = format!("client-key: {key}\r\nx-keygate-next: @next");
            (get(&lines), 1)
        }
    }
}

#[test]
fn no_key_is_in_memory_after_ten_thousand_requests() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let keys = folder.path().join("keys.yaml");
    let text = format!(
        "version: 1\nkeys:\n  - {{id: one, clientType: findable-type, key: {KEY}0}}\n  \
         - {{id: two, clientType: A, key: {KEY}1, expiresAt: 2020-01-01T00:00:00Z}}\n"
    );
    fs::write(&keys, &text).unwrap();
    let service = Role::Resolver.start(&address, folder.path(), &[]);
    let mut connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| BufReader::new(caller::connect(&address)))
        .collect();
    {
        // The search must find the key of a request in progress.
        let mut half = caller::connect(&address);
        let head = format!("GET /resolve HTTP/1.1\r\nclient-key: {KEY}-half");
        half.write_all(head.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(200));
        let found = Memory::of(service.pid()).find(KEY);
        assert_eq!(found.len(), 1, "{found:#?}");
    }
    for n in 0..REQUESTS {
        let connection = &mut connections[n % CONNECTIONS];
        let (request, responses) = request(n);
        connection.get_mut().write_all(request.as_bytes()).unwrap();
        for _ in 0..responses {
            let response = Message::read_head(connection).unwrap().unwrap();
            if response.header("connection") == Some("close") {
                *connection = BufReader::new(caller::connect(&address));
            }
        }
    }
    service.signal("HUP");
    while !service.output().contains("reloaded") {
        thread::sleep(Duration::from_millis(10));
    }
    fs::write(
        &keys,
        text + &format!("  - {{id: bad, clientType: A, key: '{KEY} bad'}}\n"),
    )
    .unwrap();
    while !service.output().contains("not reloaded") {
        thread::sleep(Duration::from_millis(10));
    }

    let memory = Memory::of(service.pid());
    assert!(!memory.find("findable-type").is_empty());
    assert!(memory.find(KEY).is_empty(), "{:#?}", memory.find(KEY));
    // Both while the gateway keeps its connections open, and afterwards.
    drop(connections);
    thread::sleep(Duration::from_millis(300));
    let memory = Memory::of(service.pid());
    assert!(memory.find(KEY).is_empty(), "{:#?}", memory.find(KEY));
    assert!(!service.output().contains(KEY));
}
