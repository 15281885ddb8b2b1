//! The canonical path: byte for byte nginx's `$uri`.
//!
//! The rules are those of `ngx_http_parse_request_line` and `ngx_http_parse_complex_uri`
//! (nginx, `src/http/ngx_http_parse.c`) with `merge_slashes on`: escapes are decoded once, then
//! separators and dots have their meaning whether they were encoded or not; an escaped `%`, `?` or `#`
//! is a plain character; the path ends at a raw `?` or `#`.

use std::borrow::Cow;

use super::{Ambiguities, Ambiguity};
use crate::Reason;

/// A path as nginx builds `$uri` from the request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'t> {
    bytes: Cow<'t, [u8]>,
    ambiguities: Ambiguities,
}

/// The error for a request target without a canonical path: nginx responds 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither a path nor an absolute URI, e.g. `*` or `example.com:443`.
    #[error("the request target is not a path: send it exactly as in the request line")]
    NotAPath,
    /// A spelling that nginx rejects and other servers interpret differently.
    #[error("servers interpret the request target differently ({0}): use a plain path")]
    Ambiguous(Ambiguity),
}

impl TargetError {
    /// Returns the reason to deny with.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::NotAPath => Reason::MalformedRequest,
            Self::Ambiguous(_) => Reason::AmbiguousPath,
        }
    }
}

impl<'t> CanonicalPath<'t> {
    /// Parses a raw request target: path and query, or an absolute URI (RFC 9112, section 3.2).
    ///
    /// Borrows if the target is already canonical.
    ///
    /// # Errors
    /// nginx would respond 400.
    pub fn parse(target: &'t [u8]) -> Result<Self, TargetError> {
        if has_control_byte(target) {
            return Err(TargetError::Ambiguous(Ambiguity::ControlByte));
        }
        let target = origin_form(target).ok_or(TargetError::NotAPath)?;
        match plain_prefix(target) {
            Some(plain) => Ok(Self {
                bytes: Cow::Borrowed(plain),
                ambiguities: Ambiguities::default(),
            }),
            None => Normalizer::new(target.len()).run(target),
        }
    }

    /// Returns the decoded path; it starts with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the spellings in this path that servers interpret differently.
    #[must_use]
    pub fn ambiguities(&self) -> Ambiguities {
        self.ambiguities
    }
}

/// Whether the target, including its query, contains a space or a control character: nginx responds
/// 400, and a space ends the request line.
fn has_control_byte(target: &[u8]) -> bool {
    target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)
}

/// Returns the rest of the target from the path on, as nginx cuts it from the request line.
pub(super) fn origin_form(target: &[u8]) -> Option<&[u8]> {
    if target.first() == Some(&b'/') {
        return Some(target);
    }
    let scheme_length = target.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at_checked(scheme_length)?;
    let is_scheme = scheme.first()?.is_ascii_alphabetic()
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !is_scheme {
        return None;
    }
    let authority = rest.strip_prefix(b"://")?;
    let rest = skip_host(authority)?;
    let rest = match rest.strip_prefix(b":") {
        Some(port) => skip_digits(port),
        None => rest,
    };
    match rest.first() {
        Some(b'/') => Some(rest),
        Some(b'?') | None => Some(b"/"),
        Some(_) => None,
    }
}

fn skip_host(authority: &[u8]) -> Option<&[u8]> {
    if let Some(literal) = authority.strip_prefix(b"[") {
        let end = literal.iter().position(|byte| *byte == b']')?;
        let (address, rest) = literal.split_at_checked(end)?;
        let allowed =
            |byte: &u8| byte.is_ascii_alphanumeric() || b":-._~!$&'()*+,;=".contains(byte);
        return address.iter().all(allowed).then(|| rest.get(1..)).flatten();
    }
    let end = authority
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || b".-".contains(byte)))
        .unwrap_or(authority.len());
    // `ngx_http_validate_host` rejects an empty name or label.
    let (host, rest) = authority.split_at_checked(end)?;
    let has_empty_label = host.windows(2).any(|pair| pair == b"..");
    if matches!(host, b"" | b".") || has_empty_label {
        None
    } else {
        Some(rest)
    }
}

fn skip_digits(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// Returns the path if it is already canonical and unambiguous.
fn plain_prefix(target: &[u8]) -> Option<&[u8]> {
    let mut rest = target;
    let mut length = 0;
    loop {
        let Some(skipped) = rest.iter().position(|byte| !is_plain(*byte)) else {
            return Some(target);
        };
        length += skipped;
        rest = rest.get(skipped..)?;
        match rest {
            [b'?', ..] => return target.get(..length),
            [b'/', after @ ..] if !is_complex_segment(after) => {
                length += 1;
                rest = after;
            }
            _ => return None,
        }
    }
}

/// Whether the segment at the start of `after`, which follows a slash, is `.`, `..` or an empty
/// segment that is not the last.
fn is_complex_segment(after: &[u8]) -> bool {
    matches!(
        after,
        [b'/', ..]
            | [b'.']
            | [b'.', b'/' | b'?' | b'#', ..]
            | [b'.', b'.']
            | [b'.', b'.', b'/' | b'?' | b'#', ..]
    )
}

/// Visible ASCII without a special meaning in any server.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'/' | b'?' | b'#' | b'%' | b';' | b'\\')
}

/// How a character of the path was spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Raw,
    Escaped,
}

/// Builds the path segment by segment.
struct Normalizer {
    /// The path so far; it starts with `/`.
    path: Vec<u8>,
    /// Where the current segment starts in `path`; the byte before it is `/`.
    segment: usize,
    /// Whether the current segment, or the slash before it, contained an escape.
    segment_is_escaped: bool,
    ambiguities: Ambiguities,
}

impl Normalizer {
    fn new(capacity: usize) -> Self {
        let mut path = Vec::with_capacity(capacity);
        path.push(b'/');
        let ambiguities = Ambiguities::default();
        Self {
            path,
            segment: 1,
            segment_is_escaped: false,
            ambiguities,
        }
    }

    fn run(mut self, target: &[u8]) -> Result<CanonicalPath<'_>, TargetError> {
        let mut rest = target.get(1..).unwrap_or_default();
        loop {
            let (byte, spelling) = match rest {
                [] | [b'?', ..] => break,
                [b'#', ..] => {
                    self.ambiguities.insert(Ambiguity::Fragment);
                    break;
                }
                [b'%', high, low, after @ ..] => {
                    rest = after;
                    let byte = hexadecimal(*high, *low)
                        .ok_or(TargetError::Ambiguous(Ambiguity::InvalidEscape))?;
                    (byte, Spelling::Escaped)
                }
                [b'%', ..] => return Err(TargetError::Ambiguous(Ambiguity::InvalidEscape)),
                [byte, after @ ..] => {
                    rest = after;
                    (*byte, Spelling::Raw)
                }
            };
            self.push(byte, spelling)?;
        }
        self.end_segment(None)?;
        Ok(self.finish(target))
    }

    fn push(&mut self, byte: u8, spelling: Spelling) -> Result<(), TargetError> {
        let escaped = spelling == Spelling::Escaped;
        match (byte, spelling) {
            (b'/', _) => {
                if escaped {
                    self.ambiguities.insert(Ambiguity::EncodedSlash);
                }
                return self.end_segment(Some(spelling));
            }
            (0, Spelling::Escaped) => return Err(TargetError::Ambiguous(Ambiguity::Nul)),
            (0..=0x1f | 0x7f, _) => self.ambiguities.insert(Ambiguity::ControlByte),
            (b'\\', Spelling::Raw) => self.ambiguities.insert(Ambiguity::Backslash),
            (b'\\', Spelling::Escaped) => self.ambiguities.insert(Ambiguity::EncodedBackslash),
            (b';', _) => self.ambiguities.insert(Ambiguity::PathParameter),
            (b'?' | b'#', Spelling::Escaped) => {
                self.ambiguities.insert(Ambiguity::EncodedDelimiter);
            }
            _ => {}
        }
        self.segment_is_escaped |= escaped;
        self.path.push(byte);
        Ok(())
    }

    /// Ends the current segment at a slash, or at the end of the path if `slash` is `None`.
    fn end_segment(&mut self, slash: Option<Spelling>) -> Result<(), TargetError> {
        let slash_is_escaped = slash == Some(Spelling::Escaped);
        self.note_hidden_characters();
        let dots = match self.path.get(self.segment..).unwrap_or_default() {
            b"" => {
                if slash.is_some() {
                    self.ambiguities.insert(Ambiguity::RepeatedSlash);
                }
                self.segment_is_escaped |= slash_is_escaped;
                return Ok(());
            }
            b"." => 1,
            b".." => 2,
            _ => {
                if slash.is_some() {
                    self.path.push(b'/');
                }
                self.segment = self.path.len();
                self.segment_is_escaped = slash_is_escaped;
                return Ok(());
            }
        };
        let is_escaped = self.segment_is_escaped || slash_is_escaped;
        self.ambiguities.insert(if is_escaped {
            Ambiguity::EncodedDotSegment
        } else {
            Ambiguity::DotSegment
        });
        if dots == 2 {
            self.segment = self
                .path
                .get(..self.segment - 1)
                .and_then(|parents| parents.iter().rposition(|byte| *byte == b'/'))
                .map(|slash| slash + 1)
                .ok_or(TargetError::Ambiguous(Ambiguity::AboveRoot))?;
        }
        self.path.truncate(self.segment);
        self.segment_is_escaped = slash_is_escaped;
        Ok(())
    }

    /// Records characters of the current segment that another decoding would change. It is called for
    /// each segment, since `..` may remove it from the path.
    fn note_hidden_characters(&mut self) {
        let segment = self.path.get(self.segment..).unwrap_or_default();
        let is_escape =
            |bytes: &[u8]| matches!(bytes, [b'%', a, b] if hexadecimal(*a, *b).is_some());
        if segment.windows(3).any(is_escape) {
            self.ambiguities.insert(Ambiguity::DoubleEncoding);
        }
        if std::str::from_utf8(segment).is_err() {
            self.ambiguities.insert(Ambiguity::InvalidUtf8);
        }
    }

    fn finish(self, target: &[u8]) -> CanonicalPath<'_> {
        let bytes = match target.get(..self.path.len()) {
            Some(same) if same == self.path => Cow::Borrowed(same),
            _ => Cow::Owned(self.path),
        };
        CanonicalPath {
            bytes,
            ambiguities: self.ambiguities,
        }
    }
}

/// Returns the byte of two hexadecimal digits.
pub(super) fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::path::interpretations::Interpretation;

    /// `$uri` of nginx 1.22.1 and 1.31.3 for the same targets.
    #[rstest::rstest]
    #[case("/", "/", &[])]
    #[case("/a/b", "/a/b", &[])]
    #[case("/a?b#c", "/a", &[])]
    #[case("/a?b/../c", "/a", &[])]
    #[case("/.well-known/x", "/.well-known/x", &[])]
    #[case("/..a/...", "/..a/...", &[])]
    #[case("/%61%2D", "/a-", &[])]
    #[case("/caf%C3%A9", "/caf\u{e9}", &[])]
    #[case("/caf\u{e9}", "/caf\u{e9}", &[])]
    #[case("/100%25", "/100%", &[])]
    #[case("//a///b//", "/a/b/", &["repeated-slash"])]
    #[case("/a/./b/.", "/a/b/", &["dot-segment"])]
    #[case("/a/../b", "/b", &["dot-segment"])]
    #[case("/a/b/..", "/a/", &["dot-segment"])]
    #[case("/a/..?x", "/", &["dot-segment"])]
    #[case("/a//../b", "/b", &["dot-segment", "repeated-slash"])]
    #[case("/a/%2e%2E/b", "/b", &["encoded-dot-segment"])]
    #[case("/a/.%2e/b", "/b", &["encoded-dot-segment"])]
    #[case("/a/%2e/b", "/a/b", &["encoded-dot-segment"])]
    #[case("/a/b%2f../c", "/a/c", &["encoded-slash", "encoded-dot-segment"])]
    #[case("/a/..%2fc", "/c", &["encoded-slash", "encoded-dot-segment"])]
    #[case("/a%2Fb", "/a/b", &["encoded-slash"])]
    #[case("/a/%2Fb", "/a/b", &["encoded-slash", "repeated-slash"])]
    #[case("/a\\b", "/a\\b", &["backslash"])]
    #[case("/a%5Cb", "/a\\b", &["encoded-backslash"])]
    #[case("/a;b", "/a;b", &["path-parameter"])]
    #[case("/a/..;/b", "/a/..;/b", &["path-parameter"])]
    #[case("/a%3Bb", "/a;b", &["path-parameter"])]
    #[case("/a%252fb", "/a%2fb", &["double-encoding"])]
    #[case("/a%25%32%66b", "/a%2fb", &["double-encoding"])]
    #[case("/%2561", "/%61", &["double-encoding"])]
    #[case("/a/%252f/../b", "/a/b", &["double-encoding", "dot-segment"])]
    #[case("/a/%c0%af/../b", "/a/b", &["invalid-utf-8", "dot-segment"])]
    #[case("/a%0ab", "/a\nb", &["control-byte"])]
    #[case("/a%3Fb", "/a?b", &["encoded-delimiter"])]
    #[case("/a%23b", "/a#b", &["encoded-delimiter"])]
    #[case("/a#b", "/a", &["fragment"])]
    #[case("/a/..#b", "/", &["dot-segment", "fragment"])]
    #[case("http://h/a/../b", "/b", &["dot-segment"])]
    #[case("http://h", "/", &[])]
    #[case("http://h?a", "/", &[])]
    #[case("HTTPS://[::1]:8443/a", "/a", &[])]
    #[case("h+t.p-2://h:/a", "/a", &[])]
    fn the_canonical_path_equals_uri_of_nginx(
        #[case] target: &str,
        #[case] path: &str,
        #[case] classes: &[&str],
    ) {
        let parsed = CanonicalPath::parse(target.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(parsed.as_bytes()), path);
        let mut found: Vec<_> = parsed.ambiguities().iter().map(Ambiguity::as_str).collect();
        let mut expected = classes.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[rstest::rstest]
    #[case("/%c0%af")]
    #[case("/%ff")]
    fn bytes_that_are_no_utf_8_are_named(#[case] target: &str) {
        let parsed = CanonicalPath::parse(target.as_bytes()).unwrap();
        assert!(parsed.ambiguities().contains(Ambiguity::InvalidUtf8));
    }

    #[rstest::rstest]
    #[case("", "malformed-request")]
    #[case("*", "malformed-request")]
    #[case("a", "malformed-request")]
    #[case("example.com:443", "malformed-request")]
    #[case("http:/h/a", "malformed-request")]
    #[case("http:///a", "malformed-request")]
    #[case("http://./a", "malformed-request")]
    #[case("http://a..b/a", "malformed-request")]
    #[case("http://u@h/a", "malformed-request")]
    #[case("http://h#a", "malformed-request")]
    #[case("http://h:80a/", "malformed-request")]
    #[case("1http://h/", "malformed-request")]
    #[case("http://[::1/a", "malformed-request")]
    #[case("/..", "ambiguous-path")]
    #[case("/a/../..", "ambiguous-path")]
    #[case("/%00", "ambiguous-path")]
    #[case("/%", "ambiguous-path")]
    #[case("/%4", "ambiguous-path")]
    #[case("/%u002f", "ambiguous-path")]
    #[case("/a\tb", "ambiguous-path")]
    #[case("/a b", "ambiguous-path")]
    #[case("/a?\u{1}", "ambiguous-path")]
    fn a_target_that_nginx_rejects_has_no_path(#[case] target: &str, #[case] reason: &str) {
        let error = CanonicalPath::parse(target.as_bytes()).unwrap_err();
        assert_eq!(error.reason().as_str(), reason);
    }

    #[rstest::rstest]
    #[case("/")]
    #[case("/orders/17/.refund?a=%2f..%2f")]
    #[case("/.well-known/~x/a-b_c")]
    #[case("http://h/orders")]
    fn a_canonical_target_is_borrowed(#[case] target: &str) {
        let parsed = CanonicalPath::parse(target.as_bytes()).unwrap();
        assert!(matches!(parsed.bytes, Cow::Borrowed(_)));
    }

    proptest! {
        /// The fast parser and the slow, simple one agree.
        #[test]
        fn the_nginx_interpretation_is_the_canonical_path(
            target in "/([ab./]|%2[ef]|%2F|%25|%3[bf]|%5c|%c3%a9|;|[?#\\\\]){0,14}",
        ) {
            if let Ok(parsed) = CanonicalPath::parse(target.as_bytes()) {
                let path = Interpretation::NGINX.path(target.as_bytes());
                prop_assert_eq!(parsed.as_bytes(), path);
            }
        }

        #[test]
        fn any_bytes_are_a_path_or_an_error(target: Vec<u8>) {
            if let Ok(parsed) = CanonicalPath::parse(&target) {
                prop_assert_eq!(parsed.as_bytes().first(), Some(&b'/'));
            }
        }
    }
}
