//! Envoy's external authorization over gRPC: `envoy.service.auth.v3.Authorization`.
//!
//! This crate turns a `CheckRequest` into the client request that the two services decide on, and their
//! decision into a `CheckResponse`. It decides nothing itself: a request that cannot be read is denied.
//!
//! A request takes these steps: `CheckRequest` → [`ClientRequest`] → the services' decisions →
//! [`Forwarded`] headers for the backend, or a denial → `CheckResponse`. [`router()`] is the transport: gRPC over
//! HTTP/2, with gRPC health checking.

pub mod client_request;
mod forwarded;
mod health;
mod response;
mod router;
mod service;

pub use client_request::{ClientRequest, Unreadable};
pub use forwarded::{Forwarded, Names};
pub use router::{IsReady, LARGEST_MESSAGE, router};
pub use service::{Checks, Steps};
