//! Random expressions and callers, to compare the results with JavaScript's.
//!
//! Expressions are generated as text without parentheses for precedence, so that both parsers must
//! agree on it. The whole language is covered except a list on the left of `in`, which is
//! Mia-Platform's extension.

use keygate_expression::{Expression, ExpressionError, Facts, User};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// An expression and a caller.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) expression: String,
    pub(crate) caller: Caller,
}

/// The values that [`Facts`] borrow.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    client_type: Option<String>,
    is_backoffice: bool,
    user: Option<User>,
}

impl Case {
    /// Returns Keygate's result: `true`, `false` or `error`.
    pub(crate) fn result(&self) -> Result<&'static str, String> {
        let expression = Expression::parse(&self.expression).map_err(|error| error.to_string())?;
        Ok(match expression.evaluate(&self.caller.facts()) {
            Ok(true) => "true",
            Ok(false) => "false",
            Err(_) => "error",
        })
    }
}

impl Caller {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            client_type: self.client_type.as_deref(),
            is_backoffice: self.is_backoffice,
            user: self.user.as_ref(),
        }
    }

    /// Returns the facts as variables of the JavaScript expression.
    pub(crate) fn to_json(&self) -> Value {
        let user = self.user.clone().unwrap_or_default();
        let set = |names: &keygate_expression::NameSet| -> Map<String, Value> {
            names
                .iter()
                .map(|name| (name.to_owned(), json!(true)))
                .collect()
        };
        json!({
            "clientType": self.client_type,
            "isBackoffice": self.is_backoffice,
            "groups": set(&user.groups),
            "permissions": set(&user.permissions),
            "user": user.properties,
        })
    }
}

/// Names for groups, properties and literals.
const NAMES: [&str; 14] = [
    "admin",
    "user",
    "a",
    "b",
    "list",
    "a-b",
    "0",
    "1",
    "length",
    "constructor",
    "toString",
    "__proto__",
    "hasOwnProperty",
    "caffè",
];

/// Strings that coercions treat specially, besides the names. The first three, which are indexed, have
/// no character of two UTF-16 code units.
const STRINGS: [&str; 29] = [
    "A",
    "B",
    "AB",
    "",
    " ",
    "\n",
    "01",
    "2",
    "-1",
    "+1",
    "1.5",
    ".5",
    "1.",
    "1e3",
    "0x10",
    "0b11",
    "0o",
    "1_0",
    "true",
    "null",
    "undefined",
    "Infinity",
    "-Infinity",
    "NaN",
    "1,2",
    ",",
    "1e+21",
    "zzz\u{ffff}",
    "zzz\u{1f600}",
];

const NUMBERS: [&str; 18] = [
    "0",
    "1",
    "2",
    "3",
    "-1",
    "-0",
    "10",
    "16",
    "0.5",
    ".5",
    "1.",
    "1e3",
    "1e21",
    "1e-7",
    "1.5",
    "9007199254740993",
    "0.1",
    "1000",
];

/// Random cases.
pub(crate) fn case() -> impl Strategy<Value = Case> {
    (expression(), caller()).prop_map(|(expression, caller)| Case { expression, caller })
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![select(&NAMES[..]), select(&STRINGS[..])].prop_map(str::to_owned)
}

/// Random tokens of the language and of similar languages.
#[allow(dead_code, reason = "the tests use it, the program does not")]
pub(crate) fn soup() -> impl Strategy<Value = String> {
    let token = select(vec![
        "clientType",
        "groups",
        "permissions",
        "isBackoffice",
        "true",
        "null",
        "0",
        "1",
        "-",
        "1.",
        ".5",
        "'a'",
        "\"1\"",
        "===",
        "!==",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "&&",
        "||",
        "!",
        "in",
        "(",
        ")",
        "[",
        "]",
        "(",
        ")",
        ".",
        ".a",
        "[0]",
        ",",
        " ",
        "\n",
        "//",
        "-->",
        "<!--",
        "[1,'a'].includes(",
        ".includes(",
        "=",
        "?.",
    ]);
    (vec(token, 1..12), select(vec!["", " "])).prop_map(|(tokens, between)| tokens.join(between))
}

/// Random callers.
pub(crate) fn caller() -> impl Strategy<Value = Caller> {
    let names = || vec(select(&NAMES[..]), 0..6);
    let user =
        (names(), names(), properties()).prop_map(|(groups, permissions, properties)| User {
            id: "ada".to_owned(),
            groups: groups.into_iter().collect(),
            permissions: permissions.into_iter().collect(),
            properties,
        });
    (
        option::of(string()),
        any::<bool>(),
        option::weighted(0.9, user),
    )
        .prop_map(|(client_type, is_backoffice, user)| Caller {
            client_type,
            is_backoffice,
            user,
        })
}

fn properties() -> impl Strategy<Value = Map<String, Value>> {
    let number = select(vec![
        json!(0),
        json!(1),
        json!(2.5),
        json!(-1),
        json!(1e21),
        json!(10),
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        string().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            object(inner).prop_map(Value::from),
        ]
    });
    object(value)
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec((select(&NAMES[..]), value), 0..6).prop_map(|properties| {
        properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

/// Random expressions.
pub(crate) fn expression() -> impl Strategy<Value = String> {
    any_expression().prop_filter("`in` with a list at the right is an error", |text| {
        !matches!(Expression::parse(text), Err(ExpressionError::InList { .. }))
    })
}

fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => Just("clientType".to_owned()),
        1 => Just("isBackoffice".to_owned()),
        2 => (select(vec!["groups", "permissions", "user"]), accessor())
            .prop_map(|(base, accessor)| base.to_owned() + &accessor),
        2 => string_literal(),
        1 => select(&NUMBERS[..]).prop_map(str::to_owned),
        1 => select(vec!["true", "false", "null", "groups", "user", "[]"]).prop_map(str::to_owned),
    ];
    leaf.boxed().prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            6 => (inner.clone(), operator(), inner.clone())
                .prop_map(|(left, operator, right)| left + &operator + &right),
            4 => (coercible(), operator(), coercible())
                .prop_map(|(left, operator, right)| left + &operator + &right),
            2 => inner.clone().prop_map(|operand| format!("!{operand}")),
            2 => inner.clone().prop_map(|operand| format!("({operand})")),
            2 => (not_a_list(inner.clone()), inner.clone())
                .prop_map(|(name, container)| format!("{name} in {container}")),
            1 => (not_a_list(inner.clone()), select(vec!["groups", "permissions", "user"]))
                .prop_map(|(name, container)| format!("{name} in {container}")),
            2 => (inner.clone(), accessor())
                .prop_map(|(base, accessor)| format!("({base}){accessor}")),
            1 => (select(vec!["groups", "user", "[1, 'a']"]), inner.clone())
                .prop_map(|(base, index)| format!("{base}[{index}]")),
            2 => (list(inner.clone()), inner.clone())
                .prop_map(|(list, item)| format!("{list}.includes({item})")),
            1 => vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

/// Receivers of `.includes`.
fn list(inner: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => vec(coercible(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
        2 => vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
        2 => select(vec!["user.list", "user.a", "user.b", "groups.a", "user[\"list\"]"])
            .prop_map(str::to_owned),
        1 => inner.prop_map(|operand| format!("(user.list || {operand})")),
    ]
}

/// Values that `==` and `<` may convert.
fn coercible() -> impl Strategy<Value = String> {
    let single = prop_oneof![
        3 => string_literal(),
        2 => select(&NUMBERS[..]).prop_map(str::to_owned),
        2 => select(vec!["true", "false", "null", "clientType", "user.a", "groups.a", "[]"])
            .prop_map(str::to_owned),
    ];
    let list = vec(single.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(",")));
    prop_oneof![
        3 => single,
        1 => list.clone(),
        1 => vec(list, 1..3).prop_map(|lists| format!("[{}]", lists.join(","))),
    ]
}

fn operator() -> impl Strategy<Value = String> {
    let operators = vec!["===", "!==", "==", "!=", "&&", "||", "<", "<=", ">", ">="];
    (
        select(operators),
        select(vec![" ", " ", "", "\n", "\t", "\u{a0}", "\u{2028}"]),
    )
        .prop_map(|(operator, space)| format!("{space}{operator}{space}"))
}

/// A property or two.
fn accessor() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        3 => select(vec!["admin", "user", "a", "list", "length", "constructor", "in", "caffè"])
            .prop_map(|name| format!(".{name}")),
        2 => string_literal().prop_map(|name| format!("[{name}]")),
        1 => select(vec!["[0]", "[1]", "[2]", "[-1]", "[1.5]"]).prop_map(str::to_owned),
    ];
    prop_oneof![4 => one.clone(), 1 => (one.clone(), one).prop_map(|(outer, inner)| outer + &inner)]
}

/// The left side of `in`: a whole operand of any value but a list.
fn not_a_list(inner: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => string_literal(),
        1 => select(&NUMBERS[..]).prop_map(str::to_owned),
        1 => select(vec!["clientType", "isBackoffice", "null", "groups"]).prop_map(str::to_owned),
        1 => inner.clone().prop_map(|operand| format!("!({operand})")),
        1 => (inner.clone(), inner).prop_map(|(left, right)| format!("(({left}) == ({right}))")),
    ]
}

/// A string in one of the ways to write it.
fn string_literal() -> impl Strategy<Value = String> {
    (string(), 0..4u8).prop_map(|(text, style)| match style {
        0 => serde_json::to_string(&text).unwrap_or_default(),
        1 => {
            text.encode_utf16()
                .fold("'".to_owned(), |text, unit| format!("{text}\\u{unit:04x}"))
                + "'"
        }
        2 => {
            text.chars().fold("\"".to_owned(), |text, character| {
                format!("{text}\\u{{{:x}}}", u32::from(character))
            }) + "\""
        }
        _ => format!("'{}'", text.replace('\n', "\\n")),
    })
}
