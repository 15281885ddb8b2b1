//! One answer, written.

use http::{HeaderName, StatusCode};

use crate::Value;

/// An answer with an empty body, written straight into a buffer.
///
/// `content-length: 0` always stands there: nginx does not read the body of an authorization answer,
/// and drops the connection over one.
#[derive(Debug)]
#[must_use = "an answer is not whole before it is ended"]
pub struct Response<'o>(&'o mut Vec<u8>);

impl<'o> Response<'o> {
    /// Begins an answer.
    pub fn begin(out: &'o mut Vec<u8>, status: StatusCode) -> Self {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        out.extend_from_slice(b"\r\ncontent-length: 0\r\n");
        Self(out)
    }

    /// Adds a header line; neither a name nor a value can hold a line break.
    pub fn header<'v>(&mut self, name: &HeaderName, value: impl Into<Value<'v>>) {
        self.0.extend_from_slice(name.as_str().as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value.into().as_bytes());
        self.0.extend_from_slice(b"\r\n");
    }

    /// Ends the answer.
    pub fn end(self) {
        self.0.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn an_answer_is_a_head_alone() {
        let mut out = b"before ".to_vec();
        let mut response = Response::begin(&mut out, StatusCode::UNAUTHORIZED);
        response.header(
            &header::WWW_AUTHENTICATE,
            &HeaderValue::from_static("ApiKey"),
        );
        response.end();
        let text = "before HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nwww-authenticate: ApiKey\r\n\r\n";
        assert_eq!(out, text.as_bytes());
    }
}
