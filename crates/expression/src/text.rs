//! JavaScript strings that evaluation compares without building them.

use std::{cmp::Ordering, str::EncodeUtf16};

use super::{
    characters::is_space,
    value::{List, Value},
};

/// Lists nested deeper have no text, because the walk over them uses a fixed-size stack.
pub(super) const MAX_NESTING: usize = 32;

/// The result of JavaScript's `String(value)`.
#[derive(Clone, Copy)]
pub(super) enum Text<'v> {
    Plain(&'v str),
    /// The text of a number.
    Number(f64),
    /// The elements of a list of two or more, joined by commas; see [`Text::of_list`].
    Joined(List<'v>),
}

/// The reason why a list has no text.
pub(super) enum NoText {
    /// It contains an object, and objects have no text here.
    Object,
    /// It is nested deeper than [`MAX_NESTING`].
    Nesting,
}

impl<'v> Text<'v> {
    /// Returns the text of a list: its elements' texts joined by commas; `null` and `undefined` are
    /// empty (ECMA-262, `Array.prototype.join`).
    pub(super) fn of_list(list: List<'v>) -> Result<Self, NoText> {
        check(list, MAX_NESTING)?;
        let mut list = list;
        // A list of one element has the text of that element.
        while list.len() == 1 {
            match list.get(0) {
                Some(Value::List(inner)) => list = inner,
                Some(value) => return Ok(Self::of_element(value)),
                None => break,
            }
        }
        Ok(if list.len() == 0 {
            Self::Plain("")
        } else {
            Self::Joined(list)
        })
    }

    fn of_element(value: Value<'v>) -> Self {
        match value {
            Value::Bool(bool) => Self::Plain(text_of_bool(bool)),
            Value::Number(number) => Self::Number(number),
            Value::Text(text) => Self::Plain(text),
            // The caller has handled objects and lists.
            Value::Undefined | Value::Null | Value::List(_) | Value::Object(_) => Self::Plain(""),
        }
    }

    /// Returns the text as one piece, unless it is joined from several.
    pub(super) fn as_str<'s>(&self, buffer: &'s mut ryu_js::Buffer) -> Option<&'s str>
    where
        'v: 's,
    {
        match *self {
            Self::Plain(text) => Some(text),
            Self::Number(number) => Some(buffer.format(number)),
            Self::Joined(_) => None,
        }
    }

    /// Orders by UTF-16 code units, which differs from the order of Unicode characters
    /// (ECMA-262, `IsLessThan`).
    pub(super) fn cmp(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Plain(left), Self::Plain(right)) if left == right => Ordering::Equal,
            _ => self.units().cmp(other.units()),
        }
    }

    pub(super) fn equals(self, other: &str) -> bool {
        match self {
            Self::Plain(text) => text == other,
            _ => self.units().eq(other.encode_utf16()),
        }
    }

    /// ECMA-262, `StringToNumber`.
    pub(super) fn to_number(self) -> f64 {
        match self {
            Self::Plain(text) => number_of(text),
            Self::Number(number) => number,
            // It contains a comma.
            Self::Joined(_) => f64::NAN,
        }
    }

    fn units(self) -> Units<'v> {
        let mut units = Units {
            piece: Piece::Text("".encode_utf16()),
            frames: [None; MAX_NESTING],
            depth: 0,
        };
        match self {
            Self::Plain(text) => units.piece = Piece::Text(text.encode_utf16()),
            Self::Number(number) => units.piece = Piece::number(number),
            Self::Joined(list) => units.enter(list),
        }
        units
    }
}

/// The text of a boolean.
pub(super) fn text_of_bool(bool: bool) -> &'static str {
    if bool { "true" } else { "false" }
}

fn check(list: List<'_>, levels: usize) -> Result<(), NoText> {
    let levels = levels.checked_sub(1).ok_or(NoText::Nesting)?;
    (0..list.len())
        .filter_map(|index| list.get(index))
        .try_for_each(|value| match value {
            Value::Object(_) => Err(NoText::Object),
            Value::List(inner) => check(inner, levels),
            _ => Ok(()),
        })
}

/// The UTF-16 code units of a text.
struct Units<'v> {
    piece: Piece<'v>,
    /// The lists being walked, the outermost first.
    frames: [Option<Frame<'v>>; MAX_NESTING],
    depth: usize,
}

#[derive(Clone, Copy)]
struct Frame<'v> {
    list: List<'v>,
    next: usize,
    comma_given: bool,
}

enum Piece<'v> {
    Text(EncodeUtf16<'v>),
    /// A number's text is ASCII and at most 25 characters long.
    Number {
        text: [u8; 32],
        next: usize,
    },
}

impl Piece<'_> {
    fn number(number: f64) -> Self {
        let mut text = [0; 32];
        let mut buffer = ryu_js::Buffer::new();
        for (to, from) in text.iter_mut().zip(buffer.format(number).bytes()) {
            *to = from;
        }
        Self::Number { text, next: 0 }
    }

    fn next(&mut self) -> Option<u16> {
        match self {
            Self::Text(units) => units.next(),
            Self::Number { text, next } => {
                let unit = text.get(*next).copied().filter(|unit| *unit != 0)?;
                *next += 1;
                Some(unit.into())
            }
        }
    }
}

impl<'v> Units<'v> {
    /// `of_list` has checked that every level has a frame.
    fn enter(&mut self, list: List<'v>) {
        if let Some(frame) = self.frames.get_mut(self.depth) {
            *frame = Some(Frame {
                list,
                next: 0,
                comma_given: false,
            });
            self.depth += 1;
        }
    }

    fn next_piece(&mut self) -> Option<Piece<'v>> {
        loop {
            let top = self.depth.checked_sub(1)?;
            let frame = self.frames.get_mut(top)?.as_mut()?;
            let Some(value) = frame.list.get(frame.next) else {
                self.depth = top;
                continue;
            };
            if frame.next > 0 && !frame.comma_given {
                frame.comma_given = true;
                return Some(Piece::Text(",".encode_utf16()));
            }
            frame.comma_given = false;
            frame.next += 1;
            match value {
                Value::List(inner) => self.enter(inner),
                value => match Text::of_element(value) {
                    Text::Plain(text) => return Some(Piece::Text(text.encode_utf16())),
                    Text::Number(number) => return Some(Piece::number(number)),
                    Text::Joined(_) => {}
                },
            }
        }
    }
}

impl Iterator for Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        loop {
            if let Some(unit) = self.piece.next() {
                return Some(unit);
            }
            self.piece = self.next_piece()?;
        }
    }
}

fn number_of(text: &str) -> f64 {
    let text = text.trim_matches(is_space);
    let radix = text.get(..2).and_then(|prefix| match prefix {
        "0x" | "0X" => Some(16),
        "0o" | "0O" => Some(8),
        "0b" | "0B" => Some(2),
        _ => None,
    });
    if let (Some(radix), Some(digits)) = (radix, text.get(2..)) {
        return integer_of(digits, radix).unwrap_or(f64::NAN);
    }
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // For these characters, Rust's grammar equals JavaScript's `StrDecimalLiteral`.
        _ if text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) =>
        {
            text.parse().unwrap_or(f64::NAN)
        }
        _ => f64::NAN,
    }
}

/// Rounded once, as the exact integer would be, for any number of digits.
fn integer_of(digits: &str, radix: u32) -> Option<f64> {
    let bits = radix.trailing_zeros();
    let mut leading: u64 = 0;
    let mut dropped_bits: i32 = 0;
    if digits.is_empty() {
        return None;
    }
    for digit in digits.chars() {
        let digit = u64::from(digit.to_digit(radix)?);
        if leading >> (60 - bits) == 0 {
            leading = (leading << bits) | digit;
        } else {
            // At this position, a set bit only decides whether the rest is more than a half.
            leading |= u64::from(digit != 0);
            dropped_bits = dropped_bits.saturating_add_unsigned(bits);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "this rounding is intended")]
    let rounded = leading as f64;
    Some(rounded * 2f64.powi(dropped_bits))
}
