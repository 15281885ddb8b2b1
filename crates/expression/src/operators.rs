//! JavaScript's operators: comparison, properties, `in`.

use std::cmp::Ordering;

use super::{
    fault::Fault,
    text::{NoText, Text, text_of_bool},
    value::{Object, Value, same_number},
};

/// An operand of `==` and `<`: a value that is neither list nor object.
#[derive(Clone, Copy)]
enum Primitive<'v> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Text<'v>),
}

impl<'v> Object<'v> {
    fn get(self, name: Text<'_>) -> Option<Value<'v>> {
        match self {
            Self::Groups(names) | Self::Permissions(names) => {
                let names = names?;
                let granted = match name.as_str(&mut ryu_js::Buffer::new()) {
                    Some(name) => names.contains(name),
                    None => names.iter().any(|granted| name.equals(granted)),
                };
                granted.then_some(Value::Bool(true))
            }
            Self::Properties(properties) => {
                let properties = properties?;
                let value = match name.as_str(&mut ryu_js::Buffer::new()) {
                    Some(name) => properties.get(name),
                    None => properties
                        .iter()
                        .find(|(key, _)| name.equals(key))
                        .map(|it| it.1),
                };
                value.map(Value::from)
            }
        }
    }
}

impl<'v> Value<'v> {
    /// `==` (ECMA-262, `IsLooselyEqual`).
    pub(super) fn loosely_equals(self, other: Self) -> Result<bool, Fault> {
        use Primitive as P;
        match (self, other) {
            (Self::Undefined | Self::Null, Self::Undefined | Self::Null) => return Ok(true),
            // Neither of these is converted to a primitive.
            (Self::Undefined | Self::Null, _) | (_, Self::Undefined | Self::Null) => {
                return Ok(false);
            }
            (Self::List(_) | Self::Object(_), Self::List(_) | Self::Object(_)) => {
                return Ok(self.strictly_equals(other));
            }
            _ => {}
        }
        Ok(match (self.to_primitive()?, other.to_primitive()?) {
            (P::Text(left), P::Text(right)) => left.cmp(right) == Ordering::Equal,
            (left, right) => same_number(left.to_number(), right.to_number()),
        })
    }

    /// The order of two values; `None` if one of them is not a number (ECMA-262, `IsLessThan`).
    pub(super) fn partial_cmp(self, other: Self) -> Result<Option<Ordering>, Fault> {
        Ok(match (self.to_primitive()?, other.to_primitive()?) {
            (Primitive::Text(left), Primitive::Text(right)) => Some(left.cmp(right)),
            (left, right) => left.to_number().partial_cmp(&right.to_number()),
        })
    }

    /// `self.name`, `self[name]`: own properties only (ECMA-262, `OrdinaryGetOwnProperty`).
    pub(super) fn property(self, name: Text<'_>) -> Result<Self, Fault> {
        Ok(match self {
            Self::Undefined => return Err(Fault::PropertyOfUndefined),
            Self::Null => return Err(Fault::PropertyOfNull),
            Self::Bool(_) | Self::Number(_) => Self::Undefined,
            Self::Object(object) => object.get(name).unwrap_or_default(),
            Self::Text(text) => match OwnProperty::named(name) {
                Some(OwnProperty::Length) => length(text.encode_utf16().count()),
                Some(OwnProperty::Index(index)) => unit_at(text, index)?,
                None => Self::Undefined,
            },
            Self::List(list) => match OwnProperty::named(name) {
                Some(OwnProperty::Length) => length(list.len()),
                Some(OwnProperty::Index(index)) => list.get(index).unwrap_or_default(),
                None => Self::Undefined,
            },
        })
    }

    /// `self in container`. A list on the left is in if any of its elements is: this is
    /// Mia-Platform's rule, not JavaScript's.
    pub(super) fn is_in(self, container: Self) -> Result<bool, Fault> {
        match self {
            Self::List(names) => container.has_any(names.iter()),
            name => container.has_any([name]),
        }
    }

    /// Whether `self` has a property of one of these names. All names are evaluated, so that an
    /// invalid name is an error at any index.
    pub(super) fn has_any(self, names: impl IntoIterator<Item = Self>) -> Result<bool, Fault> {
        let has: &dyn Fn(Text<'_>) -> bool = match self {
            Self::Object(object) => &move |name| object.get(name).is_some(),
            Self::List(list) => &move |name| match OwnProperty::named(name) {
                Some(OwnProperty::Length) => true,
                Some(OwnProperty::Index(index)) => index < list.len(),
                None => false,
            },
            other => return Err(Fault::NoContainer { kind: other.kind() }),
        };
        names
            .into_iter()
            .try_fold(false, |any, name| Ok(any | has(name.to_name()?)))
    }

    /// The property name of the value (ECMA-262, `ToPropertyKey`).
    pub(super) fn to_name(self) -> Result<Text<'v>, Fault> {
        Ok(match self.to_primitive()? {
            Primitive::Undefined => Text::Plain("undefined"),
            Primitive::Null => Text::Plain("null"),
            Primitive::Bool(bool) => Text::Plain(text_of_bool(bool)),
            Primitive::Number(number) => Text::Number(number),
            Primitive::Text(text) => text,
        })
    }

    /// ECMA-262, `ToPrimitive`, where no object has `valueOf` or `toString` and lists are joined.
    fn to_primitive(self) -> Result<Primitive<'v>, Fault> {
        Ok(match self {
            Self::Undefined => Primitive::Undefined,
            Self::Null => Primitive::Null,
            Self::Bool(bool) => Primitive::Bool(bool),
            Self::Number(number) => Primitive::Number(number),
            Self::Text(text) => Primitive::Text(Text::Plain(text)),
            Self::List(list) => match Text::of_list(list) {
                Ok(text) => Primitive::Text(text),
                Err(NoText::Object) => return Err(Fault::NoPrimitive),
                Err(NoText::Nesting) => return Err(Fault::Nesting),
            },
            Self::Object(_) => return Err(Fault::NoPrimitive),
        })
    }
}

impl Primitive<'_> {
    /// ECMA-262, `ToNumber`.
    fn to_number(self) -> f64 {
        match self {
            Self::Undefined => f64::NAN,
            Self::Null => 0.0,
            Self::Bool(bool) => bool.into(),
            Self::Number(number) => number,
            Self::Text(text) => text.to_number(),
        }
    }
}

/// Returns the own properties of strings and lists.
enum OwnProperty {
    Length,
    Index(usize),
}

impl OwnProperty {
    fn named(name: Text<'_>) -> Option<Self> {
        let mut buffer = ryu_js::Buffer::new();
        let name = name.as_str(&mut buffer)?;
        if name == "length" {
            return Some(Self::Length);
        }
        // `01` and `+1` are names, but not indexes.
        let canonical = name == "0"
            || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
        canonical
            .then(|| name.parse().ok().map(Self::Index))
            .flatten()
    }
}

fn length<'v>(length: usize) -> Value<'v> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "nothing in memory is longer than 2^53"
    )]
    let length = length as f64;
    Value::Number(length)
}

/// `text[index]`, counted in UTF-16 code units as JavaScript does.
fn unit_at(text: &str, index: usize) -> Result<Value<'_>, Fault> {
    let mut units = 0;
    for (start, character) in text.char_indices() {
        if units == index && character.len_utf16() == 1 {
            let end = start + character.len_utf8();
            return Ok(text.get(start..end).map_or(Value::Undefined, Value::Text));
        }
        units += character.len_utf16();
        if units > index {
            return Err(Fault::HalfCharacter);
        }
    }
    Ok(Value::Undefined)
}
