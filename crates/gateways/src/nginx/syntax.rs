//! nginx's configuration syntax: words, `;` and blocks.
//!
//! It splits a text as `ngx_conf_read_token` does (`src/core/ngx_conf_file.c`): a quote starts a string
//! only at the start of a word, `${` is part of the word, a carriage return is white space. With other
//! rules the check would see other directives than nginx.

mod lua;

use std::ops::Range;

/// The deepest nesting of blocks; nginx's own contexts end after five or six.
const DEEPEST_BLOCK: usize = 64;

/// nginx's `NGX_CONF_BUFFER`: no word can be longer.
const LONGEST_WORD: usize = 4096;

/// One word of a directive, without its quotes and escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its text, as nginx stores it.
    pub text: String,
    /// Its span including quotes, in bytes of the text.
    pub span: Range<usize>,
}

/// A directive: at least one word, and optionally a block.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    /// The first word.
    pub name: Word,
    /// The other words.
    pub arguments: Vec<Word>,
    /// The content of its braces; empty for a Lua block.
    pub block: Option<Vec<Statement>>,
}

/// The error for a text that is not an nginx configuration. It contains nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// The location, in bytes of the text.
    pub at: usize,
}

/// The character that ends a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Semicolon,
    Opening,
    Closing,
    OfFile,
}

/// An open block, and its directive.
struct Open {
    head: (Word, Vec<Word>),
    outer: Vec<Statement>,
    at: usize,
}

/// Parses the directives of a text.
///
/// # Errors
/// nginx would reject it too.
pub fn parse(text: &str) -> Result<Vec<Statement>, SyntaxError> {
    if text.starts_with('\u{feff}') {
        return Err(error(
            "the file starts with a UTF-8 byte order mark, which nginx treats as part of the \
             first directive's name",
            0,
        ));
    }
    let mut reader = Reader { text, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    let mut statements = Vec::new();
    loop {
        let start = reader.at;
        let (words, end) = reader.directive()?;
        let at = words.first().map_or(start, |word| word.span.start);
        let mut words = words.into_iter();
        match (end, words.next()) {
            (End::Semicolon, Some(name)) => statements.push(Statement {
                name,
                arguments: words.collect(),
                block: None,
            }),
            (End::Opening, Some(name)) if name.text.ends_with("_by_lua_block") => {
                reader.at = lua::end_of_block(text, reader.at)
                    .ok_or_else(|| error("a Lua block is not closed", at))?;
                statements.push(Statement {
                    name,
                    arguments: words.collect(),
                    block: Some(Vec::new()),
                });
            }
            (End::Opening, Some(name)) => {
                if open.len() == DEEPEST_BLOCK {
                    let message = format!("blocks are nested deeper than {DEEPEST_BLOCK} levels");
                    return Err(error(message, at));
                }
                open.push(Open {
                    head: (name, words.collect()),
                    outer: std::mem::take(&mut statements),
                    at,
                });
            }
            (End::Closing, _) => {
                let Some(closed) = open.pop() else {
                    return Err(error("unexpected `}`", reader.at.saturating_sub(1)));
                };
                let block = std::mem::replace(&mut statements, closed.outer);
                let (name, arguments) = closed.head;
                statements.push(Statement {
                    name,
                    arguments,
                    block: Some(block),
                });
            }
            (End::OfFile, _) => {
                return match open.pop() {
                    Some(unclosed) => Err(error("a block is not closed", unclosed.at)),
                    None => Ok(statements),
                };
            }
            (End::Semicolon | End::Opening, None) => {
                let message = "a directive has no name";
                return Err(error(message, reader.at.saturating_sub(1)));
            }
        }
    }
}

fn error(message: impl Into<String>, at: usize) -> SyntaxError {
    SyntaxError {
        message: message.into(),
        at,
    }
}

/// nginx's white space.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads the words up to the next `;`, `{`, `}` or the end.
    fn directive(&mut self) -> Result<(Vec<Word>, End), SyntaxError> {
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.skip_blanks();
            let start = self.at;
            let end = match self.peek() {
                Some(quote @ (b'"' | b'\'')) => {
                    words.push(self.quoted(quote)?);
                    continue;
                }
                Some(b';') => End::Semicolon,
                Some(b'{') => End::Opening,
                Some(b'}') => End::Closing,
                Some(_) => {
                    words.push(self.bare()?);
                    continue;
                }
                None => End::OfFile,
            };
            self.at += usize::from(end != End::OfFile);
            return match end {
                End::Closing if !words.is_empty() => Err(error("unexpected `}`", start)),
                End::OfFile if !words.is_empty() => {
                    let last = words.last().map_or(start, |word| word.span.end);
                    Err(error(
                        "the file ends within a directive, before its `;`",
                        last,
                    ))
                }
                _ => Ok((words, end)),
            };
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ if is_blank(byte) => self.at += 1,
                _ => return,
            }
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn bare(&mut self) -> Result<Word, SyntaxError> {
        let start = self.at;
        let mut after_dollar = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' if after_dollar => {}
                b';' | b'{' => break,
                b'\\' => {
                    after_dollar = false;
                    self.at += 1;
                }
                _ if is_blank(byte) => break,
                _ => after_dollar = byte == b'$',
            }
            self.at += 1;
        }
        self.word(start..self.at, 0)
    }

    fn quoted(&mut self, quote: u8) -> Result<Word, SyntaxError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(byte) if byte == quote => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(error("a quoted string is not closed", start)),
            }
        }
        self.at += 1;
        match self.peek() {
            Some(b';' | b'{' | b')') | None => {}
            Some(byte) if is_blank(byte) => {}
            Some(_) => {
                let message = "there is no space or `;` after a quoted string";
                return Err(error(message, self.at));
            }
        }
        self.word(start..self.at, 1)
    }

    /// Returns the word at a span of the text, with this number of quotes at each end.
    fn word(&self, span: Range<usize>, quotes: usize) -> Result<Word, SyntaxError> {
        if span.len() > LONGEST_WORD {
            let message = format!("a word is longer than nginx's {LONGEST_WORD} bytes");
            return Err(error(message, span.start));
        }
        // A backslash may be the last byte of the file.
        let end = span.end.min(self.text.len());
        let raw = self
            .text
            .get(span.start + quotes..end.saturating_sub(quotes));
        let raw = raw.ok_or_else(|| error("the file ends within a word", span.start))?;
        Ok(Word {
            text: unescape(raw),
            span: span.start..end,
        })
    }
}

/// Returns a word's text as nginx stores it.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars().peekable();
    while let Some(character) = characters.next() {
        let meant = match (character, characters.peek()) {
            ('\\', Some(&escaped @ ('"' | '\'' | '\\'))) => Some(escaped),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('n')) => Some('\n'),
            _ => None,
        };
        if meant.is_some() {
            characters.next();
        }
        text.push(meant.unwrap_or(character));
    }
    text
}

#[cfg(test)]
mod tests;
