//! A Unix socket whose file is looked at: it may be removed or replaced while the process runs.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    net::{UnixListener, UnixStream, unix::SocketAddr},
    time::Instant,
};

use super::SocketMode;

/// How often the file is looked at.
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

/// Whether new connections can reach a Unix socket.
#[derive(Debug, Clone)]
pub struct SocketStatus(Arc<Shared>);

/// What there is to know about a Unix socket.
#[derive(Debug, Clone, Serialize)]
pub struct SocketDetail {
    /// The path that the setting names.
    pub path: PathBuf,
    /// What is at that path.
    pub state: SocketState,
}

/// What is at the path of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketState {
    /// Its own file.
    Listening,
    /// Nothing: it was removed, and cannot be bound again.
    Missing,
    /// A file that is not its own.
    Replaced,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    mode: SocketMode,
    own: Mutex<Own>,
}

#[derive(Debug)]
struct Own {
    /// The file that was bound last; nothing once it was given up.
    file: Option<Identity>,
    state: SocketState,
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

/// Binds a path that is free.
fn bind(path: &Path, mode: SocketMode) -> io::Result<(UnixListener, Identity)> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode.bits()))?;
    let identity = Identity::at(path)?.ok_or(io::ErrorKind::NotFound)?;
    Ok((listener, identity))
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
            own: Mutex::new(Own {
                file: Some(identity),
                state: SocketState::Listening,
            }),
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
        let listener = Arc::try_unwrap(listener).map_err(|_| io::Error::other("socket in use"))?;
        let listener = UnixListener::from_std(listener.into_std()?)?;
        Ok(Self {
            listener: Mutex::new(Arc::new(listener)),
            next_look: Mutex::new(Instant::now() + INTERVAL),
            shared,
        })
    }

    /// Waits for a connection, and looks at the file once a second.
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
        let Shared { path, mode, own } = &*self.shared;
        let mut own = lock(own);
        let Some(file) = own.file else { return };
        let path_shown = path.display();
        let state = match Identity::at(path) {
            Ok(Some(found)) if found == file => SocketState::Listening,
            Ok(Some(_)) => SocketState::Replaced,
            Ok(None) => match bind(path, *mode) {
                Ok((listener, identity)) => {
                    *lock(&self.listener) = Arc::new(listener);
                    own.file = Some(identity);
                    own.state = SocketState::Listening;
                    tracing::error!(
                        path = %path_shown,
                        "the socket file was removed, and is bound again: find out what removes it"
                    );
                    return;
                }
                Err(error) if own.state != SocketState::Missing => {
                    tracing::error!(
                        path = %path_shown,
                        %error,
                        "the socket file was removed and cannot be bound again: no new connection \
                         arrives; it is tried every second"
                    );
                    SocketState::Missing
                }
                Err(_) => SocketState::Missing,
            },
            Err(_) => SocketState::Missing,
        };
        if state != own.state {
            match state {
                SocketState::Replaced => tracing::error!(
                    path = %path_shown,
                    "another file is at the path of the socket: connections arrive elsewhere; is \
                     another process set to the same path? Once the path is free it is bound again"
                ),
                SocketState::Listening => {
                    tracing::info!(path = %path_shown, "the socket file is back");
                }
                SocketState::Missing => {}
            }
        }
        own.state = state;
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
    pub fn status(&self) -> SocketStatus {
        SocketStatus(Arc::clone(&self.0))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let own = lock(&self.0.own).file.take();
        let found = Identity::at(&self.0.path).ok().flatten();
        if own.is_some() && own == found {
            // The next start removes a file that nobody listens on.
            let _ = fs::remove_file(&self.0.path);
        }
    }
}

impl SocketStatus {
    /// What there is to know now.
    #[must_use]
    pub fn detail(&self) -> SocketDetail {
        SocketDetail {
            path: self.0.path.clone(),
            state: lock(&self.0.own).state,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
