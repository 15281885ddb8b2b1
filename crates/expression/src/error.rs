//! Why a text is not a group expression, and what to write instead.

use std::ops::Range;

use keygate_documents::diagnostic::{Diagnostic, nearest};

use super::tree::{Fact, MAX_DEPTH, MAX_ELEMENTS};

/// The longest text of an expression, in bytes.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// Why a text is not a group expression. Spans are bytes of the expression's own text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// There is nothing in it.
    #[error("the expression is empty")]
    Empty,
    /// It is longer than 16 KiB.
    #[error("the expression is {length} bytes long, and {MAX_LENGTH} is the most")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is nested too deep.
    #[error("the expression is nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Where it gets too deep.
        span: Range<usize>,
    },
    /// Its lists are too long.
    #[error("the lists of the expression have more than {MAX_ELEMENTS} elements together")]
    TooManyElements {
        /// The whole expression.
        span: Range<usize>,
    },
    /// A character that no expression has.
    #[error("`{}` has no place in an expression", character.escape_debug())]
    Character {
        /// The character.
        character: char,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A string without its closing quote.
    #[error("the string is not closed")]
    UnclosedString {
        /// The opening quote.
        quote: char,
        /// From the opening quote to the end of the line.
        span: Range<usize>,
    },
    /// An escape that strings do not have.
    #[error("`{escape}` is not an escape")]
    Escape {
        /// What was written.
        escape: String,
        /// Where it stands.
        span: Range<usize>,
    },
    /// Something that starts like a number.
    #[error("`{number}` is not a number")]
    Number {
        /// What was written.
        number: String,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A name that means nothing here.
    #[error("unknown name `{name}`")]
    UnknownName {
        /// What was written.
        name: String,
        /// Where it stands.
        span: Range<usize>,
    },
    /// JavaScript that group expressions leave out.
    #[error("{}", foreign.message(found))]
    Foreign {
        /// What it is.
        foreign: Foreign,
        /// What was written.
        found: String,
        /// What to write instead, where that can be told.
        instead: Option<String>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// `x in ['a', 'b']`, which in JavaScript looks among the places of the list.
    #[error("`in` does not look among the elements of a list")]
    InList {
        /// What to write instead.
        instead: String,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A word or a sign at the wrong place.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What was written.
        found: String,
        /// What may stand here.
        expected: &'static str,
        /// What to write instead, where that can be told.
        instead: Option<&'static str>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A bracket without its partner.
    #[error("`{bracket}` is not closed")]
    Unclosed {
        /// The opening bracket.
        bracket: &'static str,
        /// Where it stands.
        span: Range<usize>,
        /// What stands where its partner may.
        found: String,
        /// Where that is.
        found_span: Range<usize>,
    },
}

/// JavaScript that group expressions leave out: they only look at facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// `=`
    Assignment,
    /// `f()`
    Call,
    /// `+` `-` `*` `/` `%`
    Arithmetic,
    /// `&` `|` `^` `~` `<<` `>>`
    Bitwise,
    /// `a ? b : c`
    Conditional,
    /// `a?.b`
    OptionalChaining,
    /// `a ?? b`
    NullishCoalescing,
    /// `=>`
    Function,
    /// A string in backticks.
    Template,
    /// `;`
    Statement,
    /// `{ … }`
    Object,
    /// `...`
    Spread,
    /// `//` and `/* … */`
    Comment,
    /// `a, b`
    Sequence,
    /// A word of JavaScript, such as `typeof`.
    Word,
}

impl Foreign {
    fn message(self, found: &str) -> String {
        let what = match self {
            Self::Assignment => return format!("`{found}` is an assignment, not a comparison"),
            Self::Call => "function calls",
            Self::Arithmetic => "arithmetic",
            Self::Bitwise => "bitwise operators",
            Self::Conditional => "conditional operator",
            Self::OptionalChaining => "optional chaining",
            Self::NullishCoalescing => "nullish coalescing",
            Self::Function => "functions",
            Self::Template => return "group expressions have no template strings".to_owned(),
            Self::Statement => "statements",
            Self::Object => "object literals",
            Self::Spread => "spread syntax",
            Self::Comment => "comments",
            Self::Sequence => "comma operator",
            Self::Word => return format!("`{found}` is not part of group expressions"),
        };
        format!("`{found}`: group expressions have no {what}")
    }

    fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::Assignment => "write `===`",
            Self::Conditional => "write `a && b || !a && c` for `a ? b : c`",
            Self::OptionalChaining => "write `user.a && user.a.b` for `user.a?.b`",
            Self::NullishCoalescing => "write `||`",
            Self::Template => "put the string in `'` or `\"`",
            Self::Statement => "write one expression, without `;`",
            Self::Comment => "put it into the `description` of the endpoint",
            Self::Call => "a property is read without parentheses, e.g. `groups.admin`",
            Self::Arithmetic
            | Self::Bitwise
            | Self::Function
            | Self::Object
            | Self::Spread
            | Self::Sequence
            | Self::Word => return None,
        })
    }
}

impl ExpressionError {
    /// Where the mistake is, in bytes of the expression's text; absent where the whole is meant.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Empty | Self::TooLong { .. } => None,
            Self::TooDeep { span }
            | Self::TooManyElements { span }
            | Self::Character { span, .. }
            | Self::UnclosedString { span, .. }
            | Self::Escape { span, .. }
            | Self::Number { span, .. }
            | Self::UnknownName { span, .. }
            | Self::Foreign { span, .. }
            | Self::InList { span, .. }
            | Self::Unexpected { span, .. }
            | Self::Unclosed { span, .. } => Some(span.clone()),
        }
    }

    /// The error for people.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.to_string());
        diagnostic.span = self.span();
        diagnostic.help = self.help();
        if let Self::Unclosed {
            found, found_span, ..
        } = self
        {
            diagnostic = diagnostic.related(found_span.clone(), format!("found {found}"));
        }
        diagnostic
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Empty => "write `true` for everybody or `false` for nobody".to_owned(),
            Self::TooLong { .. } | Self::TooDeep { .. } | Self::TooManyElements { .. } => {
                "give the callers a group or a client type in common, and ask for that".to_owned()
            }
            Self::Character { character, .. } => match character {
                '‘' | '’' | '“' | '”' | '«' | '»' => {
                    "write straight quotes: `'` or `\"`".to_owned()
                }
                _ => return None,
            },
            Self::UnclosedString { quote, .. } => {
                format!("close it with `{quote}`; inside it write `\\{quote}`")
            }
            Self::Escape { .. } => {
                "escapes are `\\'` `\\\"` `\\\\` `\\n` `\\r` `\\t` `\\b` `\\f` `\\v` `\\0` `\\x41` \
                 `\\u0041` `\\u{1F600}`; a backslash itself is `\\\\`"
                    .to_owned()
            }
            Self::Number { .. } => {
                "numbers are decimal, e.g. `10`, `2.5`, `1e3`; a string stands in quotes".to_owned()
            }
            Self::UnknownName { name, .. } => help_for_name(name),
            Self::Foreign {
                foreign, instead, ..
            } => {
                return instead
                    .clone()
                    .or_else(|| foreign.help().map(str::to_owned));
            }
            Self::InList { instead, .. } => instead.clone(),
            Self::Unexpected { instead, .. } => return instead.map(str::to_owned),
            Self::Unclosed { .. } => return None,
        })
    }
}

fn help_for_name(name: &str) -> String {
    let known = Fact::ALL.map(Fact::as_str);
    if let Some(meant) = nearest(name, known.into_iter().chain(["true", "false", "null"])) {
        return format!("did you mean `{meant}`?");
    }
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "a string stands in quotes: `'{name}'`; the names are {}",
        known.join(", ")
    )
}
