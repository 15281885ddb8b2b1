//! Settings that are names: of headers, cookies and hosts.

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A header's name.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(pub(super) HeaderName);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is not a header name"))
    }
}

/// Names: a list, or one text with commas, since an environment variable is a text.
#[derive(Debug, Clone, Serialize)]
pub struct Names(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = list(deserializer)?;
        // RFC 6265, section 4.1.1: a cookie's name is a token, as a header's is.
        if let Some(odd) = names
            .iter()
            .find(|name| name.parse::<HeaderName>().is_err())
        {
            return Err(de::Error::custom(format!("`{odd}` is not a name")));
        }
        Ok(Self(names))
    }
}

/// Host names: a list, or one text with commas.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HostNames(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for HostNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = list(deserializer)?;
        let is_name = |name: &str| {
            let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            name.split('.')
                .all(|label| !label.is_empty() && label.bytes().all(is_label))
        };
        match names.iter().find(|name| !is_name(name)) {
            Some(odd) => Err(de::Error::custom(format_args!(
                "`{odd}` is not a host name: write a full name without a port, such as \
                 `keygate-resolver.shop.svc`"
            ))),
            None => Ok(Self(names)),
        }
    }
}

/// A list, or one text with commas, since an environment variable is a text.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::List(names) => names,
        Written::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
    })
}
