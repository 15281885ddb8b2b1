//! The data that the admin listener shows: pages and metrics are made from it.

use std::sync::Arc;

use jiff::Timestamp;
use keygate_authorizer::Authorizer;
use keygate_resolver::Resolver;
use keygate_user_sources::Sources;

use crate::{
    decisions::Decisions,
    entry::Step,
    health::{Health, SocketStatus},
    logs::Queue,
    role::Role,
};

/// The state of a process for its operators.
#[derive(Debug, Clone)]
pub struct Operations {
    /// The role of the process.
    pub role: Role,
    /// The health of the process.
    pub health: Arc<Health>,
    /// The recorder of its decisions.
    pub decisions: Arc<Decisions>,
    /// Its resolver, if it has one.
    pub resolver: Option<Arc<Resolver>>,
    /// Its authorizer, if it has one.
    pub authorizer: Option<Arc<Authorizer>>,
    /// The sources of users, if it has some.
    pub users: Option<Arc<Sources>>,
    /// These sources in words, in the order of lookup.
    pub user_sources: Vec<String>,
    /// The most bytes of a header with a part of a user's identity.
    pub identity_limit: usize,
    /// When the process started to count.
    pub started: Timestamp,
    /// The active settings, by name.
    pub settings: serde_json::Value,
    /// The version of the operator's deployment, if it is set.
    pub service_version: Option<String>,
    /// The queue of log lines.
    pub log: Queue,
    /// The Unix sockets of its listeners.
    pub sockets: Vec<Arc<SocketStatus>>,
}

impl Operations {
    /// Returns the services of this process.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let resolve = self.resolver.as_ref().map(|_| Step::Resolve);
        let authorize = self.authorizer.as_ref().map(|_| Step::Authorize);
        resolve.into_iter().chain(authorize)
    }
}
