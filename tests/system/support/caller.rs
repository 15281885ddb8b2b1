//! A caller that sends bytes unchanged and reads one response.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::http_message::Message;

/// Longer than any response takes, even if a service hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Connects to a gateway.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends one request, with `connection: close`, and reads the response.
pub(crate) fn send(address: &str, request: &[u8]) -> Message {
    let mut stream = connect(address);
    // A gateway may reject and close before it has read everything.
    let written = stream.write_all(request);
    let mut reader = BufReader::new(stream);
    loop {
        let mut response = Message::read_head(&mut reader)
            .unwrap_or_else(|error| panic!("no response: {error} (sending: {written:?})"))
            .unwrap_or_else(|| panic!("closed without a response (sending: {written:?})"));
        // `100 Continue` goes before the final response.
        if response.status() >= 200 {
            // A response to HEAD has no body, whatever its head says.
            if !request.starts_with(b"HEAD ") {
                response.read_body_to_end(&mut reader).unwrap();
            }
            response.assert_no_key();
            return response;
        }
    }
}

/// Sends a `GET` with these header lines.
pub(crate) fn get(address: &str, target: &str, headers: &[&str]) -> Message {
    let headers: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: gateway.example\r\nconnection: close\r\n{headers}\r\n"
    );
    send(address, request.as_bytes())
}

/// Sends a `GET` to an operations listener, with its address as the host.
pub(crate) fn get_operations(address: &str, target: &str, headers: &[&str]) -> Message {
    let headers: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
    let request =
        format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
    send(address, request.as_bytes())
}

/// Sends a `GET` to a Unix socket.
pub(crate) fn get_unix(socket: &Path, target: &str) -> Message {
    let mut stream = UnixStream::connect(socket).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut response = Message::read_head(&mut reader).unwrap().unwrap();
    response.read_body_to_end(&mut reader).unwrap();
    response.assert_no_key();
    response
}

/// The status and body of a response to a request over HTTP/2, sent by curl.
pub(crate) fn over_http_2(address: &str, target: &str, headers: &[&str]) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "10", "--http2-prior-knowledge"]);
    curl.args(["--write-out", "%{http_version} %{http_code}"]);
    for header in headers {
        curl.args(["--header", header]);
    }
    let output = curl
        .arg(format!("http://{address}{target}"))
        .output()
        .expect("curl is missing: `apt-get install curl` installs it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    (status.to_owned(), body.to_owned())
}
