//! The data listener: accepts connections until it is told to stop, and then finishes what is in
//! flight.

use std::{future::Future, io, sync::Arc, time::Duration};

use socket2::Socket;
use tokio::sync::watch;

use crate::{connection, data::Data, listener::Listener};

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
    data: Data,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let data = Arc::new(data);
    let (close, closing) = watch::channel(false);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok(socket) => serve(socket, Arc::clone(&data), closing.clone()),
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
            "requests were still in flight when the drain time was over"
        );
    }
}

async fn accept(listener: &Listener) -> io::Result<Socket> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // An answer is one small write: it must not wait for the gateway's acknowledgement.
            stream.set_nodelay(true)?;
            Ok(stream.into_std()?.into())
        }
        Listener::Unix(listener, _) => Ok(listener.accept().await?.0.into_std()?.into()),
    }
}

fn serve(socket: Socket, data: Arc<Data>, closing: watch::Receiver<bool>) {
    tokio::spawn(async move {
        if let Err(error) = connection::serve(socket, &data, closing).await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
