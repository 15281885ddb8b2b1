//! The debug page: an HTML view of the process. It is rendered here; its script only refreshes the last
//! decisions.
//!
//! It shows the same values as the JSON routes.

mod form;
mod matrix;
mod paging;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use jiff::Timestamp;
use keygate_keys::KeyTable;
use keygate_telemetry::{
    decisions::Differences,
    entry::{Entry, Step},
    health::SourceDetail,
    limit::Share,
    operations::Operations,
};
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use self::paging::{Pager, Pages, Table};
use crate::{debug_keys, debug_page::matrix::Access};

/// No external and no inline resources: a name or a path that a caller chose cannot run a script.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The most shadow differences that are shown.
const DIFFERENCES_SHOWN: usize = 50;

/// Returns the routes of the page.
pub fn router() -> Router<Arc<Operations>> {
    let set = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, value);
    let text = HeaderValue::from_static;
    Router::new()
        .route("/debug", get(|| async { Redirect::permanent("debug/") }))
        .route("/debug/", get(page))
        .route("/debug/recent", get(recent))
        .route("/debug/page.css", get(async || asset("text/css", STYLE)))
        .route(
            "/debug/page.js",
            get(async || asset("text/javascript", SCRIPT)),
        )
        .layer(
            ServiceBuilder::new()
                .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
                .layer(set(header::REFERRER_POLICY, text("no-referrer"))),
        )
}

const STYLE: &str = include_str!("../templates/page.css");
const SCRIPT: &str = include_str!("../templates/page.js");

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    role: &'static str,
    version: &'static str,
    ready: bool,
    sources: Vec<SourceDetail>,
    access: Option<Access>,
    samples_allowances: bool,
    decisions: Vec<Arc<Entry>>,
    shadow: Differences,
    keys: Option<Keys<'a>>,
}

/// The rows of the last decisions.
#[derive(Template)]
#[template(path = "decisions.html")]
struct Recent {
    decisions: Vec<Arc<Entry>>,
    shadow: Differences,
}

struct Keys<'a> {
    used_since: Timestamp,
    rows: Vec<debug_keys::Row<'a>>,
    pager: Option<Pager>,
    /// The number of keys in each state.
    states: BTreeMap<&'static str, usize>,
    /// How often a key was rejected, by cause; without the causes that did not occur.
    refused: Vec<(&'static str, u64)>,
}

impl<'a> Keys<'a> {
    fn of(table: &'a KeyTable, pages: &Pages, operations: &Operations) -> Self {
        let now = Timestamp::now();
        let (mut states, mut total) = (BTreeMap::new(), 0);
        for key in table.keys() {
            *states.entry(key.state(now).as_str()).or_default() += 1;
            total += 1;
        }
        let shown = pages.range(Table::Keys, total);
        let refused = operations.decisions.refused_keys();
        Self {
            used_since: operations.started,
            rows: debug_keys::Row::some(table, shown.start, shown.len()),
            pager: pages.pager(Table::Keys, "keys", total),
            refused: refused.filter(|(_, count)| *count > 0).collect(),
            states,
        }
    }
}

/// A large matrix takes long, and must not delay requests from the gateway.
async fn page(State(operations): State<Arc<Operations>>, RawQuery(query): RawQuery) -> Response {
    let render = move || render(&operations, query.as_deref().unwrap_or_default());
    match tokio::task::spawn_blocking(render).await {
        Ok(Ok((status, page))) => (status, Html(page)).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn render(operations: &Operations, query: &str) -> askama::Result<(StatusCode, String)> {
    let keys = operations.resolver.as_ref().map(|resolver| resolver.keys());
    let authorizer = operations.authorizer.as_ref();
    let pages = Pages::read(query);
    let access = authorizer.map(|it| Access::of(it, keys.as_deref(), operations, &pages));
    let is_wrong = access.as_ref().is_some_and(|it| it.form.is_wrong());
    let status = if is_wrong {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let decisions = decisions(operations);
    let page = Page {
        role: operations.role.name(),
        version: env!("CARGO_PKG_VERSION"),
        ready: !operations.health.is_draining(),
        sources: operations.health.sources(),
        access,
        samples_allowances: operations.decisions.allow_sample() != Share::default(),
        shadow: Differences::of(&decisions),
        decisions,
        keys: keys
            .as_deref()
            .map(|keys| Keys::of(keys, &pages, operations)),
    };
    Ok((status, page.render()?))
}

async fn recent(State(operations): State<Arc<Operations>>) -> Response {
    let decisions = decisions(&operations);
    let shadow = Differences::of(&decisions);
    match (Recent { decisions, shadow }).render() {
        Ok(rows) => Html(rows).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The last decisions. In a process with both services, a success of the resolver is omitted, because
/// the authorizer's decision follows it.
fn decisions(operations: &Operations) -> Vec<Arc<Entry>> {
    let mut decisions = operations.decisions.recent();
    if operations.authorizer.is_some() {
        decisions.retain(|entry| entry.step == Step::Authorize || !entry.allowed);
    }
    decisions
}
