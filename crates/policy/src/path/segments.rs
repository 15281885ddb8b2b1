//! The segments of a path, which patterns match.

use super::TrailingSlash;

/// The segments of a path that starts with `/`, from left to right; `/` has none.
#[derive(Debug, Clone)]
pub struct Segments<'p>(Option<&'p [u8]>);

impl<'p> Segments<'p> {
    /// Returns the segments of `path`.
    ///
    /// A trailing slash is either ignored or an empty last segment.
    #[must_use]
    pub fn new(path: &'p [u8], trailing_slash: TrailingSlash) -> Self {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        match trailing_slash {
            TrailingSlash::Ignore if path.is_empty() => Self(None),
            TrailingSlash::Ignore => Self(Some(path.strip_suffix(b"/").unwrap_or(path))),
            TrailingSlash::Strict => Self(Some(path)),
        }
    }
}

impl<'p> Iterator for Segments<'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        let rest = self.0?;
        let end = rest.iter().position(|byte| *byte == b'/');
        self.0 = end.and_then(|end| rest.get(end + 1..));
        Some(end.and_then(|end| rest.get(..end)).unwrap_or(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("/", &[], &[""])]
    #[case("/a", &["a"], &["a"])]
    #[case("/a/", &["a"], &["a", ""])]
    #[case("/a/b", &["a", "b"], &["a", "b"])]
    #[case("//a", &["", "a"], &["", "a"])]
    #[case("//", &[""], &["", ""])]
    fn a_path_is_its_segments(
        #[case] path: &str,
        #[case] ignoring: &[&str],
        #[case] strict: &[&str],
    ) {
        let segments = |trailing_slash| {
            Segments::new(path.as_bytes(), trailing_slash)
                .map(|segment| String::from_utf8_lossy(segment).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(segments(TrailingSlash::Ignore), ignoring);
        assert_eq!(segments(TrailingSlash::Strict), strict);
    }
}
