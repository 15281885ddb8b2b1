//! A fast parser for keys files in JSON, several times as fast as the YAML parser, for files of a
//! million generated keys.
//!
//! JSON is a subset of YAML, so this is the same format. A file that this parser rejects is parsed by
//! the YAML parser, which reports errors with their location. So this parser may reject any file, but
//! must accept only files that the YAML parser accepts with the same result: strings without escapes,
//! no character with a special meaning in YAML, no plaintext key (it needs a warning with a location).

use std::{fmt, marker::PhantomData};

use crate::{Key, KeyTable, Pepper, table::Builder};
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::VERSION;

/// Returns the table if the text is valid JSON.
pub(super) fn table(text: &str, pepper: Option<&Pepper>) -> Option<KeyTable> {
    if !text.starts_with('{') || !is_plain(text) {
        return None;
    }
    let Object(document): Object<Document> = serde_json::from_str(text).ok()?;
    if document.version != VERSION {
        return None;
    }
    document.keys.0.finish(pepper.cloned()).ok()
}

/// Whether each character means the same in both languages. Some characters outside ASCII are line
/// breaks or invalid in YAML, and a tab is not allowed everywhere: such files take the slower way.
fn is_plain(text: &str) -> bool {
    // In pieces, so that the compiler vectorizes the comparisons.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    let mut pieces = text.as_bytes().chunks(256);
    pieces.all(|piece| {
        piece
            .iter()
            .fold(true, |plain, byte| plain & is_plain(byte))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    keys: Keys,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written<'t> {
    id: &'t str,
    client_type: &'t str,
    digest: &'t str,
    #[serde(default = "super::yes")]
    active: bool,
    #[serde(rename = "description")]
    _description: Option<&'t str>,
    created_at: Option<&'t str>,
    not_before: Option<&'t str>,
    expires_at: Option<&'t str>,
}

impl Written<'_> {
    /// Returns the key; `None` if a field is invalid.
    fn key(&self) -> Option<Key> {
        let moment = |text: Option<&str>| text.map(str::parse::<Timestamp>).transpose().ok();
        moment(self.created_at)?;
        Some(Key {
            id: self.id.parse().ok()?,
            client_type: self.client_type.parse().ok()?,
            digest: self.digest.parse().ok()?,
            active: self.active,
            not_before: moment(self.not_before)?,
            expires_at: moment(self.expires_at)?,
        })
    }
}

/// Only an object: by default serde also accepts an array of a struct's values.
struct Object<T>(T);

impl<'t, T: Deserialize<'t>> Deserialize<'t> for Object<T> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'t, T: Deserialize<'t>> Visitor<'t> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// The list of keys; each is added to the table as it is parsed.
struct Keys(Builder);

impl<'t> Deserialize<'t> for Keys {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'t> Visitor<'t> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keys")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Keys, A::Error> {
        let mut builder = Builder::default();
        while let Some(Object(written)) = list.next_element::<Object<Written<'_>>>()? {
            let key = written.key().ok_or_else(|| Error::custom("not a key"))?;
            builder.add(&key).map_err(Error::custom)?;
        }
        Ok(Keys(builder))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::yaml_table;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// Describes a table, and the result of a lookup of [`DIGEST`]'s key.
    fn summary(table: &super::KeyTable) -> String {
        let found = table.find(b"abc", super::Timestamp::UNIX_EPOCH);
        format!("{:?} {found:?}", table.keys().collect::<Vec<_>>())
    }

    /// Whether this parser accepts the text; checks that the YAML parser then gives the same table.
    fn is_accepted(text: &str) -> bool {
        let Some(table) = super::table(text, None) else {
            return false;
        };
        match yaml_table("keys.yaml", text, None) {
            Ok(loaded) => assert_eq!(summary(&table), summary(&loaded.table), "{text}"),
            Err(error) => panic!("{text}\n{error}"),
        }
        true
    }

    fn document(fields: &str) -> String {
        format!("{{\"version\": 1, \"keys\": [{{{fields}}}]}}").replace("@DIGEST", DIGEST)
    }

    #[test]
    fn a_valid_file_is_read_in_any_layout() {
        let key = format!(
            "{{ \"id\": \"a\", \"clientType\": \"A\", \"digest\": \"{DIGEST}\", \"active\": true, \
             \"description\": \"it's: a #1; {{x}}& *z\", \"createdAt\": null, \
             \"expiresAt\": \"2027-01-01T00:00:00.123456789Z\" }}"
        );
        let spaced = format!("{{ \"version\": 1, \"keys\": [ {key} ] }}\n");
        assert!(is_accepted(&spaced));
        assert!(is_accepted(
            &spaced.replace("\": ", "\":").replace(", \"", ",\"")
        ));
        assert!(is_accepted(
            &spaced.replace(", ", ",\n").replace('[', "[\n")
        ));
        assert!(is_accepted(
            &spaced.replace(", ", "\n  ,").replace(" }", "\n}")
        ));
        assert!(is_accepted(&format!("{{\"keys\":[{key}],\"version\":1}}")));
        assert!(is_accepted("{\"version\":1,\"keys\":[]}"));
        assert!(is_accepted(&document(
            "\"id\": \"null\", \"clientType\": \"1\", \"digest\": \"@DIGEST\", \
             \"description\": \"~\", \"notBefore\": \"1969-12-31T23:59:59.5Z\""
        )));
    }

    #[test]
    fn a_file_with_an_error_is_left_to_the_yaml_parser() {
        let valid = "\"id\": \"a\", \"clientType\": \"A\", \"digest\": \"@DIGEST\"";
        let bad = [
            "\"id\": \"b\"",
            "\"description\": 1",
            "\"description\": \"a\\nb\"",
            "\"description\": \"\u{85}\"",
            "\"active\": null",
            "\"active\": \"true\"",
            "\"key\": \"abc\"",
            "\"unknown\": 1",
            "\"<<\": {}",
            "\"createdAt\": \"yesterday\"",
            "\"expiresAt\": 18446744073709551616",
            "\"notBefore\": \"2027-01-01T00:00:00Z\", \"expiresAt\": \"2026-01-01T00:00:00Z\"",
        ];
        assert!(is_accepted(&document(valid)));
        for field in bad {
            assert!(
                !is_accepted(&document(&format!("{valid}, {field}"))),
                "{field}"
            );
        }
        assert!(!is_accepted(&document(
            "\"id\": \"a\", \"clientType\": \"A\""
        )));
        let taken = document(valid);
        for (from, to) in [
            ("\"version\": 1", "\"version\": 2"),
            ("\"version\": 1", "\"version\": 1.0"),
            ("\"version\": 1", "\"version\": 1e0"),
            ("\"version\": 1", "\"version\": \"1\""),
            ("\"version\": 1", "\"version\": 1, \"version\": 1"),
            ("\"version\": 1", "\"version\": 18446744073709551617"),
            ("\"version\": 1, ", ""),
            ("]}", "], \"keys\": []}"),
            ("]}", "]} {}"),
            ("]}", ",]}"),
            (
                ": [{",
                ": [[\"a\", \"A\", \"@DIGEST\", true, null, null, null, null], {",
            ),
            ("{\"version\": 1, \"keys\": ", "[1, "),
            ("\"A\"", "\"A\u{e8}\""),
            ("\"A\"", "\"\\u0041\""),
            (" \"keys\"", "\t\"keys\""),
            ("sha256:", "hmac-sha256:"),
        ] {
            let text = taken.replacen(from, to, 1).replace("@DIGEST", DIGEST);
            assert!(text != taken && !is_accepted(&text), "{text}");
        }
        let twice = format!("{{\"version\": 1, \"keys\": [{{{valid}}}, {{{valid}}}]}}");
        assert!(!is_accepted(&twice.replace("@DIGEST", DIGEST)));
    }

    proptest! {
        /// Files composed of any of these parts.
        #[test]
        fn the_json_and_the_yaml_parser_give_the_same_table(
            parts in prop::collection::vec(prop::sample::select(PARTS.to_vec()), 0..12),
            head in prop::sample::select(vec!["{\"version\":1,\"keys\":[{", "{\"version\" : 1\n,\"keys\":\n[\n{"]),
            required in any::<bool>(),
        ) {
            let required = if required { "\"id\":\"r\",\"clientType\":\"R\",\"digest\":\"@DIGEST\"," } else { "" };
            let text = format!("{head}{required}{}\"active\":true}}]}}", parts.concat());
            is_accepted(&text.replace("@DIGEST", DIGEST));
        }
    }

    const PARTS: [&str; 20] = [
        "\"id\":\"a\",",
        "\"id\" : \"b\" ,",
        "\"clientType\":\"A\",",
        "\"clientType\"\n:\n\"A\",",
        "\"digest\":\"@DIGEST\",",
        "\"digest\":\"SHA256:00\",",
        "\"description\":\"- a: b # c\",",
        "\"description\":\" a  b \",",
        "\"description\":null,",
        "\"description\":\"\",",
        "\"createdAt\":\"2026-01-01T00:00:00+01:00\",",
        "\"notBefore\":null,",
        "\"notBefore\":\"\",",
        "\"expiresAt\":\"9999-12-30T22:00:00.999999999Z\",",
        "\"expiresAt\":\"+002027-01-01t00:00:00z\",",
        "\n\n",
        "  ",
        ",",
        "},{",
        "],\"keys\":[",
    ];
}
