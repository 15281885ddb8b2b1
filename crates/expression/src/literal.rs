//! String and number literals, by ECMA-262's strict mode.

use super::error::ExpressionError;
use crate::characters::is_name_part;

/// Returns the value and the length of the string literal at the start of `rest`.
pub(super) fn string(rest: &str, offset: usize) -> Result<(Box<str>, usize), ExpressionError> {
    let mut reader = StringReader {
        rest,
        offset,
        position: 0,
    };
    let quote = reader.next().unwrap_or('\'');
    let mut text = String::new();
    loop {
        let start = reader.position;
        match reader.next() {
            Some(character) if character == quote => {
                return Ok((text.into_boxed_str(), reader.position));
            }
            Some('\\') => match reader.next() {
                // A line continuation.
                Some('\r') => {
                    reader.take('\n');
                }
                Some('\n' | '\u{2028}' | '\u{2029}') => {}
                Some(character) => {
                    text.push(
                        reader
                            .escape(character)
                            .ok_or_else(|| reader.bad_escape(start))?,
                    );
                }
                None => return Err(reader.unclosed(quote)),
            },
            None | Some('\n' | '\r') => return Err(reader.unclosed(quote)),
            Some(character) => text.push(character),
        }
    }
}

struct StringReader<'s> {
    rest: &'s str,
    /// The offset of `rest` in the expression.
    offset: usize,
    position: usize,
}

impl StringReader<'_> {
    fn ahead(&self) -> &str {
        self.rest.get(self.position..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.ahead().chars().next()?;
        self.position += character.len_utf8();
        Some(character)
    }

    fn take(&mut self, wanted: char) -> bool {
        let taken = self.ahead().starts_with(wanted);
        if taken {
            self.position += wanted.len_utf8();
        }
        taken
    }

    /// Returns the character of the escape that starts with `\` and `character`.
    fn escape(&mut self, character: char) -> Option<char> {
        Some(match character {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '0' if !self.ahead().starts_with(|next: char| next.is_ascii_digit()) => '\0',
            // Octal escapes, which strict mode rejects.
            '0'..='9' => return None,
            'x' => char::from_u32(self.digits(2)?)?,
            'u' => {
                let unit = self.code_point()?;
                match unit {
                    0xd800..=0xdbff => self.low_surrogate(unit)?,
                    unit => char::from_u32(unit)?,
                }
            }
            other => other,
        })
    }

    fn low_surrogate(&mut self, high: u32) -> Option<char> {
        if !(self.take('\\') && self.take('u')) {
            return None;
        }
        let low = self
            .code_point()
            .filter(|low| (0xdc00..=0xdfff).contains(low))?;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    /// Parses the digits after `\u`: four, or any number in braces.
    fn code_point(&mut self) -> Option<u32> {
        if !self.take('{') {
            return self.digits(4);
        }
        let length = self.ahead().find('}').filter(|length| *length > 0)?;
        // `from_str_radix` would accept a sign.
        let digits = self
            .ahead()
            .get(..length)
            .filter(|it| !it.starts_with(['+', '-']))?;
        let point = u32::from_str_radix(digits.trim_start_matches('0'), 16);
        let point = if digits.bytes().all(|byte| byte == b'0') {
            0
        } else {
            point.ok()?
        };
        self.position += length + 1;
        Some(point)
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value * 16 + self.next()?.to_digit(16)?))
    }

    fn bad_escape(&self, start: usize) -> ExpressionError {
        ExpressionError::Escape {
            escape: self
                .rest
                .get(start..self.position)
                .unwrap_or_default()
                .to_owned(),
            span: self.offset + start..self.offset + self.position,
        }
    }

    fn unclosed(&self, quote: char) -> ExpressionError {
        let line = self.rest.lines().next().unwrap_or_default().trim_end();
        ExpressionError::UnclosedString {
            quote,
            span: self.offset..self.offset + line.len().max(1),
        }
    }
}

/// Returns the value and the length of the number literal at the start of `rest`.
pub(super) fn number(rest: &str, offset: usize) -> Result<(f64, usize), ExpressionError> {
    let digits = |from: usize| {
        let ahead = rest.get(from..).unwrap_or_default();
        ahead.bytes().take_while(u8::is_ascii_digit).count()
    };
    let is = |at: usize, wanted: &[u8]| {
        rest.as_bytes()
            .get(at)
            .is_some_and(|byte| wanted.contains(byte))
    };
    let integer = digits(0);
    let mut length = integer;
    if is(length, b".") {
        length += 1 + digits(length + 1);
    }
    if is(length, b"eE") {
        let exponent = length + 1 + usize::from(is(length + 1, b"+-"));
        if digits(exponent) > 0 {
            length = exponent + digits(exponent);
        }
    }
    let value = rest
        .get(..length)
        .and_then(|text| text.parse().ok())
        .unwrap_or(f64::INFINITY);
    let ahead = rest.get(length..).unwrap_or_default();
    let is_octal = integer > 1 && rest.starts_with('0');
    if ahead.starts_with(is_name_part) || is_octal || value.is_infinite() {
        let end = ahead
            .find(|c| !is_name_part(c))
            .map_or(rest.len(), |more| length + more);
        return Err(ExpressionError::Number {
            number: rest.get(..end).unwrap_or_default().to_owned(),
            span: offset..offset + end,
        });
    }
    Ok((value, length))
}
