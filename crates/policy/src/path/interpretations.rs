//! The interpretations of a request target by known servers.
//!
//! Slow and simple on purpose: each interpretation is a few steps over the text, in the order in which
//! that server takes them. One of them is nginx's, and a test compares it with
//! [`CanonicalPath`](super::CanonicalPath).

use super::{Ambiguities, Ambiguity, canonical};

/// How often a server decodes escapes, and which ones it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// Once: nginx and most others.
    Once,
    /// Twice: a proxy decodes before a backend that decodes again.
    Twice,
    /// Once, but `%2F` and `%5C` are kept: routers that split before they decode.
    KeepSeparators,
}

/// How a server handles `;` and the rest of its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameters {
    /// It is an ordinary character.
    Kept,
    /// Cut before escapes are decoded: Tomcat, Jetty.
    CutBeforeDecoding,
    /// Cut after escapes are decoded, so `%3B` counts too: Spring's older path helper.
    CutAfterDecoding,
}

/// When a server resolves `.` and `..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dots {
    /// After decoding: nginx, Tomcat, IIS.
    ResolvedAfterDecoding,
    /// Before decoding: RFC 3986, section 6.2.2.3, on the raw path.
    ResolvedBeforeDecoding,
    /// Never: Express, Flask, Starlette, axum and others match the raw segments.
    Kept,
}

/// One way to interpret a request target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent property of a server"
)]
pub struct Interpretation {
    /// How escapes are decoded.
    pub decoding: Decoding,
    /// How `;` is handled.
    pub parameters: Parameters,
    /// When `.` and `..` are resolved.
    pub dots: Dots,
    /// Whether `\` is a separator: IIS, WHATWG URL parsers.
    pub backslash_separates: bool,
    /// Whether repeated slashes are merged: nginx with `merge_slashes on`.
    pub merges_slashes: bool,
    /// Whether `//host/path` is a host and a path: `new URL(target, base)`.
    pub takes_host: bool,
    /// Whether a raw `#` ends the path: nginx does so, Go's `ParseRequestURI` does not.
    pub cuts_fragment: bool,
    /// Whether a decoded `?` or `#` ends the path: Apache's `mod_rewrite` substitutions.
    pub cuts_decoded_delimiter: bool,
    /// Whether overlong UTF-8, e.g. `%C0%AF`, is decoded: old IIS, old Java.
    pub accepts_overlong: bool,
}

impl Interpretation {
    /// nginx's interpretation, and so that of [`CanonicalPath`](super::CanonicalPath).
    pub const NGINX: Self = Self {
        decoding: Decoding::Once,
        parameters: Parameters::Kept,
        dots: Dots::ResolvedAfterDecoding,
        backslash_separates: false,
        merges_slashes: true,
        takes_host: false,
        cuts_fragment: true,
        cuts_decoded_delimiter: false,
        accepts_overlong: false,
    };

    /// Returns the known interpretations that may differ from nginx's for these ambiguities.
    #[must_use]
    pub fn differing_on(found: Ambiguities) -> Vec<Self> {
        use Ambiguity as A;
        // These can hide other ambiguities, because a server may decode them to any character.
        let hides_others = [A::DoubleEncoding, A::InvalidUtf8, A::Fragment]
            .iter()
            .any(|c| found.contains(*c));
        let any = |classes: &[Ambiguity]| {
            hides_others || classes.iter().any(|class| found.contains(*class))
        };
        let mut interpretations = Interpretations(vec![Self::NGINX]);
        // Any class may produce dots and slashes when a server cuts, splits or decodes.
        interpretations.vary(&[
            |interpretation| interpretation.dots = Dots::ResolvedBeforeDecoding,
            |interpretation| interpretation.dots = Dots::Kept,
        ]);
        interpretations.vary(&[|interpretation| interpretation.merges_slashes = false]);
        interpretations.vary(&[|interpretation| interpretation.takes_host = true]);
        if hides_others {
            interpretations.vary(&[
                |interpretation| interpretation.decoding = Decoding::KeepSeparators,
                |interpretation| interpretation.decoding = Decoding::Twice,
            ]);
        } else if any(&[A::EncodedSlash, A::EncodedBackslash]) {
            interpretations
                .vary(&[|interpretation| interpretation.decoding = Decoding::KeepSeparators]);
        }
        if any(&[A::PathParameter]) {
            interpretations.vary(&[
                |interpretation| interpretation.parameters = Parameters::CutBeforeDecoding,
                |interpretation| interpretation.parameters = Parameters::CutAfterDecoding,
            ]);
        }
        if any(&[A::Backslash, A::EncodedBackslash]) {
            interpretations.vary(&[|interpretation| interpretation.backslash_separates = true]);
        }
        if any(&[A::EncodedDelimiter]) {
            interpretations.vary(&[|interpretation| interpretation.cuts_decoded_delimiter = true]);
        }
        if hides_others {
            interpretations.vary(&[|interpretation| interpretation.accepts_overlong = true]);
        }
        if found.contains(A::Fragment) {
            interpretations.vary(&[|interpretation| interpretation.cuts_fragment = false]);
        }
        interpretations.0
    }

    /// Returns the path of a raw request target under this interpretation; it starts with `/`.
    #[must_use]
    pub fn path(&self, target: &[u8]) -> Vec<u8> {
        let target = canonical::origin_form(target).unwrap_or(target);
        let ends_path = |byte: &u8| *byte == b'?' || (self.cuts_fragment && *byte == b'#');
        let mut path = before(target, ends_path).to_vec();
        if self.takes_host {
            path = without_host(path, self.backslash_separates);
        }
        if self.parameters == Parameters::CutBeforeDecoding {
            path = without_parameters(&path);
        }
        if self.dots == Dots::ResolvedBeforeDecoding {
            path = resolve_dots(&path);
        }
        path = decode(&path, self.decoding == Decoding::KeepSeparators);
        if self.decoding == Decoding::Twice {
            path = decode(&path, false);
        }
        if self.accepts_overlong {
            path = shorten_overlong(&path);
        }
        if self.backslash_separates {
            path.iter_mut()
                .filter(|byte| **byte == b'\\')
                .for_each(|byte| *byte = b'/');
        }
        if self.parameters == Parameters::CutAfterDecoding {
            path = without_parameters(&path);
        }
        if self.cuts_decoded_delimiter {
            path = before(&path, |byte| b"?#".contains(byte)).to_vec();
        }
        if self.merges_slashes {
            path.dedup_by(|second, first| *second == b'/' && *first == b'/');
        }
        if self.dots == Dots::ResolvedAfterDecoding {
            path = resolve_dots(&path);
        }
        if path.first() != Some(&b'/') {
            path.insert(0, b'/');
        }
        path
    }

    /// Returns whether `path` can be ignored if no endpoint covers it.
    ///
    /// A path that differs from a covered one only by empty segments or single dots reaches no other
    /// resource on a server that keeps these; with `..` it may.
    #[must_use]
    pub fn may_lead_nowhere(&self, path: &[u8]) -> bool {
        !self.merges_slashes
            || self.takes_host
            || (self.dots == Dots::Kept && !path.split(|byte| *byte == b'/').any(|s| s == b".."))
    }
}

/// The interpretations being collected.
struct Interpretations(Vec<Interpretation>);

impl Interpretations {
    /// Adds, for each interpretation so far, one that differs in one property.
    fn vary(&mut self, changes: &[fn(&mut Interpretation)]) {
        let siblings = self.0.iter().flat_map(|interpretation| {
            changes.iter().map(|change| {
                let mut sibling = *interpretation;
                change(&mut sibling);
                sibling
            })
        });
        let siblings: Vec<_> = siblings.collect();
        self.0.extend(siblings);
    }
}

fn before(path: &[u8], ends: impl Fn(&u8) -> bool) -> &[u8] {
    path.split(ends).next().unwrap_or(path)
}

fn without_host(path: Vec<u8>, backslash_separates: bool) -> Vec<u8> {
    let separates = |byte: &u8| *byte == b'/' || (backslash_separates && *byte == b'\\');
    match path.as_slice() {
        [first, second, after @ ..] if separates(first) && separates(second) => {
            let host_length = after.iter().position(separates).unwrap_or(after.len());
            after.get(host_length..).unwrap_or_default().to_vec()
        }
        _ => path,
    }
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments: Vec<_> = path
        .split(|byte| *byte == b'/')
        .map(|segment| before(segment, |b| *b == b';'))
        .collect();
    segments.join(&b'/')
}

fn decode(path: &[u8], keep_separators: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => canonical::hexadecimal(*high, *low),
            _ => None,
        };
        let escaped = escaped.filter(|byte| !(keep_separators && b"/\\".contains(byte)));
        decoded.push(escaped.unwrap_or(*byte));
        let skipped = if escaped.is_some() { 2 } else { 0 };
        rest = after.get(skipped..).unwrap_or_default();
    }
    decoded
}

/// Decodes two-byte forms of one-byte characters.
fn shorten_overlong(path: &[u8]) -> Vec<u8> {
    let mut short = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        if let [lead @ 0xc0..=0xc1, follow @ 0x80..=0xbf, after @ ..] = rest {
            short.push((lead & 0x1f) << 6 | (follow & 0x3f));
            rest = after;
        } else {
            short.push(*byte);
            rest = after;
        }
    }
    short
}

/// RFC 3986, section 5.2.4: `..` above the root stays at the root.
fn resolve_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path
        .strip_prefix(b"/")
        .unwrap_or(path)
        .split(|b| *b == b'/')
        .peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => {
                kept.pop();
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push(b"");
        }
    }
    let mut resolved = vec![b'/'];
    resolved.extend(kept.join(&b'/'));
    resolved
}
