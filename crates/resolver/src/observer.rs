//! Who is told of every resolution.

use std::{fmt, net::IpAddr, time::Instant};

use http::{HeaderMap, StatusCode};

use crate::{Resolution, guessing::Guess};

/// Somebody who is told of every resolution before it is answered, on the way of the request: to
/// be quick is the observer's duty.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A credential was resolved.
    fn resolved(&self, record: &Record<'_>);
}

/// What became of one request's credential; it borrows all of it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// When the question came.
    pub started: Instant,
    /// The headers of the question, for what ties it to other records. They hold the credential:
    /// never to be written as a whole.
    pub headers: &'a HeaderMap,
    /// What became of it.
    pub resolution: Resolution<'a>,
    /// What the gateway is answered.
    pub status: StatusCode,
    /// The client's address, where the gateway sends it and the request is denied.
    pub address: Option<IpAddr>,
    /// Who guessed and what, where it was a guess; nothing of the key can be told from it.
    pub guess: Option<Guess>,
}
