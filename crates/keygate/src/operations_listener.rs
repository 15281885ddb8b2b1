//! The admin listener, on a separate thread and with limits.
//!
//! A connection carries one request, and lives for a bounded time: a client that sends half a head or
//! reads slowly cannot hold a response for longer. Where too many are open, the oldest is closed, so
//! that a probe always gets through.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use keygate_web::hosts::{self, Hosts};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    runtime,
    task::JoinHandle,
};

use crate::listener::{Listener, SocketFile, UnixSocket};

/// How long to wait before accepting again where the system has no descriptor left.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Far more than a browser or a scraper sends.
const LONGEST_HEAD: usize = 64 * 1024;

/// Pages that are rendered at a time; more of them wait for their turn.
const RENDERING_THREADS: usize = 2;

/// How often closed connections are logged at most.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The limits of the admin listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections.
    pub connections: usize,
    /// How long a connection may take, from its start to the end of the response.
    pub time: Duration,
}

/// Serves the admin listener until the process ends, on a separate thread: a scrape over a million
/// keys must not delay requests from the gateway.
///
/// # Errors
/// The system has no thread or no descriptors left.
pub fn start(
    listener: Listener,
    router: Router,
    hosts: Hosts,
    limits: Limits,
) -> io::Result<Option<SocketFile>> {
    let runtime = runtime::Builder::new_current_thread()
        .max_blocking_threads(RENDERING_THREADS)
        .enable_all()
        .build()?;
    let within = runtime.enter();
    let (listener, router, file) = match listener {
        Listener::Tcp(listener) => {
            let listener = TcpListener::from_std(listener.into_std()?)?;
            let router = hosts::guard(router, Arc::new(hosts));
            (Socket::Tcp(listener), router, None)
        }
        // A browser cannot be led to a socket in the file system.
        Listener::Unix(listener, file) => {
            let listener = listener.into_this_runtime()?;
            (Socket::Unix(listener), router, Some(file))
        }
    };
    drop(within);
    thread::Builder::new()
        .name("operations".to_owned())
        .spawn(move || runtime.block_on(serve(&listener, &router, limits)))?;
    Ok(file)
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

async fn serve(listener: &Socket, router: &Router, limits: Limits) {
    let mut open = Open::new(limits.connections);
    loop {
        let accepted = match listener {
            Socket::Tcp(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| tokio::spawn(respond(stream, router.clone(), limits.time))),
            Socket::Unix(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| tokio::spawn(respond(stream, router.clone(), limits.time))),
        };
        match accepted {
            Ok(connection) => open.add(connection),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the admin listener");
                tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
}

/// The open connections, oldest first.
struct Open {
    most: usize,
    connections: VecDeque<JoinHandle<()>>,
    logged: Option<Instant>,
}

impl Open {
    fn new(most: usize) -> Self {
        Self {
            most,
            connections: VecDeque::new(),
            logged: None,
        }
    }

    /// Adds a connection, in place of the oldest one where there are too many.
    fn add(&mut self, connection: JoinHandle<()>) {
        self.connections.retain(|it| !it.is_finished());
        self.connections.push_back(connection);
        if self.connections.len() <= self.most {
            return;
        }
        if let Some(oldest) = self.connections.pop_front() {
            oldest.abort();
        }
        if self.logged.is_none_or(|it| it.elapsed() >= LOG_INTERVAL) {
            self.logged = Some(Instant::now());
            tracing::warn!(
                limit = self.most,
                "the admin listener has more connections than `operations-max-connections`: \
                 closing the oldest ones"
            );
        }
    }
}

async fn respond(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, time: Duration) {
    let service = TowerToHyperService::new(router.into_service::<Incoming>());
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LONGEST_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(time)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(time, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the admin listener ended early"),
        Err(_) => tracing::debug!("closed a connection to the admin listener that took too long"),
    }
}
