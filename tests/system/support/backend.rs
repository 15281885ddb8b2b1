//! The backend behind the gateway: it records every request that reaches it.

use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::http_message::Message;

/// A backend on a free port. Its threads end with the test process.
pub(crate) struct Backend {
    pub(crate) address: String,
    received: Arc<Mutex<Vec<Message>>>,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = Arc::clone(&record);
                // The gateway may close a connection at any time.
                thread::spawn(move || drop(serve(&stream, &record)));
            }
        });
        Self { address, received }
    }

    /// Returns the requests since the last call.
    pub(crate) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// Returns the only request since the last call.
    pub(crate) fn take_one(&self) -> Message {
        let mut received = self.take();
        assert_eq!(received.len(), 1, "the backend received {received:?}");
        received.remove(0)
    }
}

fn serve(stream: &TcpStream, received: &Mutex<Vec<Message>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(mut request) = Message::read_head(&mut reader)? {
        request.read_body(&mut reader)?;
        let status = request
            .header("x-backend-status")
            .unwrap_or("200")
            .to_owned();
        let header = request.header("x-backend-adds").map(str::to_owned);
        let header = header.map_or_else(String::new, |line| line + "\r\n");
        let upgrade = request.header("upgrade").filter(|it| *it != "h2c");
        let upgrade = upgrade.map(str::to_owned);
        received.lock().unwrap().push(request);
        if status == "none" {
            return Ok(());
        }
        if let Some(protocol) = upgrade {
            write!(
                writer,
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n{header}\r\n"
            )?;
            return io::copy(&mut reader, &mut writer).map(drop);
        }
        write!(
            writer,
            "HTTP/1.1 {status} Backend\r\n{header}content-length: 0\r\n\r\n"
        )?;
    }
    Ok(())
}
