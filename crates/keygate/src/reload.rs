//! Keeps the newest good version of a file in force.
//!
//! The file is looked at four times a second: no watch of the kernel's to lose, and it holds for
//! every way of replacing a file: a rename, a rewrite in place, a swap of the `..data` link that a
//! Kubernetes volume hangs on.

use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, SystemTime},
};

use keygate_documents::source::{self, SourceError};
use keygate_telemetry::health::SourceStatus;

const INTERVAL: Duration = Duration::from_millis(250);

/// How long a file must stay as it is before it is read: a writer that truncates it and writes it
/// anew must not be met halfway, since half a file can be a valid one.
const SETTLED: Duration = Duration::from_millis(60);

/// How often to wait for that; then the file is read as it is.
const SETTLE_ATTEMPTS: usize = 5;

/// A file whose content is in force, and is again when it changes.
pub struct Watched {
    path: PathBuf,
    status: Arc<SourceStatus>,
    load: Load,
    seen: Seen,
}

/// Understands a file's text and puts it in force; on an error nothing has changed.
pub type Load = Box<dyn Fn(&Path, &str) -> Result<(), SourceError> + Send>;

/// The version of a file that was looked at last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    stamp: Option<Stamp>,
    content: u64,
}

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what the path leads to, through links; `None` where it leads nowhere.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Two writes in one tick of the file system's clock leave one stamp. So a file that was
    /// written a moment before it was read is read again.
    fn is_recent(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        now.saturating_sub(self.changed.0.max(self.modified.0)) < 2
    }
}

impl Watched {
    /// Puts the file in force for the first time.
    ///
    /// # Errors
    /// The file cannot be read or is not good: nothing is in force then.
    pub fn start(name: &'static str, path: PathBuf, load: Load) -> Result<Self, SourceError> {
        let stamp = Stamp::of(&path);
        let text = source::read(&path)?;
        load(&path, &text)?;
        let seen = Seen {
            stamp,
            content: fingerprint(&text),
        };
        Ok(Self {
            path,
            status: Arc::new(SourceStatus::loaded(name)),
            load,
            seen,
        })
    }

    /// Where the file's state is told.
    #[must_use]
    pub fn status(&self) -> Arc<SourceStatus> {
        Arc::clone(&self.status)
    }

    /// Looks whether there is another version, and puts it in force if it is good.
    fn look(&mut self, forced: bool) {
        let stamp = Stamp::of(&self.path);
        let as_before = stamp == self.seen.stamp;
        if as_before && !forced && !stamp.as_ref().is_some_and(Stamp::is_recent) {
            return;
        }
        // Who asks for it says that the file is as it should be.
        let stamp = if as_before || forced {
            stamp
        } else {
            self.settled(stamp)
        };
        match source::read(&self.path) {
            Ok(text) => {
                let seen = Seen {
                    stamp,
                    content: fingerprint(&text),
                };
                if forced || seen.content != self.seen.content {
                    self.report((self.load)(&self.path, &text));
                }
                self.seen = seen;
            }
            // Said once a change, not four times a second.
            Err(error) if !as_before || forced => {
                self.seen = Seen { stamp, content: 0 };
                self.report(Err(error));
            }
            Err(_) => {}
        }
    }

    /// Waits until the file stays as it is.
    fn settled(&self, mut stamp: Option<Stamp>) -> Option<Stamp> {
        for _ in 0..SETTLE_ATTEMPTS {
            thread::sleep(SETTLED);
            let next = Stamp::of(&self.path);
            if next == stamp {
                break;
            }
            stamp = next;
        }
        stamp
    }

    fn report(&self, outcome: Result<(), SourceError>) {
        let file = self.path.display();
        match outcome {
            Ok(()) => {
                self.status.reloaded();
                tracing::info!(%file, generation = self.status.detail().generation, "reloaded");
            }
            Err(error) => {
                tracing::error!(%file, %error, "not reloaded: the last good version stays in force");
                self.status.refused(error.to_string());
            }
        }
    }
}

/// Watches the files on a thread of its own until the sender of `now` is gone; a message on it
/// (SIGHUP) reads every file at once.
pub fn watch(mut files: Vec<Watched>, now: Receiver<()>) {
    thread::spawn(move || poll(&mut files, &now));
}

fn poll(files: &mut [Watched], now: &Receiver<()>) {
    loop {
        let forced = match now.recv_timeout(INTERVAL) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // What was asked for while a large file was read is answered by one more reading, not by one
        // for each time.
        while now.try_recv().is_ok() {}
        for file in &mut *files {
            file.look(forced);
        }
    }
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::symlink,
        sync::{Mutex, mpsc},
    };

    use super::*;

    /// A watched file whose versions are written down when they come into force; a version that
    /// says `bad` is refused.
    fn watched(path: &Path) -> (Watched, Arc<Mutex<Vec<String>>>) {
        let versions = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&versions);
        let load = move |_: &Path, text: &str| {
            if text.contains("bad") {
                return Err(SourceError::Rejected(vec!["bad".to_owned()]));
            }
            log.lock().unwrap().push(text.to_owned());
            Ok(())
        };
        (
            Watched::start("policy", path.to_owned(), Box::new(load)).unwrap(),
            versions,
        )
    }

    #[test]
    fn every_way_of_replacing_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["v1", "v2"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("f"), name).unwrap();
        }
        // As the kubelet lays a ConfigMap volume: f -> ..data/f, ..data -> v1.
        symlink("v1", at("..data")).unwrap();
        symlink("..data/f", at("f")).unwrap();
        let (mut file, versions) = watched(&at("f"));

        symlink("v2", at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
        file.look(false);

        fs::write(at("edited"), "renamed over").unwrap();
        fs::rename(at("edited"), at("f")).unwrap();
        file.look(false);

        fs::write(at("f"), "in place").unwrap();
        file.look(false);
        file.look(false);

        let expected = ["v1", "v2", "renamed over", "in place"];
        assert_eq!(*versions.lock().unwrap(), expected);
        assert_eq!(file.status().detail().generation, 4);
    }

    #[test]
    fn a_bad_version_leaves_the_last_good_one_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "good").unwrap();
        let (mut file, versions) = watched(&path);

        fs::write(&path, "bad").unwrap();
        file.look(false);
        let detail = file.status().detail();
        assert_eq!((detail.generation, detail.failures), (1, 1));
        assert_eq!(detail.last_error.as_deref(), Some("bad"));

        fs::remove_file(&path).unwrap();
        file.look(false);
        file.look(false);
        assert_eq!(
            file.status().detail().failures,
            2,
            "told once, not at every look"
        );
        assert_eq!(*versions.lock().unwrap(), ["good"]);

        fs::write(&path, "better").unwrap();
        file.look(false);
        assert_eq!(file.status().detail().last_error, None);
        assert_eq!(*versions.lock().unwrap(), ["good", "better"]);
    }

    #[test]
    fn two_writes_in_one_tick_of_the_clock_are_both_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "one").unwrap();
        let (mut file, versions) = watched(&path);
        fs::write(&path, "two").unwrap();
        // As if the second write had left the stamp of the first.
        file.seen.stamp = Stamp::of(&path);
        file.look(false);
        assert_eq!(*versions.lock().unwrap(), ["one", "two"]);
    }

    #[test]
    fn many_wishes_at_once_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "one").unwrap();
        let (file, versions) = watched(&path);
        let (wish, wishes) = mpsc::channel();
        (0..100).for_each(|_| wish.send(()).unwrap());
        drop(wish);
        poll(&mut [file], &wishes);
        assert_eq!(*versions.lock().unwrap(), ["one", "one"]);
    }

    #[test]
    fn a_file_that_is_being_written_is_not_met_halfway() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "one").unwrap();
        let (mut file, versions) = watched(&path);
        let writer = thread::spawn(move || {
            for part in ["", "tw", "two"] {
                fs::write(&path, part).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
        });
        while file.seen.stamp == Stamp::of(&file.path) {}
        file.look(false);
        writer.join().unwrap();
        assert_eq!(*versions.lock().unwrap(), ["one", "two"]);
    }
}
