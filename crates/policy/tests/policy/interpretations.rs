//! No spelling of a path bypasses a rule: an allowed path is allowed in every interpretation.

use keygate_expression::Facts;
use keygate_policy::{
    Policy, Reason, Request,
    path::interpretations::{Decoding, Dots, Interpretation, Parameters},
    policy::Match,
};
use proptest::{prelude::*, sample::select, test_runner::Config};
use rstest::rstest;

use crate::{generate::model, reference::Model};

/// Returns every combination of the known properties of servers.
fn every_reading() -> Vec<Interpretation> {
    let habits: [&[fn(&mut Interpretation)]; 9] = [
        &[
            |_| {},
            |interpretation| interpretation.decoding = Decoding::Twice,
            |interpretation| interpretation.decoding = Decoding::KeepSeparators,
        ],
        &[
            |_| {},
            |interpretation| interpretation.parameters = Parameters::CutBeforeDecoding,
            |interpretation| interpretation.parameters = Parameters::CutAfterDecoding,
        ],
        &[
            |_| {},
            |interpretation| interpretation.dots = Dots::ResolvedBeforeDecoding,
            |interpretation| interpretation.dots = Dots::Kept,
        ],
        &[
            |_| {},
            |interpretation| interpretation.backslash_separates = true,
        ],
        &[
            |_| {},
            |interpretation| interpretation.merges_slashes = false,
        ],
        &[|_| {}, |interpretation| interpretation.takes_host = true],
        &[
            |_| {},
            |interpretation| interpretation.cuts_fragment = false,
        ],
        &[
            |_| {},
            |interpretation| interpretation.cuts_decoded_delimiter = true,
        ],
        &[
            |_| {},
            |interpretation| interpretation.accepts_overlong = true,
        ],
    ];
    habits
        .iter()
        .fold(vec![Interpretation::NGINX], |interpretations, values| {
            let varied = interpretations.iter().flat_map(|interpretation| {
                values.iter().map(|change| {
                    let mut varied = *interpretation;
                    change(&mut varied);
                    varied
                })
            });
            varied.collect()
        })
}

/// The classes that a policy can allow.
const CLASSES: [&str; 9] = [
    "encoded-slash",
    "backslash",
    "encoded-backslash",
    "path-parameter",
    "encoded-dot-segment",
    "double-encoding",
    "control-byte",
    "invalid-utf-8",
    "fragment",
];

/// Returns targets of attackers: parts of paths, and spellings that servers interpret differently.
fn target() -> impl Strategy<Value = Vec<u8>> {
    let plain = select(&["/", "a", "b", "/a", "/b", "/a/", "/a/b"][..]);
    let odd = select(
        &[
            "//", "/.", "/..", "/../", ".", "%2e", "%2E%2e", "%2f", "%2F..", "%5c", "\\", "\\..\\",
            ";", ";x", "..;", "/;/", "%3b", "%252e", "%252f", "%25", "%2561", "%3f", "%23", "#",
            "?", "%61", "%00", "%c0%af", "%c0%ae", "%0a", "%", "\t",
        ][..],
    );
    let piece = prop_oneof![3 => plain, 2 => odd];
    proptest::collection::vec(piece, 0..7)
        .prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes())
}

/// Returns the valid part of a model, in which every third rule denies every request and the others none.
fn policy(mut model: Model, allowed: &[&str]) -> Option<(Model, Policy)> {
    while !model.endpoints.is_empty() {
        if let Ok(loaded) = Policy::from_yaml(&text(&model, allowed)) {
            return Some((model, loaded.policy));
        }
        model.endpoints.pop();
    }
    None
}

fn passes(rule: usize) -> bool {
    rule % 3 != 2
}

fn text(model: &Model, allowed: &[&str]) -> String {
    let text = model.yaml();
    let lines = text.lines().map(|line| {
        let Some((start, id)) = line.split_once("groupExpression: clientType === 'rule-") else {
            return line.to_owned();
        };
        let id = id.trim_end_matches('\'').parse().unwrap();
        let allowing = match allowed {
            [] => String::new(),
            classes => format!("\n{start}allowAmbiguous: [{}]", classes.join(", ")),
        };
        format!("{start}groupExpression: {}{allowing}", passes(id))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn request(target: &[u8]) -> Request<'_> {
    Request {
        method: "GET",
        target,
        host: Some("a.x"),
        is_cors_preflight: false,
        facts: Facts::default(),
    }
}

fn passes_under(policy: &Policy, interpretation: &Interpretation, target: &[u8]) -> bool {
    let path = interpretation.path(target);
    match policy.find(&request(target), &path) {
        Match::Rule(rule) => passes(rule.index()),
        Match::MethodNotAllowed => false,
        Match::NoEndpoint => interpretation.may_lead_nowhere(&path),
    }
}

fn config() -> Config {
    let cases = std::env::var("KEYGATE_READING_CASES").ok();
    let cases = cases.map_or(60, |cases| cases.parse().unwrap());
    Config {
        cases,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_allowed_path_is_allowed_under_every_interpretation(
        model in model(),
        targets in proptest::collection::vec(target(), 20),
        allowed in prop_oneof![Just(Vec::new()), proptest::sample::subsequence(&CLASSES[..], 0..=9)],
    ) {
        let Some((model, policy)) = policy(model, &allowed) else { return Ok(()) };
        let interpretations = every_reading();
        for target in &targets {
            if policy.decide(&request(target)).reason != Reason::Ok {
                continue;
            }
            for interpretation in &interpretations {
                prop_assert!(
                    passes_under(&policy, interpretation, target),
                    "{:?} is {:?} to {:?}\n{}",
                    String::from_utf8_lossy(target),
                    String::from_utf8_lossy(&interpretation.path(target)),
                    interpretation,
                    model.yaml(),
                );
            }
        }
    }
}

#[test]
fn a_path_that_takes_too_long_to_compare_is_rejected() {
    let policy = Policy::from_yaml(&NESTED.replace("ALLOWED", "double-encoding"))
        .unwrap()
        .policy;
    let reason = |target: String| policy.decide(&request(target.as_bytes())).reason;
    assert_eq!(
        reason(format!("/files/{}%2541", "a/".repeat(100))),
        Reason::Ok
    );
    assert_eq!(
        reason(format!("/files/{}%2541", "a/".repeat(4000))),
        Reason::AmbiguousPath
    );
    assert_eq!(
        reason(format!("/files/{}", "./a//".repeat(1500))),
        Reason::Ok
    );
}

const NESTED: &str = "
version: 1
endpoints:
  - path: /public
    apiKeyRequired: false
  - path: /admin
    apiKeyRequired: false
    groupExpression: clientType === 'admin'
  - path: /files
    apiKeyRequired: false
    allowAmbiguous: [ALLOWED]
";

#[rstest]
#[case::encoded_slash("encoded-slash", "/files/a%2Fb", "ok")]
#[case::path_parameter("path-parameter", "/files/a;v=1/b", "ok")]
#[case::double_encoding("double-encoding", "/files/a%2541", "ok")]
#[case::another_class("encoded-slash", "/files/a;v=1", "ambiguous-path")]
#[case::two_classes("encoded-slash", "/files/a%2Fb;v=1", "ambiguous-path")]
#[case::both_named("encoded-slash, path-parameter", "/files/a%2Fb;v=1", "ok")]
#[case::out_of_the_endpoint("path-parameter", "/files/..;/admin", "ambiguous-path")]
#[case::out_by_a_slash(
    "encoded-slash, encoded-dot-segment",
    "/files/..%2fadmin",
    "ambiguous-path"
)]
#[case::into_the_endpoint(
    "encoded-slash, encoded-dot-segment",
    "/admin/..%2ffiles",
    "ambiguous-path"
)]
#[case::out_twice_encoded("double-encoding", "/files/%252e%252e/admin", "ambiguous-path")]
#[case::out_by_a_backslash("backslash", "/files\\..\\admin", "ambiguous-path")]
#[case::hidden_by_a_fragment("fragment", "/files#/..;/../admin", "ambiguous-path")]
#[case::a_harmless_fragment("fragment", "/files/a#top", "ok")]
#[case::removed_by_dots(
    "invalid-utf-8",
    "/admin/%c0%af/../../files/a%c0%af..%c0%af..%c0%afadmin",
    "ambiguous-path"
)]
#[case::not_on_others("encoded-slash", "/public/a%2Fb", "ambiguous-path")]
fn an_allowed_class_passes_if_every_interpretation_does(
    #[case] allowed: &str,
    #[case] target: &str,
    #[case] reason: &str,
) {
    let policy = Policy::from_yaml(&NESTED.replace("ALLOWED", allowed))
        .unwrap()
        .policy;
    assert_eq!(
        policy.decide(&request(target.as_bytes())).reason.as_str(),
        reason
    );
}

#[rstest]
#[case::kept_dots("/admin/../public", "ambiguous-path")]
#[case::kept_dots_under_nothing("/internal/../public", "ambiguous-path")]
#[case::single_dots("/./public/./a", "ok")]
#[case::within_one_rule("/public/a/../b", "ok")]
#[case::repeated_slashes("//public///a", "ok")]
#[case::a_host_to_url_parsers("//public/admin/a", "ambiguous-path")]
#[case::slashes_then_dots("/admin//../public", "ambiguous-path")]
#[case::escaped_question_mark("/public/what%3F", "ok")]
#[case::escaped_hash("/public/c%23", "ok")]
#[case::escaped_delimiter_to_nothing("/public%3F", "no-endpoint")]
#[case::escaped_delimiter_after_a_dot("/public/.%3f/a", "ok")]
#[case::the_refusal_comes_first("/public/../admin", "expression-false")]
#[case::letters_of_any_script("/public/caf%C3%A9", "ok")]
#[case::a_percent_sign("/public/100%25", "ok")]
fn paths_that_only_some_servers_normalize_are_compared(#[case] target: &str, #[case] reason: &str) {
    let policy = Policy::from_yaml(&NESTED.replace("ALLOWED", "fragment"))
        .unwrap()
        .policy;
    assert_eq!(
        policy.decide(&request(target.as_bytes())).reason.as_str(),
        reason
    );
}
