//! Parses the text of a keys file. Errors contain the location but no line of the file.

use std::{ops::Range, str::FromStr};

use jiff::Timestamp;
use keygate_documents::{
    content::top_fields,
    diagnostic::Diagnostic,
    known_file::KnownFile,
    source::SourceError,
    yaml::{self, Content},
};
use serde::Deserialize;
use serde_saphyr::Spanned;
use zeroize::Zeroizing;

use super::{Contents, Entry, Loaded, VERSION, json};
use crate::{
    Digest, Key, KeyTable, Pepper,
    key::NameError,
    plaintext::{self, Placeholder},
    table::TableError,
};

/// How many errors or warnings are shown. Each needs a search for its line, which for all keys of a
/// large file would take minutes.
const SHOWN: usize = 20;

/// The format of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<u64>,
    keys: Vec<Spanned<Written>>,
}

/// The format of a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    id: Spanned<String>,
    client_type: Spanned<String>,
    digest: Option<Spanned<Zeroizing<String>>>,
    key: Option<Spanned<Zeroizing<String>>>,
    #[serde(default = "super::yes")]
    active: bool,
    description: Option<String>,
    created_at: Option<Spanned<String>>,
    not_before: Option<Spanned<String>>,
    expires_at: Option<Spanned<String>>,
}

/// Renders the errors in one file.
struct Reader<'t> {
    origin: &'t str,
    text: &'t str,
}

/// The entries with the spans of their ids, for errors about two entries.
struct Read {
    contents: Contents,
    ids: Vec<Range<usize>>,
}

pub(super) fn contents(origin: &str, text: &str) -> Result<Contents, SourceError> {
    let reader = Reader { origin, text };
    let read = reader.read()?;
    let keys = read.contents.entries.iter().map(|entry| &entry.key);
    match KeyTable::check(keys) {
        Ok(()) => Ok(read.contents),
        Err(error) => Err(reader.rejected(&[collision(&error, &read.ids)])),
    }
}

pub(super) fn table(
    origin: &str,
    text: &str,
    pepper: Option<Pepper>,
) -> Result<Loaded, SourceError> {
    if let Some(table) = json::table(text, pepper.as_ref()) {
        return Ok(Loaded {
            table,
            warnings: Vec::new(),
        });
    }
    yaml_table(origin, text, pepper)
}

pub(super) fn yaml_table(
    origin: &str,
    text: &str,
    pepper: Option<Pepper>,
) -> Result<Loaded, SourceError> {
    let reader = Reader { origin, text };
    let Read { contents, ids } = reader.read()?;
    let keys = contents
        .entries
        .into_iter()
        .map(|entry| entry.key)
        .collect();
    match KeyTable::new(keys, pepper) {
        Ok(table) => Ok(Loaded {
            table,
            warnings: contents.warnings,
        }),
        Err(error) => Err(reader.rejected(&[collision(&error, &ids)])),
    }
}

impl Reader<'_> {
    fn show(&self, diagnostic: &Diagnostic) -> String {
        diagnostic.render_without_source(self.origin, self.text)
    }

    /// Renders the first ones, and counts the others.
    fn show_first(&self, diagnostics: &[Diagnostic]) -> Vec<String> {
        let shown = diagnostics.iter().take(SHOWN).map(|it| self.show(it));
        let more = diagnostics.len().saturating_sub(SHOWN);
        let more = (more > 0).then(|| format!("… and {more} more like these"));
        shown.chain(more).collect()
    }

    fn rejected(&self, diagnostics: &[Diagnostic]) -> SourceError {
        SourceError::Rejected(self.show_first(diagnostics))
    }

    fn span<T>(&self, written: &Spanned<T>) -> Range<usize> {
        yaml::span(written.referenced, self.text)
    }

    fn read(&self) -> Result<Read, SourceError> {
        let document: Document = yaml::from_str(self.text, Content::Secret).map_err(|error| {
            let known = KnownFile::of(&top_fields(self.text));
            self.rejected(&[match known.filter(|known| *known != KnownFile::Keys) {
                Some(other) => error.help(other.hint()),
                None => error,
            }])
        })?;
        if document.version.value != VERSION {
            let message = format!("version {} is not supported", document.version.value);
            let error = Diagnostic::error(message)
                .at(self.span(&document.version))
                .help(format!("write `version: {VERSION}`"));
            return Err(self.rejected(&[error]));
        }
        let mut errors = Vec::new();
        let mut entries = Vec::with_capacity(document.keys.len());
        let ids = document
            .keys
            .iter()
            .map(|written| self.span(&written.value.id));
        let ids = ids.collect();
        let clear = document
            .keys
            .iter()
            .filter_map(|written| self.plaintext_warning(written));
        let warnings = self.show_first(&clear.collect::<Vec<_>>());
        for written in document.keys {
            match self.entry(written) {
                Ok(entry) => entries.push(entry),
                Err(mut found) => errors.append(&mut found),
            }
        }
        if !errors.is_empty() {
            return Err(self.rejected(&errors));
        }
        let contents = Contents { entries, warnings };
        Ok(Read { contents, ids })
    }

    fn plaintext_warning(&self, written: &Spanned<Written>) -> Option<Diagnostic> {
        let plaintext = written.value.key.as_ref()?;
        let message = format!(
            "the key `{}` is stored in plaintext",
            written.value.id.value
        );
        let warning = Diagnostic::warning(message).at(self.span(plaintext));
        let help = "store the key elsewhere, and run `keygate keys hash` to replace it with its \
                    digest";
        Some(warning.help(help))
    }

    /// Returns an entry, or every error in it.
    fn entry(&self, written: Spanned<Written>) -> Result<Entry, Vec<Diagnostic>> {
        let id = self.name(&written.value.id, "key id");
        let client_type = self.name(&written.value.client_type, "client type");
        let digest = self.digest(&written);
        let created_at = self.moment(written.value.created_at.as_ref());
        let not_before = self.moment(written.value.not_before.as_ref());
        let expires_at = self.moment(written.value.expires_at.as_ref());
        match (id, client_type, digest, created_at, not_before, expires_at) {
            (
                Ok(id),
                Ok(client_type),
                Ok(digest),
                Ok(created_at),
                Ok(not_before),
                Ok(expires_at),
            ) => Ok(Entry {
                key: Key {
                    id,
                    client_type,
                    digest,
                    active: written.value.active,
                    not_before,
                    expires_at,
                },
                clear: written.value.key.map(|key| key.value),
                description: written.value.description,
                created_at,
            }),
            (id, client_type, digest, created_at, not_before, expires_at) => Err([
                id.err(),
                client_type.err(),
                digest.err(),
                created_at.err(),
                not_before.err(),
                expires_at.err(),
            ]
            .into_iter()
            .flatten()
            .collect()),
        }
    }

    fn name<T: FromStr<Err = NameError>>(
        &self,
        written: &Spanned<String>,
        what: &str,
    ) -> Result<T, Diagnostic> {
        written.value.parse().map_err(|error| {
            Diagnostic::error(format!("invalid {what}: {error}")).at(self.span(written))
        })
    }

    fn moment(&self, written: Option<&Spanned<String>>) -> Result<Option<Timestamp>, Diagnostic> {
        let Some(written) = written else {
            return Ok(None);
        };
        written.value.parse().map(Some).map_err(|_| {
            Diagnostic::error("invalid time")
                .at(self.span(written))
                .help("write it in the form `2026-11-24T00:00:00Z` (RFC 3339)")
        })
    }

    /// Returns the digest in the file, or that of a plaintext key.
    fn digest(&self, written: &Spanned<Written>) -> Result<Digest, Diagnostic> {
        let error = |message: &str, at| Err(Diagnostic::error(message).at(at));
        match (&written.value.digest, &written.value.key) {
            (Some(digest), None) => digest.value.parse().map_err(|error| {
                Diagnostic::error(format!("invalid digest: {error}")).at(self.span(digest))
            }),
            (None, Some(key)) => match plaintext::check(key.value.as_bytes()) {
                Ok(()) => Ok(Digest::sha256(key.value.as_bytes())),
                Err(why) => {
                    let diagnostic = Diagnostic::error(format!("invalid key: {why}"));
                    Err(match why.help() {
                        Some(help) => diagnostic.help(help),
                        None => diagnostic,
                    }
                    .at(self.span(key)))
                }
            },
            (Some(_), Some(key)) => Err(Diagnostic::error("`digest` and `key` are both set")
                .at(self.span(key))
                .help("keep only the `digest`")),
            (None, None) => error("neither `digest` nor `key` is set", self.span(written)),
        }
    }
}

fn collision(error: &TableError, ids: &[Range<usize>]) -> Diagnostic {
    let at = |index: usize| ids.get(index).cloned().unwrap_or(0..0);
    let diagnostic = Diagnostic::error(error.to_string());
    match error {
        TableError::SameId {
            indexes: [first, second],
            ..
        }
        | TableError::SameDigest {
            indexes: [first, second],
            ..
        } => diagnostic
            .at(at(*second))
            .related(at(*first), "first used here"),
        TableError::NoPepper { index, .. } => diagnostic
            .at(at(*index))
            .help("set `pepper-file` (`--pepper-file`) or `KEYGATE_PEPPER`"),
        TableError::NeverValid { index, .. } => diagnostic.at(at(*index)),
        TableError::Placeholder { index, .. } => diagnostic.at(at(*index)).help(Placeholder::HELP),
        TableError::TooMany => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::keys_file::parse;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn loaded(text: &str) -> Result<Loaded, String> {
        parse(Path::new("keys.yaml"), text, None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_valid_file_loads_into_a_table() {
        let text = format!(
            "version: 1\nkeys:\n  - id: cms\n    clientType: A\n    digest: {DIGEST}\n    \
             description: CMS front end\n    notBefore: 2026-11-01T00:00:00Z\n    \
             expiresAt: 2027-11-01T00:00:00Z\n  - {{id: off, clientType: B, active: false, key: x}}\n"
        );
        let loaded = loaded(&text).unwrap();
        let now = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            loaded
                .table
                .find(b"abc", now)
                .unwrap()
                .client_type()
                .as_str(),
            "A"
        );
        assert!(loaded.table.find(b"x", now).is_err());
        insta::assert_snapshot!(loaded.warnings.join("\n"));
    }

    #[test]
    fn every_error_has_a_location_and_no_secret() {
        let text = &"version: 1\nkeys:\n  \
                    - {id: a b, clientType: A, key: Zq7SECRET1}\n  \
                    - {id: b, clientType: '', digest: SECRET2}\n  \
                    - {id: c, clientType: A}\n  \
                    - {id: d, clientType: A, digest: 'sha256:00', key: Zq7SECRET3}\n  \
                    - {id: e, clientType: A, key: 'Zq7SECRET 4'}\n  \
                    - {id: f, clientType: A, key: Zq7SECRET5, expiresAt: tomorrow}\n  \
                    - {id: g, clientType: A, key: Zq7SECRET6, createdAt: 2026-11-01}\n  \
                    - {id: h, clientType: A B, digest: 'md5:SECRET7'}\n  \
                    - {id: i, clientType: A, key: @LONG}\n"
            .replace("@LONG", &"SECRET8".repeat(600));
        let error = loaded(text).unwrap_err();
        assert!(!error.contains("SECRET"));
        insta::assert_snapshot!(error);
    }

    #[test]
    fn a_placeholder_is_rejected_as_plaintext_and_as_a_digest() {
        let pepper = Pepper::new(b"0123456789abcdef".to_vec()).unwrap();
        let peppered = Digest::hmac_sha256(b"changeme", &pepper).to_string();
        for (field, value) in [
            ("key", "'{{SHOP_KEY}}'"),
            ("key", "${SHOP_KEY}"),
            ("key", "<your-key>"),
            ("key", "xxxxxxxxxxxxxxxxxxxxxxxx"),
            ("key", "your-api-key-here"),
            ("digest", &Digest::sha256(b"changeme").to_string()),
            ("digest", &peppered),
        ] {
            let text = format!(
                "version: 1\nkeys:\n  - id: shop\n    clientType: A\n    {field}: {value}\n"
            );
            let json = format!(
                "{{\"version\": 1, \"keys\": [{{\"id\": \"shop\", \"clientType\": \"A\", \"{field}\": \"{}\"}}]}}\n",
                value.trim_matches('\'')
            );
            for text in [text, json] {
                let error = parse(Path::new("keys.yaml"), &text, Some(pepper.clone()))
                    .map(drop)
                    .unwrap_err()
                    .to_string();
                assert!(error.contains("keygate keys create"), "{error}");
                assert!(error.contains("keys.yaml:"), "{error}");
                assert!(
                    !error.contains("SHOP_KEY") && !error.contains("your-"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_large_file_of_plaintext_keys_is_read_quickly() {
        let keys =
            (0..10_000).map(|n| format!("  - {{id: k{n}, clientType: A, key: clear-{n}}}\n"));
        let text = format!("version: 1\nkeys:\n{}", keys.collect::<String>());
        let started = std::time::Instant::now();
        let warnings = loaded(&text).unwrap().warnings;
        assert!(started.elapsed() < std::time::Duration::from_secs(10));
        assert_eq!(warnings.len(), SHOWN + 1);
        assert_eq!(warnings[SHOWN], "… and 9980 more like these");
    }

    #[test]
    fn collisions_name_both_locations() {
        let same_key = format!(
            "version: 1\nkeys:\n  - {{id: a, clientType: A, digest: '{DIGEST}'}}\n  \
             - {{id: b, clientType: B, key: abc}}\n"
        );
        insta::assert_snapshot!(loaded(&same_key).unwrap_err());
        let same_id = "version: 1\nkeys:\n  - {id: a, clientType: A, key: x}\n  \
                       - {id: a, clientType: B, key: y}\n";
        insta::assert_snapshot!(loaded(same_id).unwrap_err());
        let never = "version: 1\nkeys:\n  - {id: a, clientType: A, key: x, \
                     notBefore: 2027-01-01T00:00:00Z, expiresAt: 2026-01-01T00:00:00Z}\n";
        insta::assert_snapshot!(loaded(never).unwrap_err());
    }

    #[test]
    fn a_peppered_digest_needs_its_pepper_only_for_look_ups() {
        let pepper = Pepper::new(b"0123456789abcdef".to_vec()).unwrap();
        let digest = Digest::hmac_sha256(b"abc", &pepper);
        let text = format!("version: 1\nkeys:\n  - {{id: a, clientType: A, digest: '{digest}'}}\n");
        insta::assert_snapshot!(loaded(&text).unwrap_err());
        let table = parse(Path::new("keys.yaml"), &text, Some(pepper))
            .unwrap()
            .table;
        assert!(table.find(b"abc", Timestamp::UNIX_EPOCH).is_ok());
        assert_eq!(contents("keys.yaml", &text).unwrap().entries.len(), 1);
    }

    #[test]
    fn other_versions_and_other_files_are_rejected() {
        insta::assert_snapshot!(loaded("version: 2\nkeys: []\n").unwrap_err());
        insta::assert_snapshot!(loaded("version: 1\nkey: []\n").unwrap_err());
        insta::assert_snapshot!(loaded("").unwrap_err());
    }
}
