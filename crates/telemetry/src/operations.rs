//! Everything that operators can look at in a process: pages and metrics are made of it.

use std::sync::Arc;

use jiff::Timestamp;
use keygate_authorizer::Authorizer;
use keygate_resolver::Resolver;

use crate::{
    decisions::Decisions,
    entry::Step,
    health::{Health, SocketStatus},
    logs::Queue,
    role::Role,
};

/// What there is to look at.
#[derive(Debug, Clone)]
pub struct Operations {
    /// What the process is.
    pub role: Role,
    /// Whether it is fit to be asked.
    pub health: Arc<Health>,
    /// What it decided.
    pub decisions: Arc<Decisions>,
    /// Its resolver, if it is one.
    pub resolver: Option<Arc<Resolver>>,
    /// Its authorization service, if it is one.
    pub authorizer: Option<Arc<Authorizer>>,
    /// Since when it counts.
    pub started: Timestamp,
    /// The settings in force, by name.
    pub settings: serde_json::Value,
    /// The version of what the operator deploys, if he names one.
    pub service_version: Option<String>,
    /// The log lines that wait to be written.
    pub log: Queue,
    /// The Unix sockets that it listens on.
    pub sockets: Vec<Arc<SocketStatus>>,
}

impl Operations {
    /// The questions that this process answers.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        let resolve = self.resolver.as_ref().map(|_| Step::Resolve);
        let authorize = self.authorizer.as_ref().map(|_| Step::Authorize);
        resolve.into_iter().chain(authorize)
    }
}
