//! `/debug/keys` on the operations listener: which keys are in force, and when each was last used,
//! so that people dare to delete old ones. Neither keys nor digests are in it.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderValue, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::get,
};
use jiff::Timestamp;
use keygate_resolver::{Key, Resolver};
use serde::Serialize;

/// The page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'t> {
    /// Uses before this are not known: they are counted from the start of the process on.
    used_since: Timestamp,
    keys: Vec<Row<'t>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'t> {
    id: &'t str,
    client_type: &'t str,
    state: String,
    last_use: Option<Timestamp>,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    expires_soon: bool,
}

/// The route of the page.
pub fn router(resolver: Arc<Resolver>) -> Router {
    let used_since = Timestamp::now();
    let page = async move || {
        let keys = resolver.keys();
        let now = Timestamp::now();
        let page = Page {
            used_since,
            keys: keys
                .uses()
                .map(|(key, last_use)| Row::of(key, last_use, now))
                .collect(),
        };
        let no_store = HeaderValue::from_static("no-store");
        ([(CACHE_CONTROL, no_store)], Json(page)).into_response()
    };
    Router::new().route("/debug/keys", get(page))
}

impl<'t> Row<'t> {
    fn of(key: &'t Key, last_use: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            id: key.id.as_str(),
            client_type: key.client_type.as_str(),
            state: key.state(now).to_string(),
            last_use,
            not_before: key.not_before,
            expires_at: key.expires_at,
            expires_soon: key.expires_soon(now),
        }
    }
}
