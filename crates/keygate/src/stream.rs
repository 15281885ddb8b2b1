//! The stream of a gateway's connection: it hands whole request heads to the HTTP server, one at a
//! time.
//!
//! It differs from a general-purpose stream in three properties:
//!
//! - *One wake-up for each request.* The socket is registered for reading alone. A Unix socket that is
//!   registered for writing too wakes its process again when the gateway takes the response. A write is
//!   tried at once; only after one did not fit, a second registration waits for room.
//! - *No key stays in memory.* What is read passes through a buffer that is wiped at once, and the
//!   server's own buffer is wiped before the server waits for the next head. Where it has grown, so that
//!   the old head may be out of reach, the connection ends with the response.
//! - *Limits on what a peer may hold back.* A head has to be complete a while after its first byte came;
//!   all unfinished heads together have limited room; nothing is read while responses are not taken. A
//!   connection without a head in it may stay idle.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
    mem,
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use memchr::{memchr, memmem::Finder};
use socket2::Socket;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    time::{Sleep, sleep},
};

/// The longest head of one request, in bytes. By default nginx passes on up to 32 KiB of a client's
/// headers with one line of 8 KiB more, and sends the target twice.
pub const LONGEST_HEAD: usize = 128 * 1024;

/// The size of the HTTP server's read buffer (hyper's `INIT_BUFFER_SIZE`) until a head does not fit.
const USUAL_HEAD: usize = 8 * 1024;

/// How many bytes of unfinished heads all connections may hold together: enough for 256 of the longest
/// ones. A head that arrives whole is handed over at once and does not count.
const MOST_HELD: usize = 256 * LONGEST_HEAD;

/// How long the peer may take to read the last response and close, or to complete a head when the
/// process is about to stop.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// What was just read by a connection of this thread; wiped before the next read.
    static SCRATCH: RefCell<[u8; 2 * USUAL_HEAD]> = const { RefCell::new([0; 2 * USUAL_HEAD]) };
}

/// The state that the stream of a connection and its HTTP server share.
#[derive(Debug, Default)]
pub struct Shared {
    is_closing: AtomicBool,
    is_last: AtomicBool,
    has_fragment: AtomicBool,
    timed_out: AtomicBool,
    found_no_room: AtomicBool,
}

impl Shared {
    /// Ends the connection as soon as no request is in flight.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Ends the connection with the next response.
    pub fn set_last(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    /// Whether the next response is the last one.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.is_last.load(Ordering::Relaxed) || self.is_closing.load(Ordering::Relaxed)
    }

    /// Whether the peer took too long to send a head.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// Whether a head was dropped since unfinished heads took up too much memory.
    #[must_use]
    pub fn found_no_room(&self) -> bool {
        self.found_no_room.load(Ordering::Relaxed)
    }

    /// Whether the target of the current request has a `#`, which the HTTP server would drop.
    #[must_use]
    pub fn has_fragment(&self) -> bool {
        self.has_fragment.load(Ordering::Relaxed)
    }
}

/// The stream of one connection.
pub struct Stream {
    socket: AsyncFd<Socket>,
    shared: Arc<Shared>,
    /// What was read and not handed on: part of a head, or what follows one.
    kept: Vec<u8>,
    held: Held,
    /// How much of `kept` is the rest of a head that is being handed on.
    due: usize,
    /// How many bytes at the front of the server's buffer may hold a former head.
    to_wipe: usize,
    head_timeout: Duration,
    /// When the head that has begun has to be complete.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Waits for room to write; there only after a write that did not fit.
    room: Option<AsyncFd<Socket>>,
    /// Whether a read was put off until responses are written.
    read_is_put_off: bool,
    /// Whether a close can lose nothing: no request is in flight, or the peer has sent its last byte.
    needs_no_linger: bool,
    /// How long the peer may take to close.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// Returns the stream of a connected socket that does not block.
    ///
    /// # Errors
    /// The system cannot watch the socket.
    pub fn new(socket: Socket, head_timeout: Duration, shared: Arc<Shared>) -> io::Result<Self> {
        Ok(Self {
            socket: register(socket, Interest::READABLE)?,
            shared,
            kept: Vec::new(),
            held: Held(0),
            due: 0,
            to_wipe: 0,
            head_timeout,
            deadline: None,
            room: None,
            read_is_put_off: false,
            needs_no_linger: false,
            linger: None,
        })
    }

    /// Waits until the peer has sent something, or has closed.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(drop)
    }

    /// Reads what has come into the scratch buffer and has `take` look at it; then it is wiped.
    fn poll_fill<T>(
        socket: &AsyncFd<Socket>,
        context: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let mut ready = ready!(socket.poll_read_ready(context))?;
                let size = scratch.len();
                match socket.get_ref().read(scratch) {
                    Ok(length) => {
                        if (1..size).contains(&length) {
                            // The socket is empty: a second call to find that out would cost as much as this one.
                            ready.clear_ready();
                        }
                        let filled = scratch.get_mut(..length).unwrap_or_default();
                        let taken = take(filled);
                        filled.fill(0);
                        return Poll::Ready(Ok(taken));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
    }

    /// Hands on what is due, from the front of what was kept.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.due.min(buffer.remaining());
        buffer.put_slice(self.kept.get(..length).unwrap_or_default());
        self.due -= length;
        self.to_wipe += length;
        let left = self.kept.len() - length;
        if left == 0 {
            // The allocator wipes what it frees.
            self.kept = Vec::new();
        } else {
            self.kept.copy_within(length.., 0);
            self.kept.get_mut(left..).unwrap_or_default().fill(0);
            self.kept.truncate(left);
        }
        self.held.set(left);
    }

    /// Notes what the server cannot see of the head that is handed on next.
    fn begin(&mut self, length: usize) {
        if length > USUAL_HEAD {
            self.shared.set_last();
        }
        self.due = length;
        self.deadline = None;
        let head = self.kept.get(..length).unwrap_or_default();
        self.shared.note(head);
    }

    /// Wipes the former head; the server's buffer has to be as it was before that head.
    fn wipe(&mut self, buffer: &mut ReadBuf<'_>) {
        if buffer.remaining() > USUAL_HEAD {
            self.shared.set_last();
        }
        let length = mem::take(&mut self.to_wipe).min(buffer.remaining());
        // Of a buffer that counts as uninitialized this writes zeros.
        buffer.initialize_unfilled_to(length);
    }

    /// Ready when the time to complete a head is over.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let is_closing = self.shared.is_closing.load(Ordering::Relaxed);
        let timeout = self
            .head_timeout
            .min(if is_closing { LINGER } else { Duration::MAX });
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        let latest = tokio::time::Instant::now() + timeout;
        if deadline.deadline() > latest {
            deadline.as_mut().reset(latest);
        }
        deadline.as_mut().poll(context)
    }
}

/// What one connection holds of unfinished heads, counted with what the others hold.
struct Held(usize);

impl Held {
    /// Counts what is held now; whether there is room for it.
    fn set(&mut self, held: usize) -> bool {
        static ALL: AtomicUsize = AtomicUsize::new(0);
        let before = mem::replace(&mut self.0, held);
        if held < before {
            ALL.fetch_sub(before - held, Ordering::Relaxed);
            return true;
        }
        let added = held - before;
        ALL.fetch_add(added, Ordering::Relaxed)
            .saturating_add(added)
            <= MOST_HELD
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Shared {
    fn note(&self, head: &[u8]) {
        let fragment = memchr(b'#', head)
            .is_some_and(|fragment| memchr(b'\n', head).is_some_and(|line| fragment < line));
        if fragment != self.has_fragment.load(Ordering::Relaxed) {
            self.has_fragment.store(fragment, Ordering::Relaxed);
        }
    }
}

/// Returns the length of the head that `bytes` begin with, if its end has come.
///
/// It may end in bare line feeds (RFC 9112, section 2.2).
fn head_length(bytes: &[u8]) -> Option<usize> {
    static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\r\n"));
    static BARE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\n"));
    let end = END.find(bytes).map(|at| at + 3);
    end.or_else(|| BARE.find(bytes).map(|at| at + 2))
}

/// Returns the bytes without the line breaks before a request line, which mean nothing.
fn without_leading_breaks(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    bytes
        .get(start.unwrap_or(bytes.len())..)
        .unwrap_or_default()
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.room.is_some() {
            this.read_is_put_off = true;
            return Poll::Pending;
        }
        if this.due > 0 {
            this.hand_on(buffer);
            return Poll::Ready(Ok(()));
        }
        this.wipe(buffer);
        loop {
            if let Some(length) = head_length(&this.kept) {
                this.begin(length);
                this.hand_on(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.kept.len() > LONGEST_HEAD {
                // The server responds with the error.
                this.begin(this.kept.len());
                this.hand_on(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.kept.is_empty() && this.shared.is_closing.load(Ordering::Relaxed) {
                this.needs_no_linger = true;
                return Poll::Ready(Ok(()));
            }
            let (kept, shared) = (&mut this.kept, &this.shared);
            let filled = Stream::poll_fill(&this.socket, context, |bytes| {
                let is_end = bytes.is_empty();
                let bytes = if kept.is_empty() {
                    without_leading_breaks(bytes)
                } else {
                    bytes
                };
                // The usual case: one head, nothing before or behind it.
                if kept.is_empty()
                    && bytes.len() <= buffer.remaining()
                    && head_length(bytes) == Some(bytes.len())
                {
                    shared.note(bytes);
                    buffer.put_slice(bytes);
                } else {
                    kept.extend_from_slice(bytes);
                }
                is_end
            });
            let handed_on = buffer.filled().len();
            match filled {
                Poll::Ready(Ok(_)) if handed_on > 0 => {
                    this.to_wipe = handed_on;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(is_end)) if is_end => {
                    // Everything was read, so that a close throws nothing away.
                    this.needs_no_linger = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(_)) => {
                    if !this.held.set(this.kept.len()) {
                        this.needs_no_linger = true;
                        this.shared.found_no_room.store(true, Ordering::Relaxed);
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if this.kept.is_empty() => {
                    this.deadline = None;
                    return Poll::Pending;
                }
                Poll::Pending => {
                    ready!(this.poll_deadline(context));
                    this.needs_no_linger = true;
                    this.shared.timed_out.store(true, Ordering::Relaxed);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(room) = &self.room {
                ready!(room.poll_write_ready(context))?.clear_ready();
            }
            match self.socket.get_ref().write(bytes) {
                Ok(written) => {
                    self.room = None;
                    if mem::take(&mut self.read_is_put_off) {
                        context.waker().wake_by_ref();
                    }
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.room.is_none() {
                        let socket = self.socket.get_ref().try_clone()?;
                        self.room = Some(register(socket, Interest::WRITABLE)?);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Lets the last response arrive: a close with bytes that were not read, such as a body, would
    /// have the system throw it away (RFC 9112, section 9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.needs_no_linger {
            return Poll::Ready(Ok(()));
        }
        if this.linger.is_none() {
            this.kept = Vec::new();
            this.socket.get_ref().shutdown(Shutdown::Write)?;
        }
        let linger = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        loop {
            match Self::poll_fill(&this.socket, context, <[u8]>::is_empty) {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true) | Err(_)) => return Poll::Ready(Ok(())),
                Poll::Pending => return linger.as_mut().poll(context).map(Ok),
            }
        }
    }
}

/// Registers a socket for these events alone.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for a type whose descriptor changes or closes by itself: a \
              `Socket` owns the one that it has"
)]
fn register(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    AsyncFd::with_interest(socket, interest)
}
