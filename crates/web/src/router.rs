//! The routes of the admin listener: probes, metrics and debug pages. Gateways never request them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use keygate_explain::RequestDescription;
use keygate_telemetry::{
    decisions::{Differences, Dropped, Filter},
    health::{SocketDetail, SocketState, SourceDetail},
    logs::LogOutput,
    metrics::{self, exposition::Format},
    operations::Operations,
};
use serde::Serialize;
use serde_json::json;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{
    debug_keys, debug_page, explain,
    issuers::{self, IssuerDetail},
};

/// Returns the routes of the admin listener.
pub fn router(operations: Operations) -> Router {
    Router::new()
        .route("/-/healthz", get(|| async { "ok\n" }))
        .route("/-/ready", get(ready))
        .route("/-/check-up", get(check_up))
        .route("/metrics", get(scrape))
        .route("/debug/config", get(config))
        .route("/debug/decisions", get(recent_decisions))
        .route("/debug/explain", get(explained))
        .route("/debug/keys", get(keys))
        .route("/debug/shadow", get(shadow_differences))
        .merge(debug_page::router())
        .route("/.well-known/jwks.json", get(key_set))
        .with_state(Arc::new(operations))
        // The key set alone may be kept, and says so itself.
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    ready: bool,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_version: Option<String>,
    sources: Vec<SourceDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<Dropped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<LogOutput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sockets: Vec<SocketDetail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    issuers: Vec<IssuerDetail>,
}

impl Condition {
    fn of(operations: &Operations) -> Self {
        let health = &operations.health;
        Self {
            ready: !health.is_draining(),
            version: env!("CARGO_PKG_VERSION"),
            service_version: operations.service_version.clone(),
            sources: health.sources(),
            dropped: None,
            log: None,
            sockets: Vec::new(),
            issuers: Vec::new(),
        }
    }
}

/// Ready from the first load until the shutdown begins. A rejected version of a file does not change
/// that, because the last valid one stays active: the detail reports it.
async fn ready(State(operations): State<Arc<Operations>>) -> (StatusCode, Json<Condition>) {
    let condition = Condition::of(&operations);
    (status(condition.ready), Json(condition))
}

/// Whether the process needs attention: 503 also if the newest version of a file was rejected, if log
/// lines are being dropped, if a socket file is not the process's own, or if the keys of an issuer cannot be
/// fetched.
async fn check_up(State(operations): State<Arc<Operations>>) -> (StatusCode, Json<Condition>) {
    let log = operations.log.output();
    let condition = Condition {
        dropped: Some(operations.decisions.dropped()),
        log: Some(log),
        sockets: operations
            .sockets
            .iter()
            .map(|socket| socket.detail())
            .collect(),
        issuers: issuers::details(&operations),
        ..Condition::of(&operations)
    };
    let refused = |source: &SourceDetail| source.last_error.is_some();
    let is_reached = |socket: &SocketDetail| socket.state == SocketState::Listening;
    let has_keys = |issuer: &IssuerDetail| issuer.is_well();
    let well = condition.ready
        && !log.stalled
        && condition.sockets.iter().all(is_reached)
        && condition.issuers.iter().all(has_keys)
        && !condition.sources.iter().any(refused);
    (status(well), Json(condition))
}

fn status(ok: bool) -> StatusCode {
    if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn scrape(
    State(operations): State<Arc<Operations>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|it| it.to_str().ok());
    let format = Format::negotiate(accept.unwrap_or_default());
    let text = metrics::render(&operations, format);
    ([(CONTENT_TYPE, format.content_type())], text)
}

/// The kept decisions that match a filter.
async fn recent_decisions(
    State(operations): State<Arc<Operations>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Response {
    let filter = match filter {
        Ok(Query(filter)) => filter,
        Err(rejection) => return refusal(&rejection),
    };
    let mut decisions = operations.decisions.recent();
    decisions.retain(|entry| filter.admits(entry));
    Json(json!({ "decisions": decisions })).into_response()
}

/// How shadows would change the kept decisions.
async fn shadow_differences(State(operations): State<Arc<Operations>>) -> Json<Differences> {
    Json(Differences::of(&operations.decisions.recent()))
}

/// An invalid query is an error, never a query with fewer conditions.
fn refusal(rejection: &QueryRejection) -> Response {
    let error = json!({ "error": rejection.body_text() });
    (StatusCode::BAD_REQUEST, Json(error)).into_response()
}

/// The decision of the active policy on a described request.
async fn explained(
    State(operations): State<Arc<Operations>>,
    request: Result<Query<RequestDescription>, QueryRejection>,
) -> Response {
    let Some(authorizer) = &operations.authorizer else {
        let error = "this process has no policy: open this page on the authorizer";
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    };
    match request {
        Ok(Query(request)) => {
            let decision = explain::explain(&request, authorizer, &operations);
            Json(decision).into_response()
        }
        Err(rejection) => refusal(&rejection),
    }
}

/// A page of keys, by the query.
async fn keys(
    State(operations): State<Arc<Operations>>,
    query: Result<Query<debug_keys::Pages>, QueryRejection>,
) -> Response {
    let Some(resolver) = &operations.resolver else {
        let error = "this process has no keys: open this page on the resolver";
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    };
    let pages = match query {
        Ok(Query(pages)) => pages,
        Err(rejection) => return refusal(&rejection),
    };
    let keys = resolver.keys();
    match debug_keys::Page::of(&keys, operations.started, &pages) {
        Ok(page) => Json(page).into_response(),
        Err(error) => {
            let error = json!({ "error": error.to_string() });
            (StatusCode::BAD_REQUEST, Json(error)).into_response()
        }
    }
}

/// The public keys of identity tokens, for backends (RFC 7517).
async fn key_set(State(operations): State<Arc<Operations>>) -> Response {
    let tokens = operations.authorizer.as_ref();
    let Some(tokens) = tokens.and_then(|authorizer| authorizer.identity_tokens()) else {
        let error = "this process does not sign identities: see the setting `identity-token`";
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    };
    let headers = [
        (CONTENT_TYPE, "application/jwk-set+json"),
        (CACHE_CONTROL, "max-age=300"),
    ];
    (headers, tokens.key_set().to_owned()).into_response()
}

async fn config(State(operations): State<Arc<Operations>>) -> Json<serde_json::Value> {
    Json(json!({ "role": operations.role.name(), "settings": operations.settings }))
}
