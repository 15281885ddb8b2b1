//! File descriptors: how many this process may have open, and how many of them connections may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

/// How many connections may be open at a time, so that descriptors remain for everything else.
#[must_use]
pub fn for_connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    left_for_connections(limit.map_or(usize::MAX, |it| it.try_into().unwrap_or(usize::MAX)))
}

/// Under a very low limit, connections get half of it.
fn left_for_connections(limit: usize) -> usize {
    limit.saturating_sub(RESERVED).max(limit / 2)
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
