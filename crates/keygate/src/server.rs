//! Serves a router on a listener until it is told to stop, and then finishes what is in flight.

use std::{future::Future, io, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use crate::{
    forgetting::{Forgetting, Grown},
    listener::Listener,
};

/// How long to wait before accepting again where the system has no more descriptors: long enough
/// for some to be closed, short enough for nobody to notice.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Serves until `shutdown` is done, then lets requests in flight finish for at most `drain`.
///
/// HTTP/1.1 alone: every gateway speaks it to an authorization service, and one protocol is one
/// parser less to attack. There is no timer on reading a request: who connects is a gateway that
/// keeps idle connections on purpose.
pub async fn run(
    listener: Listener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &router, &graceful) => accepted,
            () = &mut shutdown => break,
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(AFTER_ACCEPT_ERROR).await;
        }
    }
    // New connections are refused from here on; connections that are open end after their request.
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            ?drain,
            "requests were still in flight when the drain time was over"
        );
    }
}

async fn accept(
    listener: &Listener,
    router: &Router,
    graceful: &GracefulShutdown,
) -> io::Result<()> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // An answer is one small write: it must not wait for the gateway's acknowledgement.
            stream.set_nodelay(true)?;
            serve(stream, router.clone(), graceful.watcher());
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            serve(stream, router.clone(), graceful.watcher());
        }
    }
    Ok(())
}

fn serve<S>(stream: S, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let grown = Grown::default();
    let stream = TokioIo::new(Forgetting::new(stream, grown.clone()));
    let service =
        ServiceExt::<Request<Incoming>>::map_response(router, move |answer| grown.last(answer));
    let connection =
        http1::Builder::new().serve_connection(stream, TowerToHyperService::new(service));
    tokio::spawn(async move {
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
