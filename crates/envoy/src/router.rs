//! The gRPC services as routes, to be served over HTTP/2.

use std::sync::Arc;

use axum::{Router, extract::State, routing::post};
use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, authorization_server::SERVICE_NAME,
};
use http::Request;
use tonic::{
    body::Body,
    codec::{BufferSettings, Codec},
    server::Grpc,
    service::Routes,
};
use tonic_health::pb::health_server::HealthServer;
use tonic_prost::{ProstDecoder, ProstEncoder};
use tower::service_fn;

use crate::{Checks, health::Readiness};

/// The largest message that is read, in bytes.
///
/// Envoy accepts 60 KiB of headers by default, and states the path twice.
pub const LARGEST_MESSAGE: usize = 256 * 1024;

/// The largest health check request: it has only the name of a service.
const LARGEST_HEALTH_CHECK: usize = 1024;

/// The initial size of the buffers for a request and a response, in bytes; most messages are smaller.
///
/// Larger buffers would not come from the C library's cache of each thread, which holds up to 1,032 bytes.
const BUFFER: usize = 1024;

/// Returns whether the process is ready.
pub type IsReady = dyn Fn() -> bool + Send + Sync;

/// Returns the routes of `envoy.service.auth.v3.Authorization` and `grpc.health.v1.Health`.
///
/// The extension [`Peer`](keygate_users::peers::Peer) of a request, if the server sets it, is the gateway that
/// trusted headers come from.
pub fn router(checks: Checks, is_ready: Arc<IsReady>) -> Router {
    let health = HealthServer::new(Readiness(is_ready));
    let checks = Router::new()
        .route(&format!("/{SERVICE_NAME}/Check"), post(check))
        .with_state(Arc::new(checks));
    Routes::new(health.max_decoding_message_size(LARGEST_HEALTH_CHECK))
        .prepare()
        .into_axum_router()
        .merge(checks)
}

async fn check(
    State(checks): State<Arc<Checks>>,
    request: Request<axum::body::Body>,
) -> http::Response<Body> {
    let check = service_fn(|request| checks.check(request));
    Grpc::new(Buffered)
        .max_decoding_message_size(LARGEST_MESSAGE)
        .unary(check, request)
        .await
}

/// Protobuf with buffers of [`BUFFER`].
///
/// The buffers of the generated service are eight times as large, and the program's allocator overwrites freed
/// memory with zeros.
struct Buffered;

impl Codec for Buffered {
    type Encode = CheckResponse;
    type Decode = CheckRequest;
    type Encoder = ProstEncoder<CheckResponse>;
    type Decoder = ProstDecoder<CheckRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER, BUFFER))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, BUFFER))
    }
}
