//! The header `cookie`: reading it, and removing the cookies that carry a key.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header::COOKIE};

/// Returns the cookies of one header line, names and values, as RFC 6265, section 5.2 splits them.
///
/// `nginx/keygate.conf` removes the key cookie by the same rule: change both or neither.
pub fn cookies(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
    })
}

/// Returns the cookies of a request in one line, without those with these names.
///
/// There is none if nothing is left, or if the rest still seems to contain one of the names, e.g. behind a comma
/// or quoted inside another cookie: a backend may find the key there.
#[must_use]
pub fn cookies_without(headers: &HeaderMap, names: &[String]) -> Option<HeaderValue> {
    let mut lines = headers.get_all(COOKIE).iter();
    let (first, others) = (lines.next()?, lines);
    let line = others.fold(Cow::Borrowed(first.as_bytes()), |line, next| {
        [&line, next.as_bytes()].join(&b"; "[..]).into()
    });
    let occurs = |name: &String| find(&line, name.as_bytes()).is_some();
    if matches!(line, Cow::Borrowed(_)) && !names.iter().any(occurs) {
        return Some(first.clone());
    }
    let is_key = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or(pair);
        names.iter().any(|key| key.as_bytes() == name.trim_ascii())
    };
    let kept: Vec<_> = line
        .split(|byte| *byte == b';')
        .filter(|pair| !is_key(pair))
        .collect();
    let kept = kept.join(&b';');
    let rest = kept.trim_ascii_start();
    if rest.is_empty() || names.iter().any(|name| looks_set(rest, name.as_bytes())) {
        return None;
    }
    HeaderValue::from_bytes(rest).ok()
}

/// Returns whether the text has the name somewhere as a cookie's name, with its `=`.
fn looks_set(text: &[u8], name: &[u8]) -> bool {
    let mut from = 0;
    while let Some(rest) = text.get(from..) {
        let Some(found) = find(rest, name) else {
            return false;
        };
        let (before, after) = (text.get(..from + found), rest.get(found + name.len()..));
        let is_part = before.and_then(<[u8]>::last);
        let is_part = is_part.is_some_and(|byte| is_token(*byte));
        let is_set = after.is_some_and(|after| after.trim_ascii_start().starts_with(b"="));
        if is_set && !is_part {
            return true;
        }
        from += found + 1;
    }
    false
}

fn find(text: &[u8], name: &[u8]) -> Option<usize> {
    // The settings make sure that a cookie's name is not empty.
    text.windows(name.len().max(1))
        .position(|part| part == name)
}

/// Returns whether a cookie's name may have this byte (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn left(lines: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        let left = cookies_without(&headers, &["key".to_owned(), "k2".to_owned()])?;
        Some(String::from_utf8_lossy(left.as_bytes()).into_owned())
    }

    #[rstest]
    #[case::others("a=b;  c=\"d;e\" ;f", "a=b;  c=\"d;e\" ;f")]
    #[case::of_another_case("KEY=1", "KEY=1")]
    #[case::first("key=1; a=b", "a=b")]
    #[case::last("a=b; key=1", "a=b")]
    #[case::middle("a=b; key=1; c=d", "a=b; c=d")]
    #[case::both_names("a=b; k2=1;key=2;c=d", "a=b;c=d")]
    #[case::repeated("key=1; key=1; a=b; key=1", "a=b")]
    #[case::blanks("a=b;\t key = 1 ;c=d", "a=b;c=d")]
    #[case::without_value("key; a=b", "a=b")]
    #[case::with_equals("key=x=y; a=b", "a=b")]
    #[case::name_inside("xkey=1; keyx=2; key=3", "xkey=1; keyx=2")]
    #[case::name_as_value("a=key; key=1", "a=key")]
    fn the_key_is_removed_and_the_rest_stays(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(left(&[line.as_bytes()]).as_deref(), Some(expected));
    }

    #[rstest]
    #[case::nothing(&[])]
    #[case::alone(&[b"key=1".as_slice()])]
    #[case::alone_twice(&[b"key=1".as_slice(), b" key=2"])]
    #[case::after_a_comma(&[b"a=b,key=1".as_slice()])]
    #[case::quoted(&[b"a=\"x; key=1; y\"; b=\"key=1\"".as_slice()])]
    #[case::in_a_value(&[b"a=key=1".as_slice()])]
    #[case::in_a_value_after_other_names(&[b"xkey=1; a=key=1".as_slice()])]
    fn unclear_cookies_are_removed(#[case] lines: &[&[u8]]) {
        assert_eq!(left(lines), None);
    }

    #[test]
    fn several_lines_become_one() {
        assert_eq!(left(&[b"a=b; key=1", b"c=d"]).as_deref(), Some("a=b; c=d"));
        assert_eq!(left(&[b"a=b", b"c=d"]).as_deref(), Some("a=b; c=d"));
    }

    #[test]
    fn other_bytes_than_text_stay() {
        let left = left(&[b"a=\xff; key=1"]);
        assert_eq!(left.as_deref(), Some("a=\u{fffd}"));
    }
}
