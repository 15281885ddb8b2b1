//! The section `identity-token` of a settings file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How long a token is valid by default, in seconds.
const LIFETIME_SECONDS: u32 = 300;

/// A shorter lifetime is no longer than clocks differ.
const SHORTEST_LIFETIME: u32 = 10;

/// A longer lifetime keeps groups that a user has lost.
const LONGEST_LIFETIME: u32 = 3600;

/// The signed identity that backends get; by default none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Raw", rename_all = "kebab-case")]
pub struct IdentityToken {
    /// The file with the key that signs.
    pub key_file: PathBuf,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`: one at least.
    pub audience: Vec<String>,
    /// How long a token is valid.
    pub lifetime_seconds: u32,
}

/// Why the section is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentityToken {
    /// The issuer's name is empty.
    #[error("`issuer` is empty: set a name that tells backends who signed the token")]
    NoIssuer,
    /// There is no audience.
    #[error("`audience` is empty: set the backends that the tokens are for")]
    NoAudience,
    /// The lifetime is out of bounds.
    #[error(
        "`lifetime-seconds` is {0}: set it to {SHORTEST_LIFETIME} to {LONGEST_LIFETIME} seconds"
    )]
    Lifetime(u32),
}

#[derive(Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    expecting = "a section with `key-file`, `issuer` and `audience`"
)]
struct Raw {
    key_file: PathBuf,
    issuer: String,
    audience: Audience,
    #[serde(default = "lifetime")]
    lifetime_seconds: u32,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an audience, or a list of audiences")]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl TryFrom<Raw> for IdentityToken {
    type Error = InvalidIdentityToken;

    fn try_from(raw: Raw) -> Result<Self, InvalidIdentityToken> {
        let audience = match raw.audience {
            Audience::One(name) => vec![name],
            Audience::Several(names) => names,
        };
        if raw.issuer.is_empty() {
            return Err(InvalidIdentityToken::NoIssuer);
        }
        if audience.is_empty() || audience.iter().any(String::is_empty) {
            return Err(InvalidIdentityToken::NoAudience);
        }
        if !(SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&raw.lifetime_seconds) {
            return Err(InvalidIdentityToken::Lifetime(raw.lifetime_seconds));
        }
        Ok(Self {
            key_file: raw.key_file,
            issuer: raw.issuer,
            audience,
            lifetime_seconds: raw.lifetime_seconds,
        })
    }
}

const fn lifetime() -> u32 {
    LIFETIME_SECONDS
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn section(changed: &str, value: Value) -> Result<IdentityToken, String> {
        let mut section = json!({"key-file": "k", "issuer": "keygate", "audience": "orders"});
        section[changed] = value;
        serde_json::from_value(section).map_err(|error| error.to_string())
    }

    #[test]
    fn one_audience_and_the_lifetime_have_short_forms() {
        let read = section("key-file", json!("/etc/key.pem")).unwrap();
        let expected = IdentityToken {
            key_file: PathBuf::from("/etc/key.pem"),
            issuer: "keygate".to_owned(),
            audience: vec!["orders".to_owned()],
            lifetime_seconds: 300,
        };
        assert_eq!(read, expected);
    }

    #[rstest]
    #[case("issuer", json!(""), "`issuer` is empty")]
    #[case("audience", json!(""), "`audience` is empty")]
    #[case("audience", json!([]), "`audience` is empty")]
    #[case("audience", json!(["a", ""]), "`audience` is empty")]
    #[case("audience", json!(1), "an audience, or a list of audiences")]
    #[case("lifetime-seconds", json!(9), "`lifetime-seconds` is 9: set it to 10 to 3600 seconds")]
    #[case("lifetime-seconds", json!(3601), "set it to 10 to 3600 seconds")]
    #[case("life-time", json!(300), "unknown field `life-time`")]
    fn a_wrong_section_is_rejected(
        #[case] changed: &str,
        #[case] value: Value,
        #[case] expected: &str,
    ) {
        let error = section(changed, value).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
