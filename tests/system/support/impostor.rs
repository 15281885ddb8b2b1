//! A server in place of a service: it sends the same bytes to every request and keeps the last
//! request.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::http_message::Message;

#[derive(Default)]
struct Part {
    answer: String,
    asked: Option<Message>,
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
                // A gateway that goes away early is no fault of ours.
                let Ok(Some(question)) = Message::read_head(&mut BufReader::new(&stream)) else {
                    continue;
                };
                let mut part = shared.lock().unwrap();
                part.asked = Some(question);
                let _ = (&stream).write_all(part.answer.as_bytes());
            }
        });
        Self(part)
    }

    /// Sets the response to every request.
    pub(crate) fn answers(&self, text: &str) {
        text.clone_into(&mut self.0.lock().unwrap().answer);
    }

    /// The last request since this was called.
    pub(crate) fn asked(&self) -> Message {
        self.0
            .lock()
            .unwrap()
            .asked
            .take()
            .expect("nothing was asked")
    }
}
