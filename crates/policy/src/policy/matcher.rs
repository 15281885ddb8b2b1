//! Finds the rule for a host, path and method.

use std::collections::{BTreeSet, HashMap};

use super::{HostPattern, Method, Rule, host::RequestHost, rule::is_preflight, trie::Trie};
use crate::{
    Reason, Request,
    path::{Segments, TrailingSlash},
};

/// A rule's index in the policy.
pub(super) type RuleId = usize;

/// The result of a lookup.
#[derive(Debug, Clone, Copy)]
pub enum Match<'p> {
    /// The rule that decides.
    Rule(&'p Rule),
    /// An endpoint covers the path, but not this method.
    MethodNotAllowed,
    /// No endpoint covers the path.
    NoEndpoint,
}

impl<'p> Match<'p> {
    /// Returns the matching rule.
    #[must_use]
    pub fn rule(self) -> Option<&'p Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::MethodNotAllowed | Self::NoEndpoint => None,
        }
    }

    pub(super) fn judge(self, request: &Request<'_>) -> Reason {
        match self {
            Self::Rule(rule) => rule.judge(request),
            Self::MethodNotAllowed => Reason::MethodNotAllowed,
            Self::NoEndpoint => Reason::NoEndpoint,
        }
    }
}

/// All rules, indexed by base path, host, route and method, in this order.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    pub(super) trailing_slash: TrailingSlash,
    pub(super) bases: Trie<Base>,
    pub(super) names_hosts: bool,
}

/// The rules at one base path: an area for each host.
#[derive(Debug, Default)]
pub(super) struct Base {
    any: Option<Area>,
    // Separate, because most bases have no hosts: the data that every request reads stays small.
    hosts: Option<Box<Hosts>>,
}

/// The areas of a base that are limited to some hosts.
#[derive(Debug, Default)]
struct Hosts {
    exact: HashMap<Box<str>, Area>,
    below: HashMap<Box<str>, Area>,
}

/// The rules at one base path on one host.
#[derive(Debug, Default)]
pub(super) struct Area {
    pub(super) endpoints: ByMethod,
    pub(super) routes: Trie<ByMethod>,
}

/// The rules of one route or endpoint, by method.
#[derive(Debug, Default)]
pub(super) struct ByMethod {
    /// Sorted by method, so that the order in the file does not matter.
    named: Vec<(Method, RuleId)>,
    all: Option<RuleId>,
}

impl Matcher {
    /// Whether a request without a host must be rejected.
    ///
    /// It would skip the endpoints that name hosts, and match others that may be more open.
    pub(super) fn needs_host(&self) -> bool {
        self.names_hosts
    }

    pub(super) fn find<'p>(
        &'p self,
        rules: &'p [Rule],
        request: &Request<'_>,
        path: &[u8],
    ) -> Match<'p> {
        let Some((area, left)) = self.area(request, path) else {
            return Match::NoEndpoint;
        };
        let by_method = |methods: &ByMethod| methods.find(rules, request);
        let id = area
            .routes
            .find(left, &by_method)
            .or_else(|| by_method(&area.endpoints));
        id.and_then(|id| rules.get(id))
            .map_or(Match::MethodNotAllowed, Match::Rule)
    }

    /// The rules at a request's host and path, for any method: of the most specific route, and of the
    /// endpoint.
    pub(super) fn whatever_method(&self, request: &Request<'_>, path: &[u8]) -> Vec<RuleId> {
        let Some((area, left)) = self.area(request, path) else {
            return Vec::new();
        };
        let ids = |methods: &ByMethod| Some(methods.ids().collect::<Vec<_>>());
        let mut found = area.routes.find(left, &ids).unwrap_or_default();
        found.extend(area.endpoints.ids());
        // A rule for several methods is there once for each.
        let mut seen = BTreeSet::new();
        found.retain(|id| seen.insert(*id));
        found
    }

    /// The area of the longest base path that covers a path, and the rest of the path.
    fn area<'s>(&self, request: &Request<'_>, path: &'s [u8]) -> Option<(&Area, Segments<'s>)> {
        let host = request
            .host
            .filter(|_| self.names_hosts)
            .and_then(RequestHost::new);
        let segments = Segments::new(path, self.trailing_slash);
        self.bases
            .find_longest(segments, &|base| base.area(host.as_ref()))
    }
}

impl Base {
    /// The area for a request's host: an exact match, then the nearest domain's, then that of all hosts.
    fn area(&self, host: Option<&RequestHost>) -> Option<&Area> {
        let of_host = self.hosts.as_ref().and_then(|hosts| hosts.area(host?));
        of_host.or(self.any.as_ref())
    }

    /// The area of a host pattern, or of all hosts.
    pub(super) fn entry(&mut self, host: Option<&HostPattern>) -> &mut Area {
        let Some(host) = host else {
            return self.any.get_or_insert_default();
        };
        let hosts = self.hosts.get_or_insert_default();
        match host {
            HostPattern::Exact(name) => hosts.exact.entry(name.clone()).or_default(),
            HostPattern::Below(domain) => hosts.below.entry(domain.clone()).or_default(),
        }
    }
}

impl Hosts {
    /// The area of a host: its own, or else the nearest domain's.
    fn area(&self, host: &RequestHost) -> Option<&Area> {
        self.exact
            .get(host.as_str())
            .or_else(|| host.domains().find_map(|domain| self.below.get(domain)))
    }
}

impl ByMethod {
    fn find(&self, rules: &[Rule], request: &Request<'_>) -> Option<RuleId> {
        self.get(request.method).or_else(|| {
            // A preflight is about another method (Fetch standard, "CORS-preflight fetch"), so a rule
            // for only that method may still decide on it.
            let allows = |id: &RuleId| rules.get(*id).is_some_and(Rule::allows_preflight);
            is_preflight(request)
                .then(|| self.ids().find(allows))
                .flatten()
        })
    }

    /// The rule for a method: the one that names it; for `HEAD` the one that names `GET`; else the one
    /// for all methods.
    fn get(&self, method: &str) -> Option<RuleId> {
        let named = |wanted: &str| {
            self.named
                .iter()
                .find(|(method, _)| method.as_str() == wanted)
                .map(|(_, id)| *id)
        };
        named(method)
            .or_else(|| if method == "HEAD" { named("GET") } else { None })
            .or(self.all)
    }

    /// Adds a rule for a method, or for all; returns the rule that already exists there, if any.
    pub(super) fn insert(&mut self, method: Option<&Method>, id: RuleId) -> Option<RuleId> {
        let Some(method) = method else {
            let taken = self.all;
            self.all.get_or_insert(id);
            return taken;
        };
        match self.named.binary_search_by(|(named, _)| named.cmp(method)) {
            Ok(at) => self.named.get(at).map(|(_, id)| *id),
            Err(at) => {
                self.named.insert(at, (method.clone(), id));
                None
            }
        }
    }

    fn ids(&self) -> impl Iterator<Item = RuleId> {
        self.named.iter().map(|(_, id)| *id).chain(self.all)
    }
}
