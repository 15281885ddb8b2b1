//! One connection of the listener for gRPC, served by hyper: HTTP/2 alone, without TLS.

use std::{
    convert::Infallible,
    io,
    os::fd::OwnedFd,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use keygate_envoy::LARGEST_MESSAGE;
use socket2::Socket;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, BufWriter, join},
    net::{TcpStream, UnixStream},
    sync::watch,
    time::timeout,
};
use tonic::Status;
use tower::ServiceExt;

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most requests of one connection at a time; Envoy opens another connection for more.
const MOST_STREAMS: u32 = 256;

/// The longest list of HTTP/2 headers of a request: the client request is in its message.
const LONGEST_HEADERS: u32 = 16 * 1024;

/// The size of the buffer for responses that are written together, in bytes.
const BUFFER: usize = 16 * 1024;

/// The bytes before a message: a flag and its length.
const PREFIX_LENGTH: usize = 5;

/// How long a connection is silent before its peer is pinged, and how long the peer has to respond.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves requests until the peer closes, or `closing` turns true and no request is in flight.
///
/// The client's preface, and each request with its response, may take `time`.
///
/// # Errors
/// The connection breaks, or the peer does not speak HTTP/2.
pub async fn serve(
    socket: Socket,
    router: Router,
    time: Duration,
    closing: watch::Receiver<bool>,
) -> io::Result<()> {
    let is_unix = socket.local_addr()?.is_unix();
    let socket = OwnedFd::from(socket);
    if is_unix {
        let stream = UnixStream::from_std(socket.into())?;
        let (reader, writer) = stream.into_split();
        serve_stream(reader, writer, router, time, closing).await
    } else {
        let stream = TcpStream::from_std(socket.into())?;
        let (reader, writer) = stream.into_split();
        serve_stream(reader, writer, router, time, closing).await
    }
}

async fn serve_stream(
    mut reader: impl AsyncRead + Unpin + Send + 'static,
    writer: impl AsyncWrite + Unpin + Send + 'static,
    router: Router,
    time: Duration,
    mut closing: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut closing = pin!(async { drop(closing.wait_for(|closing| *closing).await) });
    // The library would wait for it for ever.
    tokio::select! {
        biased;
        began = timeout(time, begin(&mut reader)) => began??,
        () = &mut closing => return Ok(()),
    }
    let stream = join(
        PREFACE.chain(reader),
        OneBuffer(BufWriter::with_capacity(BUFFER, writer)),
    );
    let service = service_fn(|request| respond(router.clone(), request, time));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(LONGEST_HEADERS)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        biased;
        served = &mut connection => served,
        () = &mut closing => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(io::Error::other)
}

/// A writer that takes one buffer at a time, so that responses that are ready together are one write.
///
/// With vectored writes, the library for HTTP/2 copies only messages below 256 bytes to its buffer; a longer one
/// ends the write, so that each response is a system call of its own. Without them, the limit is 1,024 bytes, and of
/// a longer message, the first 1,024 bytes are a write of their own: hence the buffer behind it.
#[derive(Debug)]
struct OneBuffer<W>(W);

impl<W: AsyncWrite + Unpin> AsyncWrite for OneBuffer<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Reads the preface.
async fn begin(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut bytes = [0; PREFACE.len()];
    reader.read_exact(&mut bytes).await?;
    if bytes == PREFACE {
        Ok(())
    } else {
        Err(io::Error::other("the peer does not speak HTTP/2"))
    }
}

/// Responds in time, also where the request's message does not come.
async fn respond(
    router: Router,
    request: Request<Incoming>,
    time: Duration,
) -> Result<Response<Body>, Infallible> {
    let response = async {
        match with_message(request).await {
            Ok(request) => router.oneshot(request).await,
            Err(status) => Ok(status.into_http()),
        }
    };
    match timeout(time, response).await {
        Ok(response) => response,
        Err(_) => Ok(Status::deadline_exceeded("the request took too long").into_http()),
    }
}

/// Reads the request's message.
///
/// The library for gRPC would allocate what the peer announces before it comes: memory for each stream,
/// for a few bytes.
async fn with_message(request: Request<Incoming>) -> Result<Request<Body>, Status> {
    let (head, mut body) = request.into_parts();
    let mut message = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Status::cancelled("the message is incomplete"))?;
        let data = frame.into_data().unwrap_or_default();
        // Most messages are one frame, which is not copied.
        message = if message.is_empty() {
            data
        } else {
            let mut joined = BytesMut::from(message);
            joined.extend_from_slice(&data);
            joined.freeze()
        };
        if announced(&message).max(message.len()) > PREFIX_LENGTH + LARGEST_MESSAGE {
            return Err(Status::out_of_range("the message is too large"));
        }
    }
    Ok(Request::from_parts(head, Body::from(message)))
}

/// Returns the length that the prefix of a message announces, with the prefix: a flag and a length.
fn announced(message: &[u8]) -> usize {
    let length = message.get(1..PREFIX_LENGTH);
    let length = length.and_then(|it| <[u8; 4]>::try_from(it).ok());
    let length = length.map_or(0, u32::from_be_bytes);
    usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(PREFIX_LENGTH))
}

#[cfg(test)]
mod tests {
    use std::{
        io::IoSlice,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use axum::routing::any;
    use futures_util::future::join_all;
    use hyper::client::conn::http2;
    use rstest::rstest;

    use super::*;

    const REQUESTS: usize = 16;

    /// Counts the writes, each of which would be a system call.
    struct Counted<W>(W, Arc<AtomicUsize>);

    impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<W> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_write_vectored(context, buffers)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }
    }

    #[rstest]
    #[case::small(600, REQUESTS / 2)]
    #[case::large(2000, REQUESTS)]
    #[tokio::test]
    async fn responses_that_are_ready_together_are_one_write(
        #[case] length: usize,
        #[case] most: usize,
    ) {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (reader, writer) = tokio::io::split(server);
        let count = Arc::new(AtomicUsize::new(0));
        let writer = Counted(writer, Arc::clone(&count));
        let router = Router::new().route("/", any(move || async move { "x".repeat(length) }));
        let (close, closing) = watch::channel(false);
        tokio::spawn(serve_stream(reader, writer, router, KEEP_ALIVE, closing));
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(client))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut send = || {
            let request = Request::get("http://keygate/").body(Body::empty());
            sender.send_request(request.unwrap())
        };
        // The first request ends the handshake.
        send().await.unwrap();
        let before = count.load(Ordering::Relaxed);
        let requests: Vec<_> = (0..REQUESTS).map(|_| send()).collect();
        for response in join_all(requests).await {
            let body = response.unwrap().into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes().len(), length);
        }
        let calls = count.load(Ordering::Relaxed) - before;
        assert!(calls <= most, "{calls} writes");
        drop(close);
    }
}
