//! Where keys and policies come from. Today: files. A database would be a module beside them that
//! yields the same [`keygate_resolver::KeyTable`].

pub mod keys_file;
pub mod pepper;
pub mod policy_file;

use std::{
    fs::{self, File, FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::descriptors::Spare;

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

/// Opens a regular file. Anything else is an error: to open or read a named pipe could take forever.
pub(crate) fn open_regular(path: &Path, spare: &mut Spare) -> Result<File, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let regular = |kind: FileType| match what(kind) {
        None => Ok(()),
        Some(kind) => Err(SourceError::NotAFile {
            path: path.to_owned(),
            kind,
        }),
    };
    // To open a device can have effects of its own, so look first. What was opened counts.
    regular(fs::metadata(path).map_err(unreadable)?.file_type())?;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = spare.open(|| options.open(path)).map_err(unreadable)?;
    regular(file.metadata().map_err(unreadable)?.file_type())?;
    Ok(file)
}

/// What is not a regular file.
fn what(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// Reads the rest of an open file; the memory is cleared when it goes.
pub(crate) fn read_open(mut file: &File, path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let mut text = Zeroizing::new(String::new());
    match file.read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(SourceError::Unreadable {
            path: path.to_owned(),
            error,
        }),
    }
}

/// Reads a whole file; the memory is cleared when it goes, since the file may hold secrets.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        path: path.to_owned(),
        error,
    };
    fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(unreadable)
}
