//! HTTP/1.1 messages as sent on the wire, with minimal parsing.
//!
//! A library would normalize what these tests check: repeated headers, invalid bytes, spelling.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::support::secrets;

/// A request or a response. Bytes are read as Latin-1, so that each stays visible.
#[derive(Clone)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) start: String,
    /// Headers in their order; names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = latin1(self.body.get(..200).unwrap_or(&self.body));
        write!(f, "`{}` {:?} {body:?}", self.start, self.headers)
    }
}

impl Message {
    /// Reads a message up to its empty line; `None` if the other side has closed.
    pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            if stream.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            let line = latin1(line.trim_ascii_end());
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let mut lines = lines.into_iter();
        let start = lines.next().unwrap_or_default();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                (
                    name.to_ascii_lowercase(),
                    value.trim_matches([' ', '\t']).to_owned(),
                )
            })
            .collect();
        Ok(Some(Self {
            start,
            headers,
            body: Vec::new(),
        }))
    }

    /// Reads the body that a request's headers announce.
    pub(crate) fn read_body(&mut self, stream: &mut impl BufRead) -> io::Result<()> {
        if self.header("transfer-encoding").is_some() {
            self.body = read_chunks(stream)?;
        } else if let Some(length) = self.header("content-length") {
            self.body = vec![0; length.parse().map_err(io::Error::other)?];
            stream.read_exact(&mut self.body)?;
        }
        Ok(())
    }

    /// Reads the body of a response on a connection that closes after it.
    pub(crate) fn read_body_to_end(&mut self, stream: &mut impl BufRead) -> io::Result<()> {
        if self.header("transfer-encoding").is_some() {
            self.body = read_chunks(stream)?;
        } else {
            stream.read_to_end(&mut self.body)?;
        }
        Ok(())
    }

    /// Returns every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Returns the value of a header; panics if it is repeated.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(
            values.len() < 2,
            "`{name}` occurs {} times: {self:?}",
            values.len()
        );
        values.first().copied()
    }

    /// The n-th word of the start line.
    fn word(&self, n: usize) -> &str {
        self.start.split(' ').nth(n).unwrap_or_default()
    }

    /// A request's method.
    pub(crate) fn method(&self) -> &str {
        self.word(0)
    }

    /// A request's target.
    pub(crate) fn target(&self) -> &str {
        self.word(1)
    }

    /// Panics if the message contains a key.
    pub(crate) fn assert_no_key(&self) {
        for (name, value) in &self.headers {
            secrets::assert_none_in(name.as_bytes(), "a response");
            secrets::assert_none_in(value.as_bytes(), "a response");
        }
        secrets::assert_none_in(&self.body, "a response");
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A response's status.
    pub(crate) fn status(&self) -> u16 {
        self.word(1)
            .parse()
            .unwrap_or_else(|_| panic!("no status in `{}`", self.start))
    }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        stream.by_ref().take(size).read_to_end(&mut body)?;
        stream.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Returns the bytes of a text in which each character is one byte.
pub(crate) fn bytes_of(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or_else(|_| panic!("`{c}` is no Latin-1")))
        .collect()
}
