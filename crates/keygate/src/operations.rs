//! The operations listener: probes now, and what operators look at. Never the gateway's business.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    routing::get,
};
use serde::Serialize;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::health::{Health, SourceDetail};

/// The routes of the operations listener.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/-/healthz", get(|| async { "ok\n" }))
        .route("/-/ready", get(ready))
        .route("/-/check-up", get(ready))
        .with_state(health)
        .layer(SetResponseHeaderLayer::overriding(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
}

#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    version: &'static str,
    sources: Vec<SourceDetail>,
}

/// Ready from the first load until the shutdown begins. A file that was refused later does not
/// make the process unfit, since the last good version is in force: it is told in the detail.
async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, Json<Readiness>) {
    let ready = !health.is_draining();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let version = env!("CARGO_PKG_VERSION");
    (
        status,
        Json(Readiness {
            ready,
            version,
            sources: health.sources(),
        }),
    )
}
