//! File descriptors: how many this process may have open, and how many of them connections may use.

use std::{fs::File, io};

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// Descriptors that connections never use: files, listeners, operators, logs and traces.
const RESERVED: usize = 128;

/// Raises the soft limit on open descriptors to the hard limit.
///
/// Shells and container runtimes often start a process with a soft limit of 1,024, and a burst of
/// connections uses that up. The program uses no `select`, so a high limit is safe.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = current, "cannot raise the limit on open file descriptors");
    }
}

/// How many connections may be open at a time, so that descriptors remain for everything else, and
/// `reserved` ones for another listener.
#[must_use]
pub fn for_connections(reserved: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |it| it.try_into().unwrap_or(usize::MAX));
    left_for_connections(limit.saturating_sub(reserved).max(limit / 2))
}

/// Under a very low limit, connections get half of it.
fn left_for_connections(limit: usize) -> usize {
    limit.saturating_sub(RESERVED).max(limit / 2)
}

/// Returns whether an error means that this process or the machine has no descriptor left.
#[must_use]
pub fn are_exhausted(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|it| codes.contains(&it))
}

/// Descriptors that are held open and given up where a file must be read and none is left.
#[derive(Debug, Default)]
pub struct Spare(Vec<File>);

impl Spare {
    /// One for the file, the others for `/proc`, where its writers are looked for.
    const SIZE: usize = 4;

    /// Takes the descriptors; fewer, where fewer are left.
    pub fn refill(&mut self) {
        while self.0.len() < Self::SIZE {
            let Ok(file) = File::open("/dev/null") else {
                return;
            };
            self.0.push(file);
        }
    }

    /// Opens a file, with a spare descriptor where no other is left.
    ///
    /// # Errors
    /// It cannot be opened, or another thread was quicker to use the spare descriptors.
    pub fn open(&mut self, open: impl Fn() -> io::Result<File>) -> io::Result<File> {
        match open() {
            Err(error) if are_exhausted(&error) => {
                self.0.clear();
                open()
            }
            opened => opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        for (limit, expected) in [(0, 0), (64, 32), (256, 128), (1024, 896), (65536, 65408)] {
            assert_eq!(left_for_connections(limit), expected, "{limit}");
        }
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_limit();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
    }
}
