//! The rules for plaintext keys, for every way to add one.
//!
//! A placeholder of a template is a key that everybody who reads the template knows, so it is never
//! accepted as a key.

use zeroize::Zeroizing;

/// The longest key that is looked up, in bytes. Longer ones are rejected without hashing, so that a
/// caller cannot make a lookup expensive. Long tokens that serve as keys, such as JWTs, are shorter.
pub const LONGEST_KEY: usize = 4096;

/// The error for a text that cannot be a key. It never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaintextError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`LONGEST_KEY`].
    #[error("it is longer than {LONGEST_KEY} bytes, the maximum length of a key")]
    TooLong,
    /// White space, a control character or a letter outside ASCII.
    #[error("it contains a character other than visible ASCII, such as a space")]
    NotVisibleAscii,
    /// It is a placeholder for a key.
    #[error("{0}")]
    Placeholder(Placeholder),
}

/// A placeholder for a key in a template or an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Placeholder {
    /// `{{KEY}}`, `${KEY}`, `%KEY%` and the like.
    #[error("it is a template variable that was not substituted")]
    Variable,
    /// `vault:secret/shop` and the like.
    #[error("it is a reference to a stored secret, not the secret itself")]
    Reference,
    /// `xxxxxxxx`, `********`, `sk_live_...`.
    #[error("it is masked or truncated")]
    Masked,
    /// `changeme`, `your-api-key-here`, `password`.
    #[error("it is a well-known placeholder")]
    WellKnown,
}

impl PlaintextError {
    /// Returns the hint.
    #[must_use]
    pub const fn help(self) -> Option<&'static str> {
        match self {
            Self::Placeholder(_) => Some(Placeholder::HELP),
            Self::Empty | Self::TooLong | Self::NotVisibleAscii => None,
        }
    }
}

/// Checks that a text can be a key.
///
/// # Errors
/// It cannot be a key, or is a placeholder for one.
pub fn check(key: &[u8]) -> Result<(), PlaintextError> {
    if key.is_empty() {
        return Err(PlaintextError::Empty);
    }
    if key.len() > LONGEST_KEY {
        return Err(PlaintextError::TooLong);
    }
    let text = std::str::from_utf8(key).map_err(|_| PlaintextError::NotVisibleAscii)?;
    // Before the characters: `{{ SHOP_KEY }}` is a placeholder, not a key with spaces.
    if let Some(placeholder) = Placeholder::of(text) {
        return Err(PlaintextError::Placeholder(placeholder));
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(PlaintextError::NotVisibleAscii)
    }
}

impl Placeholder {
    /// The hint.
    pub const HELP: &'static str = "use the key itself, or create one with `keygate keys create`";

    /// Returns the kind of placeholder; `None` if the text is not one.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if is_variable(text) {
            Some(Self::Variable)
        } else if is_reference(text) {
            Some(Self::Reference)
        } else if is_masked(text) {
            Some(Self::Masked)
        } else if is_well_known(text) {
            Some(Self::WellKnown)
        } else {
            None
        }
    }
}

/// Delimiters of a variable at any position in a text.
const INSIDE: [(&str, &str); 8] = [
    ("{{", "}}"),
    ("${", "}"),
    ("$(", ")"),
    ("#{", "}"),
    ("%{", "}"),
    ("<%", "%>"),
    ("{%", "%}"),
    ("((", "))"),
];

/// Delimiters of a variable that is the whole text.
const AROUND: [(&str, &str); 7] = [
    ("<", ">"),
    ("{", "}"),
    ("[", "]"),
    ("%", "%"),
    ("__", "__"),
    ("@", "@"),
    ("$", "$"),
];

/// Whether a text contains a variable of a template, such as `{{NAME}}` or `${NAME}`.
#[must_use]
pub fn contains_variable(text: &str) -> bool {
    INSIDE.iter().any(|(open, close)| {
        text.split(open).skip(1).any(|rest| {
            rest.split_once(close)
                .is_some_and(|(name, _)| is_name(name))
        })
    })
}

fn is_variable(text: &str) -> bool {
    let around = |(open, close): &(&str, &str)| {
        let inner = text
            .strip_prefix(open)
            .and_then(|it| it.strip_suffix(close));
        inner.is_some_and(is_name)
    };
    let after_dollar = text.strip_prefix('$').or_else(|| text.strip_prefix('%'));
    contains_variable(text) || AROUND.iter().any(around) || after_dollar.is_some_and(is_identifier)
}

/// Whether templates could name a variable so; spaces are allowed, as in `<your key>`.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_-. :|'\"/$@=".contains(c);
    text.chars().any(char::is_alphanumeric) && text.chars().all(is_part)
}

/// `SHOP_KEY`: a shell variable's name.
fn is_identifier(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.bytes().all(is_part)
}

/// Prefixes of references to secrets in a store.
const REFERENCES: [&str; 13] = [
    "vault:",
    "op://",
    "env:",
    "env.",
    "process.env",
    "ref+",
    "arn:aws:",
    "projects/",
    "secretref:",
    "enc[",
    "file://",
    "@microsoft.keyvault(",
    "keyvault:",
];

fn is_reference(text: &str) -> bool {
    let text = Zeroizing::new(text.to_ascii_lowercase());
    REFERENCES.iter().any(|start| text.starts_with(start))
}

fn is_masked(text: &str) -> bool {
    let is_mask = |c: &char| "xX*.#?-_0\u{2022}\u{2026}".contains(*c);
    let length = text.chars().count();
    let all = length >= 3 && text.chars().filter(is_mask).count() == length;
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    all || ["xxxxxx", "****", "\u{2026}", "\u{2022}"]
        .iter()
        .any(|run| lower.contains(run))
        || lower.ends_with("...")
}

/// Keys of documents, examples and defaults, whose digests are well known too.
pub(crate) const WELL_KNOWN: [&str; 71] = [
    "changeme",
    "change-me",
    "change_me",
    "Changeme",
    "ChangeMe",
    "CHANGEME",
    "CHANGE_ME",
    "CHANGE-ME",
    "changeit",
    "changethis",
    "change-this",
    "replaceme",
    "replace-me",
    "REPLACEME",
    "REPLACE_ME",
    "your-key",
    "YOUR_KEY",
    "<your-key>",
    "yourkey",
    "your-api-key",
    "YOUR_API_KEY",
    "YOUR-API-KEY",
    "your_api_key",
    "<your-api-key>",
    "<YOUR_API_KEY>",
    "your-api-key-here",
    "YOUR_API_KEY_HERE",
    "your-secret",
    "your-secret-key",
    "your-secret-here",
    "my-api-key",
    "my-key",
    "my-secret",
    "mysecret",
    "my-secret-key",
    "mysecretkey",
    "secret",
    "Secret",
    "SECRET",
    "secretkey",
    "secret-key",
    "supersecret",
    "topsecret",
    "api-key",
    "apikey",
    "API_KEY",
    "key",
    "token",
    "password",
    "Password",
    "PASSWORD",
    "passw0rd",
    "P@ssw0rd",
    "password1",
    "password123",
    "admin",
    "root",
    "test",
    "test-key",
    "testkey",
    "test123",
    "TODO",
    "TBD",
    "example",
    "EXAMPLE",
    "placeholder",
    "dummy",
    "default",
    "123456",
    "12345678",
    "1234567890",
];

/// Words of placeholders; a text of only these words is one.
const WORDS: &str = "your my our the this that it me is be to of for in with not new real own actual \
    valid random strong long some api key keys secret secrets token tokens password passwd passwort \
    pass pwd credential credentials auth client bearer access private shared here goes put insert \
    enter paste set fill type replace replaced change changed update modify edit use please must \
    define provide specify configure generate generated todo fixme tbd tba placeholder example \
    examples dummy fake demo test testing default value string text name var variable env none null \
    nil undefined unset missing redacted hidden removed masked confidential super top admin root \
    administrator letmein welcome qwerty foo bar foobar local localhost later before production \
    deploy deployment deploying";

/// Whole texts that are placeholders, in addition to those made of [`WORDS`].
const WHOLE: [&str; 4] = ["sample", "sampleapikey", "samplesecret", "na"];

fn is_well_known(text: &str) -> bool {
    if WELL_KNOWN.contains(&text) {
        return true;
    }
    let lower = Zeroizing::new(text.to_ascii_lowercase());
    let plain = |c: char| c.is_ascii_alphanumeric();
    let letters: Zeroizing<String> = lower
        .chars()
        .filter(|c| plain(*c))
        .collect::<String>()
        .into();
    // `passw0rd`
    let spelled: Zeroizing<String> = lower
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '@' | '4' => 'a',
            '3' => 'e',
            '1' | '!' => 'i',
            '$' | '5' => 's',
            '7' => 't',
            other => other,
        })
        .filter(|c| plain(*c))
        .collect::<String>()
        .into();
    // `password123`
    let short = letters.trim_end_matches(|c: char| c.is_ascii_digit());
    let short = Some(short).filter(|short| letters.len() - short.len() <= 4 && *short != "key");
    let candidates = [short, Some(letters.as_str()), Some(spelled.as_str())];
    let mut candidates = candidates.into_iter().flatten();
    WHOLE.contains(&letters.as_str()) || candidates.any(is_made_of_words)
}

/// Whether a text is a sequence of [`WORDS`].
fn is_made_of_words(text: &str) -> bool {
    // Real keys are longer than any sentence, and this is quadratic.
    if text.is_empty() || text.len() > 80 {
        return false;
    }
    // The offsets up to which the text is a sequence of words.
    let mut reached = vec![0];
    let mut next = 0;
    while let Some(from) = reached.get(next).copied() {
        next += 1;
        let rest = text.get(from..).unwrap_or_default();
        for word in WORDS.split_ascii_whitespace() {
            let end = from + word.len();
            if rest.starts_with(word) && !reached.contains(&end) {
                reached.push(end);
            }
        }
    }
    reached.contains(&text.len())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("{{SHOP_KEY}}", Placeholder::Variable)]
    #[case("{{ .Values.shop.key }}", Placeholder::Variable)]
    #[case("${SHOP_KEY}", Placeholder::Variable)]
    #[case("prefix-${SHOP_KEY}", Placeholder::Variable)]
    #[case("$SHOP_KEY", Placeholder::Variable)]
    #[case("$(cat key)", Placeholder::Variable)]
    #[case("%KEY%", Placeholder::Variable)]
    #[case("__KEY__", Placeholder::Variable)]
    #[case("@KEY@", Placeholder::Variable)]
    #[case("<your-key>", Placeholder::Variable)]
    #[case("<your key>", Placeholder::Variable)]
    #[case("[API-KEY]", Placeholder::Variable)]
    #[case("#{KEY}#", Placeholder::Variable)]
    #[case("<%= key %>", Placeholder::Variable)]
    #[case("((shop-key))", Placeholder::Variable)]
    #[case("vault:secret/data/shop#key", Placeholder::Reference)]
    #[case("op://shop/key", Placeholder::Reference)]
    #[case("ENC[AES256_GCM,data:abc]", Placeholder::Reference)]
    #[case("xxx", Placeholder::Masked)]
    #[case("XXXXXXXX-XXXX", Placeholder::Masked)]
    #[case("sk_live_xxxxxxxxxxxx", Placeholder::Masked)]
    #[case("********", Placeholder::Masked)]
    #[case("00000000-0000-0000", Placeholder::Masked)]
    #[case("kg_4fGh...", Placeholder::Masked)]
    #[case("changeme", Placeholder::WellKnown)]
    #[case("CHANGE_ME", Placeholder::WellKnown)]
    #[case("change-me-123", Placeholder::WellKnown)]
    #[case("your-api-key-here", Placeholder::WellKnown)]
    #[case("YourApiKeyHere", Placeholder::WellKnown)]
    #[case("insert-your-secret-here", Placeholder::WellKnown)]
    #[case("REPLACE_WITH_REAL_KEY", Placeholder::WellKnown)]
    #[case("TODO", Placeholder::WellKnown)]
    #[case("secret", Placeholder::WellKnown)]
    #[case("my-super-secret-token", Placeholder::WellKnown)]
    #[case("P@ssw0rd", Placeholder::WellKnown)]
    #[case("password123", Placeholder::WellKnown)]
    #[case("example", Placeholder::WellKnown)]
    #[case("sample", Placeholder::WellKnown)]
    #[case("test-key-1", Placeholder::WellKnown)]
    #[case("12345678", Placeholder::WellKnown)]
    fn a_placeholder_is_not_a_key(#[case] text: &str, #[case] expected: Placeholder) {
        assert_eq!(Placeholder::of(text), Some(expected));
        let error = check(text.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains(text), "{error}");
    }

    #[rstest]
    #[case("q7LmZ2xVb9KtR4wNc6Yp")]
    #[case("sample-key-of-client-a")]
    #[case("kg_0Xn5s9pJ2mQvT8wYzA3bC6dE1fG4hI7kL0mN9oP8qR2sT")]
    #[case("5f4dcc3b5aa765d61d8327deb882cf99")]
    #[case("3f2504e0-4f89-11d3-9a0c-0305e82c3301")]
    #[case("Zm9vYmFyYmF6cXV4Cg==")]
    #[case("a{b}c$d%e<f>g[h]i@j__k")]
    #[case("correct-horse-battery-staple")]
    #[case("shop-key")]
    #[case("erp2024!Milano")]
    #[case("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzaG9wIn0.c2lnbmF0dXJl")]
    #[case("x")]
    #[case("key-1")]
    #[case("sample-1")]
    fn a_key_is_not_a_placeholder(#[case] text: &str) {
        assert_eq!(check(text.as_bytes()), Ok(()));
    }

    #[test]
    fn random_keys_are_not_placeholders() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let alphabets = [
            "0123456789abcdef",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        ];
        for alphabet in alphabets {
            for _ in 0..20_000 {
                let mut next = || {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    let index = usize::try_from(state >> 33).unwrap() % alphabet.len();
                    char::from(alphabet.as_bytes()[index])
                };
                let key: String = (0..32).map(|_| next()).collect();
                assert_eq!(check(key.as_bytes()), Ok(()), "{key}");
            }
        }
    }

    #[test]
    fn a_key_has_a_maximum_length_and_visible_characters() {
        let long = "Zq".repeat(LONGEST_KEY / 2);
        assert_eq!(check(long.as_bytes()), Ok(()));
        assert_eq!(
            check(format!("{long}Z").as_bytes()),
            Err(PlaintextError::TooLong)
        );
        assert_eq!(check(b""), Err(PlaintextError::Empty));
        assert_eq!(check(b"q7Lm Z2xVb9"), Err(PlaintextError::NotVisibleAscii));
        assert_eq!(check(b"q7Lm\xff"), Err(PlaintextError::NotVisibleAscii));
    }

    #[test]
    fn every_well_known_key_is_a_placeholder() {
        for key in WELL_KNOWN.iter().filter(|key| !key.is_empty()) {
            assert!(Placeholder::of(key).is_some(), "{key}");
        }
    }
}
