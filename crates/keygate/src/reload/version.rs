//! One version of a file: its stamp, and the file that its path led to.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{self, Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A time as the file system keeps it: seconds and nanoseconds.
type Timestamp = (i64, i64);

/// More links than the kernel follows either.
const MAX_LINKS: usize = 40;

/// Distinguishes the versions of a file without reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) owner: u32,
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            owner: metadata.uid(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Stamp {
    /// The stamp of what the path leads to, through links.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&fs::metadata(path)?))
    }

    /// Whether it is the same file, whatever its content.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether the file was touched less than this time ago. A time in the future counts as now.
    pub(super) fn is_younger_than(&self, age: Duration) -> bool {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        let since_epoch = Duration::new(
            seconds.try_into().unwrap_or(0),
            nanoseconds.try_into().unwrap_or(0),
        );
        let elapsed = (SystemTime::UNIX_EPOCH + since_epoch).elapsed();
        elapsed.unwrap_or_default() < age
    }
}

/// The way from a path to the file behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trail {
    /// The file, behind every link.
    pub(super) file: PathBuf,
    /// The symbolic links on the way, those of folders too.
    links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    path: PathBuf,
    inode: u64,
    changed: Timestamp,
}

impl Trail {
    /// Follows a path.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut links = Vec::new();
        let mut file = PathBuf::new();
        let mut rest = components(&path::absolute(path)?);
        while let Some(name) = rest.pop() {
            if name == ".." {
                file.pop();
                continue;
            }
            let next = file.join(&name);
            let metadata = fs::symlink_metadata(&next)?;
            if !metadata.is_symlink() {
                file = next;
                continue;
            }
            if links.len() == MAX_LINKS {
                return Err(io::Error::other("too many symbolic links"));
            }
            rest.extend(components(&fs::read_link(&next)?));
            links.push(Link {
                path: next,
                inode: metadata.ino(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            });
        }
        Ok(Self { file, links })
    }

    /// Whether a link on the way was swapped after the file was last written: a Kubernetes volume
    /// replaces all of its files by one new `..data` link.
    pub(super) fn was_swapped_after(&self, file: &Stamp, before: Option<&Self>) -> bool {
        let is_new = |link: &&Link| before.is_none_or(|it| !it.links.contains(link));
        let newest = self.links.iter().filter(is_new).map(|it| it.changed).max();
        newest.is_some_and(|swapped| swapped >= file.modified)
    }
}

/// The components of a path, the last one first, so that they can be popped in order.
fn components(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    names
        .filter(|it| *it != Component::CurDir)
        .map(|it| it.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_trail_ends_at_the_file_behind_every_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        fs::create_dir_all(at("v1/deep")).unwrap();
        fs::write(at("v1/deep/f"), "x").unwrap();
        symlink("v1", at("..data")).unwrap();
        symlink("..data/deep/../deep/f", at("f")).unwrap();
        symlink(at("f"), at("absolute")).unwrap();
        for (name, links) in [
            ("v1/deep/f", 0),
            ("..data/deep/f", 1),
            ("f", 2),
            ("absolute", 3),
        ] {
            let trail = Trail::of(&at(name)).unwrap();
            assert_eq!((trail.file, trail.links.len()), (at("v1/deep/f"), links));
        }
        symlink("loop", at("loop")).unwrap();
        assert!(Trail::of(&at("loop")).is_err());
        assert!(Trail::of(&at("nowhere")).is_err());
    }
}
