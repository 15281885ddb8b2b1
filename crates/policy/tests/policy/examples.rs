//! Every rule of a policy has an example: a request that it decides.

use keygate_expression::Facts;
use keygate_policy::{Policy, Rule};
use proptest::prelude::*;

use crate::generate;

fn examples(text: &str) -> Vec<String> {
    let policy = Policy::from_yaml(text).unwrap().policy;
    let examples = policy.examples().map(Option::unwrap);
    examples
        .map(|it| format!("{} {}{}", it.method, it.host.unwrap_or_default(), it.target))
        .collect()
}

#[test]
fn an_example_request_is_as_simple_as_possible() {
    let text = "
version: 1
endpoints:
  - path: /
  - path: /orders
    routes:
      - { path: '/{id}/refund', methods: [POST] }
      - { path: '/{*rest}', methods: [DELETE] }
  - { path: /odd%20name, methods: [PURGE] }
";
    assert_eq!(
        examples(text),
        [
            "GET /",
            "GET /orders",
            "POST /orders/1/refund",
            "DELETE /orders/1",
            "PURGE /odd%20name",
        ]
    );
}

#[test]
fn an_example_avoids_the_paths_of_other_rules() {
    let text = "
version: 1
customMethods: [OTHER]
endpoints:
  - path: /
    routes:
      - { path: '/{id}' }
      - { path: /1, methods: [GET, POST, PUT, PATCH, DELETE] }
      - { path: /other }
      - { path: /1, methods: [OTHER] }
      - { path: /1 }
  - path: /a
    hosts: ['*.example', www.example]
  - path: /a
";
    assert_eq!(
        examples(text),
        [
            "GET www.example/",
            "GET other-other/other-other",
            "GET www.example/1",
            "GET www.example/other",
            "OTHER www.example/1",
            "OTHER-OTHER www.example/1",
            "GET www.example.example/a",
            "GET other-other/a",
        ]
    );
}

proptest! {
    #[test]
    fn the_rule_of_an_example_decides_it(model in generate::model()) {
        let Ok(loaded) = Policy::from_yaml(&model.yaml()) else { return Ok(()); };
        let policy = loaded.policy;
        let facts = Facts { client_type: Some("A"), ..Facts::default() };
        for (rule, example) in policy.rules().iter().zip(policy.examples()) {
            let example = example.expect("a reachable rule has one");
            let decision = policy.decide(&example.request(facts));
            prop_assert_eq!(decision.rule.map(Rule::index), Some(rule.index()));
        }
    }
}
