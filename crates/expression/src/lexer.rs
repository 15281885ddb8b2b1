//! Splits text into tokens.

use super::{
    error::{ExpressionError, Foreign},
    literal,
    tree::Span,
};
use crate::characters::{is_name_part, is_name_start, is_space};

/// A token and its span.
#[derive(Debug, Clone)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind<'s>,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind<'s> {
    Name(&'s str),
    Text(Box<str>),
    Number(f64),
    Sign(&'static str),
    /// A sign of JavaScript that group expressions do not have.
    Foreign(Foreign),
    End,
}

/// Every sign; longer ones come before their prefixes.
const SIGNS: [(&str, Option<Foreign>); 43] = [
    ("===", None),
    ("!==", None),
    ("...", Some(Foreign::Spread)),
    ("&&", None),
    ("||", None),
    ("==", None),
    ("!=", None),
    ("<=", None),
    (">=", None),
    ("//", Some(Foreign::Comment)),
    ("/*", Some(Foreign::Comment)),
    ("=>", Some(Foreign::Function)),
    ("?.", Some(Foreign::OptionalChaining)),
    ("??", Some(Foreign::NullishCoalescing)),
    ("++", Some(Foreign::Arithmetic)),
    ("--", Some(Foreign::Arithmetic)),
    ("**", Some(Foreign::Arithmetic)),
    ("<<", Some(Foreign::Bitwise)),
    (">>", Some(Foreign::Bitwise)),
    ("(", None),
    (")", None),
    ("[", None),
    ("]", None),
    (".", None),
    (",", None),
    ("!", None),
    ("<", None),
    (">", None),
    ("-", None),
    ("=", Some(Foreign::Assignment)),
    ("+", Some(Foreign::Arithmetic)),
    ("*", Some(Foreign::Arithmetic)),
    ("/", Some(Foreign::Arithmetic)),
    ("%", Some(Foreign::Arithmetic)),
    ("&", Some(Foreign::Bitwise)),
    ("|", Some(Foreign::Bitwise)),
    ("^", Some(Foreign::Bitwise)),
    ("~", Some(Foreign::Bitwise)),
    ("?", Some(Foreign::Conditional)),
    ("`", Some(Foreign::Template)),
    (";", Some(Foreign::Statement)),
    ("{", Some(Foreign::Object)),
    ("}", Some(Foreign::Object)),
];

pub(super) struct Lexer<'s> {
    source: &'s str,
    position: usize,
}

impl<'s> Lexer<'s> {
    pub(super) const fn new(source: &'s str) -> Self {
        Self {
            source,
            position: 0,
        }
    }

    /// Returns the next token; [`TokenKind::End`] at the end, however often it is called.
    pub(super) fn next_token(&mut self) -> Result<Token<'s>, ExpressionError> {
        let start = self.source.len() - self.rest().trim_start_matches(is_space).len();
        self.position = start;
        let kind = self.next_kind()?;
        Ok(Token {
            kind,
            span: Span::new(start, self.position),
        })
    }

    fn next_kind(&mut self) -> Result<TokenKind<'s>, ExpressionError> {
        let rest = self.rest();
        let mut characters = rest.chars();
        let (first, second) = (characters.next(), characters.next());
        let second_is_digit = second.is_some_and(|second| second.is_ascii_digit());
        match first {
            None => Ok(TokenKind::End),
            Some('\'' | '"') => {
                let (text, length) = literal::string(rest, self.position)?;
                self.position += length;
                Ok(TokenKind::Text(text))
            }
            Some(digit) if digit.is_ascii_digit() || (digit == '.' && second_is_digit) => {
                let (number, length) = literal::number(rest, self.position)?;
                self.position += length;
                Ok(TokenKind::Number(number))
            }
            Some(letter) if is_name_start(letter) => {
                let length = rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
                self.position += length;
                Ok(TokenKind::Name(rest.get(..length).unwrap_or_default()))
            }
            Some(character) => self.next_sign(character),
        }
    }

    fn next_sign(&mut self, character: char) -> Result<TokenKind<'s>, ExpressionError> {
        let rest = self.rest();
        let Some((sign, foreign)) = SIGNS.into_iter().find(|(sign, _)| rest.starts_with(sign))
        else {
            let span = self.position..self.position + character.len_utf8();
            return Err(ExpressionError::Character { character, span });
        };
        self.position += sign.len();
        Ok(foreign.map_or(TokenKind::Sign(sign), TokenKind::Foreign))
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.position..).unwrap_or_default()
    }
}
