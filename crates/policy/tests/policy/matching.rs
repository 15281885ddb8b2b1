//! Compares the matcher with the reference: the same rule, the same errors.

use std::fmt::Write as _;

use keygate_expression::Facts;
use keygate_policy::{
    Policy, Request,
    policy::{Match, PolicyError},
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};

use crate::{
    generate::{HOSTS, METHODS, model, path},
    reference::{Found, Model},
};

/// Runs `KEYGATE_MATCHING_CASES` policies, with a hundred requests each.
fn config() -> Config {
    let cases = std::env::var("KEYGATE_MATCHING_CASES").ok();
    let cases = cases.map_or(300, |cases| cases.parse().expect("a number of cases"));
    Config {
        cases,
        ..Config::default()
    }
}

fn find(policy: &Policy, host: &str, method: &str, path: &str) -> Found {
    let request = Request {
        method,
        target: path.as_bytes(),
        host: Some(host),
        is_cors_preflight: false,
        facts: Facts::default(),
    };
    match policy.find(&request, path.as_bytes()) {
        Match::Rule(rule) => Found::Rule(rule.index()),
        Match::MethodNotAllowed => Found::MethodNotAllowed,
        Match::NoEndpoint => Found::NoEndpoint,
    }
}

/// Drops rules that would not load, so that the rest is a valid policy.
fn loadable(mut model: Model) -> Option<(Model, Policy)> {
    loop {
        match Policy::from_yaml(&model.yaml()) {
            Ok(loaded) => return Some((model, loaded.policy)),
            Err(_) => {
                model.endpoints.pop();
            }
        }
        if model.endpoints.is_empty() {
            return None;
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_matcher_equals_the_reference(
        model in model(),
        requests in vec((select(&HOSTS[..]), select(&METHODS[..]), path()), 100),
    ) {
        if let Some((model, policy)) = loadable(model) {
            for (host, method, path) in requests {
                let expected = model.find(host, method, &path);
                let found = find(&policy, host, method, &path);
                prop_assert_eq!(found, expected, "{} {}{}\n{}", method, host, path, model.yaml());
            }
        }
    }

    #[test]
    fn the_order_in_the_file_does_not_matter(
        model in model(),
        requests in vec((select(&HOSTS[..]), select(&METHODS[..]), path()), 30),
    ) {
        let Some((model, policy)) = loadable(model) else { return Ok(()) };
        let mut turned = model.clone();
        turned.endpoints.reverse();
        turned.endpoints.iter_mut().for_each(|endpoint| endpoint.routes.reverse());
        let turned = Policy::from_yaml(&turned.yaml()).unwrap().policy;
        for (host, method, path) in requests {
            let label = |policy: &Policy| match find(policy, host, method, &path) {
                Found::Rule(index) => policy.rules()[index].label().to_owned(),
                other => format!("{other:?}"),
            };
            prop_assert_eq!(label(&policy), label(&turned), "{} {}{}", method, host, path);
        }
    }

    #[test]
    fn only_indistinguishable_rules_are_rejected(model in model()) {
        let expected = model.indistinguishable();
        let found = match Policy::from_yaml(&model.yaml()) {
            Ok(_) => false,
            Err(errors) => {
                errors.iter().any(|error| matches!(error, PolicyError::Indistinguishable { .. }))
            }
        };
        prop_assert_eq!(found, !expected.is_empty(), "{:?}\n{}", expected, model.yaml());
    }
}

proptest! {
    // Each case tries all requests.
    #![proptest_config(Config { cases: config().cases / 4, ..config() })]

    #[test]
    fn only_rules_that_never_match_are_rejected(model in model()) {
        let errors = match Policy::from_yaml(&model.yaml()) {
            Ok(_) => Vec::new(),
            Err(errors) => errors,
        };
        if errors.iter().any(|error| matches!(error, PolicyError::Indistinguishable { .. })) {
            return Ok(());
        }
        let count = model.endpoints.iter().map(|endpoint| 1 + endpoint.routes.len()).sum();
        let reachable = every_rule_that_matches(&model);
        let unreachable = (0..count).filter(|rule| !reachable.contains(rule)).count();
        prop_assert_eq!(errors.len(), unreachable, "{:?}\n{}", errors, model.yaml());
    }
}

/// Tries every path up to five segments, over the letters of the models and one more.
fn every_rule_that_matches(model: &Model) -> std::collections::BTreeSet<usize> {
    let mut paths = vec![String::new()];
    let mut longest = paths.clone();
    for _ in 0..5 {
        longest = longest
            .iter()
            .flat_map(|path| ["a", "b", "d"].map(|segment| format!("{path}/{segment}")))
            .collect();
        paths.extend(longest.iter().cloned());
    }
    let mut found = std::collections::BTreeSet::new();
    for path in &paths {
        for path in [path.clone(), format!("{path}/")]
            .into_iter()
            .filter(|path| !path.is_empty())
        {
            for method in ["GET", "HEAD", "POST", "PURGE"] {
                for host in HOSTS {
                    if let Found::Rule(rule) = model.find(host, method, &path) {
                        found.insert(rule);
                    }
                }
            }
        }
    }
    found
}

/// A policy of a few rules, among many others.
fn among(others: usize) -> Policy {
    let mut text = "version: 1
endpoints:
  - {path: /public, apiKeyRequired: false}
  - {path: /public/admin, methods: [GET], groupExpression: clientType === 'A'}
  - {path: /api/prod, groupExpression: clientType === 'B', routes: [{path: '/{id}', methods: [PUT]}]}
"
    .to_owned();
    for number in 0..others {
        let _ = writeln!(
            text,
            "  - {{path: /other-{number}, groupExpression: 'false'}}"
        );
        let _ = writeln!(
            text,
            "  - {{path: /api/prod-{number}, apiKeyRequired: false}}"
        );
    }
    Policy::from_yaml(&text).unwrap().policy
}

#[test]
fn any_number_of_other_rules_changes_no_decision() {
    let policies = [0, 1, 100, 10_000].map(among);
    let targets = [
        "/public",
        "/public/",
        "//public",
        "/public/../public/admin",
        "/public/admin",
        "/public/%61dmin",
        "/public/admin/x",
        "/publicity",
        "/api/prod",
        "/api/prod-x",
        "/api/prod/7",
        "/api/prod/7/8",
        "/api/prod/../prod-x",
        "/api/%70rod/7",
        "/api",
        "/",
        "/api/prod%2f7",
        "/api/prod;x/7",
    ];
    for target in targets {
        for method in ["GET", "PUT", "HEAD"] {
            for client_type in [None, Some("A"), Some("B")] {
                let decide = |policy: &Policy| {
                    let decision = policy.decide(&Request {
                        method,
                        target: target.as_bytes(),
                        host: None,
                        is_cors_preflight: false,
                        facts: Facts {
                            client_type,
                            ..Facts::default()
                        },
                    });
                    let label = decision.rule.map(|rule| rule.label().to_owned());
                    (decision.reason, decision.status, label)
                };
                let [alone, others @ ..] = &policies;
                for policy in others {
                    assert_eq!(decide(policy), decide(alone), "{method} {target}");
                }
            }
        }
    }
}
