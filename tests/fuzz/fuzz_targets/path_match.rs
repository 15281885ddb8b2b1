//! Any request target has a canonical path or is rejected, and the matcher finds the same rule as the
//! slow reference.
//!
//! The first byte chooses a policy, the second one a method, a host and the use of the rest: as the
//! target itself, or as choices in the grammar of hostile targets.

#![no_main]

#[path = "../../differential/paths_grammar.rs"]
mod grammar;
#[path = "../../../crates/policy/tests/policy/reference.rs"]
#[expect(dead_code, reason = "the policy's own tests use the rest")]
mod reference;

use std::sync::LazyLock;

use keygate_expression::Facts;
use keygate_policy::{Policy, Request, path::{CanonicalPath, interpretations::Interpretation}, policy::Match};
use libfuzzer_sys::fuzz_target;
use reference::{Endpoint, Entry, Found, Model, Segment};

const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "PURGE"];
const HOSTS: [&str; 4] = ["a.x", "b.a.x", "x", "z"];

/// Valid policies, with their models.
static POLICIES: LazyLock<Vec<(Model, Policy)>> = LazyLock::new(|| {
    let mut state = 1_u64;
    let mut choose = move |below: usize| {
        // Xorshift (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let models = std::iter::repeat_with(|| model(&mut choose));
    let loading = models.filter_map(|model| {
        let policy = Policy::from_yaml(&model.yaml()).ok()?.policy;
        Some((model, policy))
    });
    loading.take(256).collect()
});

fuzz_target!(|data: &[u8]| {
    let [which, how, rest @ ..] = data else { return };
    let (model, policy) = &POLICIES[usize::from(*which)];
    let method = METHODS[usize::from(how % 4)];
    let host = HOSTS[usize::from(how / 4 % 4)];
    let target = if *how < 128 { rest.to_vec() } else { target_of(rest) };

    let client_type = CanonicalPath::parse(&target).ok().and_then(|path| {
        check_canonical(&target, path.as_bytes());
        let path = std::str::from_utf8(path.as_bytes()).ok()?;
        let expected = model.find(host, method, path);
        assert_eq!(found(policy, &request(&target, host, method, None), path), expected);
        match expected {
            Found::Rule(rule) => Some(format!("rule-{rule}")),
            Found::MethodNotAllowed | Found::NoEndpoint => None,
        }
    });
    // Only the client type of the matched rule can be allowed.
    for caller in [None, Some("rule-0"), Some("rule-1"), client_type.as_deref()] {
        let can_pass = caller.is_some() && caller == client_type.as_deref();
        let decision = policy.decide(&request(&target, host, method, caller));
        assert!(!decision.is_allowed() || can_pass, "{caller:?}");
    }
});

/// Checks the properties of a canonical path, and compares it with the slow interpretation.
fn check_canonical(target: &[u8], path: &[u8]) {
    assert_eq!(path, Interpretation::NGINX.path(target), "the slow interpretation differs");
    let segments = path.strip_prefix(b"/").expect("a slash").split(|byte| *byte == b'/');
    let last = segments.clone().count() - 1;
    for (at, segment) in segments.enumerate() {
        assert!(at == last || !segment.is_empty(), "an empty segment");
        assert!(![&b"."[..], b".."].contains(&segment), "a dot segment");
    }
    // With every byte escaped, the canonical path is the same.
    let escaped: String = path
        .iter()
        .map(|byte| match byte {
            b'/' => "/".to_owned(),
            byte => format!("%{byte:02x}"),
        })
        .collect();
    let again = CanonicalPath::parse(escaped.as_bytes()).expect("a canonical path");
    assert_eq!(again.as_bytes(), path, "the escaped path is another one");
}

fn request<'a>(
    target: &'a [u8],
    host: &'a str,
    method: &'a str,
    client_type: Option<&'a str>,
) -> Request<'a> {
    Request {
        method,
        target,
        host: Some(host),
        is_cors_preflight: false,
        facts: Facts { client_type, ..Facts::default() },
    }
}

fn found(policy: &Policy, request: &Request<'_>, path: &str) -> Found {
    match policy.find(request, path.as_bytes()) {
        Match::Rule(rule) => Found::Rule(rule.index()),
        Match::MethodNotAllowed => Found::MethodNotAllowed,
        Match::NoEndpoint => Found::NoEndpoint,
    }
}

/// Returns the target that these bytes choose; after their end, the first option is chosen.
fn target_of(choices: &[u8]) -> Vec<u8> {
    let mut choices = choices.iter();
    grammar::target(&mut |below| choices.next().map_or(0, |byte| usize::from(*byte) % below))
}

fn model(choose: &mut impl FnMut(usize) -> usize) -> Model {
    Model {
        strict: choose(3) == 0,
        endpoints: (0..1 + choose(4)).map(|_| endpoint(choose)).collect(),
    }
}

fn endpoint(choose: &mut impl FnMut(usize) -> usize) -> Endpoint {
    let hosts = [vec![], vec![], vec!["a.x"], vec!["*.x"], vec!["*.a.x", "x"]];
    Endpoint {
        entry: Entry { path: segments(choose), slash: false, methods: methods(choose) },
        hosts: hosts[choose(hosts.len())].clone(),
        routes: (0..choose(4)).map(|_| route(choose)).collect(),
    }
}

fn route(choose: &mut impl FnMut(usize) -> usize) -> Entry {
    let mut path = segments(choose);
    let rest = choose(5) == 0;
    // The route to the base path itself is written as `/`.
    let slash = (path.is_empty() || choose(2) == 0) && !rest;
    if rest {
        path.push(Segment::Rest);
    }
    Entry { path, slash, methods: methods(choose) }
}

fn segments(choose: &mut impl FnMut(usize) -> usize) -> Vec<Segment> {
    let segments = [Segment::Text("a"), Segment::Text("b"), Segment::Text("ab"), Segment::One];
    (0..choose(3)).map(|_| segments[choose(segments.len())].clone()).collect()
}

fn methods(choose: &mut impl FnMut(usize) -> usize) -> Option<Vec<&'static str>> {
    let methods = [None, None, Some(vec!["GET"]), Some(vec!["GET", "POST"]), Some(vec!["HEAD"])];
    methods[choose(methods.len())].clone()
}
