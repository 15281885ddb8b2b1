//! Errors of parsing a group expression, with hints.

use std::ops::Range;

use keygate_documents::diagnostic::{Diagnostic, nearest};

use super::tree::{Fact, MAX_DEPTH, MAX_ELEMENTS};

/// The longest text of an expression, in bytes.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// The error for a text that is not a group expression. Spans are bytes of the expression's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// Nothing but white space.
    #[error("the expression is empty")]
    Empty,
    /// It is longer than 16 KiB.
    #[error("the expression is {length} bytes long; the limit is {MAX_LENGTH}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is nested too deep.
    #[error("the expression is nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Where the limit is exceeded.
        span: Range<usize>,
    },
    /// All its lists together are too long.
    #[error("the lists in the expression have more than {MAX_ELEMENTS} elements in total")]
    TooManyElements {
        /// The whole expression.
        span: Range<usize>,
    },
    /// A character that no expression contains.
    #[error("`{}` is not allowed in an expression", character.escape_debug())]
    Character {
        /// The character.
        character: char,
        /// The span of the character.
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
    #[error("`{escape}` is not a valid escape sequence")]
    Escape {
        /// What was written.
        escape: String,
        /// The span of the escape.
        span: Range<usize>,
    },
    /// Something that starts like a number.
    #[error("`{number}` is not a number")]
    Number {
        /// What was written.
        number: String,
        /// The span of the number.
        span: Range<usize>,
    },
    /// An unknown name.
    #[error("unknown name `{name}`")]
    UnknownName {
        /// What was written.
        name: String,
        /// Whether a property follows, as in `name.property` or `name["property"]`.
        is_object: bool,
        /// The span of the name.
        span: Range<usize>,
    },
    /// A JavaScript feature that group expressions do not have.
    #[error("{}", foreign.message(found))]
    Foreign {
        /// What it is.
        foreign: Foreign,
        /// What was written.
        found: String,
        /// The hint, if there is one.
        instead: Option<String>,
        /// The span of what was written.
        span: Range<usize>,
    },
    /// `x in ['a', 'b']`, which in JavaScript searches the indexes of the list.
    #[error("`in` does not search the elements of a list")]
    InList {
        /// The hint.
        instead: String,
        /// The span of the whole comparison.
        span: Range<usize>,
    },
    /// An unexpected word or sign.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What was written.
        found: String,
        /// What is allowed here.
        expected: &'static str,
        /// The hint, if there is one.
        instead: Option<&'static str>,
        /// The span of the word or sign.
        span: Range<usize>,
    },
    /// An unclosed bracket.
    #[error("`{bracket}` is not closed")]
    Unclosed {
        /// The opening bracket.
        bracket: &'static str,
        /// The span of the bracket.
        span: Range<usize>,
        /// What was found instead of the closing bracket.
        found: String,
        /// The span of what was found.
        found_span: Range<usize>,
    },
}

/// The JavaScript features that group expressions do not have: they only read facts.
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
            Self::Conditional => "instead of `a ? b : c`, write `a && b || !a && c`",
            Self::OptionalChaining => "instead of `user.a?.b`, write `user.a && user.a.b`",
            Self::NullishCoalescing => "write `||`",
            Self::Template => "put the string between `'` or `\"`",
            Self::Statement => "write one expression, without `;`",
            Self::Comment => "move it to the `description` of the endpoint",
            Self::Call => {
                "compare with `===`, or read a property without parentheses, e.g. `groups.admin`"
            }
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
    /// Returns the location in bytes of the expression's text; `None` for the whole text.
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

    /// Returns the error for people.
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
            Self::Empty => {
                "write `true` to allow every request, or `false` to deny every request".to_owned()
            }
            Self::TooLong { .. } | Self::TooDeep { .. } | Self::TooManyElements { .. } => {
                "give the callers a common group or client type, and test for that".to_owned()
            }
            Self::Character { character, .. } => match character {
                '‘' | '’' | '“' | '”' | '«' | '»' => {
                    "write straight quotes: `'` or `\"`".to_owned()
                }
                _ => return None,
            },
            Self::UnclosedString { quote, .. } => {
                format!("close it with `{quote}`; inside the string, write `\\{quote}`")
            }
            Self::Escape { .. } => {
                "the escape sequences are `\\'` `\\\"` `\\\\` `\\n` `\\r` `\\t` `\\b` `\\f` `\\v` \
                 `\\0` `\\x41` `\\u0041` `\\u{1F600}`; a backslash itself is `\\\\`"
                    .to_owned()
            }
            Self::Number { .. } => {
                "write a decimal number, such as `10`, `2.5` or `1e3`, or put a string in quotes"
                    .to_owned()
            }
            Self::UnknownName {
                name, is_object, ..
            } => help_for_name(name, *is_object),
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

fn help_for_name(name: &str, is_object: bool) -> String {
    let known = Fact::ALL.map(Fact::as_str);
    if let Some(meant) = nearest(name, known.into_iter().chain(["true", "false", "null"])) {
        return format!("did you mean `{meant}`?");
    }
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = format!("the known names are {}", known.join(", "));
    if is_object {
        known
    } else {
        format!("put strings in quotes: `'{name}'`; {known}")
    }
}
