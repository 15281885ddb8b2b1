//! The canonical path: byte for byte what nginx puts into `$uri`.
//!
//! The rules are those of `ngx_http_parse_request_line` and `ngx_http_parse_complex_uri`
//! (nginx, `src/http/ngx_http_parse.c`) with `merge_slashes on`: escapes are decoded once, then
//! separators and dots count however they were written; an escaped `%`, `?` or `#` is a plain
//! character; the path ends at a raw `?` or `#`.

use std::borrow::Cow;

use super::{Ambiguities, Ambiguity};
use crate::Reason;

/// A path as nginx builds `$uri` from the request target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'t> {
    bytes: Cow<'t, [u8]>,
    ambiguities: Ambiguities,
}

/// A request target without a canonical path: nginx answers 400 to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither a path nor an absolute URI, e.g. `*` or `example.com:443`.
    #[error("the request target is no path: send it as it stands in the request line")]
    NotAPath,
    /// A spelling that nginx refuses and other servers read in their own way.
    #[error("the request target has no single reading ({0}): spell the path plainly")]
    Ambiguous(Ambiguity),
}

impl TargetError {
    /// The reason to deny with.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::NotAPath => Reason::MalformedRequest,
            Self::Ambiguous(_) => Reason::AmbiguousPath,
        }
    }
}

impl<'t> CanonicalPath<'t> {
    /// Reads a raw request target: path and query, or an absolute URI (RFC 9112, section 3.2).
    ///
    /// Borrows where the target is canonical already.
    ///
    /// # Errors
    /// nginx would answer 400.
    pub fn parse(target: &'t [u8]) -> Result<Self, TargetError> {
        let target = origin_form(target).ok_or(TargetError::NotAPath)?;
        match plain_prefix(target) {
            Some(plain) => Ok(Self {
                bytes: Cow::Borrowed(plain),
                ambiguities: Ambiguities::default(),
            }),
            None => Normalizer::new(target.len()).run(target),
        }
    }

    /// The decoded path; it starts with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What servers read differently in this path.
    #[must_use]
    pub fn ambiguities(&self) -> Ambiguities {
        self.ambiguities
    }
}

/// The part of the target that starts with the path, as nginx cuts it from the request line.
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
    if end == 0 { None } else { authority.get(end..) }
}

fn skip_digits(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// The path, if it is canonical as it stands and nobody reads it differently.
fn plain_prefix(target: &[u8]) -> Option<&[u8]> {
    let mut rest = target;
    let mut length = 0;
    loop {
        let here = rest.iter().position(|byte| !PLAIN[usize::from(*byte)]);
        let Some(skipped) = here else {
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

/// Whether the segment at the start of `after`, which follows a slash, is empty with more to
/// come, `.` or `..`.
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

/// Visible ASCII that means nothing special to any server.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        plain[byte] = !matches!(byte as u8, b'/' | b'?' | b'#' | b'%' | b';' | b'\\');
        byte += 1;
    }
    plain
};

/// How one character of the path was written.
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
    /// Whether an escape took part in the current segment or in the slash before it.
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
            (0..=0x20 | 0x7f, Spelling::Raw) => {
                return Err(TargetError::Ambiguous(Ambiguity::ControlByte));
            }
            (0..=0x1f | 0x7f, Spelling::Escaped) => self.ambiguities.insert(Ambiguity::ControlByte),
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

    /// Ends the current segment by a slash, or by the end of the path where `slash` is `None`.
    fn end_segment(&mut self, slash: Option<Spelling>) -> Result<(), TargetError> {
        let slash_is_escaped = slash == Some(Spelling::Escaped);
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

    fn finish(mut self, target: &[u8]) -> CanonicalPath<'_> {
        let is_escape =
            |bytes: &[u8]| matches!(bytes, [b'%', a, b] if hexadecimal(*a, *b).is_some());
        if self.path.windows(3).any(is_escape) {
            self.ambiguities.insert(Ambiguity::DoubleEncoding);
        }
        if std::str::from_utf8(&self.path).is_err() {
            self.ambiguities.insert(Ambiguity::InvalidUtf8);
        }
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

/// The byte that two hexadecimal digits stand for.
pub(super) fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}
