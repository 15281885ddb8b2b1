//! The pepper: the secret of `hmac-sha256:` digests, stored apart from the keys file.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use crate::Pepper;
use zeroize::Zeroizing;

/// The environment variable for a pepper.
pub const VARIABLE: &str = "KEYGATE_PEPPER";

/// A pepper from the environment; its debug form hides it.
#[derive(Clone)]
pub struct PepperText(Zeroizing<String>);

impl From<String> for PepperText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for PepperText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PepperText(…)")
    }
}

/// The error for a missing or invalid pepper, which it never contains.
#[derive(Debug, thiserror::Error)]
pub enum PepperError {
    /// The pepper's file cannot be read.
    #[error("cannot read the pepper in {}: {error}", path.display())]
    Unreadable {
        /// The pepper's file.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
    /// It is open to brute force.
    #[error(
        "the pepper in {origin} is shorter than {} bytes: use a random one, such as the output of \
         `openssl rand -base64 32`",
        Pepper::SHORTEST
    )]
    TooShort {
        /// Its file or variable.
        origin: String,
    },
    /// Both are set, and the intended one is unknown.
    #[error("two peppers are set, one in {} and one in `{VARIABLE}`: remove one of them", path.display())]
    Two {
        /// The pepper's file.
        path: PathBuf,
    },
}

/// Returns the pepper of a file or the environment, if one is set.
///
/// # Errors
/// The file cannot be read, both are given, or the pepper is too short.
pub fn find(
    file: Option<&Path>,
    variable: Option<&PepperText>,
) -> Result<Option<Pepper>, PepperError> {
    let (bytes, origin) = match (file, variable) {
        (None, None) => return Ok(None),
        (Some(path), Some(_)) => {
            let path = path.to_owned();
            return Err(PepperError::Two { path });
        }
        (None, Some(PepperText(text))) => (text.as_bytes().to_vec(), format!("`{VARIABLE}`")),
        (Some(path), None) => {
            let unreadable = |error| PepperError::Unreadable {
                path: path.to_owned(),
                error,
            };
            let bytes = fs::read(path).map_err(unreadable)?;
            (bytes, path.display().to_string())
        }
    };
    let mut bytes = Zeroizing::new(bytes);
    // Editors end a file with a line ending; the same secret may be in a variable without one.
    let length = bytes.trim_ascii_end().len();
    bytes.truncate(length);
    let pepper = Pepper::new(std::mem::take(&mut bytes));
    pepper.map(Some).ok_or(PepperError::TooShort { origin })
}

/// Returns the pepper of a command: from its flag, or from the environment.
///
/// # Errors
/// As [`find`].
pub fn of_command(file: Option<&Path>) -> Result<Option<Pepper>, PepperError> {
    let variable = std::env::var(VARIABLE).ok().map(PepperText::from);
    find(file, variable.as_ref())
}

#[cfg(test)]
mod tests {
    use crate::Digest;

    use super::*;

    #[test]
    fn a_file_and_the_environment_give_the_same_pepper() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pepper");
        let digest = |pepper: &Pepper| Digest::hmac_sha256(b"key", pepper);
        let text = PepperText::from("0123456789abcdef".to_owned());
        let by_variable = find(None, Some(&text)).unwrap().unwrap();
        for content in [
            "0123456789abcdef",
            "0123456789abcdef\n",
            "0123456789abcdef\r\n",
        ] {
            fs::write(&path, content).unwrap();
            let by_file = find(Some(&path), None).unwrap().unwrap();
            assert!(digest(&by_file) == digest(&by_variable), "{content:?}");
        }
        assert!(matches!(
            find(Some(&path), Some(&text)),
            Err(PepperError::Two { .. })
        ));
        assert!(find(None, None).unwrap().is_none());
        assert_eq!(format!("{text:?}"), "PepperText(…)");
    }

    #[test]
    fn an_invalid_pepper_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pepper");
        fs::write(&path, "short").unwrap();
        let error = find(Some(&path), None).unwrap_err().to_string();
        assert!(error.contains("shorter than 16 bytes") && !error.contains("short\n"));
        let text = PepperText::from(String::new());
        let error = find(None, Some(&text)).unwrap_err().to_string();
        assert!(error.contains("the pepper in `KEYGATE_PEPPER` is shorter"));
        let nothing = find(Some(&folder.path().join("nothing")), None);
        assert!(matches!(nothing, Err(PepperError::Unreadable { .. })));
    }
}
