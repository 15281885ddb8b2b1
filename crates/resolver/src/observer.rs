//! The observer of resolutions.

use std::{fmt, net::IpAddr, time::Instant};

use http::StatusCode;
use keygate_headers::Gateway;

use crate::{Request, Resolution, failed_keys::FailedAttempt};

/// An observer of resolutions. It is called on the request's path before the response, so it must be
/// fast.
pub trait ResolutionObserver: fmt::Debug + Send + Sync {
    /// Called for every resolution.
    fn resolved(&self, record: &ResolutionRecord<'_>);
}

/// The resolution of a request and its inputs, all borrowed.
#[derive(Clone, Copy)]
pub struct ResolutionRecord<'a> {
    /// When the authorization request arrived.
    pub started: Instant,
    /// The authorization request. Its headers hold the credential, and its query may be secret: never log
    /// them as a whole.
    pub request: &'a Request<'a>,
    /// The gateway that sent it.
    pub gateway: Gateway,
    /// The result of the lookup.
    pub resolution: Resolution<'a>,
    /// The reason in the response.
    pub status: StatusCode,
    /// The client's address, if the gateway sends it and the request is denied.
    pub address: Option<IpAddr>,
    /// The failed attempt, if it was one; nothing about the key can be derived from it.
    pub attempt: Option<FailedAttempt>,
}
