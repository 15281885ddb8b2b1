//! The configurable names of headers and cookies, which a gateway must use too.

mod of_backends;

use std::fmt::Write;

use http::HeaderName;

/// The header in which the includes always send the caller's address.
pub(crate) const CLIENT_ADDRESS: &str = "x-keygate-client-address";

/// The default names of the identity headers; backends always get these.
pub(crate) const CLIENT_TYPE: &str = "client-type";
pub(crate) const BACKOFFICE: &str = "isbackoffice";

/// Other names of identity headers: those for users, and those that backends may trust.
pub(crate) const IDENTITY: [&str; 9] = [
    "miauserid",
    "miausergroups",
    "miauserproperties",
    "miagroups",
    "mia-userid",
    "mia-groups",
    "mia-userproperties",
    "mia-allowed",
    TOKEN,
];

/// The header with the signed identity, for backends.
pub(crate) const TOKEN: &str = "x-keygate-token";

/// The header with the resolver's signature, for the authorizer.
pub(crate) const HAND_OFF: &str = "x-keygate-handoff";

/// Headers with another meaning in HTTP, nginx or the services.
const RESERVED: [&str; 31] = [
    "access-control-request-method",
    "baggage",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "original-request-host",
    "original-request-method",
    "original-request-uri",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-original-uri",
    "x-request-id",
];

/// Prefixes of such headers.
const RESERVED_PREFIXES: [&str; 3] = ["x-keygate-", "x-accel-", "if-"];

/// The names of the settings.
const KEY_HEADERS: &str = "key-headers";
const CLIENT_ADDRESS_HEADER: &str = "client-address-header";
const CLIENT_TYPE_HEADER: &str = "client-type-header";
const BACKOFFICE_HEADER: &str = "backoffice-header";
const USER_HEADERS: [&str; 3] = [
    "users.trusted-headers.id",
    "users.trusted-headers.groups",
    "users.trusted-headers.properties",
];

/// Identity headers that a gateway may be trusted with: all but the ones that only Keygate sets.
const ONLY_KEYGATE_SETS: [&str; 2] = ["mia-allowed", "x-keygate-token"];

/// The names in the settings, not validated.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The headers that carry a key.
    pub key_headers: Vec<HeaderName>,
    /// The cookies that carry a key.
    pub key_cookies: Vec<String>,
    /// The header with the caller's address.
    pub client_address: HeaderName,
    /// The header with the client type.
    pub client_type: HeaderName,
    /// The header that marks requests of the back-office gateway.
    pub backoffice: HeaderName,
    /// The headers in which the gateway names the user, if it is trusted with that.
    pub user: Option<UserHeaders>,
}

/// The headers in which a trusted gateway names the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserHeaders {
    /// The header with the user's id.
    pub id: HeaderName,
    /// The header with the groups.
    pub groups: HeaderName,
    /// The header with the properties.
    pub properties: HeaderName,
}

impl UserHeaders {
    /// Returns the headers for the id, the groups and the properties.
    #[must_use]
    pub fn all(&self) -> [&HeaderName; 3] {
        [&self.id, &self.groups, &self.properties]
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            key_headers: vec![
                HeaderName::from_static("client-key"),
                HeaderName::from_static("secret"),
            ],
            key_cookies: vec!["mia_client_key".to_owned()],
            client_address: HeaderName::from_static(CLIENT_ADDRESS),
            client_type: HeaderName::from_static(CLIENT_TYPE),
            backoffice: HeaderName::from_static(BACKOFFICE),
            user: None,
        }
    }
}

impl Choice {
    /// Returns every header with its setting.
    fn by_setting(&self) -> Vec<(&'static str, &HeaderName)> {
        let keys = self.key_headers.iter().map(|name| (KEY_HEADERS, name));
        let user = self.user.iter().flat_map(UserHeaders::all);
        keys.chain([
            (CLIENT_TYPE_HEADER, &self.client_type),
            (BACKOFFICE_HEADER, &self.backoffice),
            (CLIENT_ADDRESS_HEADER, &self.client_address),
        ])
        .chain(USER_HEADERS.into_iter().zip(user))
        .collect()
    }
}

/// Validated names: no header has two meanings.
#[derive(Debug, Clone, Default)]
pub struct Names(Choice);

/// The error for names that would let a caller set an identity header, or a key reach a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// The header has another meaning.
    #[error(
        "the header `{name}` already has a meaning in HTTP, nginx or Keygate: choose another name, \
         such as `x-{}`",
        suggestion(setting)
    )]
    Reserved {
        /// The setting to change.
        setting: &'static str,
        /// The header's name.
        name: HeaderName,
    },
    /// Another setting has the same header, or one that backends treat as equal.
    #[error("the header `{name}` is already used for `{other}`: choose another name")]
    Taken {
        /// The setting to change.
        setting: &'static str,
        /// The header's name.
        name: HeaderName,
        /// The setting that uses it already.
        other: &'static str,
    },
}

impl NamesError {
    /// Returns the setting to change.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        match self {
            Self::Reserved { setting, .. } | Self::Taken { setting, .. } => setting,
        }
    }
}

impl Names {
    /// Validates names.
    ///
    /// # Errors
    /// A header would have two meanings.
    pub fn new(mut choice: Choice) -> Result<Self, NamesError> {
        choice
            .key_headers
            .sort_by(|a, b| a.as_str().cmp(b.as_str()));
        choice.key_headers.dedup();
        choice.key_cookies.sort();
        choice.key_cookies.dedup();

        // The default identity headers stay reserved, even if the settings choose other names.
        let of_identity = [
            (CLIENT_TYPE_HEADER, CLIENT_TYPE),
            (BACKOFFICE_HEADER, BACKOFFICE),
        ];
        let chosen = choice.by_setting();
        // A setting with its default value is never the one to change.
        for (setting, name) in chosen.iter().filter(|it| !is_default(**it)) {
            if is_reserved(setting, name) {
                let name = (*name).clone();
                return Err(NamesError::Reserved { setting, name });
            }
            let others = chosen.iter().map(|(other, taken)| (*other, taken.as_str()));
            let taken = of_identity
                .into_iter()
                .chain(others)
                .find(|(other, taken)| other != setting && alike(taken) == alike(name.as_str()));
            if let Some((other, _)) = taken {
                let name = (*name).clone();
                return Err(NamesError::Taken {
                    setting,
                    name,
                    other,
                });
            }
        }
        Ok(Self(choice))
    }

    /// Returns the headers that carry a key, in alphabetical order.
    #[must_use]
    pub fn key_headers(&self) -> &[HeaderName] {
        &self.0.key_headers
    }

    /// Returns the cookies that carry a key, in alphabetical order.
    #[must_use]
    pub fn key_cookies(&self) -> &[String] {
        &self.0.key_cookies
    }

    /// Returns the header with the caller's address.
    #[must_use]
    pub fn client_address(&self) -> &HeaderName {
        &self.0.client_address
    }

    /// Returns the header with the client type.
    #[must_use]
    pub fn client_type(&self) -> &HeaderName {
        &self.0.client_type
    }

    /// Returns the header that marks requests of the back-office gateway.
    #[must_use]
    pub fn backoffice(&self) -> &HeaderName {
        &self.0.backoffice
    }

    /// Returns the headers in which the gateway names the user, if it is trusted with that.
    #[must_use]
    pub fn user(&self) -> Option<&UserHeaders> {
        self.0.user.as_ref()
    }

    /// Returns the value of `x-keygate-names`: visible ASCII without `"`, `\` and `$`.
    #[must_use]
    pub fn header_value(&self) -> String {
        self.resolver_value() + &self.authorizer_value()
    }

    /// Returns the first part of that value, for the resolver.
    #[must_use]
    pub fn resolver_value(&self) -> String {
        let headers: Vec<_> = self
            .0
            .key_headers
            .iter()
            .map(|it| escaped(it.as_str()))
            .collect();
        let cookies: Vec<_> = self.0.key_cookies.iter().map(|it| escaped(it)).collect();
        format!(
            "headers={};cookies={};address={};",
            headers.join(","),
            cookies.join(","),
            escaped(self.0.client_address.as_str())
        )
    }

    /// Returns the rest of that value, for the authorizer.
    #[must_use]
    pub fn authorizer_value(&self) -> String {
        let mut value = format!(
            "client-type={};backoffice={}",
            escaped(self.0.client_type.as_str()),
            escaped(self.0.backoffice.as_str())
        );
        if let Some(user) = &self.0.user {
            let names = user.all().map(|name| escaped(name.as_str()));
            let _ = write!(value, ";user={}", names.join(","));
        }
        value
    }
}

fn is_default(chosen: (&str, &HeaderName)) -> bool {
    Choice::default().by_setting().contains(&chosen)
}

/// Escapes the characters of a name that are special in nginx or in the value, as `%XX`.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

/// Returns a header name for a setting, without the prefix `x-`.
fn suggestion(setting: &str) -> String {
    match setting.strip_prefix("users.trusted-headers.") {
        Some(part) => format!("user-{part}"),
        None => setting.to_owned(),
    }
}

fn is_reserved(setting: &str, name: &HeaderName) -> bool {
    let alike = alike(name.as_str());
    if setting == CLIENT_ADDRESS_HEADER && alike == CLIENT_ADDRESS {
        return false;
    }
    let is_user = USER_HEADERS.contains(&setting);
    if is_user && IDENTITY.contains(&alike.as_str()) {
        return ONLY_KEYGATE_SETS.contains(&alike.as_str());
    }
    RESERVED.contains(&alike.as_str())
        || IDENTITY.contains(&alike.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| alike.starts_with(prefix))
        // `authorization` may carry a key, but has no other use.
        || (setting != KEY_HEADERS && matches!(alike.as_str(), "authorization" | "proxy-authorization"))
}

/// Returns the name as backends see it that convert headers to variables (CGI, WSGI, Rack).
#[must_use]
pub fn alike(name: &str) -> String {
    name.replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests;
