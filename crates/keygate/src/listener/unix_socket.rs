//! A Unix socket whose file is monitored: it may be removed or replaced while the process runs.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use keygate_telemetry::health::{SocketState, SocketStatus};
use tokio::{
    net::{self, UnixListener, UnixStream, unix::SocketAddr},
    time::Instant,
};

use super::SocketMode;

/// How many connections wait until they are accepted; the kernel bounds it by `somaxconn`.
const BACKLOG: u32 = 4096;

/// How often the file is checked.
const INTERVAL: Duration = Duration::from_secs(1);

/// A bound Unix socket.
///
/// INVARIANT: one task accepts at a time.
#[derive(Debug)]
pub struct UnixSocket {
    listener: Mutex<Arc<UnixListener>>,
    next_look: Mutex<Instant>,
    shared: Arc<Shared>,
}

/// The file of a bound Unix socket: removed with this value if it is still the socket's.
#[derive(Debug)]
pub struct SocketFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    mode: SocketMode,
    /// The file that was bound last; nothing once it was given up.
    own: Mutex<Option<Identity>>,
    status: Arc<SocketStatus>,
}

/// Which file it is, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// What is at the path now, if anything.
    fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(Self {
                device: metadata.dev(),
                inode: metadata.ino(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Binds a path that is free. Nobody can connect before the file has its mode.
fn bind(path: &Path, mode: SocketMode) -> io::Result<(UnixListener, Identity)> {
    let socket = net::UnixSocket::new_stream()?;
    socket.bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode.bits()))?;
    let identity = Identity::at(path)?.ok_or(io::ErrorKind::NotFound)?;
    Ok((socket.listen(BACKLOG)?, identity))
}

impl UnixSocket {
    /// Binds a path that is free.
    ///
    /// # Errors
    /// The system refuses it.
    pub(super) fn bind(path: &Path, mode: SocketMode) -> io::Result<(Self, SocketFile)> {
        let (listener, identity) = bind(path, mode)?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            mode,
            own: Mutex::new(Some(identity)),
            status: Arc::new(SocketStatus::listening(path.to_owned())),
        });
        let socket = Self {
            listener: Mutex::new(Arc::new(listener)),
            next_look: Mutex::new(Instant::now() + INTERVAL),
            shared: Arc::clone(&shared),
        };
        Ok((socket, SocketFile(shared)))
    }

    /// Moves it to the runtime that the caller is in.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn into_this_runtime(self) -> io::Result<Self> {
        let Self {
            listener, shared, ..
        } = self;
        let listener = listener
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let listener = Arc::try_unwrap(listener).map_err(|_| {
            io::Error::other(
                "the socket is in \
                                                                               use",
            )
        })?;
        let listener = UnixListener::from_std(listener.into_std()?)?;
        Ok(Self {
            listener: Mutex::new(Arc::new(listener)),
            next_look: Mutex::new(Instant::now() + INTERVAL),
            shared,
        })
    }

    /// Waits for a connection, and checks the file once a second.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        loop {
            let listener = Arc::clone(&lock(&self.listener));
            let next_look = *lock(&self.next_look);
            tokio::select! {
                accepted = listener.accept() => return accepted,
                () = tokio::time::sleep_until(next_look) => self.look(),
            }
        }
    }

    /// Binds the path again where its file was removed, and reports what is wrong otherwise.
    fn look(&self) {
        *lock(&self.next_look) = Instant::now() + INTERVAL;
        let Shared {
            path,
            mode,
            own,
            status,
        } = &*self.shared;
        let mut own = lock(own);
        let Some(file) = *own else { return };
        let before = status.detail().state;
        let shown = path.display();
        let state = match Identity::at(path) {
            Ok(Some(found)) if found == file => SocketState::Listening,
            Ok(Some(_)) => SocketState::Replaced,
            Err(_) => SocketState::Missing,
            Ok(None) => match bind(path, *mode) {
                Ok((listener, identity)) => {
                    *lock(&self.listener) = Arc::new(listener);
                    *own = Some(identity);
                    tracing::error!(
                        path = %shown,
                        "the socket file was removed and has been created again: find out what \
                         removes it"
                    );
                    SocketState::Listening
                }
                Err(error) => {
                    if before != SocketState::Missing {
                        tracing::error!(
                            path = %shown,
                            %error,
                            "the socket file was removed and cannot be created again, so no new \
                             connections arrive: retrying every second"
                        );
                    }
                    SocketState::Missing
                }
            },
        };
        if state == SocketState::Replaced && before != state {
            tracing::error!(
                path = %shown,
                "another file has replaced the socket, so new connections go elsewhere: check \
                 whether another process uses the same path; the socket is created again once the \
                 path is free"
            );
        }
        status.set(state);
    }
}

impl SocketFile {
    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether new connections can reach the socket.
    #[must_use]
    pub fn status(&self) -> Arc<SocketStatus> {
        Arc::clone(&self.0.status)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let own = lock(&self.0.own).take();
        let found = Identity::at(&self.0.path).ok().flatten();
        if own.is_some() && own == found {
            // The next start removes a socket file without a listening process.
            let _ = fs::remove_file(&self.0.path);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
