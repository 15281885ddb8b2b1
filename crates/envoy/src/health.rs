//! gRPC health checking of the services (`grpc.health.v1.Health`).

use std::{pin::Pin, sync::Arc};

use envoy_types::pb::envoy::service::auth::v3::authorization_server::SERVICE_NAME;
use futures_util::stream::{Empty, empty};
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

use crate::IsReady;

/// The health of this process, looked up for each request.
pub(crate) struct Readiness(pub(crate) Arc<IsReady>);

#[tonic::async_trait]
impl Health for Readiness {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        if !service.is_empty() && service != SERVICE_NAME {
            return Err(Status::not_found("unknown service"));
        }
        let status = if (self.0)() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }

    type WatchStream = Pin<Box<Empty<Result<HealthCheckResponse, Status>>>>;

    /// Neither Envoy nor Kubernetes watches, and each watcher would hold a stream for ever.
    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let _: Self::WatchStream = Box::pin(empty());
        Err(Status::unimplemented("use `Check`"))
    }
}
