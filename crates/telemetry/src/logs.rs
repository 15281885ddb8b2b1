//! Logs: one line an event on standard error, as text or JSON.

mod queue;

use std::{fs::File, io, os::fd::AsFd, panic, time::Duration};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

pub use queue::{LogOutput, Queue};

/// How long the last lines may take at the end.
const FLUSH: Duration = Duration::from_secs(1);

/// The running log; the last lines are written when it is dropped.
#[derive(Debug)]
pub struct Log(Queue);

impl Log {
    /// The lines that wait to be written.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.0.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(FLUSH);
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// How much is logged: decisions that deny are `info`, those that allow are `debug`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    #[serde(alias = "silent")]
    Off,
    /// What needs somebody.
    #[serde(alias = "fatal")]
    Error,
    /// What may need somebody.
    Warn,
    /// Starts, reloads and denials.
    #[default]
    Info,
    /// Every decision.
    Debug,
    /// Everything.
    Trace,
}

/// Starts logging.
///
/// Only Keygate's own events are written, whatever the level: a library's trace of what it read
/// from a connection could hold a key. Panics are logged too, so that they cannot block either.
///
/// # Errors
/// The system has no thread or no descriptor left.
pub fn start(format: LogFormat, level: LogLevel) -> io::Result<Log> {
    // A descriptor of its own: writing through `io::stderr` would hold its lock.
    let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let queue = Queue::start(output)?;
    panic::set_hook(Box::new(|info| tracing::error!("{info}")));
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let own = Targets::new().with_target("keygate", level);
    let lines = fmt::layer().with_writer(queue.clone());
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(own))
        .init();
    Ok(Log(queue))
}
