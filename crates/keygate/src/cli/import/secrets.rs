//! The API keys of a Console configuration: the array `secrets`, alone or in an object.

use std::{collections::BTreeSet, fmt};

use keygate_documents::{
    diagnostic::Diagnostic,
    source::SourceError,
    yaml::{self, Content},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use zeroize::Zeroizing;

use super::keys::{FoundKey, Text};

/// The names of the list of API keys in an object.
pub(super) const NAMES: [&str; 3] = ["secrets", "apiKeys", "keys"];

/// The content of a file.
pub(super) struct Found<'t> {
    /// `None` if there is no list of keys.
    pub(super) keys: Option<Vec<FoundKey<'t>>>,
    /// The names of the other fields.
    pub(super) ignored: BTreeSet<String>,
}

/// The format of a file.
struct Export {
    secrets: Option<Vec<Spanned<Written>>>,
    ignored: BTreeSet<String>,
}

/// The format of an API key.
struct Written {
    key: Zeroizing<String>,
    client_type: String,
    active: bool,
    description: Option<String>,
    ignored: BTreeSet<String>,
}

/// Reads the keys of a file.
///
/// # Errors
/// It is not JSON, or contains invalid keys: every error with its location.
pub(super) fn read(text: &Text) -> Result<Found<'_>, SourceError> {
    let export: Export =
        yaml::from_str(&text.text, Content::Secret).map_err(|error| text.rejected(&[error]))?;
    let mut ignored = export.ignored;
    let Some(secrets) = export.secrets else {
        return Ok(Found {
            keys: None,
            ignored,
        });
    };
    let mut errors = Vec::new();
    let mut keys = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let at = yaml::span(secret.referenced, &text.text);
        let Written {
            key,
            client_type,
            active,
            description,
            ignored: more,
        } = secret.value;
        ignored.extend(more);
        let description = description.filter(|text| !text.is_empty());
        match FoundKey::new(key, &client_type, text, at.start) {
            Ok(key) => keys.push(key.active(active).description(description)),
            Err(message) => errors.push(Diagnostic::error(message).at(at)),
        }
    }
    if !errors.is_empty() {
        return Err(text.rejected(&errors));
    }
    Ok(Found {
        keys: Some(keys),
        ignored,
    })
}

impl<'de> Deserialize<'de> for Export {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ListOrObject;
        impl<'de> Visitor<'de> for ListOrObject {
            type Value = Export;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of API keys, or an object that contains such a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Export, A::Error> {
                let mut secrets = Vec::new();
                while let Some(secret) = list.next_element()? {
                    secrets.push(secret);
                }
                Ok(Export {
                    secrets: Some(secrets),
                    ignored: BTreeSet::new(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Export, A::Error> {
                let mut export = Export {
                    secrets: None,
                    ignored: BTreeSet::new(),
                };
                while let Some(name) = map.next_key::<String>()? {
                    if !NAMES.contains(&name.as_str()) {
                        map.next_value::<IgnoredAny>()?;
                        export.ignored.insert(name);
                    } else if export.secrets.replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom("the file contains two lists of API keys"));
                    }
                }
                Ok(export)
            }
        }
        from.deserialize_any(ListOrObject)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an API key: `{\"secret\": …, \"clientType\": …, \"active\": …}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let (mut key, mut client_type) = (None, None);
                let (mut active, mut description) = (true, None);
                let mut ignored = BTreeSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "secret" | "key" => key = Some(map.next_value()?),
                        "clientType" => client_type = Some(map.next_value()?),
                        "active" => active = map.next_value()?,
                        "description" => description = map.next_value()?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            ignored.insert(name);
                        }
                    }
                }
                Ok(Written {
                    key: key.ok_or_else(|| A::Error::missing_field("secret"))?,
                    client_type: client_type
                        .ok_or_else(|| A::Error::missing_field("clientType"))?,
                    active,
                    description,
                    ignored,
                })
            }
        }
        from.deserialize_map(Object)
    }
}
