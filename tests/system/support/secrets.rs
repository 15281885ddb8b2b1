//! The search for keys in the output of the program and in responses.
//!
//! The functions that start a program or send a request call it, so that every test does.

use std::thread;

use keygate_keys::generated::is_generated;

/// The prefix of every key that the tests present.
pub(crate) const MARK: &str = "sample-key";

/// The length of a generated key.
const GENERATED: usize = 52;

/// Panics if `text` contains a key of the tests or a generated one.
pub(crate) fn assert_none_in(text: &[u8], what: &str) {
    assert_no_sample_in(text, what);
    let text = String::from_utf8_lossy(text);
    let mut words = text.match_indices("kg_");
    let found = words.any(|(at, _)| text.get(at..at + GENERATED).is_some_and(is_generated));
    // A second panic would hide the first.
    assert!(
        !found || thread::panicking(),
        "a generated key is in {what}"
    );
}

/// Panics if `text` contains a key of the tests; for commands that print a generated key.
pub(crate) fn assert_no_sample_in(text: &[u8], what: &str) {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().find(|line| line.contains(MARK));
    assert!(
        line.is_none() || thread::panicking(),
        "a key is in {what}: {line:?}"
    );
}

/// Fails the test where a JSON Web Token, or its beginning, is in `text`.
pub(crate) fn assert_no_token_in(text: &[u8], what: &str) {
    let text = String::from_utf8_lossy(text);
    let is_token = |word: &str| {
        let part = |part: &str| part.len() > 20 && part.chars().all(is_base64);
        let mut parts = word.split('.');
        parts.next().is_some_and(part) && parts.next().is_some_and(part)
    };
    // `{"` as base64url.
    let found = text
        .match_indices("eyJ")
        .filter_map(|(at, _)| text.get(at..))
        .find(|rest| is_token(rest.split(|c| !is_base64(c) && c != '.').next().unwrap()));
    assert!(
        found.is_none() || thread::panicking(),
        "a token is in {what}"
    );
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use zeroize::Zeroizing;

    use super::*;
    use crate::support::caller;
    use crate::support::program::run_to_end;

    fn generated() -> String {
        let key = keygate_keys::generated::GeneratedKey::from_random(&Zeroizing::new([7; 32]));
        key.expose().to_owned()
    }

    #[test]
    fn a_text_without_a_key_passes() {
        assert_none_in(b"kg_ kg_short sample sha256:00 \xff", "a text");
    }

    #[test]
    #[should_panic(expected = "a generated key is in a text")]
    fn a_generated_key_is_found() {
        assert_none_in(format!("<{}>", generated()).as_bytes(), "a text");
    }

    #[test]
    #[should_panic(expected = "a key is in a response")]
    fn a_key_in_a_response_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            let response = format!("HTTP/1.1 200 OK\r\nx: {MARK}-1\r\nconnection: close\r\n\r\n");
            stream.write_all(response.as_bytes()).unwrap();
        });
        caller::get(&address, "/", &[]);
    }

    #[test]
    #[should_panic(expected = "a token is in a text")]
    fn a_token_is_found() {
        assert_no_token_in(
            b"{\"a\":\"Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.eyJzdWIiOiJhZGEiLCJhIjoxMjN9.c\"}",
            "a text",
        );
    }

    #[test]
    #[should_panic(expected = "a key is in the output")]
    fn a_key_in_an_output_is_found() {
        run_to_end(std::process::Command::new("echo").arg(format!("{MARK}-1")));
    }
}
