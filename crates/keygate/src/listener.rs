//! Where a service listens: a TCP port or a Unix socket.

mod socket_mode;
mod unix_socket;

use std::{
    fmt, fs, io,
    net::IpAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use keygate_telemetry::health::SocketStatus;
use serde::{Deserialize, Serialize, Serializer};
use tokio::net::{TcpListener, UnixStream};

pub use socket_mode::{SocketMode, SocketModeError};
pub use unix_socket::{SocketFile, UnixSocket};

/// The address of a listener: `HOST:PORT` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// A host name or IP address, and a port; port 0 lets the system choose.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Why a text is not an address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an address: write `HOST:PORT` or `unix:/path`")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(error())
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(error());
        }
        Ok(Self::Tcp(text.to_owned()))
    }
}

impl Address {
    /// Whether two listeners may be given this address: each gets a port of its own.
    #[must_use]
    pub fn may_be_shared(&self) -> bool {
        self.port() == Some(0)
    }

    /// Whether only this machine reaches it. A host name other than `localhost` is not looked up.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let Some(host) = self.host() else { return true };
        match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// The host, where it has one; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let Self::Tcp(text) = self else { return None };
        let (host, _) = text.rsplit_once(':')?;
        Some(host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// The port, where it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let Self::Tcp(text) = self else { return None };
        text.rsplit_once(':')?.1.parse().ok()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(text) => f.write_str(text),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A listener that is bound.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket; its file is removed with the second part.
    Unix(UnixSocket, SocketFile),
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("{0} is in use by another process: stop that process, or set another address")]
    InUse(Address),
    /// Another kind of file is there.
    #[error("{} is {}, not a socket, and is not replaced: set another path", .0.display(), .1)]
    NotASocket(PathBuf, &'static str),
    /// The system refuses.
    #[error("cannot listen on {0}")]
    Refused(Address, #[source] io::Error),
}

impl Listener {
    /// Binds the address.
    ///
    /// A socket file without a listening process, such as one left by a killed process, is replaced.
    ///
    /// # Errors
    /// The address is taken, or the system refuses it.
    pub async fn bind(address: &Address, mode: SocketMode) -> Result<Self, BindError> {
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(address.clone()),
            _ => BindError::Refused(address.clone(), error),
        };
        match address {
            Address::Tcp(text) => TcpListener::bind(text)
                .await
                .map(Self::Tcp)
                .map_err(refused),
            Address::Unix(path) => {
                remove_stale(path, address).await?;
                let (listener, file) = UnixSocket::bind(path, mode).map_err(refused)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// Whether new connections can reach it, where that can change: a Unix socket's file may go.
    #[must_use]
    pub fn status(&self) -> Option<Arc<SocketStatus>> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(_, file) => Some(file.status()),
        }
    }

    /// The address that is listened on, with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |it| it.to_string()),
            Self::Unix(_, file) => format!("unix:{}", file.path().display()),
        }
    }
}

async fn remove_stale(path: &Path, address: &Address) -> Result<(), BindError> {
    let refused = |error| BindError::Refused(address.clone(), error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let kind = if metadata.is_dir() {
                "a directory"
            } else {
                "a file"
            };
            Err(BindError::NotASocket(path.to_owned(), kind))
        }
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(refused)
            }
            Ok(_) | Err(_) => Err(BindError::InUse(address.clone())),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_address_is_a_host_and_port_or_a_path() {
        for good in [
            "127.0.0.1:7081",
            "[::1]:0",
            "localhost:80",
            "unix:/run/keygate.sock",
        ] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "7081",
            ":7081",
            "localhost",
            "localhost:http",
            "h:65536",
            "unix:",
            "unix:x",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_anything_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let mode = "0600".parse().unwrap();
        let path = folder.path().join("s.sock");
        let address = Address::Unix(path.clone());

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let alive = Listener::bind(&address, mode).await.unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        let taken = Listener::bind(&address, mode).await.unwrap_err();
        assert!(matches!(taken, BindError::InUse(_)), "{taken}");
        drop(alive);
        assert!(!path.exists(), "the file goes with the listener");

        let directory = Listener::bind(&Address::Unix(folder.path().to_owned()), mode).await;
        assert!(matches!(
            directory.unwrap_err(),
            BindError::NotASocket(_, "a directory")
        ));
        assert!(folder.path().is_dir());
    }
}
