//! A Console configuration and its imported policy decide the same.

use std::collections::BTreeMap;

use keygate_expression::{Facts, User};
use keygate_mia::console::Console;
use keygate_policy::{Policy, Reason, Request};
use proptest::{collection::btree_map, prelude::*, sample::select};
use serde_json::{Value, json};

const BASES: [&str; 4] = ["/", "/a", "/b/c", "/d/:tenant"];
const ROUTES: [&str; 4] = ["/", "/x", "/:id", "/x/:id"];
const VERBS: [&str; 3] = ["GET", "POST", "ALL"];
const EXPRESSIONS: [&str; 5] = [
    "true",
    "0",
    "clientType === 'A'",
    "clientType === 'B' || isBackoffice",
    "isBackoffice && clientType === \"A\"",
];

fn inheritable<T: Into<Value> + Clone + std::fmt::Debug + 'static>(
    values: &'static [T],
) -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(json!({"inherited": true})),
        1 => select(values)
            .prop_map(|value| json!({"inherited": false, "value": Into::<Value>::into(value)})),
    ]
}

prop_compose! {
    fn route()(
        public in inheritable(&[true, false]),
        secreted in inheritable(&[true, false]),
        acl in inheritable(&EXPRESSIONS),
        backoffice_acl in inheritable(&EXPRESSIONS),
    ) -> Value {
        json!({"public": public, "secreted": secreted, "acl": acl, "backofficeAcl": backoffice_acl,
               "catchDecorators": []})
    }
}

prop_compose! {
    fn endpoint()(
        public in any::<bool>(),
        secreted in any::<bool>(),
        acl in select(&EXPRESSIONS[..]),
        backoffice_acl in inheritable(&EXPRESSIONS),
        routes in btree_map((select(&ROUTES[..]), select(&VERBS[..])), route(), 0..6),
    ) -> Value {
        let routes: BTreeMap<_, _> = routes.into_iter().map(|((path, verb), mut route)| {
            route["path"] = path.into();
            route["verb"] = verb.into();
            (format!("{verb}{path}"), route)
        }).collect();
        json!({"public": public, "secreted": secreted, "acl": acl, "backofficeAcl": backoffice_acl,
               "routes": routes, "type": "custom"})
    }
}

prop_compose! {
    fn configuration()(endpoints in btree_map(select(&BASES[..]), endpoint(), 1..4)) -> Value {
        let endpoints: BTreeMap<_, _> = endpoints.into_iter().map(|(path, mut endpoint)| {
            endpoint["basePath"] = path.into();
            (path, endpoint)
        }).collect();
        json!({"endpoints": endpoints, "secrets": []})
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn is_match(pattern: &[&str], path: &[&str]) -> bool {
    let mut pairs = pattern.iter().zip(path);
    pattern.len() == path.len()
        && pairs.all(|(pattern, segment)| pattern.starts_with(':') || pattern == segment)
}

/// The decision by the Console's documentation.
fn reference(file: &Value, method: &str, path: &str, facts: &Facts<'_>) -> Reason {
    let path = segments(path);
    let endpoints = file["endpoints"].as_object().unwrap();
    let covering = endpoints.iter().filter(|(base, _)| {
        let base = segments(base);
        path.get(..base.len())
            .is_some_and(|start| is_match(&base, start))
    });
    let Some((base, endpoint)) = covering.max_by_key(|(base, _)| segments(base).len()) else {
        return Reason::NoEndpoint;
    };
    let left = &path[segments(base).len()..];
    let routes = &endpoint["routes"];
    let candidates = ["/", "/x", "/x/:id", "/:id"];
    let verbs: &[&str] = if method == "HEAD" {
        &["GET", "ALL"]
    } else {
        &[method, "ALL"]
    };
    let route = candidates
        .iter()
        .filter(|route| is_match(&segments(route), left))
        .flat_map(|route| verbs.iter().map(move |verb| format!("{verb}{route}")))
        .find_map(|key| routes.get(key));
    let own = |name: &str| {
        let own = &route?[name];
        (own["inherited"] == false).then(|| &own["value"])
    };
    let backoffice = own("backofficeAcl").or_else(|| {
        let own = &endpoint["backofficeAcl"];
        (own["inherited"] == false).then(|| &own["value"])
    });
    let value = |name: &str| own(name).unwrap_or(&endpoint[name]);
    if value("secreted") == true && facts.client_type.is_none() {
        return Reason::MissingKey;
    }
    if value("public") == false && facts.user.is_none() {
        return Reason::MissingUser;
    }
    let acl = backoffice.filter(|_| facts.is_backoffice);
    let expression = acl.unwrap_or_else(|| value("acl")).as_str().unwrap();
    let number = EXPRESSIONS.iter().position(|it| *it == expression).unwrap();
    let is = |client_type| facts.client_type == Some(client_type);
    let holds = [
        true,
        false,
        is("A"),
        is("B") || facts.is_backoffice,
        facts.is_backoffice && is("A"),
    ];
    if holds[number] {
        Reason::Ok
    } else {
        Reason::ExpressionFalse
    }
}

proptest! {
    #[test]
    fn a_configuration_and_its_import_decide_the_same(
        file in configuration(),
        method in select(&["GET", "HEAD", "POST", "DELETE"][..]),
        path in proptest::collection::vec(select(&["/a", "/b", "/c", "/d", "/x"][..]), 0..5),
        client_type in select(&[None, Some("A"), Some("B")][..]),
        is_backoffice: bool,
        is_logged_in: bool,
    ) {
        let console = Console::parse(&file.to_string()).unwrap();
        prop_assert!(console.ignored.iter().all(|it| it == "type" || it == "catchDecorators"));
        let text = console.to_policy_yaml();
        let policy = Policy::from_yaml(&text).unwrap().policy;
        let path = if path.is_empty() { "/".to_owned() } else { path.concat() };
        let user = User::default();
        let facts = Facts { client_type, is_backoffice, user: is_logged_in.then_some(&user) };
        let request = Request {
            method, target: path.as_bytes(), host: None, is_cors_preflight: false, facts,
        };
        let expected = reference(&file, method, &path, &facts);
        prop_assert_eq!(policy.decide(&request).reason, expected, "{} {}\n{}", method, path, text);
    }

    #[test]
    fn any_text_loads_or_is_rejected_without_a_quote(text in "\\PC{0,40}|[{}\\[\\]\":,/a-z\n\t ]{0,60}") {
        if let Err(errors) = Console::parse(&text) {
            prop_assert!(!errors.is_empty());
        }
    }
}

#[test]
fn an_imported_configuration_is_a_readable_policy() {
    let console = Console::parse(
        r#"{"endpoints": {"/orders": {
            "basePath": "/orders", "type": "crud", "service": "orders", "description": "Order API",
            "public": true, "secreted": true, "acl": "clientType == \"cms\"",
            "backofficeAcl": {"inherited": false, "value": "groups.support"},
            "routes": {"POST/:id/refund": {
                "path": "/:id/refund", "verb": "POST",
                "acl": {"inherited": false, "value": "groups.finance"},
                "public": {"inherited": false, "value": false},
                "secreted": {"inherited": true},
                "backofficeAcl": {"inherited": true},
                "showInDocumentation": {"inherited": true}}}}}}"#,
    );
    let console = console.unwrap();
    insta::assert_snapshot!(console.to_policy_yaml(), @r#"
    version: 1
    endpoints:
      - path: /orders
        description: Order API
        apiKeyRequired: true
        authenticationRequired: false
        groupExpression: clientType == "cms"
        backofficeExpression: groups.support
        routes:
          - path: /{id}/refund
            methods: [POST]
            authenticationRequired: true
            groupExpression: groups.finance
    "#);
    let ignored: Vec<_> = console.ignored.iter().map(String::as_str).collect();
    assert_eq!(ignored, ["service", "showInDocumentation", "type"]);
}

#[test]
fn errors_in_a_configuration_have_a_location() {
    let text = r#"{"endpoints": {"/orders": {
  "basePath": "/orders", "public": true, "secreted": true, "acl": "clientType = 'A'",
  "routes": {"GRAB/": {"path": "/", "verb": "GR AB"}}}}}"#;
    let errors = Console::parse(text).unwrap_err();
    let shown: Vec<_> = errors
        .iter()
        .map(|error| {
            error
                .diagnostic()
                .render_without_source("console.json", text)
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    error: `=` is an assignment, not a comparison
     --> console.json:2:79
      = help: write `===`
    error: `GR AB` is not a method
     --> console.json:3:45
      = help: write a method such as `GET`, or `ALL`
    ");
}
