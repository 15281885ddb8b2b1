//! The JSON format of an `auth.json`.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_saphyr::Spanned;

/// A JSON object with arbitrary keys, in the order of the file.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) Vec<(Spanned<String>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<T>, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// The content of one method. The JSON schema allows additional fields.
#[derive(Debug, Default)]
pub(super) struct MethodText {
    pub(super) ordinary: Option<AuthorizationText>,
    pub(super) backoffice: Option<AuthorizationText>,
    pub(super) unknown: Vec<Spanned<String>>,
}

/// Both fields are required, so that a misspelled name is an error although unknown fields are allowed.
#[derive(Debug, Deserialize)]
pub(super) struct AuthorizationText {
    pub(super) expression: Spanned<String>,
    pub(super) public: bool,
}

impl AuthorizationText {
    pub(super) const FIELDS: [&str; 2] = ["expression", "public"];
}

impl MethodText {
    pub(super) const FIELDS: [&str; 2] = ["authorization", "backofficeAuthorization"];
}

impl<'de> Deserialize<'de> for MethodText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = MethodText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `authorization` and `backofficeAuthorization`")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<MethodText, M::Error> {
                let mut text = MethodText::default();
                while let Some(name) = map.next_key::<Spanned<String>>()? {
                    match name.value.as_str() {
                        "authorization" => text.ordinary = Some(map.next_value()?),
                        "backofficeAuthorization" => text.backoffice = Some(map.next_value()?),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            text.unknown.push(name);
                        }
                    }
                }
                Ok(text)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}
