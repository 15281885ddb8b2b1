//! The keys file, `keys.yaml`: read into a key table.

use std::{path::Path, str::FromStr};

use jiff::Timestamp;
use keygate_policy::{
    diagnostic::Diagnostic,
    document::yaml::{self, Content},
};
use keygate_resolver::{Digest, Key, KeyTable, Pepper, key::NameError, table::TableError};
use serde::Deserialize;
use serde_saphyr::Spanned;
use zeroize::Zeroizing;

use super::SourceError;

/// The version of the format that this program reads.
const VERSION: u64 = 1;

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<u64>,
    keys: Vec<Spanned<Entry>>,
}

/// One key as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    id: Spanned<String>,
    client_type: Spanned<String>,
    digest: Option<Spanned<Zeroizing<String>>>,
    key: Option<Spanned<Zeroizing<String>>>,
    #[serde(default = "yes")]
    active: bool,
    #[expect(dead_code, reason = "for the people who read the file")]
    description: Option<String>,
    not_before: Option<Spanned<String>>,
    expires_at: Option<Spanned<String>>,
}

fn yes() -> bool {
    true
}

/// What a keys file holds.
#[derive(Debug)]
pub struct Loaded {
    /// The keys.
    pub table: KeyTable,
    /// What is probably not meant, ready to be shown.
    pub warnings: Vec<String>,
}

/// Reads the text of a keys file.
///
/// # Errors
/// Every mistake, with its place but never with a line of the file: it holds secrets.
pub fn parse(path: &Path, text: &str, pepper: Option<Pepper>) -> Result<Loaded, SourceError> {
    let origin = path.display().to_string();
    let show = |diagnostic: &Diagnostic| diagnostic.render_without_source(&origin, text);
    let rejected = |diagnostics: Vec<Diagnostic>| {
        SourceError::Rejected(diagnostics.iter().map(show).collect())
    };
    let document: Document =
        yaml::from_str(text, Content::Secret).map_err(|mistake| rejected(vec![mistake]))?;
    if document.version.value != VERSION {
        let message = format!(
            "version {} of the format is not known",
            document.version.value
        );
        let mistake = Diagnostic::error(message)
            .at(yaml::span(document.version.referenced, text))
            .help(format!("this program reads `version: {VERSION}`"));
        return Err(rejected(vec![mistake]));
    }
    let mut mistakes = Vec::new();
    let mut warnings = Vec::new();
    let mut keys = Vec::with_capacity(document.keys.len());
    for entry in &document.keys {
        match key(entry, text) {
            Ok(key) => keys.push(key),
            Err(mut found) => mistakes.append(&mut found),
        }
        if let Some(clear) = &entry.value.key {
            let message = format!("the key `{}` stands in clear", entry.value.id.value);
            let warning = Diagnostic::warning(message)
                .at(yaml::span(clear.referenced, text))
                .help("store its `digest:` and keep the key itself elsewhere");
            warnings.push(show(&warning));
        }
    }
    if !mistakes.is_empty() {
        return Err(rejected(mistakes));
    }
    let table = KeyTable::new(keys, pepper)
        .map_err(|error| rejected(vec![collision(&error, &document, text)]))?;
    Ok(Loaded { table, warnings })
}

/// One key, or every mistake in its entry.
fn key(entry: &Spanned<Entry>, text: &str) -> Result<Key, Vec<Diagnostic>> {
    let Entry {
        id,
        client_type,
        active,
        not_before,
        expires_at,
        ..
    } = &entry.value;
    let id = name(id, "key id", text);
    let client_type = name(client_type, "client type", text);
    let digest = digest(entry, text);
    let not_before = moment(not_before.as_ref(), text);
    let expires_at = moment(expires_at.as_ref(), text);
    match (id, client_type, digest, not_before, expires_at) {
        (Ok(id), Ok(client_type), Ok(digest), Ok(not_before), Ok(expires_at)) => Ok(Key {
            id,
            client_type,
            digest,
            active: *active,
            not_before,
            expires_at,
        }),
        (id, client_type, digest, not_before, expires_at) => Err([
            id.err(),
            client_type.err(),
            digest.err(),
            not_before.err(),
            expires_at.err(),
        ]
        .into_iter()
        .flatten()
        .collect()),
    }
}

fn name<T: FromStr<Err = NameError>>(
    written: &Spanned<String>,
    what: &str,
    text: &str,
) -> Result<T, Diagnostic> {
    written.value.parse().map_err(|error| {
        Diagnostic::error(format!("not a {what}: {error}")).at(yaml::span(written.referenced, text))
    })
}

fn moment(written: Option<&Spanned<String>>, text: &str) -> Result<Option<Timestamp>, Diagnostic> {
    let Some(written) = written else {
        return Ok(None);
    };
    written.value.parse().map(Some).map_err(|_| {
        Diagnostic::error("not a moment in time")
            .at(yaml::span(written.referenced, text))
            .help("write it as `2026-11-24T00:00:00Z` (RFC 3339)")
    })
}

/// The digest that is written, or that of a key in clear.
fn digest(entry: &Spanned<Entry>, text: &str) -> Result<Digest, Diagnostic> {
    let at = |written: &Spanned<_>| yaml::span(written.referenced, text);
    match (&entry.value.digest, &entry.value.key) {
        (Some(digest), None) => digest
            .value
            .parse()
            .map_err(|error| Diagnostic::error(format!("not a digest: {error}")).at(at(digest))),
        (None, Some(key)) if key.value.is_empty() => {
            Err(Diagnostic::error("the key is empty").at(at(key)))
        }
        (None, Some(key)) if key.value.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Digest::sha256(key.value.as_bytes()))
        }
        (None, Some(key)) => Err(Diagnostic::error(
            "the key has a character other than visible ASCII, such as a blank",
        )
        .at(at(key))),
        (Some(_), Some(key)) => Err(Diagnostic::error("`digest` and `key` stand side by side")
            .at(at(key))
            .help("keep the `digest`")),
        (None, None) => Err(Diagnostic::error("neither `digest` nor `key` is there")
            .at(yaml::span(entry.referenced, text))),
    }
}

fn collision(error: &TableError, document: &Document, text: &str) -> Diagnostic {
    let at = |place: usize| {
        let entry = document.keys.get(place);
        entry.map_or(0..0, |entry| yaml::span(entry.value.id.referenced, text))
    };
    let diagnostic = Diagnostic::error(error.to_string());
    match error {
        TableError::SameId {
            places: [first, second],
            ..
        }
        | TableError::SameDigest {
            places: [first, second],
            ..
        } => diagnostic
            .at(at(*second))
            .related(at(*first), "the first of the two"),
        TableError::NoPepper { place, .. } | TableError::NeverValid { place, .. } => {
            diagnostic.at(at(*place))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn loaded(text: &str) -> Result<Loaded, String> {
        parse(Path::new("keys.yaml"), text, None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_file_becomes_a_table() {
        let text = format!(
            "version: 1\nkeys:\n  - id: cms\n    clientType: A\n    digest: {DIGEST}\n    \
             description: CMS front end\n    notBefore: 2026-11-01T00:00:00Z\n    \
             expiresAt: 2027-11-01T00:00:00Z\n  - {{id: off, clientType: B, active: false, key: x}}\n"
        );
        let loaded = loaded(&text).unwrap();
        let now = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            loaded.table.find(b"abc", now).unwrap().client_type.as_str(),
            "A"
        );
        assert!(loaded.table.find(b"x", now).is_err());
        insta::assert_snapshot!(loaded.warnings.join("\n"));
    }

    #[test]
    fn every_mistake_is_told_with_its_place_and_without_a_secret() {
        let text = "version: 1\nkeys:\n  \
                    - {id: a b, clientType: A, key: SECRET1}\n  \
                    - {id: b, clientType: '', digest: SECRET2}\n  \
                    - {id: c, clientType: A}\n  \
                    - {id: d, clientType: A, digest: 'sha256:00', key: SECRET3}\n  \
                    - {id: e, clientType: A, key: 'SECRET 4'}\n  \
                    - {id: f, clientType: A, key: SECRET5, expiresAt: tomorrow}\n";
        let error = loaded(text).unwrap_err();
        assert!(!error.contains("SECRET"));
        insta::assert_snapshot!(error);
    }

    #[test]
    fn collisions_name_both_places() {
        let same_key = format!(
            "version: 1\nkeys:\n  - {{id: a, clientType: A, digest: '{DIGEST}'}}\n  \
             - {{id: b, clientType: B, key: abc}}\n"
        );
        insta::assert_snapshot!(loaded(&same_key).unwrap_err());
        let same_id = "version: 1\nkeys:\n  - {id: a, clientType: A, key: x}\n  \
                       - {id: a, clientType: B, key: y}\n";
        insta::assert_snapshot!(loaded(same_id).unwrap_err());
    }

    #[test]
    fn another_version_or_no_file_of_ours_is_refused() {
        insta::assert_snapshot!(loaded("version: 2\nkeys: []\n").unwrap_err());
        insta::assert_snapshot!(loaded("version: 1\nkey: []\n").unwrap_err());
        insta::assert_snapshot!(loaded("").unwrap_err());
    }
}
