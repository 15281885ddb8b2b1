//! The spellings of a path that servers are known to interpret differently.

use std::fmt;

/// A class of spellings that servers interpret differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Ambiguity {
    /// `%2F`: a separator for nginx, a character inside a segment for others.
    EncodedSlash,
    /// `\`: a separator for IIS and for WHATWG URL parsers, a character for others.
    Backslash,
    /// `%5C`: as `\`, but encoded.
    EncodedBackslash,
    /// `;` or `%3B`: Tomcat, Jetty and Spring cut the rest of the segment, so `/..;/` is `/../`.
    PathParameter,
    /// `%2E`, `%2E%2E`, or `.` and `..` beside an encoded slash: a dot segment for servers that decode
    /// before they resolve.
    EncodedDotSegment,
    /// `%25` and two hexadecimal digits: decoding twice gives another character.
    DoubleEncoding,
    /// A control character, e.g. `%0A` or `%7F`; nginx itself rejects a raw one.
    ControlByte,
    /// Bytes that are not UTF-8, including overlong forms of `/` and `.`.
    InvalidUtf8,
    /// A raw `#`: nginx cuts there, others keep the rest.
    Fragment,
    /// `%00`: nginx rejects it, servers written in C may cut there.
    Nul,
    /// `%` without two hexadecimal digits: nginx rejects it, others keep it.
    InvalidEscape,
    /// `..` above the root: nginx rejects it, others stop at the root.
    AboveRoot,
    /// A plain `.` or `..` segment: resolved by nginx, kept by many frameworks.
    DotSegment,
    /// `//`: merged by nginx, kept by others; at the start, a host for some URL parsers.
    RepeatedSlash,
    /// `%3F` or `%23`: a character for nginx, the path's end for servers that decode before they split.
    EncodedDelimiter,
}

/// How a path with an [`Ambiguity`] is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Rejected, unless the rule allows the class by name; then compared.
    Refused,
    /// Always rejected: nginx itself responds 400, so there is no path to decide on.
    NoPath,
    /// Interpreted as nginx does, if every other known interpretation is allowed too.
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

    /// Returns the name that a policy uses.
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

    /// Returns how a path of this class is handled.
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

    /// Returns the class with this name.
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

    /// Returns whether the set contains the class.
    #[must_use]
    pub const fn contains(self, class: Ambiguity) -> bool {
        self.0 & class.bit() != 0
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the classes in the order of [`Ambiguity::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Ambiguity> {
        Ambiguity::ALL
            .into_iter()
            .filter(move |class| self.contains(*class))
    }

    /// Returns the classes that are rejected unless `allowed` contains them.
    #[must_use]
    pub fn rejected_unless(self, allowed: Self) -> Self {
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
    fn a_set_contains_the_inserted_classes() {
        let set: Ambiguities = [Ambiguity::Fragment, Ambiguity::DotSegment]
            .into_iter()
            .collect();
        assert_eq!(set.iter().count(), 2);
        assert!(set.contains(Ambiguity::Fragment) && !set.contains(Ambiguity::Nul));
        assert_eq!(format!("{set:?}"), r#"{"fragment", "dot-segment"}"#);
        assert!(
            set.rejected_unless(Ambiguities::from_iter([Ambiguity::Fragment]))
                .is_empty()
        );
    }
}
