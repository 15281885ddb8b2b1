//! Why a part of an expression has no value.

/// What was asked of a value that cannot answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A property of a property that is not there.
    #[error("`undefined` has no properties")]
    PropertyOfUndefined,
    /// A property of `null`.
    #[error("`null` has no properties")]
    PropertyOfNull,
    /// `in` with something at its right that holds no names.
    #[error("`in` asks for an object or a list at its right, and this is {kind}")]
    NoContainer {
        /// What stands there.
        kind: &'static str,
    },
    /// `.includes` of something that is no list.
    #[error("`.includes` is a list's, and this is {kind}")]
    NoList {
        /// What it is.
        kind: &'static str,
    },
    /// An object, or a list with one in it, where a string or a number is needed.
    #[error("an object is neither a string nor a number")]
    NoPrimitive,
    /// A list nested too deep to be compared.
    #[error("a list nested this deep has no text")]
    Nesting,
    /// `text[index]` in the middle of a character that takes two UTF-16 code units.
    #[error("this is half of a character")]
    HalfCharacter,
}
