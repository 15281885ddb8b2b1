//! A backend for demonstrations: it echoes each request as JSON, which shows the headers that a
//! gateway passed.
//!
//! `cargo run --example demo_backend -- 127.0.0.1:9000` or `-- unix:/run/keygate/backend.sock`

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, UnixListener};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(listen) = std::env::args().nth(1) else {
        return fail("where to listen? e.g. `demo_backend 127.0.0.1:9000`");
    };
    match serve(&listen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{listen}: {error}")),
    }
}

#[expect(clippy::print_stderr, reason = "the one message of a small program")]
fn fail(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}

async fn serve(listen: &str) -> Result<(), Box<dyn Error>> {
    let router = Router::new().fallback(echo);
    match listen.strip_prefix("unix:") {
        Some(path) => axum::serve(UnixListener::bind(path)?, router).await?,
        None => axum::serve(TcpListener::bind(listen).await?, router).await?,
    }
    Ok(())
}

async fn echo(request: Request) -> impl IntoResponse {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .as_ref()
        .map_or(0, Bytes::len);
    let received = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers(&head.headers),
        "bodyBytes": body,
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        format!("{received:#}\n"),
    )
}

/// Returns the headers by name; a repeated header becomes a list.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .keys()
        .map(|name| {
            let mut values: Vec<Value> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
                .collect();
            let value = if values.len() == 1 {
                values.remove(0)
            } else {
                values.into()
            };
            (name.to_string(), value)
        })
        .collect()
}
