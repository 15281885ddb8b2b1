//! Errors for texts that are not YAML.

use granit_parser::ErrorKind;

use crate::{
    diagnostic::{Content, Diagnostic},
    quote,
};

/// Returns a syntax error with a hint.
pub(crate) fn diagnostic(kind: &ErrorKind, at: usize, text: &str, content: Content) -> Diagnostic {
    let quoted = || quote::help(text, at, content, false);
    let (message, help) = match kind {
        ErrorKind::ExpectedTagBang
        | ErrorKind::InvalidGlobalTagCharacter
        | ErrorKind::InvalidTagTerminator
        | ErrorKind::MissingTagUri
        | ErrorKind::UnclosedVerbatimTag
        | ErrorKind::InvalidTagEscape
        | ErrorKind::InvalidTagUtf8LeadingByte
        | ErrorKind::InvalidTagUtf8TrailingByte
        | ErrorKind::InvalidTagUtf8
        | ErrorKind::UndeclaredTagHandle => ("YAML reads this `!` as a tag", quoted()),
        ErrorKind::MissingAnchorOrAliasName => (
            "YAML reads this `&` or `*` as an anchor or an alias",
            quoted(),
        ),
        ErrorKind::DirectiveDisallowed => (
            "YAML directives are not supported",
            "remove the line".to_owned(),
        ),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => (
            "this line is indented with a tab",
            "YAML must be indented with spaces: replace the tab".to_owned(),
        ),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => (
            "a quote is not closed",
            "add the closing quote at the end of the value".to_owned(),
        ),
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            ("there is text after the closing quote", quoted())
        }
        ErrorKind::UnknownQuotedScalarEscape | ErrorKind::InvalidQuotedScalarHexEscape => (
            "unknown escape sequence in double quotes",
            "put the value in single quotes, or write `\\\\` for a backslash".to_owned(),
        ),
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::InvalidMappingValueWhitespace => (
            "`: ` is not expected here",
            "put a value that contains `: ` in quotes, or correct the indentation".to_owned(),
        ),
        ErrorKind::UnexpectedCharacter { .. } => {
            ("a value cannot begin with this character", quoted())
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            after_the_value(text, at, content)
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => (
            "a bracket or brace is not closed, or a comma is missing",
            "close it, or put a value that contains brackets in quotes".to_owned(),
        ),
        ErrorKind::MisplacedFlowCollectionEnd | ErrorKind::MismatchedFlowCollectionEnd { .. } => (
            "a closing bracket or brace has no opening one",
            "remove it, or put a value that contains brackets in quotes".to_owned(),
        ),
        ErrorKind::BomInsideDocument => (
            "the text contains a byte order mark",
            "remove it: it is allowed only at the beginning of a file".to_owned(),
        ),
        other => return unknown(other, at),
    };
    Diagnostic::error(message).at(at..at + 1).help(help)
}

/// Handles a line that continues neither the mapping nor the value before it.
fn after_the_value(text: &str, at: usize, content: Content) -> (&'static str, String) {
    let line_start = text
        .get(..at)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |newline| newline + 1);
    let is_alone = text
        .get(line_start..at)
        .is_some_and(|it| it.trim().is_empty());
    if is_alone {
        let help = "align it with the lines above, or indent it as part of them";
        (
            "the indentation of this line matches no level above",
            help.to_owned(),
        )
    } else {
        (
            "there is text after the end of the value",
            quote::help(text, at, content, false),
        )
    }
}

/// Returns the parser's own message, which contains nothing of the text.
fn unknown(kind: &ErrorKind, at: usize) -> Diagnostic {
    Diagnostic::error(format!("not valid YAML: {kind}"))
        .at(at..at + 1)
        .help(
            "put a value in quotes if it begins with a special character or contains `: ` or ` \
               #`",
        )
}
