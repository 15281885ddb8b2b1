//! One connection of the data listener, served by hyper: HTTP/1.1 alone.
//!
//! A request has no body: after a head that announces one the connection ends, so that no two parties
//! can disagree about where the next request begins.

use std::{
    any::Any,
    fmt, io,
    pin::pin,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header::CONNECTION};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use keygate_telemetry::limit::PerSecond;
use socket2::Socket;
use tokio::sync::watch;
use tower::{Layer, ServiceExt};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};

use crate::stream::{LONGEST_HEAD, Shared, Stream};

/// Serves requests until the peer closes, or `closing` turns true and no request is in flight.
///
/// A head has to be complete `head_timeout` after its first byte came; a connection that waits for the
/// next request may wait for ever.
///
/// # Errors
/// The connection breaks.
pub async fn serve(
    socket: Socket,
    router: Router,
    head_timeout: Duration,
    mut closing: watch::Receiver<bool>,
) -> io::Result<()> {
    let shared = Arc::new(Shared::default());
    let stream = Stream::new(socket, head_timeout, Arc::clone(&shared))?;
    let mut closing = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
    // Before its first request a connection takes up little memory.
    tokio::select! {
        biased;
        readable = stream.readable() => readable?,
        () = &mut closing => return Ok(()),
    }
    let guarded = CatchPanicLayer::custom(Panicked(Arc::clone(&shared))).layer(router);
    let service = service_fn(|request| {
        let response = guarded.clone().oneshot(prepared(request, &shared));
        async { response.await.map(|response| finished(response, &shared)) }
    });
    let connection = http1::Builder::new()
        // To look for the end while a request is in flight would cost another buffer for each.
        .half_close(true)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        biased;
        served = &mut connection => served,
        () = &mut closing => {
            shared.close();
            connection.await
        }
    };
    if shared.timed_out() {
        report_unfinished(format_args!(
            "was not complete {} seconds after its first byte (setting `head-timeout-seconds`)",
            head_timeout.as_secs()
        ));
    } else if shared.found_no_room() {
        report_unfinished(format_args!(
            "did not fit into memory, because too many request heads are incomplete"
        ));
    }
    match served {
        Err(error) if error.is_parse() => {
            report_malformed(&error);
            Ok(())
        }
        Err(error) => Err(io::Error::other(error)),
        Ok(()) => Ok(()),
    }
}

/// Returns the request without its body, which is never read.
fn prepared(request: Request<Incoming>, shared: &Shared) -> Request<Body> {
    if !request.body().is_end_stream() || request.version() != Version::HTTP_11 {
        shared.set_last();
    }
    let mut request = request.map(|_| Body::empty());
    // What follows a `#`, or stands before the path, would be left out of the decision.
    if shared.has_fragment() || request.uri().authority().is_some() {
        *request.uri_mut() = Uri::default();
    }
    request
}

/// Returns the response as it is sent: the last one on a connection says so.
fn finished<B>(mut response: Response<B>, shared: &Shared) -> Response<B> {
    if shared.is_last() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// Responds where a service panicked: nginx takes it for an error, and denies.
#[derive(Clone)]
struct Panicked(Arc<Shared>);

impl ResponseForPanic for Panicked {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, cause: Box<dyn Any + Send>) -> Response<Body> {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
        tracing::error!(
            target: "keygate::data",
            cause = text,
            "panic while handling a request, which gets status 500: please report this as a bug"
        );
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        finished(response, &self.0)
    }
}

/// The most log lines a second of each kind: any client can have nginx pass on what is malformed, a
/// control character in a header for one.
const REPORTS_PER_SECOND: u16 = 10;

/// Logs a malformed request, with the number of lines that were suppressed so far.
fn report_malformed(error: &hyper::Error) {
    static REPORTS: LazyLock<PerSecond> = LazyLock::new(|| PerSecond::new(REPORTS_PER_SECOND));
    if REPORTS.admits(Instant::now()) {
        tracing::warn!(
            target: "keygate::data",
            suppressed = REPORTS.dropped(),
            "malformed request: {error}: responded with 400, 414 or 431, and closed the connection"
        );
    }
}

/// Logs that a head was given up.
fn report_unfinished(why: fmt::Arguments<'_>) {
    static REPORTS: LazyLock<PerSecond> = LazyLock::new(|| PerSecond::new(1));
    if REPORTS.admits(Instant::now()) {
        tracing::warn!(
            target: "keygate::data",
            suppressed = REPORTS.dropped(),
            "closed a connection whose request head {why}"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use axum::routing::any;
    use proptest::prelude::*;

    use rstest::rstest;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::*;

    const HEAD_TIMEOUT: Duration = Duration::from_millis(300);

    /// A gateway's connection to a service that gives 404 for all paths but `/panic`.
    struct Caller {
        stream: tokio::net::UnixStream,
        close: watch::Sender<bool>,
        served: JoinHandle<io::Result<()>>,
    }

    impl Caller {
        fn connect() -> Self {
            async fn panicking() -> StatusCode {
                panic!("a bug")
            }
            let (here, there) = UnixStream::pair().unwrap();
            for end in [&here, &there] {
                end.set_nonblocking(true).unwrap();
            }
            let (close, closing) = watch::channel(false);
            Self {
                stream: tokio::net::UnixStream::from_std(here).unwrap(),
                close,
                served: tokio::spawn(async move {
                    let router = Router::new().route("/panic", any(panicking));
                    serve(there.into(), router, HEAD_TIMEOUT, closing).await
                }),
            }
        }

        async fn send(&mut self, text: &str) {
            self.stream.write_all(text.as_bytes()).await.unwrap();
        }

        async fn receive(&mut self) -> String {
            let mut bytes = [0; 4096];
            let length = self.stream.read(&mut bytes).await.unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        }

        /// All that still comes, and how it ended.
        async fn rest(mut self) -> (String, io::Result<()>) {
            let mut text = String::new();
            self.stream.read_to_string(&mut text).await.unwrap();
            drop(self.stream);
            (text, self.served.await.unwrap())
        }
    }

    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    const PARTS: [&str; 2] = ["GET / H", "TTP/1.1\r\nhost: h\r\n\r\n"];

    fn statuses(text: &str) -> Vec<&str> {
        let lines = text.lines();
        lines
            .filter_map(|line| line.strip_prefix("HTTP/1.")?.get(2..5))
            .collect()
    }

    #[tokio::test]
    async fn a_complete_request_gets_a_response_and_no_close() {
        let mut caller = Caller::connect();
        for _ in 0..3 {
            for part in PARTS {
                tokio::task::yield_now().await;
                caller.send(part).await;
            }
            let response = caller.receive().await;
            assert_eq!(statuses(&response), ["404"]);
            assert!(
                response.contains("\r\ncontent-length: 0\r\n") && response.contains("\r\ndate: "),
                "{response}"
            );
            assert!(!response.contains("connection: "), "{response}");
        }
    }

    #[tokio::test]
    async fn pipelined_requests_get_responses_in_order() {
        let mut caller = Caller::connect();
        caller
            .send(&format!(
                "{REQUEST}{REQUEST}GET / HTTP/1.1\r\nconnection: close\r\n\r\n"
            ))
            .await;
        let (text, ended) = caller.rest().await;
        assert_eq!(statuses(&text), ["404", "404", "404"]);
        assert_eq!(text.matches("connection: close").count(), 1);
        assert!(ended.is_ok());
    }

    #[rstest]
    #[case::a_body("POST / HTTP/1.1\r\ncontent-length: 31\r\n\r\n", "404")]
    #[case::chunks("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "404")]
    #[case::no_http("nonsense\r\n\r\n", "400")]
    #[case::old("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", "404")]
    #[case::two_lengths(
        "POST / HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 31\r\n\r\n",
        "400"
    )]
    #[case::expect(
        "POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 31\r\n\r\n",
        "404"
    )]
    #[case::identity("POST / HTTP/1.1\r\ntransfer-encoding: identity\r\n\r\n", "400")]
    #[case::both(
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\n\r\n",
        "404"
    )]
    #[case::target("GET  / HTTP/1.1\r\n\r\n", "400")]
    #[case::name("GET / HTTP/1.1\r\na b: c\r\n\r\n", "400")]
    #[case::name_and_blank("GET / HTTP/1.1\r\na : b\r\n\r\n", "400")]
    #[case::folded("GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", "400")]
    #[case::null("GET / HTTP/1.1\r\na: b\0c\r\n\r\n", "400")]
    #[case::carriage_return("GET / HTTP/1.1\r\na: b\rc\r\n\r\n", "400")]
    #[case::version("GET / HTTP/2\r\n\r\n", "400")]
    #[tokio::test]
    async fn bytes_after_a_body_or_an_error_are_not_a_request(
        #[case] first: &str,
        #[case] status: &str,
    ) {
        let mut caller = Caller::connect();
        caller.send(&format!("{first}{REQUEST}")).await;
        let (text, ended) = caller.rest().await;
        assert_eq!(statuses(&text), [status]);
        assert!(text.contains("connection: close"), "{text}");
        assert!(ended.is_ok());
    }

    #[tokio::test]
    async fn a_head_is_bounded() {
        let long = REQUEST.replace(": h", &format!(": {}", "h".repeat(100_000)));
        let mut caller = Caller::connect();
        caller.send(&long).await;
        // The key in a buffer that has grown could not be wiped.
        let (text, _) = caller.rest().await;
        assert_eq!(statuses(&text), ["404"]);
        assert!(text.contains("connection: close\r\n"), "{text}");

        for separate in ["", "a: b\r\n"] {
            let endless = format!(
                "GET / HTTP/1.1\r\n{separate}a: {}",
                "b".repeat(LONGEST_HEAD)
            );
            let mut caller = Caller::connect();
            caller.send(&endless).await;
            let (text, ended) = caller.rest().await;
            assert_eq!(statuses(&text), ["431"]);
            assert!(ended.is_ok());
        }
    }

    #[tokio::test]
    async fn a_slow_reader_gets_every_response() {
        const MANY: usize = 20_000;
        let mut caller = Caller::connect();
        let (mut reader, mut writer) = caller.stream.split();
        let sending = async {
            writer
                .write_all(REQUEST.repeat(MANY).as_bytes())
                .await
                .unwrap();
            writer.shutdown().await.unwrap();
        };
        let reading = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut text = String::new();
            reader.read_to_string(&mut text).await.unwrap();
            assert_eq!(statuses(&text).len(), MANY);
        };
        tokio::join!(sending, reading);
    }

    #[tokio::test]
    async fn shutdown_waits_for_requests_in_flight() {
        let idle = Caller::connect();
        tokio::task::yield_now().await;
        idle.close.send(true).unwrap();
        assert_eq!(idle.rest().await.0, "");

        let mut used = Caller::connect();
        used.send(REQUEST).await;
        used.receive().await;
        used.close.send(true).unwrap();
        // It does not wait for the peer to close.
        let ended = tokio::time::timeout(Duration::from_millis(500), used.served).await;
        assert!(ended.unwrap().unwrap().is_ok());

        let mut busy = Caller::connect();
        busy.send(PARTS[0]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        busy.close.send(true).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        busy.send(PARTS[1]).await;
        let (text, ended) = busy.rest().await;
        assert_eq!(statuses(&text), ["404"]);
        assert!(text.contains("connection: close\r\n"), "{text}");
        assert!(ended.is_ok());
    }

    #[rstest]
    #[case("GET /panic#a HTTP/1.1\r\n\r\n")]
    #[case("GET http://h/panic HTTP/1.1\r\n\r\n")]
    #[tokio::test]
    async fn a_target_that_would_lose_a_part_gets_404(#[case] request: &str) {
        let mut caller = Caller::connect();
        caller.send(request).await;
        assert_eq!(statuses(&caller.receive().await), ["404"]);
    }

    #[tokio::test]
    async fn a_panic_is_a_500_and_the_connection_stays() {
        let mut caller = Caller::connect();
        for _ in 0..2 {
            caller
                .send(
                    &REQUEST
                        .replace('/', "/panic")
                        .replace("HTTP/panic", "HTTP/"),
                )
                .await;
            assert_eq!(statuses(&caller.receive().await), ["500"]);
            caller.send(REQUEST).await;
            assert_eq!(statuses(&caller.receive().await), ["404"]);
        }
    }

    #[tokio::test]
    async fn a_head_has_to_end_in_time_and_an_idle_connection_stays() {
        let mut idle = Caller::connect();
        let mut used = Caller::connect();
        used.send(REQUEST).await;
        used.receive().await;
        let mut slow = Caller::connect();
        let started = Instant::now();
        for part in PARTS[0].split_inclusive(' ') {
            slow.send(part).await;
            tokio::time::sleep(HEAD_TIMEOUT / 4).await;
        }
        let (text, ended) = slow.rest().await;
        assert_eq!(text, "");
        assert!(ended.is_ok());
        assert!(
            started.elapsed() < 3 * HEAD_TIMEOUT,
            "{:?}",
            started.elapsed()
        );
        tokio::time::sleep(HEAD_TIMEOUT).await;
        for caller in [&mut idle, &mut used] {
            caller.send(REQUEST).await;
            assert_eq!(statuses(&caller.receive().await), ["404"]);
        }
    }

    #[tokio::test]
    async fn an_upgrade_is_not_made() {
        let mut caller = Caller::connect();
        for _ in 0..2 {
            caller
                .send("GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
                .await;
            assert_eq!(statuses(&caller.receive().await), ["404"]);
        }
    }

    /// The statuses of the responses to bytes that arrive in these parts.
    fn statuses_of(parts: [&str; 2]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut caller = Caller::connect();
            for part in parts {
                // The service may have closed.
                let _ = caller.stream.write_all(part.as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let _ = caller.stream.shutdown().await;
            let mut text = Vec::new();
            // After a reset there may be no more to read.
            let _ = caller.stream.read_to_end(&mut text).await;
            let text = String::from_utf8(text).unwrap();
            statuses(&text).into_iter().map(str::to_owned).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn requests_are_the_same_however_their_bytes_arrive(
            pieces in proptest::collection::vec(
                proptest::sample::select(&[
                    "GET / HTTP/1.1\r\n", "POST /a HTTP/1.1\n", "GET / HTTP/1.0\r\n", "GET /#a HTTP/1.1\r\n",
                    "a: b\r\n", "c: d\n", "\r\n", "\n", "\r", " ", "\r\n\r\n", "content-length: 5\r\n",
                    "content-length: 0\r\n", "transfer-encoding: chunked\r\n", "connection: close\r\n",
                    "expect: 100-continue\r\n", "hello", "5\r\nhello\r\n0\r\n\r\n", "\0",
                ][..]),
                0..20,
            ),
            at in 0..200_usize,
        ) {
            let text = pieces.concat();
            let whole = statuses_of([&text, ""]);
            let ends = text.matches("\n\n").count() + text.matches("\n\r\n").count();
            prop_assert!(whole.len() <= ends, "{whole:?}");
            prop_assert_eq!(whole, statuses_of(text.split_at(at.min(text.len())).into()));
        }
    }
}
