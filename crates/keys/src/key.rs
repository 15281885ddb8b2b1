//! An API key without its secret: id, client type, digest and validity.

use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};

use crate::Digest;

/// One entry of the key table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of the key for people.
    pub id: KeyId,
    /// The client type of the key's caller.
    pub client_type: ClientType,
    /// The digest of the key.
    pub digest: Digest,
    /// Whether the key is enabled.
    pub active: bool,
    /// The first moment at which the key is valid.
    pub not_before: Option<Timestamp>,
    /// The first moment at which it is no longer valid.
    pub expires_at: Option<Timestamp>,
}

impl Key {
    /// Returns when the key is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity {
            active: self.active,
            not_before: self.not_before,
            expires_at: self.expires_at,
        }
    }
}

/// When a key is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Whether it is enabled.
    pub active: bool,
    /// The first moment at which it is valid.
    pub not_before: Option<Timestamp>,
    /// The first moment at which it is no longer valid.
    pub expires_at: Option<Timestamp>,
}

impl Validity {
    /// Returns the key's state at a moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        if !self.active {
            KeyState::Inactive
        } else if self.expires_at.is_some_and(|end| now >= end) {
            KeyState::Expired
        } else if self.not_before.is_some_and(|start| now < start) {
            KeyState::NotYetValid
        } else {
            KeyState::Valid
        }
    }

    /// Returns the time until the key expires; `None` if it never expires or has expired.
    #[must_use]
    pub fn time_left(&self, now: Timestamp) -> Option<SignedDuration> {
        let left = self.expires_at?.duration_since(now);
        left.is_positive().then_some(left)
    }

    /// Returns whether the key is valid and expires within [`SOON`], so that it should be rotated.
    #[must_use]
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        self.active && self.time_left(now).is_some_and(|left| left <= SOON)
    }

    /// Returns whether the key replaces one that expires within [`SOON`]: it is valid by then.
    #[must_use]
    pub fn outlasts_soon(&self, now: Timestamp) -> bool {
        let Ok(then) = now.checked_add(SOON) else {
            return false;
        };
        self.active
            && self.not_before.is_none_or(|start| start <= then)
            && self.expires_at.is_none_or(|end| end > then)
    }
}

/// How long before a key's expiry it is reported: 14 days.
pub const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The state of a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It is valid.
    Valid,
    /// It is disabled.
    Inactive,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
}

impl KeyState {
    /// Every state.
    pub const ALL: [Self; 4] = [
        Self::Valid,
        Self::Inactive,
        Self::Expired,
        Self::NotYetValid,
    ];

    /// Returns the name for people and scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
        }
    }
}

impl std::fmt::Display for KeyState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A key's id: visible ASCII, safe in a header, a log and a command line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(HeaderValue);

/// A client type: visible ASCII, safe in a header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientType(HeaderValue);

/// The error for a text that cannot be a key id or a client type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`NameError::LONGEST`].
    #[error("it is longer than {} characters", NameError::LONGEST)]
    TooLong,
    /// White space, a control character or a letter outside ASCII.
    #[error("it contains a character other than visible ASCII, such as a space")]
    NotVisibleAscii,
}

impl NameError {
    /// The longest name, in characters: a header line stays far below nginx's 4 KiB buffers.
    pub const LONGEST: usize = 128;
}

macro_rules! header_name_type {
    ($name:ident) => {
        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.to_str().unwrap_or_default()
            }

            /// Returns the text as a response header's value.
            #[must_use]
            pub fn header(&self) -> &HeaderValue {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                visible_ascii(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

impl KeyId {
    /// Returns the name in a header value that was created from a name.
    pub(crate) fn of_header(value: HeaderValue) -> Self {
        Self(value)
    }
}

header_name_type!(KeyId);
header_name_type!(ClientType);

fn visible_ascii(text: &str) -> Result<HeaderValue, NameError> {
    match text {
        "" => Err(NameError::Empty),
        _ if text.len() > NameError::LONGEST => Err(NameError::TooLong),
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(NameError::NotVisibleAscii),
        _ => HeaderValue::from_str(text).map_err(|_| NameError::NotVisibleAscii),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_in_a_header() {
        assert_eq!(
            "cms-2026-11".parse::<KeyId>().unwrap().as_str(),
            "cms-2026-11"
        );
        assert_eq!("".parse::<ClientType>(), Err(NameError::Empty));
        assert_eq!("a b".parse::<ClientType>(), Err(NameError::NotVisibleAscii));
        assert_eq!(
            "a\r\nx: y".parse::<ClientType>(),
            Err(NameError::NotVisibleAscii)
        );
        assert_eq!("è".parse::<ClientType>(), Err(NameError::NotVisibleAscii));
        assert_eq!("a".repeat(129).parse::<KeyId>(), Err(NameError::TooLong));
    }

    #[test]
    fn the_expiry_of_a_key_is_reported_two_weeks_before() {
        let days = |n: i64| Timestamp::from_second(n * 86_400).unwrap();
        let key = Key {
            id: "k".parse().unwrap(),
            client_type: "A".parse().unwrap(),
            digest: Digest::sha256(b"k"),
            active: true,
            not_before: None,
            expires_at: Some(days(100)),
        };
        let just_before = Timestamp::from_second(86 * 86_400 - 1).unwrap();
        assert!(!key.validity().expires_soon(just_before));
        assert_eq!(key.validity().time_left(days(86)), Some(SOON));
        assert!(key.validity().expires_soon(days(86)));
        assert_eq!(key.validity().time_left(days(100)), None);
        assert!(!key.validity().expires_soon(days(100)));
        let off = Key {
            active: false,
            ..key
        };
        assert!(!off.validity().expires_soon(days(86)));
    }

    #[test]
    fn a_key_is_valid_from_its_start_until_just_before_its_expiry() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let key = Key {
            id: "k".parse().unwrap(),
            client_type: "A".parse().unwrap(),
            digest: Digest::sha256(b"k"),
            active: true,
            not_before: Some(at(10)),
            expires_at: Some(at(20)),
        };
        assert_eq!(key.validity().state(at(9)), KeyState::NotYetValid);
        assert_eq!(key.validity().state(at(10)), KeyState::Valid);
        assert_eq!(key.validity().state(at(19)), KeyState::Valid);
        assert_eq!(key.validity().state(at(20)), KeyState::Expired);
        let off = Key {
            active: false,
            ..key
        };
        assert_eq!(off.validity().state(at(15)), KeyState::Inactive);
    }
}
