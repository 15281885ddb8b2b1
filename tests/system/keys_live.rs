//! Changes of the keys file under load.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keygate_keys::Digest;
use rstest::rstest;
use rstest_reuse::apply;
use serde_json::Value;

use crate::support::caller;
use crate::support::gateway::{Gateway, Role, Services, Setup, corpus_file, free_port};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::program::{keygate, run_to_end};
use crate::support::report;

#[apply(each_nginx)]
fn a_disabled_key_is_rejected_within_one_second(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    const KEY: &str = "client-key: sample-key-of-client-a";
    let setup = Setup {
        services,
        ..Setup::PLAIN
    };
    let gateway = Gateway::start(version, &setup);
    let status = || caller::get(&gateway.address, "/orders", &[KEY]).status();
    assert_eq!(status(), 200);
    for (command, until) in [("disable", 401), ("enable", 200)] {
        let mut keys = keygate();
        keys.args(["keys", command, "client-a", "--keys"]);
        let output = run_to_end(keys.arg(gateway.file("keys.yaml")));
        assert!(output.status.success(), "{output:?}");
        let changed = Instant::now();
        while status() != until {
            assert!(changed.elapsed() < Duration::from_secs(5), "never {until}");
            thread::sleep(Duration::from_millis(5));
        }
        let took = changed.elapsed();
        assert!(
            took < Duration::from_secs(1),
            "{command}: {until} after {took:?}"
        );
        println!("{command}: {until} after {took:?}");
        report::passed(
            &version.number(),
            &format!("keys {command}: {until}, {services:?}"),
        );
    }
}

#[rstest]
fn the_debug_page_shows_states_and_last_uses_and_no_digest(
    #[values(Role::Resolver, Role::Serve)] role: Role,
) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["keys.yaml", "policy.yaml"] {
        fs::copy(corpus_file(name), folder.path().join(name)).unwrap();
    }
    let listen = format!("127.0.0.1:{}", free_port());
    let service = role.start(&listen, folder.path(), &[]);
    for key in ["client-a", "inactive", "expired"] {
        let key = format!("client-key: sample-key-of-{key}");
        caller::get(&listen, "/resolve", &[&key]);
    }
    let operations = role.operations(folder.path());
    let page = caller::get_unix(&operations, "/debug/keys");
    drop(service);
    assert_eq!(page.header("content-type"), Some("application/json"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(!page.text().contains("sha256") && !page.text().contains("digest"));
    let page: Value = serde_json::from_str(&page.text()).unwrap();
    let rows = page["keys"].as_array().unwrap();
    let row = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap();
    assert_eq!(row("client-a")["clientType"], "A");
    for (id, state, is_used) in [
        ("client-a", "valid", true),
        ("client-b", "valid", false),
        ("inactive", "inactive", false),
        ("expired", "expired", false),
        ("future", "not-yet-valid", false),
    ] {
        assert_eq!(row(id)["state"], state, "{id}");
        assert_eq!(row(id)["lastUse"].is_string(), is_used, "{id}");
    }
    assert_eq!(row("expired")["expiresAt"], "2020-01-01T00:00:00Z");
    assert!(page["usedSince"].is_string());
}

const RELOADS: u32 = 1_000;

/// The number of keys in each version of the file; every caller has its own.
const KEYS: u32 = 50;

/// The number of clients of the resolver, each on one connection.
const CALLERS: u32 = 3;

/// Writes a version of the keys file: each key has the version in its id and its client type.
fn write_version(version: u32, path: &Path) {
    let mut text = "version: 1\nkeys:\n".to_owned();
    for key in 0..KEYS {
        let digest = Digest::sha256(format!("sample-key-{key}").as_bytes());
        writeln!(
            text,
            "  - {{id: {version}-{key}, clientType: T{version}, digest: '{digest}'}}"
        )
        .unwrap();
    }
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, path).unwrap();
}

/// A persistent connection to the resolver.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: &str) -> Self {
        let stream = caller::connect(address);
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Returns the version of the file that a response comes from; id and client type must agree.
    fn version(&mut self, key: u32) -> u32 {
        let request =
            format!("GET /require HTTP/1.1\r\nhost: x\r\nclient-key: sample-key-{key}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let response = Message::read_head(&mut self.0).unwrap().unwrap();
        assert_eq!(response.status(), 200, "a request failed: {response:?}");
        let id = response.header("x-keygate-key-id").unwrap();
        let (version, of_key) = id.split_once('-').unwrap();
        assert_eq!(of_key, key.to_string());
        assert_eq!(
            response.header("client-type"),
            Some(&*format!("T{version}")),
            "a mixture of two versions"
        );
        version.parse().unwrap()
    }
}

#[test]
fn a_thousand_reloads_under_load_lose_and_mix_nothing() {
    let gateway = Gateway::start(Version::Mainline, &Setup::PLAIN);
    let [resolver, ..] = &gateway.service_addresses;
    let (keys, service) = (gateway.file("keys.yaml"), &gateway.services[0]);
    let mut watcher = Connection::open(resolver);
    let mut reload = |version| {
        write_version(version, &keys);
        service.signal("HUP");
        let started = Instant::now();
        while watcher.version(0) != version {
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "never {version}"
            );
        }
    };
    write_version(0, &keys);
    service.signal("HUP");
    thread::sleep(Duration::from_secs(1));

    let (in_force, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let (direct, through_nginx) = (AtomicU32::new(0), AtomicU32::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        for caller in 1..=CALLERS {
            let (in_force, over, direct) = (&in_force, &over, &direct);
            scope.spawn(move || {
                let mut connection = Connection::open(resolver);
                while !over.load(Ordering::Relaxed) {
                    let at_least = in_force.load(Ordering::Acquire);
                    let version = connection.version(caller);
                    assert!(version >= at_least, "{version} after {at_least}");
                    direct.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let key = "client-key: sample-key-7";
                let response = caller::get(&gateway.address, "/key-only/x", &[key]);
                assert_eq!(response.status(), 200, "{}", gateway.logs());
                through_nginx.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Stops the callers, also if the test panics.
        let _end = End(&over);
        for version in 1..=RELOADS {
            reload(version);
            in_force.store(version, Ordering::Release);
        }
    });
    let reloaded = service.output().matches("reloaded").count();
    println!(
        "{reloaded} reloads in {:?} under {direct:?} requests and {through_nginx:?} through nginx",
        started.elapsed()
    );
    assert!(reloaded >= RELOADS as usize);
    assert!(direct.into_inner() > RELOADS && through_nginx.into_inner() > 10);
}

struct End<'f>(&'f AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
