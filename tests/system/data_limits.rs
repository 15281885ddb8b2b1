//! The data listener under idle connections, partial request heads and slow readers: bounded memory and
//! time, and no effect on gateways or the shutdown.

use std::fs;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::caller;
use crate::support::gateway::{corpus_file, free_port};
use crate::support::http_message::Message;
use crate::support::program::{Service, keygate};

const IDLE: usize = 10_000;
const PARTIAL: usize = 1_000;
const PARTIAL_HEAD: &[u8] = b"GET /resolve HTTP/1.1\r\nhost: h\r\nclient-key: sample-";
const REQUEST: &[u8] = b"GET /resolve HTTP/1.1\r\nhost: h\r\n\r\n";

/// A socket in the folder of the test.
const SOCKET: &str = "unix:FOLDER/resolver.sock";

/// The memory that connections may use, including the allocator's and the runtime's overhead.
const MEMORY: u64 = 64 << 20;

struct Data {
    service: Service,
    address: String,
    _folder: tempfile::TempDir,
}

impl Data {
    fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_at(&format!("127.0.0.1:{}", free_port()), settings)
    }

    fn start_at(address: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = address.replace("FOLDER", &folder.path().display().to_string());
        let mut command = keygate();
        command.envs(settings.iter().copied());
        command
            .arg("resolver")
            .args(["--listen", &address, "--operations"]);
        command.arg(format!("unix:{}/operations.sock", folder.path().display()));
        command.arg("--keys").arg(corpus_file("keys.yaml"));
        let service = Service::start(command, &address, &folder.path().join("log"));
        Self {
            service,
            address,
            _folder: folder,
        }
    }

    fn connect(&self) -> TcpStream {
        caller::connect(&self.address)
    }

    fn connect_unix(&self) -> UnixStream {
        let path = self.address.trim_start_matches("unix:");
        let stream = UnixStream::connect(path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        stream
    }

    fn status(&self) -> u16 {
        caller::get(&self.address, "/resolve", &[]).status()
    }

    /// The resident memory, in bytes.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.service.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// The number of log lines with this text, once there are any.
    fn log_lines(&self, text: &str) -> usize {
        let started = Instant::now();
        loop {
            let output = self.service.output();
            let lines = output.lines().filter(|line| line.contains(text)).count();
            if lines > 0 {
                return lines;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{output}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

/// Returns whether the other side closes the connection before the read times out.
fn is_closed<S>(mut stream: &S) -> bool
where
    for<'s> &'s S: Read,
{
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn idle_connections_and_partial_heads_delay_no_gateway() {
    raise_descriptor_limit();
    let data = Data::start_at(SOCKET, &[("KEYGATE_HEAD_TIMEOUT_SECONDS", "5")]);
    let before = data.memory();
    let mut gateway = BufReader::new(data.connect_unix());
    let idle: Vec<_> = (0..IDLE).map(|_| data.connect_unix()).collect();
    let started = Instant::now();
    let partial: Vec<_> = (0..PARTIAL)
        .map(|_| {
            let mut stream = data.connect_unix();
            stream.write_all(PARTIAL_HEAD).unwrap();
            stream
        })
        .collect();
    for _ in 0..200 {
        let started = Instant::now();
        let mut other = BufReader::new(data.connect_unix());
        for gateway in [&mut gateway, &mut other] {
            gateway.get_mut().write_all(REQUEST).unwrap();
            let response = Message::read_head(gateway).unwrap().unwrap();
            assert_eq!(response.status(), 200);
        }
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    let grown = data.memory().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} bytes");
    assert!(partial.iter().all(is_closed));
    assert!(started.elapsed() >= Duration::from_secs(5));
    // One line per second, with the number of suppressed ones.
    let lines = data.log_lines("head-timeout-seconds");
    assert!((1..PARTIAL / 10).contains(&lines), "{lines} lines");
    let mut used = &idle[IDLE - 1];
    used.write_all(REQUEST).unwrap();
    let response = Message::read_head(&mut BufReader::new(used));
    assert_eq!(response.unwrap().unwrap().status(), 200);
}

#[test]
fn connections_above_the_limit_are_closed_at_once() {
    let data = Data::start(&[("KEYGATE_MAX_CONNECTIONS", "20")]);
    // The connection that waited for the start still counts for a moment.
    let mut open: Vec<TcpStream> = Vec::new();
    while open.len() < 20 {
        let stream = data.connect();
        (&stream).write_all(REQUEST).unwrap();
        if Message::read_head(&mut BufReader::new(&stream)).is_ok_and(|it| it.is_some()) {
            open.push(stream);
        }
    }
    for _ in 0..50 {
        assert!(is_closed(&data.connect()));
    }
    let lines = data.log_lines("max-connections");
    assert!((1..10).contains(&lines), "{lines} lines");
    (&open[0]).write_all(REQUEST).unwrap();
    let response = Message::read_head(&mut BufReader::new(&open[0]))
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), 200);
    drop(open);
    let started = Instant::now();
    while is_closed_after_a_request(&data) {
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

fn is_closed_after_a_request(data: &Data) -> bool {
    let mut stream = data.connect();
    let written = stream.write_all(REQUEST);
    let response = Message::read_head(&mut BufReader::new(stream));
    written.is_err() || !response.is_ok_and(|it| it.is_some())
}

#[test]
fn a_partial_head_does_not_delay_the_shutdown() {
    let mut data = Data::start(&[("KEYGATE_DRAIN_SECONDS", "60")]);
    let mut partial = data.connect();
    partial.write_all(PARTIAL_HEAD).unwrap();
    let mut trickling = data.connect();
    trickling.write_all(b"G").unwrap();
    assert_eq!(data.status(), 200);
    data.service.signal("TERM");
    assert!(data.service.wait(Duration::from_secs(5)).success());
}

#[test]
fn slow_readers_that_pipeline_use_little_memory() {
    const READERS: usize = 20;
    const BATCHES: usize = 100;
    // The buffers of a Unix socket are small.
    let data = Data::start_at(SOCKET, &[]);
    let before = data.memory();
    let batch = REQUEST.repeat(1_000);
    let mut accepted = 0;
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut stream = data.connect_unix();
            let patience = Some(Duration::from_millis(300));
            stream.set_write_timeout(patience).unwrap();
            // Until the service stops reading.
            let written = (0..BATCHES).map(|_| stream.write_all(&batch));
            accepted += written.take_while(Result::is_ok).count();
            stream
        })
        .collect();
    assert!(
        accepted < READERS * BATCHES / 10,
        "{accepted} batches were accepted"
    );
    let grown = data.memory().saturating_sub(before);
    assert!(grown < MEMORY / 8, "{grown} bytes");
    // A client that resumes reading gets every response.
    let mut reader = BufReader::new(&readers[0]);
    for _ in 0..1_000 {
        let response = Message::read_head(&mut reader).unwrap().unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn the_memory_for_partial_heads_is_limited() {
    const HEADS: usize = 600;
    let data = Data::start(&[("KEYGATE_HEAD_TIMEOUT_SECONDS", "60")]);
    let before = data.memory();
    let long = [PARTIAL_HEAD, "a".repeat(120_000).as_bytes()].concat();
    let partial: Vec<_> = (0..HEADS)
        .map(|_| {
            let mut stream = data.connect();
            let _ = stream.write_all(&long);
            stream
        })
        .collect();
    assert!(data.log_lines("did not fit into memory") < HEADS / 10);
    let grown = data.memory().saturating_sub(before);
    assert!(grown < 2 * MEMORY, "{grown} bytes");
    assert_eq!(data.status(), 200);
    drop(partial);
}

/// Mia-Platform's Envoy sends `isbackoffice` twice.
#[test]
fn equal_values_of_a_repeated_header_are_one_value() {
    let data = Data::start(&[]);
    let key = "client-key: sample-key-of-client-a";
    let reason = |lines: &[&str]| {
        let response = caller::get(&data.address, "/resolve", lines);
        let reason = response.header("x-keygate-reason").map(str::to_owned);
        (response.status(), reason.unwrap())
    };
    let next = "x-keygate-next: /a";
    assert_eq!(reason(&[key, key, next, next]), (200, "ok".to_owned()));
    let other = reason(&[key, next, "x-keygate-next: /b"]);
    assert_eq!(other, (403, "malformed-request".to_owned()));
    let other = reason(&[key, "client-key: sample-key-of-client-b"]);
    assert_eq!(other, (401, "ambiguous-key".to_owned()));
}
