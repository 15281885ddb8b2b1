//! The program under test, in its roles.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use std::{net::TcpStream, os::unix::net::UnixStream, thread};

use crate::support::{caller, secrets};

/// Returns a command of the program, without the environment of the test run.
pub(crate) fn keygate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keygate"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs a command that must end by itself within a few seconds.
pub(crate) fn run_to_end(command: &mut Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
            panic!(
                "still running: {command:?}: {:?}",
                child.wait_with_output().unwrap()
            );
        }
        thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let shows_key = command
        .get_args()
        .any(|it| it == "create" || it == "rotate");
    if shows_key {
        secrets::assert_no_sample_in(&output.stdout, "the output");
    } else {
        secrets::assert_none_in(&output.stdout, "the output");
    }
    secrets::assert_none_in(&output.stderr, "the error output");
    output
}

/// A running role; dropping it stops the process.
pub(crate) struct Service {
    child: Child,
    output: PathBuf,
    /// The socket of its operations listener, if it has one.
    operations: Option<PathBuf>,
}

/// The pages of the operations listener; a role may lack some.
const PAGES: [&str; 7] = [
    "/-/ready",
    "/-/check-up",
    "/metrics",
    "/debug/config",
    "/debug/keys",
    "/debug/decisions",
    "/debug/",
];

/// The pause after which the log is assumed to be complete.
const QUIET: Duration = Duration::from_millis(100);

impl Service {
    /// Starts a role and waits until it listens at `listen`, which its arguments must name too.
    pub(crate) fn start(mut command: Command, listen: &str, output: &Path) -> Self {
        let file = File::create(output).unwrap();
        let operations = command.get_args().find_map(|argument| {
            let socket = argument.to_str()?.strip_prefix("unix:")?;
            socket.contains("operations").then(|| PathBuf::from(socket))
        });
        let child = command
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut service = Self {
            child,
            output: output.to_owned(),
            operations,
        };
        for _ in 0..1000 {
            // Its file may be of a former process until it is bound again.
            let operations = service.operations.as_ref();
            let is_complete = operations.is_none_or(|socket| UnixStream::connect(socket).is_ok());
            if accepts(listen) && is_complete {
                return service;
            }
            let ended = service.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{command:?} did not start: {}",
                service.output()
            );
            thread::sleep(Duration::from_millis(10));
        }
        panic!(
            "{command:?} does not listen on {listen}: {}",
            service.output()
        );
    }

    /// Returns its output, after a pause without new output: a separate thread writes the log after the
    /// response.
    pub(crate) fn output(&self) -> String {
        let read = || fs::read(&self.output).unwrap();
        let mut written = read();
        loop {
            thread::sleep(QUIET);
            let now = read();
            if now.len() == written.len() {
                return String::from_utf8_lossy(&now).into_owned();
            }
            written = now;
        }
    }

    /// The process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, e.g. `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name} {pid}");
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for it to end.
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < patience,
                "still running: {}",
                self.output()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(socket) = &self.operations
            && let Ok(None) = self.child.try_wait()
            && !thread::panicking()
        {
            for page in PAGES {
                let shown = caller::get_unix(socket, page);
                secrets::assert_no_token_in(&shown.body, page);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.output();
        secrets::assert_none_in(log.as_bytes(), "a log");
        secrets::assert_no_token_in(log.as_bytes(), "a log");
    }
}

/// Returns whether a listener, `HOST:PORT` or `unix:/path`, accepts a connection.
pub(crate) fn accepts(listen: &str) -> bool {
    match listen.strip_prefix("unix:") {
        Some(path) => UnixStream::connect(path).is_ok(),
        None => TcpStream::connect(listen).is_ok(),
    }
}
