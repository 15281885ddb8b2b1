//! Generated requests that show whether a rule can match.
//!
//! A rule can match if and only if it matches one of its witnesses: requests in which every
//! placeholder, wildcard or "all" is filled with a name that occurs in no policy. Another rule that
//! matches a witness matches every request of the same form, because it can match such a name only by
//! a placeholder, wildcard or "all" of its own.

use keygate_expression::Facts;

use super::{HostPattern, Rule};
use crate::{Request, path::Segment, policy::rule::or_all};

/// The names for the open parts of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'f> {
    pub(super) segment: &'f [u8],
    pub(super) method: &'f str,
    pub(super) host: &'f str,
}

impl Filling<'static> {
    /// Names that occur in no policy: segments there are UTF-8, hosts and methods are ASCII.
    pub(super) const UNWRITTEN: Self = Self {
        segment: b"\xff",
        method: "\u{fffd}",
        host: "\u{fffd}",
    };
}

/// A request that a rule matches, unless another rule is more specific.
pub(super) struct Witness<'r> {
    pub(super) method: &'r str,
    pub(super) host: String,
    /// The canonical path.
    pub(super) path: Vec<u8>,
}

impl Witness<'_> {
    pub(super) fn request(&self) -> Request<'_> {
        Request {
            method: self.method,
            target: &[],
            host: Some(&self.host),
            is_cors_preflight: false,
            facts: Facts::default(),
        }
    }
}

/// Returns the witnesses of a rule. `deepest` is the length of the longest pattern in the policy; one
/// more segment behaves like any larger number.
pub(super) fn witnesses<'r>(
    rule: &'r Rule,
    deepest: usize,
    filling: Filling<'r>,
) -> impl Iterator<Item = Witness<'r>> {
    let hosts = or_all(rule.hosts()).map(move |host| match host {
        Some(HostPattern::Exact(name)) => name.to_string(),
        Some(HostPattern::Below(domain)) => format!("{}.{domain}", filling.host),
        None => filling.host.to_owned(),
    });
    hosts.flat_map(move |host| {
        or_all(rule.methods().unwrap_or_default()).flat_map(move |method| {
            let method = method.map_or(filling.method, |method| method.as_str());
            let host = host.clone();
            paths(rule, deepest, filling.segment).map(move |path| Witness {
                method,
                host: host.clone(),
                path,
            })
        })
    })
}

fn paths<'r>(
    rule: &'r Rule,
    deepest: usize,
    filling: &'r [u8],
) -> impl Iterator<Item = Vec<u8>> + use<'r> {
    let mut start = Vec::new();
    let mut has_rest = false;
    for segment in rule.path().segments() {
        match segment {
            Segment::Rest(_) => has_rest = true,
            Segment::Literal(text) => start.extend([b"/", &**text].concat()),
            Segment::Parameter(_) => start.extend([b"/", filling].concat()),
        }
    }
    let more = match (has_rest, rule.is_route()) {
        (true, _) => 1..=deepest + 1,
        (false, true) => 0..=0,
        (false, false) => 0..=deepest + 1,
    };
    let is_exact = *more.end() == 0;
    more.flat_map(move |count| {
        let path = [start.as_slice(), &[b"/", filling].concat().repeat(count)].concat();
        let with_slash = (!is_exact || path.is_empty()).then(|| [path.as_slice(), b"/"].concat());
        [Some(path).filter(|path| !path.is_empty()), with_slash]
            .into_iter()
            .flatten()
    })
}
