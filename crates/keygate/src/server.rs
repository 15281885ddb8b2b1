//! The listeners for gateways: each accepts connections until the shutdown, and then finishes requests in flight.

use std::{
    future::Future,
    io,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use axum::{Extension, Router};
use keygate_telemetry::limit::PerSecond;
use keygate_users::peers::Peer;
use socket2::Socket;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{connection, grpc_connection, listener::Listener};

/// How long to wait before accepting again when the system has no free file descriptor: long enough
/// for some to be closed, too short to be noticed.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// What the data listener serves.
#[derive(Debug, Clone)]
pub struct Service {
    /// The routes.
    pub router: Router,
    /// Whether requests carry the [`Peer`] of their connection as an extension.
    pub passes_peer: bool,
    /// What gateways speak.
    pub protocol: Protocol,
}

/// The protocol of a listener: one each, so that each has one parser to attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, which every gateway speaks to an authorization service.
    Http1,
    /// gRPC over HTTP/2 without TLS, for Envoy.
    Grpc,
}

impl Service {
    /// Returns the routes for one connection.
    fn for_peer(&self, peer: Peer) -> Router {
        if self.passes_peer {
            self.router.clone().layer(Extension(peer))
        } else {
            self.router.clone()
        }
    }
}

/// What connections of a listener may take up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many may be open at a time.
    pub connections: usize,
    /// How long a request head may take after its first byte; with gRPC, a whole request.
    pub head_timeout: Duration,
}

/// Serves until `shutdown` is done, then lets requests in flight finish for at most `drain`.
///
/// A connection may stay idle for ever: gateways keep idle ones on purpose.
pub async fn run(
    listener: Listener,
    service: Service,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let free = Arc::new(Semaphore::new(
        limits.connections.min(Semaphore::MAX_PERMITS),
    ));
    let (close, closing) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((socket, peer)) => match Arc::clone(&free).try_acquire_owned() {
                Ok(permit) => {
                    let (router, time) = (service.for_peer(peer), limits.head_timeout);
                    let closing = closing.clone();
                    match service.protocol {
                        Protocol::Http1 => {
                            spawn(connection::serve(socket, router, time, closing), permit);
                        }
                        Protocol::Grpc => {
                            spawn(
                                grpc_connection::serve(socket, router, time, closing),
                                permit,
                            );
                        }
                    }
                }
                // It is closed at once: the gateway goes on to another replica or reports an error,
                // and does not wait.
                Err(_) => report_limit(limits.connections),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
    // New connections are refused from here on; connections that are open end after their request.
    drop(listener);
    drop(closing);
    close.send_replace(true);
    if tokio::time::timeout(drain, close.closed()).await.is_err() {
        tracing::warn!(
            ?drain,
            "requests were still in flight at the end of the drain time"
        );
    }
}

async fn accept(listener: &Listener) -> io::Result<(Socket, Peer)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            // A response is one small write: it must not wait for the gateway's acknowledgement.
            stream.set_nodelay(true)?;
            Ok((stream.into_std()?.into(), Peer::Address(address.ip())))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok((stream.into_std()?.into(), Peer::Unix))
        }
    }
}

fn spawn(
    serving: impl Future<Output = io::Result<()>> + Send + 'static,
    permit: OwnedSemaphorePermit,
) {
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(permit);
    });
}

/// Logs that a connection was not accepted.
fn report_limit(connections: usize) {
    static REPORTS: LazyLock<PerSecond> = LazyLock::new(|| PerSecond::new(1));
    if REPORTS.admits(Instant::now()) {
        tracing::warn!(
            target: "keygate::data",
            suppressed = REPORTS.dropped(),
            "closed a new connection, because {connections} connections are already open: raise \
             `max-connections` or the limit on open file descriptors, or check which clients \
             connect"
        );
    }
}
