//! Reading a file, and the errors of doing so.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// The error for a file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The system cannot open or read it, or it is not UTF-8.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The path as given in the settings.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
    /// It is a pipe, a device or a directory: reading could block or never end.
    #[error("{} is {kind}, not a regular file: use a file, or a link to a file", path.display())]
    NotAFile {
        /// The path as given in the settings.
        path: PathBuf,
        /// Its kind, e.g. `a pipe`.
        kind: &'static str,
    },
    /// It may be incomplete.
    #[error("{} {why}", path.display())]
    Unfinished {
        /// The path as given in the settings.
        path: PathBuf,
        /// The reason, and how to fix it.
        why: String,
    },
    /// Its content is invalid: the rendered errors, each with its location.
    #[error("{}", .0.join("\n"))]
    Rejected(Vec<String>),
}

/// Reads a whole file into memory that is cleared when dropped, since it may hold secrets.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        path: path.to_owned(),
        error,
    };
    fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(unreadable)
}
