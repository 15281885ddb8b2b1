//! Kernel events of a file: it was renamed, it was written, its writer closed it.
//!
//! inotify needs no privilege and works across the containers of one kernel. It does not report writes
//! by other machines to a network file system, so a missing event proves nothing.

use std::{
    ffi::{OsStr, OsString},
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};

/// What was reported since the last version was taken.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: Name,
    pub(super) writer: Writer,
}

/// How the file got its name.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// Nothing was reported.
    #[default]
    Unknown,
    /// It was renamed, and not written since.
    Renamed,
    /// It was created under this name.
    Created,
}

/// What the file's writer does.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Nothing was reported.
    #[default]
    Unknown,
    /// It has written, and not closed the file.
    Writing,
    /// It has closed the file, and there was no write since.
    Closed,
}

impl Seen {
    fn update(&mut self, event: ReadFlags) {
        if event.contains(ReadFlags::QUEUE_OVERFLOW) {
            *self = Self::default();
        } else if event.contains(ReadFlags::MOVED_TO) {
            (self.name, self.writer) = (Name::Renamed, Writer::Unknown);
        } else if event.contains(ReadFlags::CREATE) {
            (self.name, self.writer) = (Name::Created, Writer::Unknown);
        } else if event.contains(ReadFlags::MODIFY) {
            self.writer = Writer::Writing;
            if self.name == Name::Renamed {
                self.name = Name::Unknown;
            }
        } else if event.contains(ReadFlags::CLOSE_WRITE) {
            self.writer = Writer::Closed;
        }
    }
}

/// The kernel's reports of one file and of the folder that it is in.
#[derive(Debug, Default)]
pub(super) struct Events {
    inotify: Option<OwnedFd>,
    folder: Option<(PathBuf, i32)>,
    /// The file by device and inode: links and mounts lead to it from elsewhere.
    file: Option<((u64, u64), i32)>,
    name: OsString,
    seen: Seen,
}

impl Events {
    /// Reports of nothing yet; never any, where the kernel has no more inotify instances.
    pub(super) fn new() -> Self {
        Self {
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok(),
            ..Self::default()
        }
    }

    /// Watches this file from now on. Stat it after this, so that nothing happens in between.
    pub(super) fn watch(&mut self, file: &Path, identity: (u64, u64)) {
        let Some(inotify) = &self.inotify else { return };
        let folder = file.parent().unwrap_or(Path::new("/"));
        let name = file.file_name().unwrap_or_default();
        if self.name != name || self.folder.as_ref().is_none_or(|(path, _)| path != folder) {
            if let Some((_, old)) = self.folder.take() {
                let _ = inotify::remove_watch(inotify, old);
            }
            let flags = WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::MODIFY
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::ONLYDIR;
            let watch = inotify::add_watch(inotify, folder, flags).ok();
            self.folder = watch.map(|it| (folder.to_owned(), it));
            name.clone_into(&mut self.name);
            self.seen = Seen::default();
        }
        if self.file.is_none_or(|(watched, _)| watched != identity) {
            if let Some((_, old)) = self.file.take() {
                let _ = inotify::remove_watch(inotify, old);
            }
            let flags = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE;
            let watch = inotify::add_watch(inotify, file, flags).ok();
            self.file = watch.map(|it| (identity, it));
        }
    }

    /// What was reported until now.
    pub(super) fn seen(&mut self) -> Seen {
        let Some(inotify) = &self.inotify else {
            return Seen::default();
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|it| OsStr::from_bytes(it.to_bytes()));
                    let is_folder = self.folder.as_ref().is_some_and(|it| it.1 == event.wd());
                    let is_file = self.file.is_some_and(|it| it.1 == event.wd());
                    let is_lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                    if is_lost || is_file || is_folder && name == Some(self.name.as_os_str()) {
                        self.seen.update(event.events());
                    }
                    // The kernel ended the watch: a folder that was removed may come back.
                    if event.events().contains(ReadFlags::IGNORED) && is_folder {
                        self.folder = None;
                    }
                    if event.events().contains(ReadFlags::IGNORED) && is_file {
                        self.file = None;
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return self.seen,
            }
        }
    }

    /// Forgets what was reported: a version was taken.
    pub(super) fn forget(&mut self) {
        self.seen = Seen::default();
    }
}
