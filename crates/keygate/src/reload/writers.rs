//! The processes that have a file open for writing, as far as `/proc` shows them.
//!
//! A read lease would let the kernel decide, but it needs the file's ownership or a capability, and
//! Rust has no safe interface to it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{fs::fstatfs, process::geteuid};

use super::version::Stamp;

/// How long to look; on a loaded machine with many processes it is not always long enough.
const BUDGET: Duration = Duration::from_secs(2);

/// The name of the machine's own PID namespace (`PROC_PID_INIT_INO`): every process is in it.
const ALL_PROCESSES: &str = "pid:[4026531836]";

/// File systems that no other machine writes to: ext4, xfs, btrfs, tmpfs, f2fs, zfs.
const LOCAL: [u32; 6] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0xf2f5_2010,
    0x2fc1_2fc1,
];

/// The layers of a container: its own processes alone write there.
const OVERLAY: u32 = 0x794c_7630;

/// The writers of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writers {
    /// This process has it open for writing.
    Process(u32),
    /// Every process that may write it was looked at: none has it open.
    None,
    /// Not all processes can be seen.
    Unknown,
    /// The processes could not all be looked at in time: look again.
    CutShort,
}

impl Writers {
    /// Looks for the writers of a file.
    pub(super) fn of(file: &File, stamp: &Stamp) -> Self {
        match search(stamp) {
            Ok(Search::Found(process)) => Self::Process(process),
            Ok(Search::Nothing { skipped })
                if sees_all_writers(file) && (!skipped || stamp.owner == geteuid().as_raw()) =>
            {
                Self::None
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Self::CutShort,
            _ => Self::Unknown,
        }
    }
}

/// Whether every process that can write this file is one that `/proc` lists.
fn sees_all_writers(file: &File) -> bool {
    let Ok(system) = fstatfs(file) else {
        return false;
    };
    let kind = u32::try_from(system.f_type).unwrap_or(0);
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    kind == OVERLAY || LOCAL.contains(&kind) && namespace == Path::new(ALL_PROCESSES)
}

enum Search {
    Found(u32),
    Nothing { skipped: bool },
}

fn search(stamp: &Stamp) -> io::Result<Search> {
    let started = Instant::now();
    let mut skipped = false;
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let Some(id) = process.file_name().to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        match is_writer(&process.path(), stamp) {
            Ok(true) => return Ok(Search::Found(id)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => skipped = true,
            // Without descriptors nothing can be seen.
            Err(error) if crate::descriptors::are_exhausted(&error) => return Err(error),
            // No writer, or the process has ended.
            Ok(false) | Err(_) => {}
        }
        if started.elapsed() > BUDGET {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(Search::Nothing { skipped })
}

fn is_writer(process: &Path, stamp: &Stamp) -> io::Result<bool> {
    for descriptor in fs::read_dir(process.join("fd"))? {
        let descriptor = descriptor?;
        // The link's own mode says how the file was opened; following it could hang on a dead mount.
        let Ok(link) = descriptor.path().symlink_metadata() else {
            continue;
        };
        if link.permissions().mode() & 0o200 == 0 {
            continue;
        }
        let is_file = fs::read_link(descriptor.path()).is_ok_and(|it| it.is_absolute());
        if is_file && is_open_at(process, &descriptor.file_name(), stamp)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a descriptor leads to the file. The kernel names the inode since 5.14; before that, and
/// where the inode fits, the file itself is looked at.
fn is_open_at(process: &Path, descriptor: &std::ffi::OsStr, stamp: &Stamp) -> io::Result<bool> {
    let information = match fs::read_to_string(process.join("fdinfo").join(descriptor)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        information => information?,
    };
    let inode = information
        .lines()
        .find_map(|line| line.strip_prefix("ino:")?.trim().parse::<u64>().ok());
    if inode.is_some_and(|it| it != stamp.inode) {
        return Ok(false);
    }
    let target = Stamp::of(&process.join("fd").join(descriptor));
    Ok(target.is_ok_and(|it| it.is_same_file(stamp)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_the_file_open_for_writing_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let writer = File::create(&path).unwrap();
        fs::hard_link(&path, folder.path().join("other name")).unwrap();
        let reader = File::open(folder.path().join("other name")).unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert_eq!(
            Writers::of(&reader, &stamp),
            Writers::Process(std::process::id())
        );
        drop(writer);
        let after = Writers::of(&reader, &stamp);
        assert!(!matches!(after, Writers::Process(_)), "{after:?}");
    }
}
