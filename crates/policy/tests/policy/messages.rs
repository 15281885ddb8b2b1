//! The messages for an invalid policy.

use keygate_policy::Policy;

/// Renders all errors of a text.
fn errors(text: &str) -> String {
    let errors = Policy::from_yaml(text).unwrap_err();
    let shown = errors
        .iter()
        .map(|error| error.diagnostic().render("policy.yaml", text));
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_error_is_reported_at_its_span() {
    let text = "\
version: 2
trailingSlash: maybe
endpoints:
  - path: orders
    methods: [get, POST, POST]
    hosts: ['shop.example.com:80', a.example, A.example.]
    groupExpression: clientType === 'A' || cl
    corsPreflight: yes
    allowAmbiguous: [encoded-slas, nul, dot-segment, nothing]
    routes:
      - path: /{id}/{id}
        hosts: [b.example]
        routes: []
      - path: /a//b
        methods: []
        backofficeExpression: 'cl'
";
    insta::assert_snapshot!(errors(text));
}

#[test]
fn an_invalid_path_is_rejected_with_its_reason() {
    let paths = [
        "orders",
        "/a?b",
        "/a#b",
        "/a//b",
        "/{a",
        "/{a}b",
        "/{}",
        "/{*r}/a",
        "/{1}",
        "/a b",
        "/a%2Fb",
        "/../a",
        "/a/%2e%2e",
        "/a;b",
        "/100%",
        "/a%2541",
        "/a\\b",
        "/%ff",
        "/%00",
    ];
    let routes: Vec<_> = paths
        .iter()
        .map(|path| format!("      - path: '{path}'\n"))
        .collect();
    let routes = routes.concat();
    let text = format!(
        "version: 1\nendpoints:\n  - path: /all/{{*rest}}\n  - path: /x\n    routes:\n{routes}"
    );
    let errors = Policy::from_yaml(&text).unwrap_err();
    let shown = errors.iter().map(|error| {
        let diagnostic = error.diagnostic();
        let marked = &text[diagnostic.span.clone().unwrap()];
        format!(
            "{marked:?}: {} = {}",
            diagnostic.message,
            diagnostic.help.unwrap()
        )
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"));
    assert_eq!(errors.len(), paths.len() + 1);
}

#[test]
fn indistinguishable_rules_name_both_locations() {
    let text = "\
version: 1
endpoints:
  - path: /orders
    methods: [GET]
  - path: /orders/
    methods: [POST, GET]
    routes:
      - path: /{id}
        methods: [PUT]
      - path: /{order}
        methods: [PUT]
";
    insta::assert_snapshot!(errors(text));
}

#[test]
fn a_rule_that_never_matches_names_the_hiding_rule() {
    let text = "\
version: 1
endpoints:
  - path: /orders
    routes:
      - path: /archive/{id}
      - path: /
      - path: /{*rest}
  - path: /orders/archive
";
    insta::assert_snapshot!(errors(text));
}

#[test]
fn a_route_without_a_slash_at_the_root_never_matches() {
    let text = "\
version: 1
trailingSlash: strict
endpoints:
  - path: /
    routes:
      - path: ''
";
    insta::assert_snapshot!(errors(text));
}

#[test]
fn an_expression_is_marked_in_any_yaml_style() {
    let text = "\
version: 1
endpoints:
  - path: /plain
    groupExpression: true || wrong
  - path: /single
    groupExpression: 'true || wrong'
  - path: /double
    groupExpression: \"true || wrong\"
  - path: /escaped
    groupExpression: \"true || \\u0077rong\"
  - path: /folded
    groupExpression: >-
      true ||
      wrong
";
    insta::assert_snapshot!(errors(text));
}

#[test]
fn an_empty_field_is_not_its_default() {
    for field in [
        "groupExpression",
        "apiKeyRequired",
        "methods",
        "routes",
        "hosts",
    ] {
        let text = format!("version: 1\nendpoints:\n  - path: /\n    {field}:\n");
        assert!(Policy::from_yaml(&text).is_err(), "{text}");
    }
}

#[test]
fn errors_of_the_file_format_are_shown() {
    let texts = [
        "",
        "version: 1\n",
        "endpoints: []\n",
        "version: 1\nendpoints:\n  - pth: /\n",
        "version: 1\nendpoints:\n  - path: /\n    apiKeyRequired: yes\n",
        "version: 1\nendpoints:\n  - path: /\n    path: /a\n",
    ];
    let shown = texts.map(errors);
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_policy_without_endpoints_is_a_warning() {
    let loaded = Policy::from_yaml("version: 1\nendpoints: []\n").unwrap();
    let messages: Vec<_> = loaded
        .warnings
        .iter()
        .map(|warning| &warning.message)
        .collect();
    assert_eq!(
        messages,
        ["the policy has no endpoints, so every request is denied"]
    );
}

#[test]
fn a_client_type_that_no_key_has_is_marked() {
    let text = "\
version: 1
endpoints:
  - path: /orders
    groupExpression: clientType === 'A' || clientType === 'B'
    routes:
      - path: /all
        backofficeExpression: clientType === 'C'
";
    let policy = Policy::from_yaml(text).unwrap().policy;
    let warnings = policy.client_type_warnings(&["A"]);
    let shown: Vec<_> = warnings
        .iter()
        .map(|warning| warning.render("policy.yaml", text))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}
