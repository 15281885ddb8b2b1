//! The keys file on disk, for commands that change it: one writer at a time, and atomic replacement
//! even if the process or the system crashes.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use keygate_documents::source::{self, SourceError};
use zeroize::Zeroizing;

use super::edit::NEW_FILE;

/// The mode of a new file: only its owner can access it.
const NEW_MODE: u32 = 0o600;

/// A writer takes milliseconds, so a longer wait means that another one hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The error for a keys file that cannot be changed. The file is unchanged then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Another program holds the lock of the folder for too long.
    #[error("another program has locked {} for too long", folder.display())]
    Locked {
        /// The locked folder.
        folder: PathBuf,
    },
    /// The new file could not keep the owner of the old one, who may be its only reader.
    #[error("cannot set the owner of {} to the owner of the old file: {error}", path.display())]
    Owner {
        /// The new file.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
    /// A system call failed.
    #[error("cannot {what} {}: {error}", path.display())]
    System {
        /// The failed operation.
        what: &'static str,
        /// The file or folder of the operation.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
}

/// A locked keys file: nobody else changes it while this value exists.
///
/// The lock is on the folder: the file itself is replaced, so a lock on it would be on a deleted
/// file.
pub struct LockedFile {
    /// The file after following links.
    path: PathBuf,
    folder: Folder,
    text: Zeroizing<String>,
}

struct Folder {
    path: PathBuf,
    handle: File,
}

impl LockedFile {
    /// Locks an existing file.
    ///
    /// # Errors
    /// It cannot be locked or read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = fs::canonicalize(path).map_err(system("find", path))?;
        let folder = Folder::lock(&path)?;
        let text = source::read(&path)?;
        Ok(Self { path, folder, text })
    }

    /// Locks a file that may not exist yet.
    ///
    /// # Errors
    /// It cannot be locked or read.
    pub fn open_or_new(path: &Path) -> Result<Self, StoreError> {
        // A link to a missing file is an error, not a file to be created.
        if fs::symlink_metadata(path).is_ok() {
            return Self::open(path);
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let real = fs::canonicalize(folder).map_err(system("find", folder))?;
        let path = real.join(path.file_name().unwrap_or_default());
        let folder = Folder::lock(&path)?;
        // Another process may have created it during the wait.
        let text = match source::read(&path) {
            Err(SourceError::Unreadable { error, .. })
                if error.kind() == io::ErrorKind::NotFound =>
            {
                Zeroizing::new(NEW_FILE.to_owned())
            }
            text => text?,
        };
        Ok(Self { path, folder, text })
    }

    /// Returns the path after following links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the file's text and keeps owner and mode. The text is on disk when this returns.
    ///
    /// # Errors
    /// A system call failed, and the file is unchanged.
    pub fn replace(&self, text: &str) -> Result<(), StoreError> {
        let fresh = self.fresh_path();
        let written = self.write(&fresh, text);
        if written.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    /// The name is always the same, so that crashes leave at most one such file.
    fn fresh_path(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".new");
        self.folder.path.join(name)
    }

    fn write(&self, fresh: &Path, text: &str) -> Result<(), StoreError> {
        match fs::remove_file(fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(system("remove", fresh)(error));
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(NEW_MODE);
        let mut file = options.open(fresh).map_err(system("write", fresh))?;
        if let Ok(old) = fs::metadata(&self.path) {
            keep_owner_and_mode(&file, &old, fresh)?;
        }
        let written = file.write_all(text.as_bytes());
        written
            .and_then(|()| file.sync_all())
            .map_err(system("write", fresh))?;
        fs::rename(fresh, &self.path).map_err(system("replace", &self.path))?;
        let Folder { path, handle } = &self.folder;
        handle.sync_all().map_err(system("write", path))
    }
}

fn keep_owner_and_mode(file: &File, old: &fs::Metadata, path: &Path) -> Result<(), StoreError> {
    let new = file.metadata().map_err(system("read", path))?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid())).map_err(|error| StoreError::Owner {
            path: path.to_owned(),
            error,
        })?;
    }
    let mode = Permissions::from_mode(old.mode() & 0o7777);
    file.set_permissions(mode).map_err(system("write", path))
}

impl Folder {
    fn lock(file: &Path) -> Result<Self, StoreError> {
        let path = file.parent().unwrap_or(Path::new("/")).to_owned();
        let handle = File::open(&path).map_err(system("open", &path))?;
        let started = Instant::now();
        loop {
            match handle.try_lock() {
                Ok(()) => return Ok(Self { path, handle }),
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { folder: path }),
                Err(TryLockError::Error(error)) => return Err(system("lock", &path)(error)),
            }
        }
    }
}

fn system(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::System { what, path, error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        let new = LockedFile::open_or_new(&path).unwrap();
        assert_eq!(new.text(), NEW_FILE);
        new.replace("one").unwrap();
        drop(new);
        assert_eq!(mode(&path), 0o600);

        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        LockedFile::open(&path).unwrap().replace("two").unwrap();
        assert_eq!(mode(&path), 0o640);
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_keeps_the_owner_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        fs::write(&path, "one").unwrap();
        let owner = |path: &Path| {
            let metadata = fs::metadata(path).unwrap();
            (metadata.uid(), metadata.gid())
        };
        // Only root can change a file's owner.
        if owner(&path).0 == 0 {
            std::os::unix::fs::chown(&path, Some(1234), Some(2345)).unwrap();
        }
        let before = owner(&path);
        LockedFile::open(&path).unwrap().replace("two").unwrap();
        assert_eq!(owner(&path), before);
    }

    #[test]
    fn links_stay_links_and_the_file_behind_them_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        fs::write(at("real/keys.yaml"), "one").unwrap();
        symlink("real/keys.yaml", at("link.yaml")).unwrap();
        let linked = LockedFile::open(&at("link.yaml")).unwrap();
        linked.replace("two").unwrap();
        assert_eq!(fs::read_to_string(at("real/keys.yaml")).unwrap(), "two");
        assert!(fs::symlink_metadata(at("link.yaml")).unwrap().is_symlink());

        symlink("nowhere.yaml", at("dangling.yaml")).unwrap();
        assert!(LockedFile::open_or_new(&at("dangling.yaml")).is_err());
        assert!(!at("nowhere.yaml").exists());
    }

    #[test]
    fn leftovers_of_a_crash_do_not_block_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        fs::write(&path, "one").unwrap();
        fs::write(folder.path().join(".keys.yaml.new"), "half of a fi").unwrap();
        LockedFile::open(&path).unwrap().replace("two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn writers_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        fs::write(&path, "0").unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let file = LockedFile::open(&path).unwrap();
                        let count: u32 = file.text().parse().unwrap();
                        file.replace(&(count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "100");
    }

    #[test]
    fn a_write_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        fs::write(&path, "one").unwrap();
        // A folder at the path of the new file: not even root can write there.
        fs::create_dir(folder.path().join(".keys.yaml.new")).unwrap();
        let refused = LockedFile::open(&path).unwrap().replace("two");
        assert!(matches!(
            refused,
            Err(StoreError::System { what: "remove", .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    }
}
