//! The listener for gRPC: health checks, limits, and the shutdown.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rstest::rstest;
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::caller;
use crate::support::gateway::{Role, corpus_folder, free_port};
use crate::support::program::Service;

const AUTHORIZATION: &str = "envoy.service.auth.v3.Authorization";

/// The time for a message in the tests of limits.
const TIME: (&str, &str) = ("KEYGATE_HEAD_TIMEOUT_SECONDS", "1");

struct Listener {
    service: Service,
    address: String,
    _folder: TempDir,
}

impl Listener {
    fn start(role: Role, settings: &[(&str, &str)]) -> Self {
        let folder = corpus_folder();
        let address = format!("127.0.0.1:{}", free_port());
        Self {
            service: role.start_with_grpc(&address, folder.path(), settings),
            address,
            _folder: folder,
        }
    }

    fn connect(&self) -> TcpStream {
        caller::connect(&self.address)
    }

    /// Asserts that a health check succeeds.
    fn assert_serving(&self) {
        run(async {
            let mut health = self.health().await;
            assert_eq!(status(&mut health, "").await, Ok(ServingStatus::Serving));
        });
    }

    async fn health(&self) -> HealthClient<Channel> {
        let address = format!("http://{}", self.address);
        let endpoint = Endpoint::from_shared(address).unwrap();
        HealthClient::new(endpoint.connect().await.unwrap())
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test)
}

async fn status(health: &mut HealthClient<Channel>, service: &str) -> Result<ServingStatus, Code> {
    let service = service.to_owned();
    let response = health.check(HealthCheckRequest { service }).await;
    let response = response.map_err(|status| status.code())?;
    Ok(response.into_inner().status())
}

#[rstest]
fn a_health_check_reports_whether_the_process_is_ready(
    #[values(Role::Resolver, Role::Authorizer, Role::Serve)] role: Role,
) {
    let mut listener = Listener::start(role, &[("KEYGATE_SHUTDOWN_DELAY_SECONDS", "2")]);
    run(async {
        let mut health = listener.health().await;
        for service in ["", AUTHORIZATION] {
            let found = status(&mut health, service).await;
            assert_eq!(found, Ok(ServingStatus::Serving), "{service}");
        }
        let unknown = status(&mut health, "other.Service").await;
        assert_eq!(unknown, Err(Code::NotFound));
        listener.service.signal("TERM");
        for _ in 0..100 {
            if status(&mut health, "").await == Ok(ServingStatus::NotServing) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("still serving: {}", listener.service.output());
    });
    assert!(listener.service.wait(Duration::from_secs(10)).success());
}

/// Returns the first byte that comes, `None` if the connection is closed.
fn first_byte(mut stream: &TcpStream) -> Option<u8> {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => None,
        Ok(_) => Some(byte[0]),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            None
        }
    }
}

#[rstest]
#[case::nothing(b"", true)]
#[case::half_a_preface(b"PRI * HTTP/2.0\r\n", true)]
#[case::http_1(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", false)]
#[case::tls(
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaa",
    false
)]
fn who_does_not_speak_http_2_is_disconnected(#[case] bytes: &[u8], #[case] waits: bool) {
    let listener = Listener::start(Role::Serve, &[TIME]);
    let started = Instant::now();
    let mut stream = listener.connect();
    stream.write_all(bytes).unwrap();
    assert_eq!(first_byte(&stream), None);
    assert_eq!(started.elapsed() > Duration::from_millis(900), waits);
    assert!(started.elapsed() < Duration::from_secs(10));
    listener.assert_serving();
}

/// Frames of HTTP/2 (RFC 9113, section 4.1).
mod frames {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const END_HEADERS: u8 = 4;

    pub(super) fn send(mut stream: &TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        stream.write_all(&frame).unwrap();
    }

    /// Sends the preface, and the headers of a check request.
    pub(super) fn begin(mut stream: &TcpStream) {
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        send(stream, SETTINGS, 0, 0, b"");
        request(stream, 1);
    }

    /// Sends the headers of a check request.
    pub(super) fn request(stream: &TcpStream, id: u32) {
        let path = "/envoy.service.auth.v3.Authorization/Check";
        // Fields of RFC 7541: indexed ones, and literals without indexing.
        let mut block = vec![0x83, 0x86];
        for (name, value) in [(4, path), (1, "keygate")] {
            block.extend([name, u8::try_from(value.len()).unwrap()]);
            block.extend(value.bytes());
        }
        let content_type = "application/grpc";
        block.extend([0x0f, 0x10, u8::try_from(content_type.len()).unwrap()]);
        block.extend(content_type.bytes());
        block.extend(b"\x00\x02te\x08trailers");
        send(stream, HEADERS, END_HEADERS, id, &block);
    }

    /// Reads until a frame of the first stream comes that ends it, and returns its kind.
    pub(super) fn read_end(mut stream: &TcpStream) -> u8 {
        const END_STREAM: u8 = 1;
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length.try_into().unwrap()];
            stream.read_exact(&mut payload).unwrap();
            let (kind, flags, id) = (head[3], head[4], head[8]);
            if id == 1 && (kind == RST_STREAM || flags & END_STREAM != 0) {
                return kind;
            }
        }
    }
}

#[test]
fn a_message_that_does_not_come_ends_the_request_alone() {
    let listener = Listener::start(Role::Serve, &[TIME]);
    let (stream, started) = (listener.connect(), Instant::now());
    frames::begin(&stream);
    frames::send(&stream, frames::DATA, 0, 1, &[0, 0, 0, 0, 9, 1]);
    assert_eq!(frames::read_end(&stream), frames::HEADERS);
    assert!(started.elapsed() > Duration::from_millis(900));
    assert!(started.elapsed() < Duration::from_secs(10));
    listener.assert_serving();
}

#[test]
fn a_message_that_is_too_large_is_not_read() {
    let listener = Listener::start(Role::Serve, &[]);
    let (stream, started) = (listener.connect(), Instant::now());
    frames::begin(&stream);
    // One of 256 KiB and a byte.
    frames::send(&stream, frames::DATA, 0, 1, &[0, 0, 4, 0, 1]);
    assert_eq!(frames::read_end(&stream), frames::HEADERS);
    assert!(started.elapsed() < Duration::from_secs(5));
    listener.assert_serving();
}

#[test]
fn announced_messages_cost_no_memory_until_they_come() {
    let listener = Listener::start(Role::Serve, &[TIME]);
    let streams: Vec<_> = (0..8).map(|_| listener.connect()).collect();
    for stream in &streams {
        frames::begin(stream);
        for n in 0..200 {
            let id = 2 * n + 1;
            if n > 0 {
                frames::request(stream, id);
            }
            // 256 KiB are announced, and one byte comes.
            frames::send(stream, frames::DATA, 0, id, &[0, 0, 4, 0, 0, 1]);
        }
    }
    // Until all of them have ended: what is freed is cleared, and so in memory.
    std::thread::sleep(Duration::from_secs(3));
    let status = format!("/proc/{}/status", listener.service.pid());
    let status = std::fs::read_to_string(status).unwrap();
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().strip_suffix(" kB"));
    let most: u32 = most.unwrap().parse().unwrap();
    assert!(most < 150_000, "{most} kB");
    listener.assert_serving();
}

#[test]
fn connections_are_bounded() {
    let listener = Listener::start(Role::Serve, &[]);
    let idle: Vec<_> = (0..256).map(|_| listener.connect()).collect();
    // The service accepts in the order of connecting.
    assert_eq!(first_byte(&listener.connect()), None);
    drop(idle);
    std::thread::sleep(Duration::from_millis(200));
    listener.assert_serving();
}

#[test]
fn shutdown_waits_for_requests_in_flight() {
    let mut listener = Listener::start(Role::Serve, &[]);
    let (idle, busy) = (listener.connect(), listener.connect());
    frames::begin(&busy);
    std::thread::sleep(Duration::from_millis(300));
    listener.service.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(first_byte(&idle), None);
    // An empty message: it is denied.
    frames::send(&busy, frames::DATA, 1, 1, &[0; 5]);
    assert_eq!(frames::read_end(&busy), frames::HEADERS);
    drop(busy);
    assert!(
        listener.service.wait(Duration::from_secs(5)).success(),
        "{}",
        listener.service.output()
    );
}
