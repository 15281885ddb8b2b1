//! The head of one question.

use std::mem::MaybeUninit;

use http::StatusCode;

use crate::Headers;

/// The most header lines of one question: nginx and Envoy let callers send 100 or less by default,
/// and add a dozen of their own.
pub const MOST_HEADERS: usize = 128;

/// The longest head, in bytes. By default nginx passes on up to 32 KiB of a caller's headers with one
/// line of 8 KiB more, and says the target twice.
pub const LONGEST_HEAD: usize = 128 * 1024;

/// Room for the header lines of one question, to be parsed into.
pub type Slots<'b> = [MaybeUninit<httparse::Header<'b>>; MOST_HEADERS];

/// The head of one question: request line and headers, in the buffer that they came in.
#[derive(Debug, Clone, Copy)]
pub struct Head<'b> {
    /// The method, a token.
    pub method: &'b str,
    /// The request target, as it was sent.
    pub target: &'b str,
    /// The header lines.
    pub headers: Headers<'b>,
    /// Whether the connection ends with the answer: the caller says so, it speaks HTTP/1.0, or it
    /// announces a body, which is never read.
    pub is_last: bool,
    /// How many bytes of the buffer it takes up.
    pub length: usize,
}

/// Why bytes are not a question. There is no telling where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They are not HTTP/1.
    #[error("a question is not HTTP/1: {0}")]
    NotHttp(httparse::Error),
    /// It has too many header lines.
    #[error("a question has more than {MOST_HEADERS} header lines")]
    TooManyHeaders,
    /// It does not end.
    #[error("a question has a head of more than {LONGEST_HEAD} bytes")]
    TooLong,
}

impl Malformed {
    /// The status to answer with: 431 (RFC 6585) or 400.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotHttp(_) => StatusCode::BAD_REQUEST,
            Self::TooManyHeaders | Self::TooLong => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

impl<'b> Head<'b> {
    /// Room to parse one head into.
    #[must_use]
    pub fn slots() -> Slots<'b> {
        [const { MaybeUninit::uninit() }; MOST_HEADERS]
    }

    /// Parses the head that `buffer` begins with; `None` where its end has not come yet.
    ///
    /// # Errors
    /// There is no head, and none can come of these bytes.
    pub fn parse(buffer: &'b [u8], slots: &'b mut Slots<'b>) -> Result<Option<Self>, Malformed> {
        let mut request = httparse::Request::new(&mut []);
        let status = request.parse_with_uninit_headers(buffer, slots);
        let length = match status {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if buffer.len() < LONGEST_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(Malformed::TooLong),
            Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooManyHeaders),
            Err(error) => return Err(Malformed::NotHttp(error)),
        };
        let headers = Headers::new(request.headers);
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Ok(None);
        };
        Ok(Some(Self {
            method,
            target,
            headers,
            is_last: request.version != Some(1) || headers.end_the_connection(),
            length,
        }))
    }

    /// What stands in the target behind a path that services are asked at, such as `/auth`: nothing,
    /// a query, or another path with its query. `None` where the target is another one.
    #[must_use]
    pub fn behind(&self, prefix: &str) -> Option<&'b str> {
        let rest = self.target.strip_prefix(prefix)?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
    }
}

impl Headers<'_> {
    /// RFC 9112, sections 6.3 (a body is announced) and 9.6 (`connection: close`).
    fn end_the_connection(&self) -> bool {
        self.iter().any(|(name, value)| match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => value
                .as_bytes()
                .split(|byte| *byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close")),
            14 => name.eq_ignore_ascii_case("content-length") && value.as_bytes() != b"0",
            17 => name.eq_ignore_ascii_case("transfer-encoding"),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn parse(text: &[u8]) -> Result<Option<(String, bool, usize)>, Malformed> {
        let mut slots = Head::slots();
        let head = Head::parse(text, &mut slots)?;
        Ok(head.map(|head| {
            let line = format!("{} {}", head.method, head.target);
            (line, head.is_last, head.length)
        }))
    }

    #[test]
    fn a_head_ends_where_it_ends_and_not_before() {
        let text = b"GET /auth/a?b HTTP/1.1\r\nhost: h\r\n\r\nGET /next";
        let expected = ("GET /auth/a?b".to_owned(), false, 35);
        assert_eq!(parse(text), Ok(Some(expected)));
        for end in 0..35 {
            assert_eq!(parse(&text[..end]), Ok(None), "{end}");
        }
    }

    #[rstest]
    #[case("/auth", Some(""))]
    #[case("/auth?a", Some("?a"))]
    #[case("/auth/", Some("/"))]
    #[case("/auth//a?b", Some("//a?b"))]
    #[case("/auth-x", None)]
    #[case("/authx/", None)]
    #[case("/Auth", None)]
    #[case("//auth", None)]
    #[case("http://h/auth", None)]
    #[case("*", None)]
    fn a_service_is_asked_at_a_path_or_below_it(#[case] target: &str, #[case] rest: Option<&str>) {
        let text = format!("GET {target} HTTP/1.1\r\n\r\n");
        let mut slots = Head::slots();
        let head = Head::parse(text.as_bytes(), &mut slots).unwrap().unwrap();
        assert_eq!(head.behind("/auth"), rest);
    }

    #[rstest]
    #[case("GET / HTTP/1.1\r\n\r\n", false)]
    #[case("GET / HTTP/1.1\r\nconnection: keep-alive\r\n\r\n", false)]
    #[case("GET / HTTP/1.1\r\nConnection: TE , Close\r\n\r\n", true)]
    #[case("GET / HTTP/1.1\r\nconnection: closed\r\n\r\n", false)]
    #[case("GET / HTTP/1.1\r\nconnection: te\r\nconnection: close\r\n\r\n", true)]
    #[case("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", true)]
    #[case("POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", false)]
    #[case("POST / HTTP/1.1\r\nContent-Length: 00\r\n\r\n", true)]
    #[case("POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody", true)]
    #[case(
        "POST / HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 9\r\n\r\n",
        true
    )]
    #[case("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", true)]
    fn it_is_the_last_where_the_next_could_not_be_told(#[case] text: &str, #[case] is_last: bool) {
        assert_eq!(parse(text.as_bytes()).unwrap().unwrap().1, is_last);
    }

    #[rstest]
    #[case(b"GET / HTTP/2\r\n\r\n")]
    #[case(b"GET  / HTTP/1.1\r\n\r\n")]
    #[case(b"GET / HTTP/1.1\r\na b: c\r\n\r\n")]
    #[case(b"GET / HTTP/1.1\r\na : b\r\n\r\n")]
    #[case(b"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n")]
    #[case(b"GET / HTTP/1.1\r\na: b\0c\r\n\r\n")]
    #[case(b"GET / HTTP/1.1\r\na: b\rc\r\n\r\n")]
    #[case(b"GET /\x7f HTTP/1.1\r\n\r\n")]
    #[case(b"\x16\x03\x01\x02\x00\x01")]
    fn what_could_be_read_in_two_ways_is_not_read(#[case] text: &[u8]) {
        assert_eq!(parse(text).unwrap_err().status(), 400, "{text:?}");
    }

    #[test]
    fn header_lines_are_bounded() {
        let lines = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(parse(lines(MOST_HEADERS).as_bytes()).unwrap().is_some());
        let refused = parse(lines(MOST_HEADERS + 1).as_bytes()).unwrap_err();
        assert_eq!(refused.status(), 431);
    }

    #[test]
    fn a_head_is_bounded() {
        let endless = |length| format!("GET / HTTP/1.1\r\na: {}", "b".repeat(length));
        assert_eq!(parse(endless(LONGEST_HEAD - 100).as_bytes()), Ok(None));
        assert_eq!(
            parse(endless(LONGEST_HEAD).as_bytes()),
            Err(Malformed::TooLong)
        );
    }

    proptest! {
        #[test]
        fn hostile_bytes_end_in_a_head_or_in_an_error(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = parse(&[b"GET /auth HTTP/1.1\r\n", &bytes[..]].concat());
        }
    }
}
