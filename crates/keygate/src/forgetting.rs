//! Connections that leave no key behind in memory.
//!
//! A request's head, with its key, stands in hyper's read buffer. hyper reads the next head into
//! what is left of the buffer, or into a new one where that is less than [`USUAL`]; what is freed
//! is cleared by the program's allocator. So a buffer of the usual size is gone with its request.
//! One that has grown, for a head of more than 8 KiB, would be kept for many more requests: the
//! connection ends with the answer, and the buffer with it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::response::Response;
use http::{HeaderValue, header::CONNECTION};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much hyper has room for when it begins to read (`INIT_BUFFER_SIZE`).
const USUAL: usize = 8192;

/// Whether a connection's read buffer has grown.
#[derive(Clone, Default)]
pub struct Grown(Arc<AtomicBool>);

impl Grown {
    /// The answer, and where the buffer has grown the connection's last one.
    #[must_use]
    pub fn last(&self, mut answer: Response) -> Response {
        if self.0.load(Ordering::Relaxed) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        answer
    }
}

/// A connection that notes when its reader's buffer has grown.
pub struct Forgetting<S> {
    stream: S,
    grown: Grown,
}

impl<S: Unpin> Forgetting<S> {
    /// A connection like `stream`.
    pub fn new(stream: S, grown: Grown) -> Self {
        Self { stream, grown }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut S> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Forgetting<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > USUAL {
            self.grown.0.store(true, Ordering::Relaxed);
        }
        self.stream().poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Forgetting<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
