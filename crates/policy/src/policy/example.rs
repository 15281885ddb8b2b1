//! Example requests, one for each rule.

use std::collections::HashSet;

use keygate_expression::Facts;

use super::{
    Match, Policy, Rule,
    witness::{Filling, Witness, witnesses},
};
use crate::{Request, path::Segment};

/// A request that a rule decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The request method.
    pub method: String,
    /// The request target, as a client would send it.
    pub target: String,
    /// The host, if the policy has rules for hosts.
    pub host: Option<String>,
}

impl Example {
    /// Returns the request with these facts about its caller.
    #[must_use]
    pub fn request<'a>(&'a self, facts: Facts<'a>) -> Request<'a> {
        Request {
            method: &self.method,
            target: self.target.as_bytes(),
            host: self.host.as_deref(),
            is_cors_preflight: false,
            facts,
        }
    }
}

/// Methods to try, the most common first.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

impl Policy {
    /// Returns for each rule, in the order of [`Rule::index`], a request that it decides.
    ///
    /// Simple names are tried first, then names that do not occur in the policy, with which every rule
    /// can be reached.
    pub fn examples(&self) -> impl Iterator<Item = Option<Example>> {
        let deepest = self.deepest();
        let unwritten = self.unwritten();
        let other_method = unwritten.to_uppercase();
        self.rules().iter().map(move |rule| {
            let names = [("1", "www.example"), (&unwritten, &unwritten)];
            let fillings = names.into_iter().flat_map(|(segment, host)| {
                let methods = METHODS.into_iter().chain([other_method.as_str()]);
                methods.map(move |method| Filling {
                    segment: segment.as_bytes(),
                    method,
                    host,
                })
            });
            fillings
                .flat_map(|filling| witnesses(rule, deepest, filling))
                .find(|witness| self.is_decided_by(rule, witness))
                .map(|witness| self.example(&witness))
        })
    }

    fn is_decided_by(&self, rule: &Rule, witness: &Witness<'_>) -> bool {
        let found = self.find(&witness.request(), &witness.path);
        matches!(found, Match::Rule(found) if found.index() == rule.index())
    }

    fn example(&self, witness: &Witness<'_>) -> Example {
        Example {
            method: witness.method.to_owned(),
            target: target(&witness.path),
            host: self.matcher.needs_host().then(|| witness.host.clone()),
        }
    }

    /// A name that no rule uses as a segment, in a host or, in capitals, as a method.
    fn unwritten(&self) -> String {
        let mut written = HashSet::new();
        for rule in self.rules() {
            let literals = rule.path().segments().iter().filter_map(literal);
            written.extend(literals.map(str::to_owned));
            let methods = rule.methods().unwrap_or_default().iter();
            written.extend(methods.map(|method| method.as_str().to_lowercase()));
            for host in rule.hosts() {
                written.extend(host.to_string().split('.').map(str::to_owned));
            }
        }
        let mut name = "other".to_owned();
        while written.contains(&name) {
            name.push_str("-other");
        }
        name
    }
}

fn literal(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Literal(text) => std::str::from_utf8(text).ok(),
        Segment::Parameter(_) | Segment::Rest(_) => None,
    }
}

/// Percent-encodes a canonical path as a client would send it (RFC 3986, section 2.1).
fn target(path: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.iter().map(encode).collect()
}
