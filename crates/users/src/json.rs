//! JSON that can be read in one way only.
//!
//! Parsers differ on what a repeated name means, and an issuer may have meant the other one.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep lists and objects may be nested.
pub(crate) const MOST_NESTED: usize = 32;

/// Why a document is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JsonError {
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is not JSON, or a number in it is out of range.
    #[error("it is not JSON, or a number in it is out of range")]
    Syntax,
    /// It is nested too deep.
    #[error("it is nested deeper than {MOST_NESTED} levels")]
    TooDeep,
    /// An object has a name twice.
    #[error("an object in it contains the same name twice")]
    RepeatedName,
    /// It is not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
}

/// Reads an object.
pub(crate) fn object(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    let fault = Cell::new(JsonError::Syntax);
    let seed = Strict {
        levels: MOST_NESTED,
        fault: &fault,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = seed
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    match read {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(JsonError::NotAnObject),
        Err(_) => Err(fault.get()),
    }
}

/// Reads one value; `fault` becomes the reason where it is not one of syntax.
#[derive(Clone, Copy)]
struct Strict<'f> {
    levels: usize,
    fault: &'f Cell<JsonError>,
}

impl Strict<'_> {
    fn fails<E: de::Error>(self, fault: JsonError) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }

    fn below<E: de::Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(self.fails(JsonError::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(below)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(self.fails(JsonError::RepeatedName));
            }
            object.insert(name, members.next_value_seed(below)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::array("[]", JsonError::NotAnObject)]
    #[case::nothing("", JsonError::Syntax)]
    #[case::cut(r#"{"a":"#, JsonError::Syntax)]
    #[case::more("{} {}", JsonError::Syntax)]
    #[case::mark("\u{feff}{}", JsonError::Syntax)]
    #[case::out_of_range(r#"{"a":1e400}"#, JsonError::Syntax)]
    #[case::not_a_number(r#"{"a":NaN}"#, JsonError::Syntax)]
    #[case::comment("{/**/}", JsonError::Syntax)]
    #[case::repeated(r#"{"a":1,"a":1}"#, JsonError::RepeatedName)]
    #[case::repeated_inside(r#"{"b":[{"a":1,"a":2}]}"#, JsonError::RepeatedName)]
    #[case::repeated_escaped(r#"{"a":1,"\u0061":2}"#, JsonError::RepeatedName)]
    fn ambiguous_documents_are_rejected(#[case] text: &str, #[case] error: JsonError) {
        assert_eq!(object(text.as_bytes()), Err(error));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| {
            let inner = levels - 1;
            format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner))
        };
        assert!(object(nested(MOST_NESTED).as_bytes()).is_ok());
        for levels in [MOST_NESTED + 1, 10_000, 1_000_000] {
            assert_eq!(
                object(nested(levels).as_bytes()),
                Err(JsonError::TooDeep),
                "{levels}"
            );
        }
    }

    proptest! {
        #[test]
        fn unambiguous_objects_read_as_serde_json_reads_them(text in r#"\{("[a-z]":[0-9.eE+-]{1,9},){0,3}"z":["\[\]{}a-z0-9,:]{0,9}\}"#) {
            if let Ok(value) = object(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            }
        }
    }
}
