//! Logs: one line per event on standard error, as text or JSON.

mod queue;

use std::{fs::File, io, os::fd::AsFd, panic, time::Duration};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

pub use queue::{LogOutput, Queue};

/// How long writing the last lines may take at the end.
const FLUSH: Duration = Duration::from_secs(1);

/// The running logger; dropping it writes the last lines.
#[derive(Debug)]
pub struct Log(Queue);

impl Log {
    /// Returns the queue of lines that are not written yet.
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

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

/// The log level: denials are `info`, allowed requests are `debug`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    #[serde(alias = "silent")]
    Off,
    /// Errors that need attention.
    #[serde(alias = "fatal")]
    Error,
    /// Problems that may need attention.
    Warn,
    /// Starts, reloads and denials.
    #[default]
    Info,
    /// All decisions.
    Debug,
    /// Everything.
    Trace,
}

/// Starts logging.
///
/// Only Keygate's own events are logged, at any level: a library's trace of the data that it read from
/// a connection could contain a key. Panics are logged through the queue too, so that they never block.
///
/// # Errors
/// The system has no free thread or file descriptor.
pub fn start(format: LogFormat, level: LogLevel) -> io::Result<Log> {
    // A separate descriptor, because writing through `io::stderr` would hold its lock.
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
