//! Endpoints and routes, compiled for look-up, and the decision over them.

mod build;
mod client_types;
mod error;
mod example;
mod host;
mod matched;
mod matcher;
mod method;
mod narrow;
mod needs;
mod rule;
mod trie;
mod witness;

use keygate_documents::diagnostic::Diagnostic;

use crate::Request;

pub use build::{Draft, Place};
pub(crate) use client_types::{ClientTypeName, ClientTypes};
pub use error::PolicyError;
pub use example::Example;
pub use host::{HostError, HostPattern};
pub use matched::Matched;
pub use matcher::Match;
pub use method::{Method, MethodError};
pub use needs::Needs;
pub use rule::{Demands, ExpressionPlaces, Rule};

/// A policy: an immutable snapshot, valid as a whole. The default one denies everything.
#[derive(Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    matcher: matcher::Matcher,
}

/// A policy and what is odd about its text.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What is probably not what was meant.
    pub warnings: Vec<Diagnostic>,
}

/// How much text is read to compare readings before the path is refused: some milliseconds' worth.
/// Only classes that hide others, such as a second encoding, get there with a path of real length.
const MOST_COMPARED_BYTES: usize = 512 * 1024;

impl Policy {
    /// Every rule, in the order of [`Rule::index`].
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule for a decoded path, without deciding: of the endpoints that name the request's
    /// host or none, the longest base path; at one base, the most specific host; below it, the
    /// most specific route that has the method, or else the endpoint itself.
    #[must_use]
    pub fn find(&self, request: &Request<'_>, path: &[u8]) -> Match<'_> {
        self.matcher.find(&self.rules, request, path)
    }

    /// The rules at a request's host and path, for whatever method.
    #[must_use]
    pub fn rules_for_any_method(&self, request: &Request<'_>, path: &[u8]) -> Vec<&Rule> {
        let ids = self.matcher.whatever_method(request, path).into_iter();
        ids.filter_map(|id| self.rules.get(id)).collect()
    }

    /// Whether a request without a host is rejected, since rules name hosts.
    #[must_use]
    pub fn needs_host(&self) -> bool {
        self.matcher.needs_host()
    }

    /// What is odd about the policy in view of the client types that keys have.
    #[must_use]
    pub fn client_type_warnings(&self, known: &[&str]) -> Vec<Diagnostic> {
        let warnings = self
            .rules
            .iter()
            .flat_map(|rule| rule.client_type_warnings(known));
        let mut warnings: Vec<_> = warnings.collect();
        // Routes that inherit an expression warn of the same place.
        warnings.sort_by_key(|warning| warning.span.as_ref().map(|span| span.start));
        warnings.dedup();
        warnings
    }
}
