//! The spellings of a path that servers are known to read in different ways.

use std::fmt;

/// A class of spellings that servers read in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ambiguity {
    /// `%2F`: a separator to nginx, a character inside a segment to others.
    EncodedSlash,
    /// `\`: a separator to IIS and to WHATWG URL parsers, a character to others.
    Backslash,
    /// `%5C`: the same, hidden by an escape.
    EncodedBackslash,
    /// `;` or `%3B`: Tomcat, Jetty and Spring cut the rest of the segment, so `/..;/` is `/../`.
    PathParameter,
    /// `%2E`, `%2E%2E` or `.` and `..` beside an encoded slash: a dot segment to those who decode
    /// before they resolve.
    EncodedDotSegment,
    /// `%25` and two hexadecimal digits: a second decoding makes another character of it.
    DoubleEncoding,
    /// A control character, e.g. `%0A` or `%7F`; a raw one is refused by nginx itself.
    ControlByte,
    /// Bytes that are not UTF-8, overlong forms of `/` and `.` among them.
    InvalidUtf8,
    /// A raw `#`: nginx cuts there, others keep what follows.
    Fragment,
    /// `%00`: nginx refuses it, servers written in C may cut there.
    Nul,
    /// `%` without two hexadecimal digits: nginx refuses it, others keep it.
    InvalidEscape,
    /// `..` above the root: nginx refuses it, others stop at the root.
    AboveRoot,
    /// A plain `.` or `..` segment: resolved by nginx, kept by many frameworks.
    DotSegment,
    /// `//`: merged by nginx, kept by others, and at the start a host to some URL parsers.
    RepeatedSlash,
    /// `%3F` or `%23`: a character to nginx, the path's end to those who decode before they split.
    EncodedDelimiter,
}

/// What happens to a path in which an [`Ambiguity`] was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Refused, unless the rule allows the class by name; then compared.
    Refused,
    /// Always refused: nginx itself answers 400, so there is no path to decide on.
    NoPath,
    /// Taken as nginx reads it, if every other known reading would be allowed too.
    Compared,
}

impl Ambiguity {
    /// Every class.
    pub const ALL: [Self; 15] = [
        Self::EncodedSlash,
        Self::Backslash,
        Self::EncodedBackslash,
        Self::PathParameter,
        Self::EncodedDotSegment,
        Self::DoubleEncoding,
        Self::ControlByte,
        Self::InvalidUtf8,
        Self::Fragment,
        Self::Nul,
        Self::InvalidEscape,
        Self::AboveRoot,
        Self::DotSegment,
        Self::RepeatedSlash,
        Self::EncodedDelimiter,
    ];

    /// The name that a policy uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EncodedSlash => "encoded-slash",
            Self::Backslash => "backslash",
            Self::EncodedBackslash => "encoded-backslash",
            Self::PathParameter => "path-parameter",
            Self::EncodedDotSegment => "encoded-dot-segment",
            Self::DoubleEncoding => "double-encoding",
            Self::ControlByte => "control-byte",
            Self::InvalidUtf8 => "invalid-utf-8",
            Self::Fragment => "fragment",
            Self::Nul => "nul",
            Self::InvalidEscape => "invalid-escape",
            Self::AboveRoot => "above-root",
            Self::DotSegment => "dot-segment",
            Self::RepeatedSlash => "repeated-slash",
            Self::EncodedDelimiter => "encoded-delimiter",
        }
    }

    /// What happens to a path of this class.
    #[must_use]
    pub const fn treatment(self) -> Treatment {
        match self {
            Self::EncodedSlash
            | Self::Backslash
            | Self::EncodedBackslash
            | Self::PathParameter
            | Self::EncodedDotSegment
            | Self::DoubleEncoding
            | Self::ControlByte
            | Self::InvalidUtf8
            | Self::Fragment => Treatment::Refused,
            Self::Nul | Self::InvalidEscape | Self::AboveRoot => Treatment::NoPath,
            Self::DotSegment | Self::RepeatedSlash | Self::EncodedDelimiter => Treatment::Compared,
        }
    }

    /// The class of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of [`Ambiguity`] classes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Ambiguities(u16);

impl Ambiguities {
    /// Adds a class.
    pub fn insert(&mut self, class: Ambiguity) {
        self.0 |= class.bit();
    }

    /// Whether the class is in the set.
    #[must_use]
    pub const fn contains(self, class: Ambiguity) -> bool {
        self.0 & class.bit() != 0
    }

    /// Whether no class is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes, in the order of [`Ambiguity::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Ambiguity> {
        Ambiguity::ALL
            .into_iter()
            .filter(move |class| self.contains(*class))
    }

    /// The classes that are refused unless `allowed` names them.
    #[must_use]
    pub fn refused_unless(self, allowed: Self) -> Self {
        self.iter()
            .filter(|class| class.treatment() != Treatment::Compared && !allowed.contains(*class))
            .collect()
    }
}

impl FromIterator<Ambiguity> for Ambiguities {
    fn from_iter<I: IntoIterator<Item = Ambiguity>>(classes: I) -> Self {
        let mut set = Self::default();
        for class in classes {
            set.insert(class);
        }
        set
    }
}

impl fmt::Debug for Ambiguities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Ambiguity::as_str))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_name_of_its_own_in_kebab_case() {
        for class in Ambiguity::ALL {
            assert_eq!(Ambiguity::from_name(class.as_str()), Some(class));
            assert!(
                class
                    .as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b"-8".contains(&b))
            );
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Ambiguities = [Ambiguity::Fragment, Ambiguity::DotSegment]
            .into_iter()
            .collect();
        assert_eq!(set.iter().count(), 2);
        assert!(set.contains(Ambiguity::Fragment) && !set.contains(Ambiguity::Nul));
        assert_eq!(format!("{set:?}"), r#"{"fragment", "dot-segment"}"#);
        assert!(
            set.refused_unless(Ambiguities::from_iter([Ambiguity::Fragment]))
                .is_empty()
        );
    }
}
