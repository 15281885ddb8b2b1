//! Base paths and routes in a policy.
//!
//! A path is written as in a URL: `/orders/{id}/refund`, with `%20` for a space and letters of any
//! script either literal or percent-encoded. The rules for request targets apply, and it must be
//! plain: a path that requests could only spell ambiguously is an error.

use std::{fmt, ops::Range};

use keygate_documents::diagnostic::Diagnostic;

use super::{
    Ambiguity, CanonicalPath, TargetError,
    other_router::{self, Position},
};

/// Whether `/orders` and `/orders/` are different paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingSlash {
    /// They are the same path.
    #[default]
    Ignore,
    /// They are different paths.
    Strict,
}

/// One segment of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// These decoded bytes; empty only at the end, for a distinguished slash.
    Literal(Box<[u8]>),
    /// Any one non-empty segment.
    Parameter(Box<str>),
    /// One or more segments up to the end.
    Rest(Box<str>),
}

/// A parsed base path or route.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pattern {
    segments: Vec<Segment>,
}

/// The use of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Base,
    Route,
}

impl Pattern {
    /// Parses a base path: literal segments and `{name}`.
    ///
    /// # Errors
    /// The text is not a plain path.
    pub fn base(text: &str, trailing_slash: TrailingSlash) -> Result<Self, PatternError> {
        Self::parse(text, Role::Base, trailing_slash)
    }

    /// Parses a route: like a base path, and may end in `{*rest}`.
    ///
    /// # Errors
    /// The text is not a plain path.
    pub fn route(text: &str, trailing_slash: TrailingSlash) -> Result<Self, PatternError> {
        Self::parse(text, Role::Route, trailing_slash)
    }

    fn parse(text: &str, role: Role, trailing_slash: TrailingSlash) -> Result<Self, PatternError> {
        let strict = trailing_slash == TrailingSlash::Strict;
        if text.is_empty() && role == Role::Route && strict {
            return Ok(Self::default());
        }
        let Some(inner) = text.strip_prefix('/') else {
            return Err(PatternError::not_absolute(text));
        };
        if let Some(at) = text.find(['?', '#']) {
            return Err(PatternError::Query { at: at..text.len() });
        }
        if inner.is_empty() && (role == Role::Base || !strict) {
            return Ok(Self::default());
        }
        let mut pattern = Self::default();
        let mut start = 1;
        let mut parts = inner.split('/').peekable();
        while let Some(part) = parts.next() {
            let at = start..start + part.len();
            start = at.end + 1;
            if part.is_empty() {
                match (parts.peek(), role) {
                    (Some(_), _) => return Err(PatternError::EmptySegment { at }),
                    (None, _) if !strict => break,
                    (None, Role::Base) => return Err(PatternError::BaseWithSlash { at }),
                    (None, Role::Route) => {}
                }
            }
            if let Some(Segment::Rest(_)) = pattern.segments.last() {
                return Err(PatternError::RestBeforeEnd { at });
            }
            let position = Position {
                is_last: parts.peek().is_none_or(|next| next.is_empty()),
                endpoint: (role == Role::Base)
                    .then(|| text.get(..at.start - 1).unwrap_or_default()),
            };
            let segment = Segment::parse(part, position, at.clone())?;
            match &segment {
                Segment::Rest(_) if role == Role::Base => {
                    return Err(PatternError::RestInBase { at });
                }
                Segment::Parameter(name) | Segment::Rest(name) if pattern.names(name) => {
                    return Err(PatternError::RepeatedName {
                        name: name.to_string(),
                        at,
                    });
                }
                _ => pattern.segments.push(segment),
            }
        }
        Ok(pattern)
    }

    fn names(&self, wanted: &str) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(_) => false,
            Segment::Parameter(name) | Segment::Rest(name) => **name == *wanted,
        })
    }

    /// Returns the segments from left to right.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns this base path with a route below it.
    #[must_use]
    pub fn join(&self, route: &Self) -> Self {
        Self {
            segments: [self.segments(), route.segments()].concat(),
        }
    }
}

/// The pattern in a policy's syntax, in visible ASCII.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments
            .iter()
            .try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(bytes) => {
                // Exactly the characters that RFC 3986 allows in a path (`pchar`).
                let is_plain =
                    |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(byte);
                let show = |byte: &u8| match byte {
                    byte if is_plain(byte) => char::from(*byte).to_string(),
                    byte => format!("%{byte:02X}"),
                };
                let shown: String = bytes.iter().map(show).collect();
                let position = Position {
                    is_last: true,
                    endpoint: None,
                };
                if other_router::instead_of(&shown, position).is_some() {
                    f.write_str(&other_router::encoded(&shown))
                } else {
                    f.write_str(&shown)
                }
            }
            Self::Parameter(name) => write!(f, "{{{name}}}"),
            Self::Rest(name) => write!(f, "{{*{name}}}"),
        }
    }
}

impl Segment {
    fn parse(text: &str, position: Position<'_>, at: Range<usize>) -> Result<Self, PatternError> {
        let segment = || text.to_owned();
        if text.contains(['{', '}']) {
            return Self::placeholder(text).ok_or_else(|| PatternError::Placeholder {
                segment: segment(),
                instead: other_router::instead_of_braces(text, position),
                at,
            });
        }
        if let Some(instead) = other_router::instead_of(text, position) {
            return Err(PatternError::OtherRouter {
                segment: segment(),
                instead,
                at,
            });
        }
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(PatternError::Blank {
                segment: segment(),
                at,
            });
        }
        // The segment is parsed below another one, so that dots cannot go above the root.
        let target = format!("/-/{text}");
        let class = match CanonicalPath::parse(target.as_bytes()) {
            Ok(path) => {
                // In a path, `?` and `#` can only be written escaped.
                let is_plain = |class: &Ambiguity| *class == Ambiguity::EncodedDelimiter;
                let Some(class) = path.ambiguities().iter().find(|class| !is_plain(class)) else {
                    let literal = path.as_bytes().strip_prefix(b"/-/").unwrap_or_default();
                    return Ok(Self::Literal(literal.into()));
                };
                class
            }
            Err(TargetError::Ambiguous(class)) => class,
            Err(TargetError::NotAPath) => {
                return Err(PatternError::not_absolute(text));
            }
        };
        Err(PatternError::Ambiguous {
            segment: segment(),
            class,
            at,
        })
    }

    /// `{name}` or `{*name}`.
    fn placeholder(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('{')?.strip_suffix('}')?;
        let name = inner.strip_prefix('*').unwrap_or(inner);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let placeholder = if inner.starts_with('*') {
            Self::Rest
        } else {
            Self::Parameter
        };
        is_name.then(|| placeholder(name.into()))
    }
}

/// The error for a text that is not a base path or route; offsets are bytes of that text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not start with a slash.
    #[error("a path must start with a slash")]
    NotAbsolute {
        /// Whether it starts like a regular expression, or like nginx's `location = /a`.
        is_expression: bool,
        /// The path that is probably meant.
        meant: String,
    },
    /// It has a query or a fragment.
    #[error("a rule's path cannot have a query or a fragment")]
    Query {
        /// Its offset.
        at: Range<usize>,
    },
    /// Two slashes in a row.
    #[error("an empty segment can never match, because repeated slashes are merged")]
    EmptySegment {
        /// Its offset.
        at: Range<usize>,
    },
    /// A base path that ends with a slash although slashes are distinguished.
    #[error("a base path covers everything below it, with or without a trailing slash")]
    BaseWithSlash {
        /// Its offset.
        at: Range<usize>,
    },
    /// Braces that are neither `{name}` nor `{*name}`.
    #[error("`{segment}` is neither literal text nor a placeholder")]
    Placeholder {
        /// The segment.
        segment: String,
        /// The hint, if there is one.
        instead: Option<String>,
        /// Its offset.
        at: Range<usize>,
    },
    /// Another router's placeholder or wildcard.
    #[error(
        "`{segment}` would only match literally, because the patterns of other routers are not \
         supported"
    )]
    OtherRouter {
        /// The segment.
        segment: String,
        /// The hint.
        instead: String,
        /// Its offset.
        at: Range<usize>,
    },
    /// Something after `{*rest}`.
    #[error("a placeholder for the rest of the path must come last")]
    RestBeforeEnd {
        /// Its offset.
        at: Range<usize>,
    },
    /// `{*rest}` in a base path.
    #[error("a base path already covers everything below it")]
    RestInBase {
        /// Its offset.
        at: Range<usize>,
    },
    /// Two placeholders with the same name.
    #[error("the placeholder `{name}` is repeated")]
    RepeatedName {
        /// The name.
        name: String,
        /// The offset of the second one.
        at: Range<usize>,
    },
    /// A space or a control character.
    #[error("`{segment}` contains a space or a control character")]
    Blank {
        /// The segment.
        segment: String,
        /// Its offset.
        at: Range<usize>,
    },
    /// A spelling that servers interpret differently.
    #[error("`{segment}` is ambiguous: servers interpret it differently ({class})")]
    Ambiguous {
        /// The segment.
        segment: String,
        /// The class of the spelling.
        class: Ambiguity,
        /// Its offset.
        at: Range<usize>,
    },
}

impl PatternError {
    fn not_absolute(text: &str) -> Self {
        let is_plain = |c: char| c.is_alphanumeric() || "/{}-_.~".contains(c);
        let path = text.trim_end_matches(['/', '*']);
        let is_path = !path.is_empty() && path.chars().all(is_plain);
        Self::NotAbsolute {
            is_expression: text.starts_with(['^', '~', '=']),
            meant: format!("/{}", if is_path { path } else { "orders" }),
        }
    }

    /// Returns the error, located in the pattern's text.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let literally = |segment: &str| {
            let encoded = other_router::encoded(segment);
            format!("for the literal text, write `{encoded}`")
        };
        match self {
            Self::Placeholder {
                segment,
                instead: Some(instead),
                at,
            }
            | Self::OtherRouter {
                segment,
                instead,
                at,
            } => {
                return Diagnostic::error(self.to_string())
                    .at(at.clone())
                    .help(format!("{instead}; {}", literally(segment)));
            }
            Self::NotAbsolute {
                is_expression: false,
                meant,
            } => return Diagnostic::error(self.to_string()).help(format!("write `{meant}`")),
            _ => {}
        }
        let (at, help) = match self {
            Self::NotAbsolute { .. } => (
                None,
                "write a path such as `/orders`; regular expressions and nginx `location` \
                 modifiers are not supported",
            ),
            Self::Query { at } => (
                Some(at),
                "remove it; for a literal `?` or `#`, write `%3F` or `%23`",
            ),
            Self::EmptySegment { at } => (Some(at), "write a single slash"),
            Self::BaseWithSlash { at } => (
                Some(at),
                "remove it; for the base path with a slash, add a route `/`",
            ),
            Self::Placeholder { at, .. } => (
                Some(at),
                "a placeholder is a whole segment: `{name}` or, at the end, `{*rest}`; for literal \
                 braces, write `%7B` and `%7D`",
            ),
            Self::OtherRouter { at, .. } => (Some(at), "percent-encode it"),
            Self::RestBeforeEnd { at } => (Some(at), "remove everything after `{*rest}`"),
            Self::RestInBase { at } => (Some(at), "remove the last segment"),
            Self::RepeatedName { at, .. } => (Some(at), "give each placeholder a different name"),
            Self::Blank { at, .. } => (Some(at), "for a space, write `%20`"),
            Self::Ambiguous {
                class: Ambiguity::InvalidEscape,
                at,
                ..
            } => (Some(at), "for a percent sign, write `%25`"),
            Self::Ambiguous { at, .. } => (
                Some(at),
                "write a plain path, with placeholders for variable segments",
            ),
        };
        let diagnostic = Diagnostic::error(self.to_string()).help(help);
        match at {
            Some(at) => diagnostic.at(at.clone()),
            None => diagnostic,
        }
    }
}
