//! The values that expressions compute with.
//!
//! They are JavaScript's values, but nothing is inherited. So `groups.constructor` is an ordinary
//! group; and an object, which has no `toString`, cannot be converted to a string or a number:
//! trying it is an error. A list converts to a string as in JavaScript.

use std::{cell::Cell, ptr};

use serde_json::{Map, Value as Json};

use crate::{NameSet, fault::Fault};

/// A value, borrowed from the expression, the facts and the slots for list elements.
#[derive(Clone, Copy, Default)]
pub(super) enum Value<'v> {
    #[default]
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(&'v str),
    List(List<'v>),
    Object(Object<'v>),
}

#[derive(Clone, Copy)]
pub(super) enum List<'v> {
    /// The elements of a list literal, in their slots.
    Literal(&'v [Cell<Value<'v>>]),
    /// A vector, not a slice: its address distinguishes empty lists.
    Json(&'v Vec<Json>),
}

#[derive(Clone, Copy)]
pub(super) enum Object<'v> {
    Groups(Option<&'v NameSet>),
    Permissions(Option<&'v NameSet>),
    /// The user's properties or an object in them; `None` if nobody is logged in.
    Properties(Option<&'v Map<String, Json>>),
}

impl<'v> List<'v> {
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Literal(items) => items.len(),
            Self::Json(items) => items.len(),
        }
    }

    pub(super) fn get(self, index: usize) -> Option<Value<'v>> {
        match self {
            Self::Literal(items) => items.get(index).map(Cell::get),
            Self::Json(items) => items.get(index).map(Value::from),
        }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Value<'v>> {
        (0..self.len()).filter_map(move |index| self.get(index))
    }

    fn is(self, other: Self) -> bool {
        match (self, other) {
            // Every literal has a slot of its own, even an empty one.
            (Self::Literal(left), Self::Literal(right)) => ptr::eq(left.as_ptr(), right.as_ptr()),
            (Self::Json(left), Self::Json(right)) => ptr::eq(left, right),
            _ => false,
        }
    }
}

impl Object<'_> {
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Groups(_), Self::Groups(_)) | (Self::Permissions(_), Self::Permissions(_)) => {
                true
            }
            (Self::Properties(left), Self::Properties(right)) => match (left, right) {
                (Some(left), Some(right)) => ptr::eq(left, right),
                (left, right) => left.is_none() && right.is_none(),
            },
            _ => false,
        }
    }
}

impl<'v> From<&'v Json> for Value<'v> {
    fn from(json: &'v Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::Text(text),
            Json::Array(items) => Self::List(List::Json(items)),
            Json::Object(properties) => Self::Object(Object::Properties(Some(properties))),
        }
    }
}

impl Value<'_> {
    /// ECMA-262, `ToBoolean`.
    pub(super) fn is_truthy(self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(bool) => bool,
            Self::Number(number) => number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::List(_) | Self::Object(_) => true,
        }
    }

    /// The name of its kind, for messages.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// `===` (ECMA-262, `IsStrictlyEqual`): lists and objects equal only themselves.
    pub(super) fn strictly_equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Undefined, Self::Undefined) | (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => same_number(left, right),
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::List(left), Self::List(right)) => left.is(right),
            (Self::Object(left), Self::Object(right)) => left.is(right),
            _ => false,
        }
    }

    /// ECMA-262, `SameValueZero`: as `===`, but `NaN` equals itself.
    pub(super) fn same_value(self, other: Self) -> bool {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) if left.is_nan() => right.is_nan(),
            (left, right) => left.strictly_equals(right),
        }
    }

    /// `self.includes(item)` (ECMA-262, `Array.prototype.includes`): only lists have it.
    pub(super) fn includes(self, item: Self) -> Result<bool, Fault> {
        match self {
            Self::List(list) => Ok(list.iter().any(|own| own.same_value(item))),
            Self::Undefined => Err(Fault::PropertyOfUndefined),
            Self::Null => Err(Fault::PropertyOfNull),
            other => Err(Fault::NoList { kind: other.kind() }),
        }
    }
}

#[expect(
    clippy::float_cmp,
    reason = "JavaScript's equality of numbers is IEEE 754's"
)]
pub(super) fn same_number(left: f64, right: f64) -> bool {
    left == right
}
