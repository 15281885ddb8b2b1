//! The text of a file, or why there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// It is something that can block whoever reads it, or has no end.
    #[error("{} is {kind}, not a regular file: name a file, or a link to one", path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It is not known to be complete.
    #[error("{} {why}", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
    /// It can be read, but not understood: the mistakes, each with its place.
    #[error("{}", .0.join("\n"))]
    Rejected(Vec<String>),
}

/// Reads a whole file; the memory is cleared when it goes, since the file may hold secrets.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        path: path.to_owned(),
        error,
    };
    fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(unreadable)
}
