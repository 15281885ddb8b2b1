//! The contract's matching rules, implemented as slowly and simply as they read: "the longest
//! matching base path wins, then the most specific route, then the method; HEAD follows GET unless
//! named; hosts: exact beats wildcard beats none".
//!
//! It shares no code with the policy: it works on its own model, which it also writes as YAML.

use std::{cmp::Reverse, fmt::Write as _};

/// One segment of a path in a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// `a`
    Text(&'static str),
    /// `{p0}`
    One,
    /// `{*rest}`
    Rest,
}

/// An endpoint or a route.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: Vec<Segment>,
    /// Whether it ends with a slash; only if these are distinguished.
    pub(crate) slash: bool,
    pub(crate) methods: Option<Vec<&'static str>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) entry: Entry,
    pub(crate) hosts: Vec<&'static str>,
    pub(crate) routes: Vec<Entry>,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) strict: bool,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// The result of a request: rules are numbered by their order in the file, an endpoint before its
/// routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Rule(usize),
    MethodNotAllowed,
    NoEndpoint,
}

/// A rule with everything that it inherits.
#[derive(Debug, Clone)]
struct Rule<'m> {
    id: usize,
    base: &'m [Segment],
    host: Option<&'static str>,
    route: Option<&'m Entry>,
    method: Option<&'static str>,
}

impl Model {
    /// Every rule once for each host and method that it names.
    fn rules(&self) -> Vec<Rule<'_>> {
        let mut rules = Vec::new();
        let mut id = 0;
        for endpoint in &self.endpoints {
            let own = std::iter::once(None).chain(endpoint.routes.iter().map(Some));
            for route in own {
                let methods = route.and_then(|route| route.methods.clone());
                for host in optional(&endpoint.hosts) {
                    let inherited = methods.clone().or_else(|| endpoint.entry.methods.clone());
                    for method in optional(&inherited.unwrap_or_default()) {
                        rules.push(Rule {
                            id,
                            base: &endpoint.entry.path,
                            host,
                            route,
                            method,
                        });
                    }
                }
                id += 1;
            }
        }
        rules
    }

    /// The pairs of rules with the same path, hosts and method.
    pub(crate) fn indistinguishable(&self) -> Vec<(usize, usize)> {
        let rules = self.rules();
        let mut pairs = Vec::new();
        for (at, second) in rules.iter().enumerate() {
            for first in &rules[..at] {
                let route = |rule: &Rule<'_>| {
                    rule.route
                        .map(|route| (route.path.clone(), self.strict && route.slash))
                };
                if first.id != second.id
                    && first.base == second.base
                    && first.host == second.host
                    && first.method == second.method
                    && route(first) == route(second)
                {
                    pairs.push((first.id, second.id));
                }
            }
        }
        pairs
    }

    /// The rule for a canonical path.
    pub(crate) fn find(&self, host: &str, method: &str, path: &str) -> Found {
        let mut segments: Vec<_> = path[1..].split('/').collect();
        let slash = segments.last() == Some(&"");
        if slash {
            segments.pop();
        }
        // The longest base path wins; of equally long ones the one with more literal segments on the
        // left; at one base path, the most specific host.
        let mut rules = self.rules();
        rules.retain(|rule| starts_with(&segments, rule.base) && is_for(rule.host, host));
        let Some(best) = rules
            .iter()
            .map(|rule| (Reverse(rule.base.len()), rule.base, host_rank(rule.host)))
            .min()
        else {
            return Found::NoEndpoint;
        };
        rules.retain(|rule| rule.base == best.1 && host_rank(rule.host) == best.2);
        // Then the most specific route that has the method; the endpoint itself comes last.
        let below = &segments[best.1.len()..];
        rules.retain(|rule| {
            rule.route.is_none_or(|route| {
                matches(below, &route.path)
                    && (!self.strict
                        || route.path.last() == Some(&Segment::Rest)
                        || route.slash == slash)
            })
        });
        rules.sort_by_key(|rule| match rule.route {
            Some(route) => (0, route.path.clone()),
            None => (1, Vec::new()),
        });
        // Then the method: named, or for HEAD the one that GET has, or all.
        let rank = |rule: &Rule<'_>| {
            rule.route
                .map(|route| (route.path.clone(), self.strict && route.slash))
        };
        for at in 0..rules.len() {
            let here: Vec<_> = rules
                .iter()
                .filter(|rule| rank(rule) == rank(&rules[at]))
                .collect();
            let named = |wanted| here.iter().find(|rule| rule.method == wanted);
            let head = || {
                if method == "HEAD" {
                    named(Some("GET"))
                } else {
                    None
                }
            };
            if let Some(rule) = here
                .iter()
                .find(|rule| rule.method == Some(method))
                .or_else(head)
                .or_else(|| named(None))
            {
                return Found::Rule(rule.id);
            }
        }
        Found::MethodNotAllowed
    }

    /// The model as a policy file. Every rule has a distinct expression, so that a wrong match is a
    /// wrong decision.
    pub(crate) fn yaml(&self) -> String {
        let slashes = if self.strict { "strict" } else { "ignore" };
        let mut text = format!("version: 1\ntrailingSlash: {slashes}\nendpoints:\n");
        let mut id = 0;
        for endpoint in &self.endpoints {
            write_entry(&mut text, "  ", &endpoint.entry, true, id);
            id += 1;
            if !endpoint.hosts.is_empty() {
                let hosts: Vec<_> = endpoint
                    .hosts
                    .iter()
                    .map(|host| format!("'{host}'"))
                    .collect();
                let _ = writeln!(text, "    hosts: [{}]", hosts.join(", "));
            }
            if !endpoint.routes.is_empty() {
                text.push_str("    routes:\n");
            }
            for route in &endpoint.routes {
                write_entry(&mut text, "      ", route, false, id);
                id += 1;
            }
        }
        text
    }
}

fn write_entry(text: &mut String, indent: &str, entry: &Entry, is_base: bool, id: usize) {
    let segments = entry
        .path
        .iter()
        .enumerate()
        .map(|(at, segment)| match segment {
            Segment::Text(text) => format!("/{text}"),
            Segment::One => format!("/{{p{at}}}"),
            Segment::Rest => "/{*rest}".to_owned(),
        });
    let mut path: String = segments.collect();
    if (entry.slash && !is_base) || (is_base && path.is_empty()) {
        path.push('/');
    }
    let _ = writeln!(text, "{indent}- path: '{path}'");
    let _ = writeln!(text, "{indent}  apiKeyRequired: false");
    let _ = writeln!(
        text,
        "{indent}  groupExpression: clientType === 'rule-{id}'"
    );
    if let Some(methods) = &entry.methods {
        let _ = writeln!(text, "{indent}  methods: [{}]", methods.join(", "));
    }
}

fn optional(names: &[&'static str]) -> Vec<Option<&'static str>> {
    if names.is_empty() {
        vec![None]
    } else {
        names.iter().copied().map(Some).collect()
    }
}

fn starts_with(segments: &[&str], base: &[Segment]) -> bool {
    segments.len() >= base.len() && matches(&segments[..base.len()], base)
}

fn matches(segments: &[&str], pattern: &[Segment]) -> bool {
    match (segments, pattern) {
        ([], []) | ([_, ..], [Segment::Rest]) => true,
        ([segment, segments @ ..], [Segment::Text(text), pattern @ ..]) => {
            segment == text && matches(segments, pattern)
        }
        ([_, segments @ ..], [Segment::One, pattern @ ..]) => matches(segments, pattern),
        _ => false,
    }
}

fn is_for(pattern: Option<&str>, host: &str) -> bool {
    match pattern {
        None => true,
        Some(pattern) => match pattern.strip_prefix('*') {
            Some(domain) => host.ends_with(domain) && host.len() > domain.len(),
            None => host == pattern,
        },
    }
}

/// Exact, then the longest domain, then all.
fn host_rank(pattern: Option<&str>) -> (u8, Reverse<usize>) {
    match pattern {
        Some(pattern) if pattern.starts_with('*') => (1, Reverse(pattern.len())),
        Some(_) => (0, Reverse(0)),
        None => (2, Reverse(0)),
    }
}
