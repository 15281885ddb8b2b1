//! The permission bits of a Unix socket, as they are set.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// The permission bits of a Unix socket: a user needs write permission to connect.
///
/// It is read from text wherever it is set, since a number has lost its spelling: YAML takes `0o660`
/// for 432, whose digits are octal too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SocketMode(u32);

/// The word that allows a mode with permissions for others.
const ANY_LOCAL_USER: &str = "any-local-user";

/// What the owner needs to connect: read and write.
const OWNER: u32 = 0o600;

const OTHERS: u32 = 0o007;

/// Why a text is not a socket's mode.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketModeError {
    /// It is not written as a mode.
    #[error(
        "`{0}` is not a file mode: write three or four octal digits, such as `0660`; decimal \
         numbers are not supported"
    )]
    Form(String),
    /// It has bits besides permissions.
    #[error(
        "`{0}` sets a setuid, setgid or sticky bit, which has no meaning for sockets: write \
         `0660`"
    )]
    SpecialBits(String),
    /// The owner could not connect.
    #[error(
        "`{0}`, as an octal number, does not give the owner read and write permission, so the \
         owner could not connect: write `0660`"
    )]
    Owner(String),
    /// Other users could connect, and the setting does not say that they should.
    #[error(
        "`{text}` lets every local user connect: write `0660`, or `{mode:04o} {ANY_LOCAL_USER}` if \
         you want that"
    )]
    Others {
        /// As it was written.
        text: String,
        /// What it means.
        mode: u32,
    },
    /// Others are named and get nothing.
    #[error("`{text}` gives other users no permission: write `0660` without `{ANY_LOCAL_USER}`")]
    NoOthers {
        /// As it was written.
        text: String,
    },
}

/// Owner and group: nginx's worker user is made a member of the group.
impl Default for SocketMode {
    fn default() -> Self {
        Self(0o660)
    }
}

impl SocketMode {
    /// The permission bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for SocketMode {
    type Err = SocketModeError;

    fn from_str(text: &str) -> Result<Self, SocketModeError> {
        let form = || SocketModeError::Form(text.to_owned());
        let (digits, others) = match text.split_once(' ') {
            Some((digits, ANY_LOCAL_USER)) => (digits, true),
            Some(_) => return Err(form()),
            None => (text, false),
        };
        let digits = digits.strip_prefix("0o").unwrap_or(digits);
        if !matches!(digits.len(), 3 | 4) || !digits.bytes().all(|it| matches!(it, b'0'..=b'7')) {
            return Err(form());
        }
        let mode = u32::from_str_radix(digits, 8).map_err(|_| form())?;
        if mode > 0o777 {
            return Err(SocketModeError::SpecialBits(text.to_owned()));
        }
        if mode & OWNER != OWNER {
            return Err(SocketModeError::Owner(text.to_owned()));
        }
        let text = text.to_owned();
        match (mode & OTHERS != 0, others) {
            (true, false) => Err(SocketModeError::Others { text, mode }),
            (false, true) => Err(SocketModeError::NoOthers { text }),
            (true, true) | (false, false) => Ok(Self(mode)),
        }
    }
}

impl TryFrom<String> for SocketMode {
    type Error = SocketModeError;

    fn try_from(text: String) -> Result<Self, SocketModeError> {
        text.parse()
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)?;
        if self.0 & OTHERS == 0 {
            return Ok(());
        }
        write!(f, " {ANY_LOCAL_USER}")
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
