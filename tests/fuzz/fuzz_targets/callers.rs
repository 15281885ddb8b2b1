//! The facts about a few callers.

use std::sync::LazyLock;

use keygate_expression::{Facts, User};

static USER: LazyLock<User> = LazyLock::new(|| User {
    id: "ada".to_owned(),
    groups: ["admin", "a-b", "0", "length"].into_iter().collect(),
    permissions: ["write:orders", "__proto__"].into_iter().collect(),
    properties: serde_json::from_str(
        r#"{"a": {"b": [1, "x", [null, {}], "\ud83d\ude00"]}, "n": 1.5, "s": "0x10", "z": null}"#,
    )
    .expect("an object"),
});

/// An unidentified caller, one with a key, and one with a key and a user.
pub fn callers() -> [Facts<'static>; 3] {
    let key = Facts { client_type: Some("A"), ..Facts::default() };
    [Facts::default(), key, Facts { user: Some(&USER), is_backoffice: true, ..key }]
}
