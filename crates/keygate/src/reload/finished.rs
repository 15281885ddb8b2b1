//! Whether a file is complete: half a policy can be a valid one that allows more.

use std::{fmt, fs::File, io, os::unix::fs::FileExt, time::Duration};

use super::{
    events::{Name, Seen, Writer},
    version::{Stamp, Trail},
    writers::Writers,
};

/// What is known about a version that was not loaded yet.
pub(super) struct Evidence<'a> {
    pub(super) stamp: &'a Stamp,
    pub(super) trail: &'a Trail,
    /// The version that was taken last; `None` at the start.
    pub(super) before: Option<(&'a Stamp, &'a Trail)>,
    pub(super) seen: Seen,
    pub(super) writers: Writers,
    pub(super) has_end: bool,
    /// How long nothing has changed.
    pub(super) still: Duration,
    /// How long nothing must change where nothing else can be known.
    pub(super) quiet: Duration,
}

/// Why a version counts as complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finished {
    /// It was written under another name, or elsewhere, and then renamed or linked.
    Replaced,
    /// Its writer closed it.
    Written,
    /// It has not changed for a long time, and nothing else is known.
    Quiet,
}

/// Why a version is not loaded, or not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// This process has it open for writing.
    OpenIn(u32),
    /// It was written, and its writer has not closed it.
    Open,
    /// It changed a moment ago, and its writers cannot be seen.
    Unknown(Duration),
    /// It changed while it was read.
    Changed,
    /// Its last line has no end, and no process is writing it.
    NoEnd,
}

impl Unfinished {
    /// Returns whether waiting cannot help.
    pub(super) fn is_final(self) -> bool {
        self == Self::NoEnd
    }
}

const RENAME: &str = "write the new version to another file and rename it over this one";

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenIn(process) => write!(
                f,
                "is still being written: process {process} has it open, and the file is loaded \
                 once that process closes it; alternatively, {RENAME}"
            ),
            Self::Open => write!(
                f,
                "is still being written, and is loaded once its writer closes it; alternatively, \
                 {RENAME}"
            ),
            Self::Unknown(quiet) => write!(
                f,
                "has just changed, and it is unknown whether its writer has finished: the file is \
                 loaded once it has not changed for {quiet:?} and ends with a line break; to load \
                 it immediately, {RENAME}"
            ),
            Self::Changed => f.write_str("changed while it was being read, and is read again"),
            Self::NoEnd => write!(
                f,
                "does not end with a line break, so it might be incomplete: add a line break at \
                 its end, or {RENAME}"
            ),
        }
    }
}

impl Evidence<'_> {
    /// Whether the version is complete.
    pub(super) fn judge(&self) -> Result<Finished, Unfinished> {
        if let Writers::Process(process) = self.writers {
            return Err(Unfinished::OpenIn(process));
        }
        if self.seen.writer == Writer::Writing {
            return Err(Unfinished::Open);
        }
        let is_old = self.before.is_none() && !self.stamp.is_younger_than(self.quiet);
        // A writer may be among the processes that were not looked at, also of a renamed file.
        if self.writers == Writers::CutShort && !is_old && self.still < self.quiet {
            return Err(Unfinished::Unknown(self.quiet));
        }
        if self.is_replaced() {
            return Ok(Finished::Replaced);
        }
        let is_closed = self.seen.writer == Writer::Closed || self.writers == Writers::None;
        match (is_closed, is_old || self.still >= self.quiet) {
            (false, false) => Err(Unfinished::Unknown(self.quiet)),
            // A file that did not change for a long time before the start is complete.
            _ if is_old => Ok(Finished::Written),
            _ if !self.has_end => Err(Unfinished::NoEnd),
            (true, _) => Ok(Finished::Written),
            (false, true) => Ok(Finished::Quiet),
        }
    }

    /// Whether the version was written first and got its name then.
    ///
    /// Where no event says so, the times do: a rename changes the inode, and a write changes the
    /// content's time too. A file that was seen to be created under its name, or closed by a
    /// writer, was not renamed.
    fn is_replaced(&self) -> bool {
        let is_other_file = self
            .before
            .is_none_or(|(before, _)| !before.is_same_file(self.stamp));
        let renamed = is_other_file && self.stamp.changed > self.stamp.modified;
        let trail = self.before.map(|(_, trail)| trail);
        let swapped = is_other_file && self.trail.was_swapped_after(self.stamp, trail);
        match self.seen.name {
            Name::Renamed => true,
            Name::Created => false,
            Name::Unknown => self.seen.writer == Writer::Unknown && (renamed || swapped),
        }
    }
}

/// Returns whether a text ends as a complete file does: in a line break, or in the brace that ends JSON.
///
/// What begins with a brace is valid with its last brace alone, so a part of it is an error. An empty
/// file is an error too, and has a message of its own.
pub(super) fn has_end(file: &File, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(true);
    };
    let mut byte = [0; 1];
    file.read_exact_at(&mut byte, last)?;
    if byte == *b"\n" {
        return Ok(true);
    }
    let mut start = [0; 8];
    let length = file.read_at(&mut start, 0)?;
    let first = start
        .iter()
        .take(length)
        .find(|it| !it.is_ascii_whitespace());
    Ok(first == Some(&b'{'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_version_is_complete_once_no_process_can_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "x").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        let trail = Trail::of(Path::new(&path)).unwrap();
        let quiet = Duration::from_secs(10);
        let evidence = || Evidence {
            stamp: &stamp,
            trail: &trail,
            before: Some((&stamp, &trail)),
            seen: Seen::default(),
            writers: Writers::Unknown,
            has_end: true,
            still: Duration::ZERO,
            quiet,
        };
        let unknown = Err(Unfinished::Unknown(quiet));
        let judge = |change: &dyn Fn(&mut Evidence)| {
            let mut it = evidence();
            change(&mut it);
            it.judge()
        };
        assert_eq!(judge(&|_| {}), unknown);
        assert_eq!(judge(&|it| it.still = quiet / 2), unknown);
        assert_eq!(judge(&|it| it.still = quiet), Ok(Finished::Quiet));
        assert_eq!(
            judge(&|it| it.seen.writer = Writer::Closed),
            Ok(Finished::Written)
        );
        assert_eq!(
            judge(&|it| it.seen.name = Name::Renamed),
            Ok(Finished::Replaced)
        );
        assert_eq!(
            judge(&|it| it.writers = Writers::None),
            Ok(Finished::Written)
        );
        let process = Writers::Process(7);
        assert_eq!(
            judge(&|it| (it.writers, it.seen.name, it.still) = (process, Name::Renamed, quiet)),
            Err(Unfinished::OpenIn(7))
        );
        assert_eq!(
            judge(&|it| (it.seen.writer, it.still) = (Writer::Writing, quiet)),
            Err(Unfinished::Open)
        );
        assert_eq!(
            judge(&|it| (it.seen.writer, it.has_end) = (Writer::Closed, false)),
            Err(Unfinished::NoEnd)
        );
        assert_eq!(
            judge(&|it| (it.seen.name, it.has_end) = (Name::Renamed, false)),
            Ok(Finished::Replaced)
        );
        assert_eq!(judge(&|it| it.before = None), unknown, "young at the start");
        // A writer may be among the processes that were not looked at.
        for (writer, name) in [
            (Writer::Closed, Name::Unknown),
            (Writer::Unknown, Name::Renamed),
        ] {
            let cut_short = |it: &mut Evidence| {
                (it.writers, it.seen.writer, it.seen.name) = (Writers::CutShort, writer, name);
            };
            assert_eq!(judge(&cut_short), unknown);
            let rested = |it: &mut Evidence| {
                cut_short(it);
                it.still = quiet;
            };
            assert!(judge(&rested).is_ok());
        }
    }

    #[test]
    fn a_text_ends_in_a_line_break_or_is_one_json_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for (text, expected) in [
            ("", true),
            ("a", false),
            ("a\n", true),
            ("a\nb", false),
            ("{\"a\":\n 1}", true),
            (" \n{}", true),
            ("\n", true),
        ] {
            std::fs::write(&path, text).unwrap();
            let file = File::open(&path).unwrap();
            let size = text.len().try_into().unwrap();
            assert_eq!(has_end(&file, size).unwrap(), expected, "{text:?}");
        }
    }
}
