//! Base paths and routes as a policy writes them.
//!
//! A path is written as in a URL: `/orders/{id}/refund`, with `%20` for a space and letters of any
//! script either as they are or percent-encoded. It is read by the same rules as a request's
//! target, and must be plain: a path that a request could only spell ambiguously is an error.

use std::{fmt, ops::Range};

use keygate_documents::diagnostic::Diagnostic;

use super::{
    Ambiguity, CanonicalPath, TargetError,
    other_router::{self, Position},
};

/// Whether `/orders` and `/orders/` are two paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingSlash {
    /// They are one.
    #[default]
    Ignore,
    /// They are two.
    Strict,
}

/// One segment of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// These bytes, decoded; empty only at the end, for a slash that counts.
    Literal(Box<[u8]>),
    /// Any one segment that is not empty.
    Parameter(Box<str>),
    /// One or more segments up to the end.
    Rest(Box<str>),
}

/// A parsed base path or route.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pattern {
    segments: Vec<Segment>,
}

/// What a pattern is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Base,
    Route,
}

impl Pattern {
    /// Parses a base path: literal segments and `{name}`.
    ///
    /// # Errors
    /// The text is no plain path.
    pub fn base(text: &str, trailing_slash: TrailingSlash) -> Result<Self, PatternError> {
        Self::parse(text, Role::Base, trailing_slash)
    }

    /// Parses a route: like a base path, and may end in `{*rest}`.
    ///
    /// # Errors
    /// The text is no plain path.
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
                is_route: role == Role::Route,
            };
            let segment = Segment::parse(part, position, at.clone())
                .map_err(|error| error.with_base(text.get(..at.start - 1).unwrap_or_default()))?;
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

    /// The segments from left to right.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// This base path with a route below it.
    #[must_use]
    pub fn join(&self, route: &Self) -> Self {
        Self {
            segments: [self.segments(), route.segments()].concat(),
        }
    }
}

/// The pattern as a policy would write it, in visible ASCII.
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
                // What RFC 3986 lets stand in a path (`pchar`), and no more.
                let is_plain =
                    |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(byte);
                let show = |byte: &u8| match byte {
                    byte if is_plain(byte) => char::from(*byte).to_string(),
                    byte => format!("%{byte:02X}"),
                };
                let shown: String = bytes.iter().map(show).collect();
                let position = Position {
                    is_last: true,
                    is_route: true,
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
    fn parse(text: &str, position: Position, at: Range<usize>) -> Result<Self, PatternError> {
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
        // Below another segment, so that dots are dots and not a way above the root.
        let target = format!("/-/{text}");
        let class = match CanonicalPath::parse(target.as_bytes()) {
            Ok(path) => {
                // An escaped `?` or `#` is the one spelling of that character in a path.
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

/// A text that is no base path or route; places are bytes of that text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not start with a slash.
    #[error("a path starts with a slash")]
    NotAbsolute {
        /// Whether it starts like a regular expression, or like nginx's `location = /a`.
        is_expression: bool,
        /// The path that is probably meant.
        meant: String,
    },
    /// It has a query or a fragment.
    #[error("a rule's path has no query and no fragment")]
    Query {
        /// Where.
        at: Range<usize>,
    },
    /// Two slashes in a row.
    #[error("an empty segment can never match: repeated slashes are one")]
    EmptySegment {
        /// Where.
        at: Range<usize>,
    },
    /// A base path ends in a slash although slashes are distinguished.
    #[error("a base path covers what is below it with and without a slash at the end")]
    BaseWithSlash {
        /// Where.
        at: Range<usize>,
    },
    /// Braces that are neither `{name}` nor `{*name}`.
    #[error("`{segment}` is neither text nor a placeholder")]
    Placeholder {
        /// The segment.
        segment: String,
        /// What to write instead, where that can be told.
        instead: Option<String>,
        /// Where.
        at: Range<usize>,
    },
    /// What other routers write for a placeholder or a wildcard.
    #[error("`{segment}` would match only itself: other routers' patterns mean nothing here")]
    OtherRouter {
        /// The segment.
        segment: String,
        /// What to write instead.
        instead: String,
        /// Where.
        at: Range<usize>,
    },
    /// Something after `{*rest}`.
    #[error("nothing can stand after a placeholder for the rest of the path")]
    RestBeforeEnd {
        /// Where.
        at: Range<usize>,
    },
    /// `{*rest}` in a base path.
    #[error("a base path covers everything below it already")]
    RestInBase {
        /// Where.
        at: Range<usize>,
    },
    /// One name for two placeholders.
    #[error("the placeholder `{name}` stands here a second time")]
    RepeatedName {
        /// The name.
        name: String,
        /// Where.
        at: Range<usize>,
    },
    /// A blank or a control character.
    #[error("`{segment}` holds a blank or a control character")]
    Blank {
        /// The segment.
        segment: String,
        /// Where.
        at: Range<usize>,
    },
    /// A spelling that servers read differently.
    #[error("`{segment}` can never match plainly: servers read it differently ({class})")]
    Ambiguous {
        /// The segment.
        segment: String,
        /// How.
        class: Ambiguity,
        /// Where.
        at: Range<usize>,
    },
}

impl PatternError {
    /// Names the base path that a wildcard at its end already covers.
    fn with_base(mut self, base: &str) -> Self {
        if let Self::OtherRouter { instead, .. }
        | Self::Placeholder {
            instead: Some(instead),
            ..
        } = &mut self
            && instead == other_router::COVERED
        {
            let base = if base.is_empty() { "/" } else { base };
            *instead = format!("write `{base}`: {}", other_router::COVERS);
        }
        self
    }

    fn not_absolute(text: &str) -> Self {
        let is_plain = |c: char| c.is_alphanumeric() || "/{}-_.~".contains(c);
        let path = text.trim_end_matches(['/', '*']);
        let is_path = !path.is_empty() && path.chars().all(is_plain);
        Self::NotAbsolute {
            is_expression: text.starts_with(['^', '~', '=']),
            meant: format!("/{}", if is_path { path } else { "orders" }),
        }
    }

    /// The mistake in the pattern's text.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let literally = |segment: &str| {
            let encoded = other_router::encoded(segment);
            format!("the text itself is written `{encoded}`")
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
                "write e.g. `/orders`: a path is neither a regular expression nor nginx's `location`",
            ),
            Self::Query { at } => (
                Some(at),
                "leave it out, or write `%3F` or `%23` for the character",
            ),
            Self::EmptySegment { at } => (Some(at), "write one slash"),
            Self::BaseWithSlash { at } => (
                Some(at),
                "leave it out; a route `/` is the base path with a slash",
            ),
            Self::Placeholder { at, .. } => (
                Some(at),
                "write `{name}` or, at the end, `{*rest}` as a whole segment; `%7B` and `%7D` for the characters",
            ),
            Self::OtherRouter { at, .. } => (Some(at), "write it percent-encoded"),
            Self::RestBeforeEnd { at } => (Some(at), "leave out what follows `{*rest}`"),
            Self::RestInBase { at } => (Some(at), "leave out the last segment"),
            Self::RepeatedName { at, .. } => (Some(at), "give each placeholder a name of its own"),
            Self::Blank { at, .. } => (Some(at), "write `%20` for a blank"),
            Self::Ambiguous {
                class: Ambiguity::InvalidEscape,
                at,
                ..
            } => (Some(at), "write `%25` for a percent sign"),
            Self::Ambiguous { at, .. } => (
                Some(at),
                "write the path plainly, with a placeholder for what varies",
            ),
        };
        let diagnostic = Diagnostic::error(self.to_string()).help(help);
        match at {
            Some(at) => diagnostic.at(at.clone()),
            None => diagnostic,
        }
    }
}
