//! Mia-Platform's `auth.json`, loaded directly and converted to a policy file.

use std::fmt::Write as _;

use keygate_expression::{Facts, User};
use keygate_mia::auth_json::AuthJson;
use keygate_policy::{Policy, Reason, Request, policy::PolicyError};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};
use rstest::rstest;
use serde_json::{Map, Value, json};

const FILE: &str = r#"{
	"/": { "GET": { "authorization": { "expression": "true", "public": true } } },
	"/orders": {
		"ALL": {
			"authorization": { "expression": "clientType === 'A'", "public": true },
			"backofficeAuthorization": { "expression": "clientType === 'B'", "public": false }
		},
		"DELETE": { "authorization": { "expression": "false", "public": true } }
	},
	"/users/:id/mail": { "ALL": { "authorization": { "expression": "true", "public": false } } },
	"/test": { "ALL": { "authorization": { "expression": "true", "public": true } } },
	"/test/management": { "DELETE": { "authorization": { "expression": "0", "public": true } } }
}"#;

/// `METHOD TARGET [by CLIENT_TYPE] [logged-in] [backoffice]`.
fn decide(policy: &Policy, request: &str) -> String {
    let words: Vec<_> = request.split(' ').collect();
    let user = User::default();
    let decision = policy.decide(&Request {
        method: words[0],
        target: words[1].as_bytes(),
        host: None,
        is_cors_preflight: false,
        facts: Facts {
            client_type: words
                .iter()
                .position(|it| *it == "by")
                .map(|at| words[at + 1]),
            is_backoffice: words.contains(&"backoffice"),
            user: words.contains(&"logged-in").then_some(&user),
        },
    });
    format!("{} {}", decision.status.code(), decision.reason)
}

#[rstest]
#[case::no_key_is_required("GET /", "200 ok")]
#[case::everything_below("GET /a/b", "200 ok")]
#[case::method_not_named("POST /a", "403 method-not-allowed")]
#[case::head_follows_get("HEAD /", "200 ok")]
#[case::all("PATCH /orders/1 by A", "200 ok")]
#[case::all_includes_options("OPTIONS /orders by A", "200 ok")]
#[case::expression("GET /orders", "401 expression-false")]
#[case::named_before_all("DELETE /orders by A", "403 expression-false")]
#[case::back_office("GET /orders by B logged-in backoffice", "200 ok")]
#[case::back_office_is_not_public("GET /orders by B backoffice", "401 missing-user")]
#[case::back_office_of_a_method_without("DELETE /orders by B backoffice", "403 expression-false")]
#[case::segment_boundary("GET /orders-old", "200 ok")]
#[case::parameter("GET /users/7/mail", "401 missing-user")]
#[case::below_a_parameter("GET /users/7/mail/1 logged-in", "200 ok")]
#[case::not_a_parameter("POST /users/7 logged-in", "403 method-not-allowed")]
#[case::restricted_method("DELETE /test/management", "401 expression-false")]
#[case::other_methods_are_those_above("GET /test/management", "200 ok")]
#[case::repeated_slashes("GET //users//7//mail", "401 missing-user")]
fn an_auth_json_and_its_import_decide_the_same(#[case] request: &str, #[case] expected: &str) {
    let file = AuthJson::parse(FILE).unwrap();
    let imported = Policy::from_yaml(&file.to_policy_yaml()).unwrap().policy;
    let policy = file.load().unwrap().policy;
    assert_eq!(decide(&policy, request), expected);
    assert_eq!(decide(&imported, request), expected, "as imported");
}

#[test]
fn an_imported_policy_is_readable() {
    insta::assert_snapshot!(AuthJson::parse(FILE).unwrap().to_policy_yaml());
}

#[test]
fn a_second_file_overrides_what_it_sets() {
    let extension = r#"{
        "/orders/": { "ALL": { "authorization": { "expression": "true", "public": false } } },
        "/new": { "GET": { "authorization": { "expression": "true", "public": true } } }
    }"#;
    let extension = AuthJson::parse(extension).unwrap();
    let file = AuthJson::parse(FILE).unwrap().extended_by(extension);
    let policy = file.load().unwrap().policy;
    assert_eq!(decide(&policy, "GET /orders"), "401 missing-user");
    assert_eq!(decide(&policy, "GET /orders logged-in"), "200 ok");
    assert_eq!(
        decide(&policy, "GET /orders logged-in backoffice"),
        "403 expression-false"
    );
    assert_eq!(
        decide(&policy, "DELETE /orders logged-in"),
        "403 expression-false"
    );
    assert_eq!(decide(&policy, "GET /new"), "200 ok");
}

#[test]
fn errors_are_shown_at_their_spans() {
    let texts = [
        "",
        "[]",
        r#"{ "/a": { "ALL": { "authorization": { "expression": "true" } } } }"#,
        r#"{ "/a": {}, "/a": {} }"#,
        r#"{
  "a": { "get": { "authorization": { "expression": "true", "public": true } } },
  "/b//c": { "GET": { "authorization": { "expression": "clientType == ", "public": true } } },
  "/d": { "ALL": { "autorization": { "expression": "true", "public": true } } },
  "/e/:x": { "ALL": { "authorization": { "expression": "true", "public": true } } },
  "/e/:y/": { "ALL": { "authorization": { "expression": "true", "public": true } } },
  "/f": {
    "PUT": { "authorization": { "expression": "false", "public": false } },
    "backofficeAuthorization": { "expression": "false", "public": false }
  }
}"#,
    ];
    let shown = texts.map(|text| {
        let errors = AuthJson::parse(text).unwrap_err();
        let shown = errors
            .iter()
            .map(|error| error.diagnostic().render("auth.json", text));
        shown.collect::<Vec<_>>().join("\n")
    });
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn suspicious_entries_are_warnings() {
    let text = r#"{
  "/a": { "ALL": { "backofficeAuthorization": { "expression": "true", "public": true }, "rate": 1 } }
}"#;
    let file = AuthJson::parse(text).unwrap();
    let shown: Vec<_> = file
        .warnings
        .iter()
        .map(|it| it.render("auth.json", text))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
    let policy = file.load().unwrap().policy;
    assert_eq!(decide(&policy, "GET /a"), "401 expression-false");
    assert_eq!(decide(&policy, "GET /a backoffice"), "200 ok");
    assert_eq!(AuthJson::parse("{}").unwrap().warnings.len(), 1);
}

// A random file, and a second implementation of its meaning.

const EXPRESSIONS: [&str; 5] = [
    "true",
    "false",
    "clientType === 'A'",
    "clientType == \"B\"",
    "\"\\u0041\" === clientType",
];

fn authorization() -> impl Strategy<Value = Value> {
    (select(&EXPRESSIONS[..]), any::<bool>())
        .prop_map(|(expression, public)| json!({ "expression": expression, "public": public }))
}

fn method() -> impl Strategy<Value = Value> {
    (
        option::weighted(0.9, authorization()),
        option::of(authorization()),
    )
        .prop_map(|(ordinary, backoffice)| {
            let mut sides = Map::new();
            sides.extend(ordinary.map(|side| ("authorization".to_owned(), side)));
            sides.extend(backoffice.map(|side| ("backofficeAuthorization".to_owned(), side)));
            Value::Object(sides)
        })
}

fn file() -> impl Strategy<Value = Value> {
    let methods = select(&["ALL", "GET", "HEAD", "POST"][..]).prop_map(str::to_owned);
    let path = vec(select(&["/a", "/b", "/:x"][..]), 0..4).prop_map(|segments| {
        if segments.is_empty() {
            "/".to_owned()
        } else {
            segments.concat()
        }
    });
    let methods = btree_map(methods, method(), 1..4);
    btree_map(path, methods, 0..6).prop_map(|paths| json!(paths))
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .collect()
}

fn covers(above: &[&str], below: &[&str]) -> bool {
    above.len() <= below.len()
        && above
            .iter()
            .zip(below)
            .all(|(above, below)| above.starts_with(':') || above == below)
}

/// The longest path of the file that covers this one; `except` itself.
fn nearest<'f>(file: &'f Value, below: &[&str], except: Option<&str>) -> Option<&'f str> {
    let paths = file.as_object().unwrap().keys().map(String::as_str);
    let covering = paths.filter(|path| Some(*path) != except && covers(&segments(path), below));
    covering.max_by_key(|path| {
        let segments = segments(path);
        let texts: Vec<_> = segments
            .iter()
            .map(|segment| !segment.starts_with(':'))
            .collect();
        (segments.len(), texts)
    })
}

fn authorizations<'f>(file: &'f Value, path: &str, method: &str) -> Option<&'f Value> {
    let own = &file[path];
    let follows = if method == "HEAD" {
        own.get("GET")
    } else {
        None
    };
    let own = own.get(method).or(follows).or(own.get("ALL"));
    own.or_else(|| {
        let above = nearest(file, &segments(path), Some(path))?;
        authorizations(file, above, method)
    })
}

fn reference(file: &Value, method: &str, path: &str, facts: &Facts<'_>) -> Reason {
    let Some(path) = nearest(file, &segments(path), None) else {
        return Reason::NoEndpoint;
    };
    let Some(sides) = authorizations(file, path, method) else {
        return Reason::MethodNotAllowed;
    };
    let ordinary = sides.get("authorization");
    let side = if facts.is_backoffice {
        sides.get("backofficeAuthorization")
    } else {
        None
    };
    let Some(side) = side.or(ordinary) else {
        return Reason::ExpressionFalse;
    };
    if side["public"] == false && facts.user.is_none() {
        return Reason::MissingUser;
    }
    let expression = side["expression"].as_str().unwrap();
    let holds = match EXPRESSIONS
        .iter()
        .position(|known| *known == expression)
        .unwrap()
    {
        0 => true,
        1 => false,
        3 => facts.client_type == Some("B"),
        _ => facts.client_type == Some("A"),
    };
    if holds {
        Reason::Ok
    } else {
        Reason::ExpressionFalse
    }
}

fn merged(file: &Value, extension: &Value) -> Value {
    let (Value::Object(file), Value::Object(extension)) = (file, extension) else {
        return extension.clone();
    };
    // Paths, methods and gateways are merged; the requirements for one gateway are replaced as a whole.
    if extension.contains_key("expression") {
        return Value::Object(extension.clone());
    }
    let mut merged = file.clone();
    for (key, over) in extension {
        let under = file.get(key).unwrap_or(&Value::Null);
        merged.insert(key.clone(), self::merged(under, over));
    }
    Value::Object(merged)
}

proptest! {
    #[test]
    fn any_file_and_its_import_decide_as_the_reference(
        main in file(),
        extension in option::of(file()),
        requests in vec(
            (
                select(&["GET", "HEAD", "POST", "PUT"][..]),
                vec(select(&["/a", "/b", "/c"][..]), 0..5),
                select(&[None, Some("A"), Some("B")][..]),
                any::<bool>(),
                any::<bool>(),
            ),
            60,
        ),
    ) {
        let parse = |value: &Value| AuthJson::parse(&serde_json::to_string_pretty(value).unwrap()).unwrap();
        let mut file = parse(&main);
        let mut meaning = main;
        if let Some(extension) = &extension {
            file = file.extended_by(parse(extension));
            meaning = merged(&meaning, extension);
        }
        let text = file.to_policy_yaml();
        let imported = Policy::from_yaml(&text).unwrap().policy;
        let policy = file.load().unwrap().policy;
        let user = User::default();
        for (method, segments, client_type, is_backoffice, is_logged_in) in requests {
            let mut path = segments.concat();
            if path.is_empty() {
                path.push('/');
            }
            let facts = Facts { client_type, is_backoffice, user: is_logged_in.then_some(&user) };
            let expected = reference(&meaning, method, &path, &facts);
            let request = Request {
                method, target: path.as_bytes(), host: None, is_cors_preflight: false, facts,
            };
            let mut shown = format!("{method} {path} {facts:?}\n");
            let _ = write!(shown, "{meaning:#}\n{text}");
            prop_assert_eq!(policy.decide(&request).reason, expected, "{}", shown);
            prop_assert_eq!(imported.decide(&request).reason, expected, "imported: {}", shown);
        }
    }

    #[test]
    fn any_text_loads_or_is_rejected(text in "\\PC{0,40}|[{}\\[\\]\":,/a-z\n\t ]{0,60}") {
        if let Err(errors) = AuthJson::parse(&text) {
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| !matches!(error, PolicyError::MissingVersion)));
        }
    }
}

#[rstest]
#[case("backoffice", "backofficeAuthorization")]
#[case("authorizationBackoffice", "backofficeAuthorization")]
#[case("back_office_acl", "backofficeAuthorization")]
#[case("auth", "authorization")]
#[case("expression", "move it inside `authorization`")]
#[case("public", "move it inside `authorization`")]
fn a_restriction_in_another_field_is_an_error(#[case] field: &str, #[case] hint: &str) {
    let value = json!({ "expression": "false", "public": true });
    let file = json!({ "/a": { "GET": {
        "authorization": { "expression": "true", "public": true },
        field: value,
    } } });
    let errors = AuthJson::parse(&file.to_string())
        .and_then(AuthJson::load)
        .unwrap_err();
    let help = errors[0].diagnostic().help.unwrap_or_default();
    assert!(help.contains(hint), "{help}");
}
