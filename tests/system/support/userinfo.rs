//! A userinfo service whose responses, delays and failures a test controls.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;

use crate::support::http_message::Message;

/// Longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the service does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Responds with a status and a body.
    Respond(u16, String),
    /// Keeps the request until another reply is set, and then acts on that one.
    Hold,
    /// Resets the connection.
    Reset,
    /// Announces a longer body than it sends, and closes.
    Truncate,
}

impl Reply {
    /// A user, or whatever this document says.
    pub(crate) fn json(body: &Value) -> Self {
        Self::Respond(200, body.to_string())
    }
}

/// A userinfo service on a port of its own. Its threads end with the test process.
pub(crate) struct Userinfo {
    /// `http://HOST:PORT`.
    pub(crate) origin: String,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    reply: Reply,
    /// Replies to requests whose `cookie` or `authorization` is this.
    by_credential: HashMap<String, Reply>,
    received: Vec<Message>,
    held: usize,
}

impl Userinfo {
    /// Starts a service that gives every request this reply.
    pub(crate) fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            reply,
            by_credential: HashMap::new(),
            received: Vec::new(),
            held: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                // A client that gives up closes its connection.
                thread::spawn(move || drop(served.serve(&stream)));
            }
        });
        Self { origin, shared }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Sets the reply to every request, those that are held too.
    pub(crate) fn reply(&self, reply: Reply) {
        self.shared.lock().reply = reply;
        self.shared.changed.notify_all();
    }

    /// Sets the reply to requests with this `cookie` or `authorization`.
    pub(crate) fn reply_to(&self, credential: &str, reply: Reply) {
        let mut state = self.shared.lock();
        state.by_credential.insert(credential.to_owned(), reply);
        self.shared.changed.notify_all();
    }

    /// The requests that it has received since the last call.
    pub(crate) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.shared.lock().received)
    }

    /// Waits until this many requests are held.
    pub(crate) fn wait_until_held(&self, count: usize) {
        let state = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.held < count);
        let (state, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "{} requests are held", state.held);
    }

    /// How many requests are held now.
    pub(crate) fn held(&self) -> usize {
        self.shared.lock().held
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        while let Some(request) = Message::read_head(&mut reader)? {
            self.lock().received.push(request.clone());
            match self.reply_for(&request) {
                Reply::Respond(status, body) => write!(
                    writer,
                    "HTTP/1.1 {status} Userinfo\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )?,
                Reply::Hold => unreachable!("a held request waits"),
                // Closing with a linger time of zero sends RST.
                Reply::Reset => {
                    return SockRef::from(stream).set_linger(Some(Duration::ZERO));
                }
                Reply::Truncate => {
                    return writer.write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"sub\":\"ada\"",
                    );
                }
            }
        }
        Ok(())
    }

    /// Returns what to do with a request, once it is no longer held.
    fn reply_for(&self, request: &Message) -> Reply {
        let mut state = self.lock();
        let mut is_held = false;
        loop {
            let reply = state.reply_for(request);
            let holds = matches!(reply, Reply::Hold);
            if holds && !is_held {
                state.held += 1;
            } else if !holds && is_held {
                state.held -= 1;
            }
            if !holds {
                return reply;
            }
            is_held = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
        }
    }
}

impl State {
    fn reply_for(&self, request: &Message) -> Reply {
        let credentials = ["cookie", "authorization"].map(|name| request.header(name));
        let mut credentials = credentials.into_iter().flatten();
        let own = credentials.find_map(|credential| self.by_credential.get(credential));
        own.unwrap_or(&self.reply).clone()
    }
}
