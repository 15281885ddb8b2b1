//! A server in place of a service: it sends the same bytes to every request and records the last
//! one.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::http_message::Message;

#[derive(Default)]
struct Part {
    response: String,
    request: Option<Message>,
}

/// An impostor; its thread ends with the test process.
pub(crate) struct Impostor(Arc<Mutex<Part>>);

impl Impostor {
    pub(crate) fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let part = Arc::new(Mutex::new(Part::default()));
        let shared = Arc::clone(&part);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The gateway may close the connection early.
                let Ok(Some(request)) = Message::read_head(&mut BufReader::new(&stream)) else {
                    continue;
                };
                let mut part = shared.lock().unwrap();
                part.request = Some(request);
                let _ = (&stream).write_all(part.response.as_bytes());
            }
        });
        Self(part)
    }

    /// Sets the response to every request.
    pub(crate) fn respond_with(&self, text: &str) {
        text.clone_into(&mut self.0.lock().unwrap().response);
    }

    /// Returns the last request since the previous call.
    pub(crate) fn last_request(&self) -> Message {
        self.0
            .lock()
            .unwrap()
            .request
            .take()
            .expect("no request was received")
    }
}
