//! Endpoints and routes, compiled for lookup, and decisions by them.

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

pub use build::{Draft, Span};
pub(crate) use client_types::{ClientTypeName, ClientTypes};
pub use error::PolicyError;
pub use example::Example;
pub use host::{HostError, HostPattern};
pub use matched::Matched;
pub use matcher::Match;
pub use method::{Method, MethodError};
pub use needs::Needs;
pub use rule::{ExpressionLocations, Requirements, Rule};

/// A policy: an immutable snapshot, valid as a whole. The default one denies everything.
#[derive(Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    matcher: matcher::Matcher,
}

/// A policy and the warnings about its text.
#[derive(Debug)]
pub struct Loaded {
    /// The compiled rules.
    pub policy: Policy,
    /// The likely errors in the text.
    pub warnings: Vec<Diagnostic>,
}

/// The limit on the text processed to compare interpretations, about some milliseconds' worth; paths
/// beyond it are rejected. Only classes that can hide others, such as a double encoding, reach it with
/// a path of realistic length.
const MOST_COMPARED_BYTES: usize = 512 * 1024;

impl Policy {
    /// Returns every rule, in the order of [`Rule::index`].
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns the rule for a decoded path, without deciding.
    ///
    /// Of the endpoints for the request's host or for all hosts, the longest base path wins; at one base,
    /// the most specific host; below it, the most specific route that has the method, or else the
    /// endpoint itself.
    #[must_use]
    pub fn find(&self, request: &Request<'_>, path: &[u8]) -> Match<'_> {
        self.matcher.find(&self.rules, request, path)
    }

    /// Returns the rules at a request's host and path, for any method.
    #[must_use]
    pub fn rules_for_any_method(&self, request: &Request<'_>, path: &[u8]) -> Vec<&Rule> {
        let ids = self.matcher.whatever_method(request, path).into_iter();
        ids.filter_map(|id| self.rules.get(id)).collect()
    }

    /// Returns whether a request without a host is rejected, because rules name hosts.
    #[must_use]
    pub fn needs_host(&self) -> bool {
        self.matcher.needs_host()
    }

    /// Returns warnings about client types that no key has.
    #[must_use]
    pub fn client_type_warnings(&self, known: &[&str]) -> Vec<Diagnostic> {
        let warnings = self
            .rules
            .iter()
            .flat_map(|rule| rule.client_type_warnings(known));
        let mut warnings: Vec<_> = warnings.collect();
        // Routes that inherit an expression warn about the same location.
        warnings.sort_by_key(|warning| warning.span.as_ref().map(|span| span.start));
        warnings.dedup();
        warnings
    }
}
