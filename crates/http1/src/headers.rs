//! Header lines, looked up by name.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// The header lines of one question, in their order. A name may stand there more than once.
#[derive(Clone, Copy)]
pub struct Headers<'b>(&'b [httparse::Header<'b>]);

/// The value of one header line: without a line break, and without blanks around it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'b>(&'b [u8]);

impl<'b> Headers<'b> {
    pub(crate) fn new(lines: &'b [httparse::Header<'b>]) -> Self {
        Self(lines)
    }

    /// Every line.
    pub fn iter(self) -> impl Iterator<Item = (&'b str, Value<'b>)> {
        self.0.iter().map(|line| (line.name, Value(line.value)))
    }

    /// The values of every line of a name.
    ///
    /// There are about twenty lines, so a look at each costs less than any index of them.
    pub fn all(self, name: &HeaderName) -> impl Iterator<Item = Value<'b>> {
        let lines = self.0.iter();
        lines
            .filter(move |line| line.name.eq_ignore_ascii_case(name.as_str()))
            .map(|line| Value(line.value))
    }

    /// The value of the first line of a name.
    #[must_use]
    pub fn first(self, name: &HeaderName) -> Option<Value<'b>> {
        self.all(name).next()
    }

    /// The value of the one line of a name: `None` is none, an error is several.
    ///
    /// # Errors
    /// There are several, and no telling which one is meant.
    pub fn single(self, name: &HeaderName) -> Result<Option<Value<'b>>, Doubled> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Doubled),
        }
    }
}

/// A header that decides is there more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header is there more than once")]
pub struct Doubled;

/// Values may be secret: names alone.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

impl<'b> Value<'b> {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'b [u8] {
        self.0
    }

    /// The value as text, where it is visible ASCII, blanks and tabs.
    #[must_use]
    pub fn to_str(self) -> Option<&'b str> {
        let visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        let text = self.0.iter().all(visible).then_some(self.0)?;
        std::str::from_utf8(text).ok()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

impl<'b> From<&'b HeaderValue> for Value<'b> {
    fn from(value: &'b HeaderValue) -> Self {
        Self(value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Head;

    #[test]
    fn lines_are_found_whatever_the_case_and_all_of_them() {
        let text = b"GET / HTTP/1.1\r\nA: 1 \r\nb: 2\r\na:\t3\r\nc:\r\nd: \xe8\r\n\r\n";
        let mut slots = Head::slots();
        let headers = Head::parse(text, &mut slots).unwrap().unwrap().headers;
        let name = HeaderName::from_static;
        let all: Vec<_> = headers.all(&name("a")).map(Value::to_str).collect();
        assert_eq!(all, [Some("1"), Some("3")]);
        assert!(headers.first(&name("a")) == headers.all(&name("a")).next());
        assert!(headers.single(&name("a")) == Err(Doubled));
        assert!(headers.single(&name("c")).unwrap().unwrap().is_empty());
        assert_eq!(headers.single(&name("e")), Ok(None));
        assert_eq!(headers.first(&name("d")).unwrap().to_str(), None);
        assert_eq!(format!("{headers:?}"), r#"["A", "b", "a", "c", "d"]"#);
    }
}
