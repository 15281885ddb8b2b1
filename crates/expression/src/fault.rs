//! The reasons why a part of an expression has no value.

/// An operation that a value does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A property of an absent property.
    #[error("`undefined` has no properties")]
    PropertyOfUndefined,
    /// A property of `null`.
    #[error("`null` has no properties")]
    PropertyOfNull,
    /// `in` with a right side that holds no names.
    #[error("the right side of `in` must be an object or a list, not {kind}")]
    NoContainer {
        /// The kind of the right side.
        kind: &'static str,
    },
    /// `.includes` of a value that is not a list.
    #[error("`.includes` works only on a list, not on {kind}")]
    NoList {
        /// The kind of the value.
        kind: &'static str,
    },
    /// An object, or a list with one in it, where a string or a number is needed.
    #[error("an object cannot be converted to a string or a number")]
    NoPrimitive,
    /// A list nested too deep to be compared.
    #[error("a list that is nested this deeply cannot be compared")]
    Nesting,
    /// `text[index]` in the middle of a character that takes two UTF-16 code units.
    #[error("the index is in the middle of a character")]
    HalfCharacter,
}
