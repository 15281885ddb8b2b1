//! Whether the text of a file may appear in messages and logs.
//!
//! A file that is given where another kind is expected may hold API keys. So its text is shown only if
//! the file is certainly of the expected kind and nothing in it looks like a secret; otherwise a
//! message contains only the line and the column.

use crate::{
    diagnostic::{Content, nearest},
    nodes::{Kind, Node, Nodes, Role},
};

/// The fields that identify a kind of file.
#[derive(Debug, Clone, Copy)]
pub struct FileKind<'k> {
    /// The fields at the top of the file.
    pub top: Top<'k>,
    /// Fields further inside whose line may be shown although it is not valid YAML.
    pub inner: &'k [&'k str],
}

/// The fields at the top of a file.
#[derive(Debug, Clone, Copy)]
pub enum Top<'k> {
    /// Any of these, and no others.
    Fields(&'k [&'k str]),
    /// Any of these, and no others; the named list is required.
    FieldsWithList(&'k [&'k str], &'k str),
    /// Paths: each name begins with a slash.
    Paths,
}

impl Content {
    /// Returns whether a YAML or JSON text may be shown where a file of this kind is expected.
    #[must_use]
    pub fn of(text: &str, kind: &FileKind<'_>) -> Self {
        let own: &[&str] = match kind.top {
            Top::Fields(known) | Top::FieldsWithList(known, _) => known,
            Top::Paths => &[],
        };
        if holds_secret(text, own) || !kind.is_kind_of(text) {
            Self::Secret
        } else {
            Self::Public
        }
    }
}

impl FileKind<'_> {
    fn is_kind_of(&self, text: &str) -> bool {
        let mut recognised = false;
        let mut name = String::new();
        for node in Nodes::of(text) {
            let node = match node {
                Ok(node) => node,
                Err(error) => return recognised && self.is_inner_line(text, error.at),
            };
            let Node { role, depth, .. } = node;
            match (role, depth, node.kind) {
                (Role::Document, _, Kind::Mapping) => {}
                (Role::Name, 1, Kind::Scalar { text, .. }) => name = text.into_owned(),
                (Role::Document, ..) | (Role::Name, 1, _) => return false,
                (Role::Value, 1, kind) => match self.top.takes(&name, &kind) {
                    None => return false,
                    Some(certain) => recognised |= certain,
                },
                _ => {}
            }
        }
        recognised
    }

    /// Returns whether a syntax error is in the line of a field that holds no secret.
    fn is_inner_line(&self, text: &str, at: usize) -> bool {
        let line = line_around(text, at);
        let line = line.trim_start_matches([' ', '-']);
        let name = line.split(':').next().unwrap_or_default();
        line.len() > name.len() && self.inner.contains(&name.trim_matches(['"', '\'']))
    }
}

impl Top<'_> {
    /// Returns `None` for a field of another kind of file, else whether it proves this kind.
    fn takes(&self, name: &str, value: &Kind<'_>) -> Option<bool> {
        match self {
            Self::Paths if name.starts_with('/') => Some(true),
            // A path without its slash, which says nothing of the file.
            Self::Paths => (*value == Kind::Mapping && !is_secret_name(name)).then_some(false),
            Self::Fields(known) => {
                let fits = !is_secret_name(name) || is_location(value);
                (is_near(name, known) && fits).then_some(true)
            }
            Self::FieldsWithList(known, list) if is_near(name, &[list]) => {
                (known.contains(list) && *value == Kind::List).then_some(true)
            }
            Self::FieldsWithList(known, _) => is_near(name, known).then_some(false),
        }
    }
}

/// Whether a value is the path of a file, so not the secret itself.
fn is_location(value: &Kind<'_>) -> bool {
    matches!(value, Kind::Scalar { text, .. } if text.contains(['/', '.']))
}

fn is_near(name: &str, known: &[&str]) -> bool {
    known.contains(&name) || nearest(name, known.iter().copied()).is_some()
}

/// Returns the names of the fields at the top of a YAML or JSON text, up to a syntax error.
#[must_use]
pub fn top_fields(text: &str) -> Vec<String> {
    let names = Nodes::of(text).map_while(Result::ok);
    let names = names.filter(|node| node.role == Role::Name && node.depth == 1);
    let names = names.filter_map(|node| match node.kind {
        Kind::Scalar { text, .. } => Some(text.into_owned()),
        _ => None,
    });
    names.collect()
}

/// The line that contains an offset, without its line ending.
pub(crate) fn line_around(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..).unwrap_or_default();
    line.lines().next().unwrap_or_default()
}

/// Returns whether a text in any format seems to contain a key, a digest or a password.
///
/// Fields in `own` are not taken for secrets.
#[must_use]
pub fn holds_secret(text: &str, own: &[&str]) -> bool {
    has_secret_field(text, own)
        || has_password(text)
        || text
            .split(|byte: char| !is_token(byte))
            .any(is_secret_value)
}

/// Names of fields that hold a secret, in lower case, without `-` and `_`.
const SECRET_NAMES: [&str; 20] = [
    "key",
    "keys",
    "apikey",
    "apikeys",
    "clientkey",
    "miaclientkey",
    "secret",
    "secrets",
    "clientsecret",
    "secretkey",
    "digest",
    "digests",
    "pepper",
    "keygatepepper",
    "password",
    "passwd",
    "pass",
    "token",
    "accesstoken",
    "privatekey",
];

fn is_secret_name(name: &str) -> bool {
    let name = name.replace(['-', '_'], "").to_lowercase();
    let ends = ["secret", "password", "pepper", "apikey", "token", "digest"];
    SECRET_NAMES.contains(&name.as_str()) || ends.iter().any(|end| name.ends_with(end))
}

/// Whether the text has `name:` or `name=` with the name of a secret.
fn has_secret_field(text: &str, own: &[&str]) -> bool {
    let mut separators = text.match_indices([':', '=']);
    separators.any(|(at, separator)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + 1..).unwrap_or_default();
        if separator == "=" && (after.starts_with('=') || before.ends_with(['=', '!', '<', '>'])) {
            return false;
        }
        let before = before.trim_end_matches([' ', '\t', '"', '\'']);
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        let name = before.rsplit(|letter| !is_name(letter)).next();
        name.is_some_and(|name| is_secret_name(name) && !own.contains(&name))
    })
}

/// Whether the text has a URL with a user name or a password.
fn has_password(text: &str) -> bool {
    let ends_url = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'');
    let mut urls = text.split("://").skip(1);
    urls.any(|rest| {
        rest.split(ends_url)
            .next()
            .is_some_and(|url| url.contains('@'))
    })
}

/// Whether the character occurs in keys, digests and tokens.
fn is_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '+')
}

/// Whether a word looks generated: long, of letters and digits.
fn is_secret_value(word: &str) -> bool {
    let has = |what: fn(&u8) -> bool| word.as_bytes().iter().any(what);
    let is_long = word.len() >= 24 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    is_long || (word.starts_with("kg_") && word.len() > 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: FileKind<'_> = FileKind {
        top: Top::FieldsWithList(&["version", "endpoints"], "endpoints"),
        inner: &["groupExpression"],
    };
    const SETTINGS: FileKind<'_> = FileKind {
        top: Top::Fields(&["keys", "listen", "key-headers"]),
        inner: &[],
    };
    const PATHS: FileKind<'_> = FileKind {
        top: Top::Paths,
        inner: &["expression"],
    };

    fn public(kind: &FileKind<'_>, text: &str) -> bool {
        Content::of(text, kind) == Content::Public
    }

    #[test]
    fn a_file_of_the_expected_kind_is_shown() {
        for text in [
            "version: 1\nendpoints: []\n",
            "version: 1\nendpoint: []\n",
            "{\"version\": 1, \"endpoints\": [{\"path\": \"/a\"}]}",
            "version: 1\nendpoints:\n  - path: /a\n    apiKeyRequired: true\n    \
             groupExpression: user.key === 'a' && user.token == 'b'\n",
            "version: 1\nendpoints:\n  - groupExpression: \"a\" in groups\n",
            "version: 1\nendpoints:\n  - groupExpression: !isBackoffice && *x\n",
        ] {
            assert!(public(&POLICY, text), "{text}");
        }
        assert!(public(
            &SETTINGS,
            "listen: unix:/run/a\nkeys: /etc/keys.yaml\nkey-headers: [a]\n"
        ));
        assert!(public(
            &SETTINGS,
            "listen: a@b\nkeys: \"https://host/path\" # a@b\n"
        ));
        assert!(public(&PATHS, "{\"/a\": {\"GET\": {}}}"));
    }

    #[test]
    fn a_file_of_another_kind_is_not_shown() {
        for text in [
            "",
            "plain-text-secret",
            "version: 1\nkeys:\n  - id: a\n    key: abc\n",
            "version: 1\n",
            "version: 1\nendpoints: []\nother: abc\n",
            "version: 1\nendpoints: {/a: {}}\n",
            "version: 1\nendpoints:\n  - path: [/a\n",
            "version: 1\nendpoints:\n  - path: /a\n    key: abc\n",
            "version: 1\nendpoints:\n  - path: /a # the password = abc\n",
            "version: 1\nendpoints:\n  - description: kg_0123456789\n",
            "{\"secrets\": [{\"secret\": \"abc\"}], \"endpoints\": {}}",
            "{\"endpoints\": [], \"secrets\": [{\"secret\": \"abc\"",
            "[abc, def]",
            "abc: 1\ndef: 2\n",
            "version: 1\nendpoints:\n  - path: /0123456789abcdef0123456789abcdef\n",
            "\0\u{1}\u{2}",
        ] {
            assert!(!public(&POLICY, text), "{text}");
        }
        for text in [
            "keys: [abc]\n",
            "keys: abc\n",
            "keys:\n  - abc\n",
            "listen: a\nversion: 1\n",
            "listen: a\npepper: abc\n",
            "listen: a\nkey: abc\n",
            "listen: a\nkeys: https://user:abc@host/path\n",
            "listen: a\nkeys: 'https://user:a/c@host/path'\n",
            "listen: a\nabc\n",
        ] {
            assert!(!public(&SETTINGS, text), "{text}");
        }
        assert!(!public(&PATHS, "{}"));
        assert!(!public(&PATHS, "{\"/a\": {}, \"secrets\": []}"));
    }
}
