//! Regular files: what can be read without waiting for anybody.

use std::{
    fs::{self, File, FileType, OpenOptions},
    io::Read,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use keygate_documents::source::SourceError;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::descriptors::Spare;

/// Opens a regular file. Anything else is an error: to open or read a named pipe could take forever.
pub(super) fn open_regular(path: &Path, spare: &mut Spare) -> Result<File, SourceError> {
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
pub(super) fn read_open(mut file: &File, path: &Path) -> Result<Zeroizing<String>, SourceError> {
    let mut text = Zeroizing::new(String::new());
    match file.read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(SourceError::Unreadable {
            path: path.to_owned(),
            error,
        }),
    }
}
