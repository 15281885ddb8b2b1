//! The queue of log lines for standard error, which may be a pipe that nobody reads.
//!
//! Events are written into a bounded buffer, and a separate thread writes the buffer out. If the
//! reader stops, lines are dropped and counted, and decisions are never delayed.
//!
//! INVARIANT: no lock is held during a write to the output.

use std::{
    cell::Cell,
    fs::File,
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde::Serialize;
use tracing_subscriber::fmt::MakeWriter;

/// The capacity of the queue in bytes; the writing thread holds as many again.
const CAPACITY: usize = 1 << 20;

/// How long to wait before another write to a non-blocking output that is full.
const RETRY: Duration = Duration::from_millis(50);

thread_local! {
    /// Whether this is the writing thread, whose reports are accepted even if the buffer is full.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

/// The lines that are not written yet.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    in_hand: usize,
    dropped_lines: u64,
    /// Whether the last line was dropped, or the last write failed.
    is_stalled: bool,
}

impl State {
    fn unwritten(&self) -> usize {
        self.waiting.len() + self.in_hand
    }
}

/// The state of the log's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogOutput {
    /// How many lines were dropped since the start.
    pub dropped_lines: u64,
    /// How many bytes are not written yet.
    pub waiting_bytes: usize,
    /// Whether lines are currently dropped.
    pub stalled: bool,
}

impl Queue {
    /// Returns a queue, and starts a thread that writes its lines to this file.
    ///
    /// # Errors
    /// The system has no free thread.
    pub fn start(output: File) -> io::Result<Self> {
        let queue = Self(Arc::default());
        let own = queue.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || own.write_to(output))?;
        Ok(queue)
    }

    /// Returns the current state.
    #[must_use]
    pub fn output(&self) -> LogOutput {
        let state = self.lock();
        LogOutput {
            dropped_lines: state.dropped_lines,
            waiting_bytes: state.unwritten(),
            stalled: state.is_stalled,
        }
    }

    /// Waits until every line is written, or until the timeout.
    pub fn flush(&self, timeout: Duration) {
        let is_busy = |state: &mut State| state.unwritten() > 0;
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), timeout, is_busy);
        drop(waited);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let is_full = state.waiting.len().saturating_add(line.len()) > CAPACITY;
        if is_full && !IS_WRITER.get() {
            state.dropped_lines += lines(line);
            state.is_stalled = true;
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.0.changed.notify_all();
    }

    fn write_to(&self, mut output: File) {
        IS_WRITER.set(true);
        let mut lines_in_hand = Vec::new();
        let mut reported = 0;
        loop {
            self.take(&mut lines_in_hand);
            let written = write_all(&mut output, &lines_in_hand);
            let dropped = self.finish(written.is_ok(), lines(&lines_in_hand));
            lines_in_hand.clear();
            if written.is_ok() && dropped > reported {
                tracing::warn!(
                    lines = dropped - reported,
                    "log lines were dropped, because standard error was not read fast enough"
                );
                reported = dropped;
            }
        }
    }

    /// Waits for lines, and takes all of them from the queue.
    fn take(&self, into: &mut Vec<u8>) {
        let is_empty = |state: &mut State| state.waiting.is_empty();
        let state = self.0.changed.wait_while(self.lock(), is_empty);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.waiting, into);
        state.in_hand = into.len();
    }

    /// Records the result of writing this many lines, and returns how many were dropped in total.
    fn finish(&self, is_written: bool, count: u64) -> u64 {
        let mut state = self.lock();
        state.in_hand = 0;
        state.is_stalled = !is_written;
        if !is_written {
            state.dropped_lines += count;
        }
        let dropped = state.dropped_lines;
        drop(state);
        self.0.changed.notify_all();
        dropped
    }
}

/// Each event is one write.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'q> MakeWriter<'q> for Queue {
    type Writer = &'q Self;

    fn make_writer(&'q self) -> &'q Self {
        self
    }
}

fn lines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// [`Write::write_all`] that also works for a non-blocking output.
fn write_all(output: &mut impl Write, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::fd::OwnedFd, time::Instant};

    use super::*;

    fn queue() -> (Queue, io::PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let queue = Queue::start(File::from(OwnedFd::from(writer))).unwrap();
        (queue, reader)
    }

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (queue, mut reader) = queue();
        let lines: Vec<_> = (0..1000).map(|n| format!("line {n}\n")).collect();
        let text = lines.concat();
        for line in &lines {
            queue.push(line.as_bytes());
        }
        queue.flush(Duration::from_secs(10));
        let mut read = vec![0; text.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(read, text.as_bytes());
        assert_eq!(queue.output(), LogOutput::default());
    }

    #[test]
    fn lines_beyond_the_capacity_are_counted() {
        let (queue, mut reader) = queue();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        let started = Instant::now();
        for _ in 0..10_000 {
            queue.push(&line);
        }
        queue.flush(Duration::from_millis(10));
        assert!(started.elapsed() < Duration::from_secs(5));
        let LogOutput {
            dropped_lines,
            stalled,
            ..
        } = queue.output();
        assert!(
            stalled && dropped_lines >= 10_000 - 3 * 1024,
            "{dropped_lines}"
        );

        let kept = 10_000 - usize::try_from(dropped_lines).unwrap();
        let mut read = vec![0; kept * line.len()];
        reader.read_exact(&mut read).unwrap();
        queue.flush(Duration::from_secs(10));
        assert!(!queue.output().stalled);
    }

    #[test]
    fn a_closed_output_only_loses_lines() {
        let (queue, reader) = queue();
        drop(reader);
        queue.push(b"one\n");
        queue.flush(Duration::from_secs(10));
        let output = LogOutput {
            dropped_lines: 1,
            waiting_bytes: 0,
            stalled: true,
        };
        assert_eq!(queue.output(), output);
    }
}
