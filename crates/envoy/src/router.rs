//! The gRPC services as routes, to be served over HTTP/2.

use std::sync::Arc;

use axum::Router;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;

use crate::{Checks, health::Readiness};

/// The largest message that is read, in bytes.
///
/// Envoy accepts 60 KiB of headers by default, and states the path twice.
pub const LARGEST_MESSAGE: usize = 256 * 1024;

/// The largest health check request: it has only the name of a service.
const LARGEST_HEALTH_CHECK: usize = 1024;

/// Returns whether the process is ready.
pub type IsReady = dyn Fn() -> bool + Send + Sync;

/// Returns the routes of `envoy.service.auth.v3.Authorization` and `grpc.health.v1.Health`.
///
/// The extension [`Peer`](keygate_users::peers::Peer) of a request, if the server sets it, is the gateway that
/// trusted headers come from.
pub fn router(checks: Checks, is_ready: Arc<IsReady>) -> Router {
    let checks = AuthorizationServer::new(checks).max_decoding_message_size(LARGEST_MESSAGE);
    let health = HealthServer::new(Readiness(is_ready));
    Routes::new(checks)
        .add_service(health.max_decoding_message_size(LARGEST_HEALTH_CHECK))
        .prepare()
        .into_axum_router()
}
