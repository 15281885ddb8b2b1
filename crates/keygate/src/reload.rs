//! Keeps the newest valid version of a file active.
//!
//! Each file has its own thread, which checks it four times a second. So a lost kernel event does no
//! harm, and every way of replacing a file is noticed. A version is loaded once it is
//! complete (`finished`): it was renamed into place, or its writer is done.

mod events;
mod finished;
mod regular;
mod version;
mod writers;

use std::{
    fs::File,
    hash::{DefaultHasher, Hasher},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use keygate_documents::source::SourceError;
use keygate_telemetry::health::SourceStatus;
use zeroize::Zeroizing;

use self::{
    events::{Events, Writer},
    finished::{Evidence, Finished, Unfinished, has_end},
    version::{Stamp, Trail},
    writers::Writers,
};
use crate::descriptors::Spare;

const INTERVAL: Duration = Duration::from_millis(250);

/// How often to check a file that is still being written when the program starts.
const START_INTERVAL: Duration = Duration::from_millis(50);

/// How long a start waits for a file before it logs that.
const START_IS_SLOW: Duration = Duration::from_millis(500);

/// How long a file must not change where its writers cannot be seen and no event is reported:
/// longer than a writer pauses in the middle.
const QUIET: Duration = Duration::from_secs(10);

/// How long to wait for a writer before the wait counts as an error, and the start fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often an unchanged error is logged again.
const REPEAT: Duration = Duration::from_mins(1);

/// Two writes in one tick of a file system's clock leave one stamp. So a file that was written less
/// than this time ago is read again.
const RECENT: Duration = Duration::from_secs(2);

/// A file whose content is active, and is again when it changes.
pub struct Watched {
    path: PathBuf,
    status: Arc<SourceStatus>,
    load: Load,
    quiet: Duration,
    find_writers: fn(&File, &Stamp) -> Writers,
    events: Events,
    spare: Spare,
    taken: Option<Taken>,
    /// The newest version that was looked at, and since when it has been as it is.
    still: Option<(Stamp, Instant)>,
    waiting_since: Option<Instant>,
    /// The newest version if its last line has no end: its writers need no further check.
    without_end: Option<Stamp>,
    /// The current error, and when it was logged.
    error: Option<(String, Instant)>,
    quiet_was_logged: bool,
}

/// Parses a file's text and activates it; on an error nothing has changed.
pub type Load = Box<dyn Fn(&Path, &str) -> Result<(), SourceError> + Send>;

/// The version of a file that was read last, valid or not.
#[derive(Debug, Clone)]
struct Taken {
    stamp: Stamp,
    trail: Trail,
    content: u64,
}

/// The result of one check of the file.
enum Found {
    /// The version that was taken last.
    Same,
    /// A version that is complete.
    Version(Taken, Zeroizing<String>),
    /// A version that is not known to be complete.
    Unfinished(Unfinished),
}

impl Watched {
    /// Loads the file for the first time. Waits for its writer, if it is still being written.
    ///
    /// # Errors
    /// The file cannot be read, is incomplete or invalid. Nothing is active then.
    pub fn start(name: &str, path: PathBuf, load: Load) -> Result<Self, SourceError> {
        let mut file = Self {
            path,
            status: Arc::new(SourceStatus::loaded(name)),
            load,
            quiet: QUIET,
            find_writers: Writers::of,
            events: Events::new(),
            spare: Spare::default(),
            taken: None,
            still: None,
            waiting_since: None,
            without_end: None,
            error: None,
            quiet_was_logged: false,
        };
        file.load_first(PATIENCE)?;
        file.spare.refill();
        Ok(file)
    }

    fn load_first(&mut self, patience: Duration) -> Result<(), SourceError> {
        let started = Instant::now();
        let mut logged = false;
        loop {
            match self.newest(false)? {
                Found::Version(taken, text) => {
                    self.take(taken);
                    return self.load(&text);
                }
                Found::Unfinished(why) if why.is_final() || started.elapsed() >= patience => {
                    return Err(self.unfinished(why));
                }
                Found::Unfinished(why) => {
                    if !logged && started.elapsed() > START_IS_SLOW {
                        let error = self.unfinished(why);
                        tracing::warn!(%error, ?patience, "waiting for a file before starting");
                        logged = true;
                    }
                }
                Found::Same => {}
            }
            thread::sleep(START_INTERVAL);
        }
    }

    /// Where the file's state is reported.
    #[must_use]
    pub fn status(&self) -> Arc<SourceStatus> {
        Arc::clone(&self.status)
    }

    /// Activates a new version of the file if there is one that is complete and valid.
    fn look(&mut self, forced: bool) {
        match self.newest(forced) {
            Ok(Found::Same) => self.stop_waiting(),
            Ok(Found::Unfinished(why)) => self.wait(why, forced),
            Ok(Found::Version(taken, text)) => {
                let before = self.taken.as_ref().map(|it| it.content);
                let is_new = before != Some(taken.content) || self.error.is_some();
                self.take(taken);
                if forced || is_new {
                    self.error = None;
                    self.report(self.load(&text));
                }
            }
            Err(error) => self.complain(&error, forced),
        }
        self.spare.refill();
    }

    /// The newest version of the file, if it is complete.
    fn newest(&mut self, forced: bool) -> Result<Found, SourceError> {
        // Events are read even where they are not needed, so that the queue does not fill up.
        self.events.seen();
        let stamp = Stamp::of(&self.path).map_err(|error| self.unreadable(error))?;
        let before = self.taken.as_ref();
        let is_same = before.is_some_and(|it| it.stamp == stamp);
        if is_same && !forced && self.error.is_none() && !stamp.is_younger_than(RECENT) {
            return Ok(Found::Same);
        }
        if self.without_end.as_ref() == Some(&stamp) && !stamp.is_younger_than(RECENT) {
            return Ok(Found::Unfinished(Unfinished::NoEnd));
        }
        let trail = Trail::of(&self.path).map_err(|error| self.unreadable(error))?;
        self.events.watch(&trail.file, (stamp.device, stamp.inode));
        let file = regular::open_regular(&self.path, &mut self.spare)?;
        if !self.is_still(&file, &stamp)? {
            return Ok(Found::Unfinished(Unfinished::Changed));
        }
        let mut text = None;
        if is_same {
            let content = regular::read_open(&file, &self.path)?;
            let fingerprint = fingerprint(&content);
            if self
                .taken
                .as_ref()
                .is_some_and(|it| it.content == fingerprint)
            {
                if !forced && self.error.is_none() {
                    return Ok(Found::Same);
                }
                text = Some(content);
            }
        }
        // A version that was read before was complete.
        if text.is_none() {
            match self.judge(&file, &stamp, &trail)? {
                Ok(Finished::Quiet) => self.log_quiet(),
                Ok(_) => {}
                Err(why) => {
                    self.without_end = why.is_final().then_some(stamp);
                    return Ok(Found::Unfinished(why));
                }
            }
        }
        let text = match text {
            Some(text) => text,
            None => self.read_from_start(&file)?,
        };
        if !self.is_still(&file, &stamp)? || self.events.seen().writer == Writer::Writing {
            return Ok(Found::Unfinished(Unfinished::Changed));
        }
        let content = fingerprint(&text);
        let taken = Taken {
            stamp,
            trail,
            content,
        };
        Ok(Found::Version(taken, text))
    }

    /// Whether the path still leads to this file, and the file is as it was.
    fn is_still(&self, file: &File, stamp: &Stamp) -> Result<bool, SourceError> {
        let opened = file.metadata().map(|it| Stamp::from(&it));
        let named = Stamp::of(&self.path);
        let [opened, named] = [opened, named].map(|it| it.map_err(|error| self.unreadable(error)));
        Ok(opened? == *stamp && named? == *stamp)
    }

    fn read_from_start(&self, mut file: &File) -> Result<Zeroizing<String>, SourceError> {
        io::Seek::rewind(&mut file).map_err(|error| self.unreadable(error))?;
        regular::read_open(file, &self.path)
    }

    fn judge(
        &mut self,
        file: &File,
        stamp: &Stamp,
        trail: &Trail,
    ) -> Result<Result<Finished, Unfinished>, SourceError> {
        let still = match &self.still {
            Some((seen, since)) if seen == stamp => since.elapsed(),
            _ => {
                self.still = Some((stamp.clone(), Instant::now()));
                Duration::ZERO
            }
        };
        let has_end = has_end(file, stamp.size).map_err(|error| self.unreadable(error))?;
        // The event of a writer that closed the file before the search is in the queue after it.
        let writers = (self.find_writers)(file, stamp);
        let before = self.taken.as_ref();
        let evidence = Evidence {
            stamp,
            trail,
            before: before.map(|it| (&it.stamp, &it.trail)),
            seen: self.events.seen(),
            writers,
            has_end,
            still,
            quiet: self.quiet,
        };
        Ok(evidence.judge())
    }

    fn load(&self, text: &str) -> Result<(), SourceError> {
        let loaded = (self.load)(&self.path, text);
        clear_stack();
        loaded
    }

    fn take(&mut self, taken: Taken) {
        self.taken = Some(taken);
        self.still = None;
        self.events.forget();
        self.stop_waiting();
    }

    fn stop_waiting(&mut self) {
        if self.waiting_since.take().is_some() {
            self.status.pending(None);
        }
    }

    /// Nothing is loaded yet; where that lasts, it is an error.
    fn wait(&mut self, why: Unfinished, forced: bool) {
        let begins = self.waiting_since.is_none();
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let error = self.unfinished(why);
        if why.is_final() || since.elapsed() >= PATIENCE {
            self.complain(&error, forced);
            return;
        }
        if forced {
            tracing::warn!(%error, "not reloaded yet: the last valid version stays active");
        } else if begins && why != Unfinished::Changed {
            tracing::info!(%error, "waiting for a new version");
        }
        self.status.pending(Some(error.to_string()));
    }

    fn report(&mut self, outcome: Result<(), SourceError>) {
        let file = self.path.display();
        match outcome {
            Ok(()) => {
                self.status.reloaded();
                tracing::info!(%file, generation = self.status.detail().generation, "reloaded");
            }
            Err(error) => {
                tracing::error!(%file, %error, "not reloaded: the last valid version stays active");
                self.status.rejected(error.to_string());
            }
        }
    }

    /// Handles a file that cannot be read: it is tried again at every check. The error is logged when
    /// it changes, and then from time to time.
    fn complain(&mut self, error: &SourceError, forced: bool) {
        let text = error.to_string();
        let file = self.path.display();
        let logged = match &self.error {
            Some((last, at)) if *last == text => Some(*at),
            _ => {
                self.status.rejected(text.clone());
                None
            }
        };
        let at = match logged {
            Some(at) if at.elapsed() < REPEAT && !forced => at,
            _ => {
                tracing::error!(%file, %error, "not reloaded: the last valid version stays active");
                Instant::now()
            }
        };
        self.error = Some((text, at));
    }

    fn log_quiet(&mut self) {
        if !self.quiet_was_logged {
            self.quiet_was_logged = true;
            tracing::warn!(
                file = %self.path.display(),
                quiet = ?self.quiet,
                "on this file system, it is unknown whether a file's writer has finished, so the \
                 file is loaded once it has not changed for a while: to load it immediately, \
                 replace it with a rename"
            );
        }
    }

    fn unfinished(&self, why: Unfinished) -> SourceError {
        SourceError::Unfinished {
            path: self.path.clone(),
            why: why.to_string(),
        }
    }

    fn unreadable(&self, error: io::Error) -> SourceError {
        SourceError::Unreadable {
            path: self.path.clone(),
            error,
        }
    }
}

/// Watches each file on its own thread, so that a file system that hangs affects one file only. A
/// message to a thread (SIGHUP) makes it check at once; the thread ends when its sender is dropped.
///
/// # Errors
/// The system has no thread left.
pub fn watch(files: Vec<Watched>) -> io::Result<Vec<Sender<()>>> {
    let watch = |mut file: Watched| {
        let (now, requests) = mpsc::channel();
        thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || poll(&mut file, &requests))?;
        Ok(now)
    };
    files.into_iter().map(watch).collect()
}

fn poll(file: &mut Watched, requests: &Receiver<()>) {
    let status = file.status();
    loop {
        let forced = match requests.recv_timeout(INTERVAL) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Reload requests that came while a large file was read coalesce into one more read.
        while requests.try_recv().is_ok() {}
        status.read_begins();
        file.look(forced);
        status.read_ends();
    }
}

/// Overwrites the stack below this call: the parsers' frames held keys.
#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "the stack is what must be overwritten; a thread's is two megabytes"
)]
fn clear_stack() {
    let mut zeros = [0_u8; 256 * 1024];
    std::hint::black_box(&mut zeros);
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests;
