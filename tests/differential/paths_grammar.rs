//! Generates request targets of attackers who try to bypass a rule.
//!
//! The comparison with nginx and the fuzz target use the same grammar: it calls `choose` for every choice,
//! so that a seeded generator or a fuzzer's bytes can drive it.

/// Segments in the policies under test, and some similar ones.
const WORDS: [&str; 12] = [
    "a", "a", "b", "b", "ab", "a.b", "a%25b", "x", "A", "%61", "\u{e4}", "%c3%a4",
];

/// Separators of segments on some server.
const SEPARATORS: [&str; 14] = [
    "//", "///", "%2f", "%2F", "%252f", "\\", "%5c", "%5C", "%255c", ";/", "/;/", "/.;/", "%c0%af",
    "%00/",
];

/// Dot segments on some server.
const DOTS: [&str; 20] = [
    ".",
    "..",
    "...",
    "%2e",
    "%2E%2e",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "..;",
    "..;x=y",
    ";..",
    "..%3b",
    "..%2f",
    "..%5c",
    "..\\",
    "..%00",
    "..#",
    "..?",
    "%c0%ae%c0%ae",
    ".%20",
];

/// Characters with a special meaning for some parser.
const SPECIAL: &[u8] = b"%./;\\#?&=:@+~*'\"<>[]{}|^`!$(), \t\0\x01\x1f\x7f\x80\xaf\xc0\xe2\xff";

/// The ends of paths.
const TAILS: [&str; 18] = [
    "", "", "", "", "/", "//", "/.", "/..", "?", "?a=/../b", "#", "#/../b", "?#", "%3f",
    "%23/../b", ";x", "/b", "/%2e%2e/",
];

/// Texts before the path in other forms of the target (RFC 9112, section 3.2).
const AUTHORITIES: [&str; 22] = [
    "http://host",
    "http://host:8080",
    "https://host",
    "HTTP://HOST",
    "http://[::1]",
    "http://[::1]:80",
    "http://user@host",
    "http://",
    "http:/",
    "http:",
    "http:///",
    "http://host:",
    "http://host:80x",
    "http://host..x",
    "ftp+x.1://host",
    "://host",
    "//host",
    "http://ho%73t",
    "http://host\\",
    "1http://host",
    "http://host#",
    "http://host?",
];

/// Targets without a path.
const OTHER_FORMS: [&str; 8] = ["*", "host:80", "host", "a/b", "?a", "#", ".", "%2fa"];

/// Returns a target; `choose(n)` returns a number below `n`.
///
/// It contains no line break, which would end the request line.
pub(crate) fn target(choose: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut target = Vec::new();
    match choose(40) {
        0 => target.extend(one_of(choose, &OTHER_FORMS).bytes()),
        1..=5 => {
            target.extend(one_of(choose, &AUTHORITIES).bytes());
            if choose(4) > 0 {
                path(choose, &mut target);
            }
        }
        _ => path(choose, &mut target),
    }
    for _ in 0..[0, 0, 0, 1, 1, 2, 3][choose(7)] {
        mutate(choose, &mut target);
    }
    target.retain(|byte| !b"\r\n".contains(byte));
    if target.is_empty() {
        target.push(b'/');
    }
    target
}

fn one_of<'t>(choose: &mut impl FnMut(usize) -> usize, texts: &[&'t str]) -> &'t str {
    texts[choose(texts.len())]
}

fn path(choose: &mut impl FnMut(usize) -> usize, target: &mut Vec<u8>) {
    for at in 0..=choose(6) {
        if at == 0 || choose(4) > 0 {
            target.push(b'/');
        } else {
            target.extend(one_of(choose, &SEPARATORS).bytes());
        }
        match choose(if at == 0 { 7 } else { 10 }) {
            0..=4 => target.extend(one_of(choose, &WORDS).bytes()),
            5 => (0..=choose(3)).for_each(|_| character(choose, target)),
            6 => {}
            // Not at the start: nginx rejects targets above the root.
            _ => target.extend(one_of(choose, &DOTS).bytes()),
        }
    }
    target.extend(one_of(choose, &TAILS).bytes());
}

/// Appends a character, plain or escaped.
fn character(choose: &mut impl FnMut(usize) -> usize, target: &mut Vec<u8>) {
    let byte = match choose(3) {
        0 => SPECIAL[choose(SPECIAL.len())],
        1 => b"ab0fF"[choose(5)],
        _ => u8::try_from(choose(256)).unwrap_or(b'%'),
    };
    if choose(2) == 0 {
        target.push(byte);
    } else {
        target.extend(escape(choose, byte));
    }
}

fn escape(choose: &mut impl FnMut(usize) -> usize, byte: u8) -> Vec<u8> {
    match choose(4) {
        0 => format!("%{byte:02X}").into_bytes(),
        1 => format!("%25{byte:02x}").into_bytes(),
        _ => format!("%{byte:02x}").into_bytes(),
    }
}

/// Changes one character.
fn mutate(choose: &mut impl FnMut(usize) -> usize, target: &mut Vec<u8>) {
    if target.is_empty() {
        return;
    }
    let at = choose(target.len());
    match choose(8) {
        0 if at > 0 => drop(target.remove(at)),
        1 => target.insert(at, target[at]),
        2 if at > 0 => target[at] = SPECIAL[choose(SPECIAL.len())],
        3 => {
            let mut inserted = Vec::new();
            character(choose, &mut inserted);
            target.splice(at..at, inserted);
        }
        // The most useful case: another spelling of the same path.
        _ => {
            let escaped = escape(choose, target[at]);
            target.splice(at..=at, escaped);
        }
    }
}
