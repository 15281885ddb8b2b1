//! The section `users` of a settings file.

mod sources;
mod url;

use std::{fmt::Display, path::PathBuf, str::FromStr};

use http::{HeaderName, header};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer, de};

use crate::{
    Issuer, Mapping, Pointer, TokenFrom,
    jwt::{Algorithms, Audience, InvalidAlgorithms},
    peers::Peers,
    trusted::TrustedNames,
};
pub use url::{InvalidUrl, Url};

/// Where users come from; by default nobody is ever logged in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawUsers")]
pub struct Users {
    /// Issuers of tokens.
    pub jwt: Vec<Jwt>,
    /// Where a request carries its token.
    pub token_from: Vec<TokenFrom>,
    /// What an invalid token means.
    pub invalid_token: InvalidToken,
    /// A userinfo service.
    pub userinfo: Option<Userinfo>,
    /// Headers that a gateway is trusted with.
    pub trusted_headers: Option<TrustedHeaders>,
}

/// An issuer of tokens, and where its keys are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawJwt")]
pub struct Jwt {
    /// What its tokens must be.
    pub issuer: Issuer,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWKS at a URL.
    Url {
        /// The URL.
        url: Url,
        /// The certificate authorities that its server is verified with; default: the system's.
        ca_file: Option<PathBuf>,
        /// How long the last set is used while no newer one can be fetched, in seconds.
        max_stale_seconds: u32,
    },
    /// A file with a JWKS.
    File(PathBuf),
    /// A file with a secret, for HMAC.
    Secret(PathBuf),
}

/// What an invalid token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvalidToken {
    /// The request is denied.
    #[default]
    Deny,
    /// The request has no user.
    Anonymous,
}

/// A userinfo service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawUserinfo")]
pub struct Userinfo {
    /// The service.
    pub url: Url,
    /// The service for back-office requests.
    pub backoffice_url: Url,
    /// The headers of a request that are sent on: these and no others.
    pub headers: Vec<HeaderName>,
    /// The service is not called for a request without one of these.
    pub only_with: Vec<HeaderName>,
    /// How long a lookup may take.
    pub timeout_ms: u32,
    /// How long a user is kept; 0 for not at all.
    pub cache_seconds: u32,
    /// The certificate authorities that its server is verified with; default: the system's.
    pub ca_file: Option<PathBuf>,
    /// Where the user is in the response.
    pub mapping: Mapping,
}

/// Headers that a gateway is trusted with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawTrustedHeaders")]
pub struct TrustedHeaders {
    /// Who may send them.
    pub peers: Peers,
    /// Their names.
    pub names: TrustedNames,
}

/// Why the section is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUsers {
    /// An issuer has no keys, or several sources of them.
    #[error("an issuer must have exactly one of `jwks-url`, `jwks-file` and `secret-file`")]
    KeySources,
    /// The issuer's name is empty.
    #[error("`issuer` is empty")]
    NoIssuer,
    /// Two issuers have the same name.
    #[error("the issuer `{0}` is listed twice: remove one of the two")]
    RepeatedIssuer(String),
    /// Tokens would practically never expire.
    #[error(
        "`leeway-seconds` is more than {LONGEST_LEEWAY_SECONDS}: it compensates for clocks that \
         differ, and expired tokens are accepted for that long"
    )]
    LongLeeway,
    /// There is no audience.
    #[error(
        "`audience` is empty: set the audience of the tokens, or write `any` to disable the check"
    )]
    NoAudience,
    /// The algorithms do not go together.
    #[error(transparent)]
    Algorithms(#[from] InvalidAlgorithms),
    /// HMAC with public keys, or the other way round.
    #[error(
        "HS256, HS384 and HS512 require `secret-file`, and all other algorithms require a JWKS"
    )]
    AlgorithmsOfKeys,
    /// A JWKS over plain HTTP.
    #[error(
        "`jwks-url` does not use https, so anyone on the network path could replace the keys: if \
         the path is safe, set `allow-plaintext: true`"
    )]
    Plaintext,
    /// A setting that means nothing without another one.
    #[error("`{0}` can be set only together with `jwks-url`")]
    OnlyWithUrl(&'static str),
    /// Nothing is sent to the userinfo service, so that it knows nobody.
    #[error("`headers` is empty: list the headers that identify the user to the userinfo service")]
    NoHeaders,
    /// A header that would never be sent on decides.
    #[error("`only-with` contains `{0}`, which is not in `headers`")]
    OnlyWith(HeaderName),
    /// A header about this connection or this server, which must not be sent to another one.
    #[error(
        "`headers` contains `{0}`, which belongs to the connection with this service and cannot be \
         passed on"
    )]
    OfConnection(HeaderName),
    /// No time to respond.
    #[error("`timeout-ms` is 0")]
    NoTimeout,
    /// Requests would wait for a service that does not respond.
    #[error(
        "`timeout-ms` is more than {LONGEST_TIMEOUT_MS} (one minute): requests wait that long if \
         the service does not respond"
    )]
    LongTimeout,
    /// A user who was logged out would stay logged in.
    #[error(
        "`cache-seconds` is more than {LONGEST_CACHE_SECONDS} (one day): after logging out, users \
         would stay logged in for that long"
    )]
    LongCache,
    /// No place of a token.
    #[error("`token-from` is empty")]
    NoPlace,
    /// Nobody would ever be logged in.
    #[error(
        "nobody would ever be logged in: add `jwt`, `userinfo` or `trusted-headers`, or remove \
         `users`"
    )]
    NoSource,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawUsers {
    #[serde(default)]
    jwt: Vec<Jwt>,
    #[serde(default = "authorization")]
    token_from: Vec<TokenFrom>,
    #[serde(default)]
    invalid_token: InvalidToken,
    userinfo: Option<Userinfo>,
    trusted_headers: Option<TrustedHeaders>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawJwt {
    issuer: String,
    audience: RawAudience,
    jwks_url: Option<Url>,
    jwks_file: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    #[serde(default)]
    allow_plaintext: bool,
    ca_file: Option<PathBuf>,
    max_stale_seconds: Option<u32>,
    #[serde(default, deserialize_with = "algorithms")]
    algorithms: Option<Vec<Algorithm>>,
    #[serde(default = "leeway")]
    leeway_seconds: u32,
    #[serde(default = "sub")]
    id: Pointer,
    #[serde(default = "groups")]
    groups: Vec<Pointer>,
    #[serde(default)]
    permissions: Vec<Pointer>,
    #[serde(default)]
    properties: Vec<Pointer>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a list of audiences, or `any`")]
enum RawAudience {
    Text(String),
    Names(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawUserinfo {
    url: Url,
    backoffice_url: Option<Url>,
    #[serde(deserialize_with = "names")]
    headers: Vec<HeaderName>,
    #[serde(default, deserialize_with = "names")]
    only_with: Vec<HeaderName>,
    #[serde(default = "timeout")]
    timeout_ms: u32,
    #[serde(default)]
    cache_seconds: u32,
    ca_file: Option<PathBuf>,
    #[serde(default = "sub")]
    id: Pointer,
    #[serde(default = "groups")]
    groups: Vec<Pointer>,
    #[serde(default = "permissions")]
    permissions: Vec<Pointer>,
    #[serde(default)]
    properties: Vec<Pointer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawTrustedHeaders {
    peers: Peers,
    #[serde(default, deserialize_with = "name")]
    id: Option<HeaderName>,
    #[serde(default, deserialize_with = "name")]
    groups: Option<HeaderName>,
    #[serde(default, deserialize_with = "name")]
    properties: Option<HeaderName>,
}

/// The longest leeway: an hour.
const LONGEST_LEEWAY_SECONDS: u32 = 60 * 60;

/// The longest lookup of a user: a minute.
const LONGEST_TIMEOUT_MS: u32 = 60 * 1000;

/// How long a user is kept at most: a day.
const LONGEST_CACHE_SECONDS: u32 = 24 * 60 * 60;

/// How long keys are used that cannot be fetched again: a day.
const MAX_STALE_SECONDS: u32 = 24 * 60 * 60;

/// Headers that are not sent on (RFC 9110, section 7.6.1). With a length and no body, the next request would
/// be read as the body; with the caller's host, another virtual server could respond.
const OF_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

impl TryFrom<RawUsers> for Users {
    type Error = InvalidUsers;

    fn try_from(raw: RawUsers) -> Result<Self, InvalidUsers> {
        if raw.token_from.is_empty() {
            return Err(InvalidUsers::NoPlace);
        }
        if raw.jwt.is_empty() && raw.userinfo.is_none() && raw.trusted_headers.is_none() {
            return Err(InvalidUsers::NoSource);
        }
        let mut named: Vec<_> = raw.jwt.iter().map(|it| &it.issuer.name).collect();
        named.sort();
        let mut neighbours = named.windows(2);
        if let Some([name, _]) = neighbours.find(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(InvalidUsers::RepeatedIssuer((*name).clone()));
        }
        Ok(Self {
            jwt: raw.jwt,
            token_from: raw.token_from,
            invalid_token: raw.invalid_token,
            userinfo: raw.userinfo,
            trusted_headers: raw.trusted_headers,
        })
    }
}

impl TryFrom<RawJwt> for Jwt {
    type Error = InvalidUsers;

    fn try_from(raw: RawJwt) -> Result<Self, InvalidUsers> {
        if raw.issuer.is_empty() {
            return Err(InvalidUsers::NoIssuer);
        }
        if raw.leeway_seconds > LONGEST_LEEWAY_SECONDS {
            return Err(InvalidUsers::LongLeeway);
        }
        let keys = raw.key_source()?;
        let with_secret = matches!(keys, KeySource::Secret(_));
        let algorithms = match raw.algorithms {
            Some(algorithms) => Algorithms::new(algorithms)?,
            None if with_secret => Algorithms::with_secret(),
            None => Algorithms::with_public_keys(),
        };
        if algorithms.are_with_secret() != with_secret {
            return Err(InvalidUsers::AlgorithmsOfKeys);
        }
        Ok(Self {
            issuer: Issuer {
                name: raw.issuer,
                audience: raw.audience.try_into()?,
                algorithms,
                leeway_seconds: raw.leeway_seconds,
                mapping: Mapping {
                    id: raw.id,
                    groups: raw.groups,
                    permissions: raw.permissions,
                    properties: raw.properties,
                },
            },
            keys,
        })
    }
}

impl RawJwt {
    fn key_source(&self) -> Result<KeySource, InvalidUsers> {
        let sources = (&self.jwks_url, &self.jwks_file, &self.secret_file);
        if let (Some(url), None, None) = sources {
            if !(url.is_private() || self.allow_plaintext) {
                return Err(InvalidUsers::Plaintext);
            }
            return Ok(KeySource::Url {
                url: url.clone(),
                ca_file: self.ca_file.clone(),
                max_stale_seconds: self.max_stale_seconds.unwrap_or(MAX_STALE_SECONDS),
            });
        }
        if self.allow_plaintext {
            return Err(InvalidUsers::OnlyWithUrl("allow-plaintext"));
        }
        if self.ca_file.is_some() {
            return Err(InvalidUsers::OnlyWithUrl("ca-file"));
        }
        if self.max_stale_seconds.is_some() {
            return Err(InvalidUsers::OnlyWithUrl("max-stale-seconds"));
        }
        match sources {
            (None, Some(file), None) => Ok(KeySource::File(file.clone())),
            (None, None, Some(file)) => Ok(KeySource::Secret(file.clone())),
            _ => Err(InvalidUsers::KeySources),
        }
    }
}

impl TryFrom<RawAudience> for Audience {
    type Error = InvalidUsers;

    fn try_from(raw: RawAudience) -> Result<Self, InvalidUsers> {
        let names = match raw {
            RawAudience::Text(text) if text == "any" => return Ok(Self::Any),
            RawAudience::Text(text) => vec![text],
            RawAudience::Names(names) => names,
        };
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(InvalidUsers::NoAudience);
        }
        Ok(Self::AnyOf(names))
    }
}

impl TryFrom<RawUserinfo> for Userinfo {
    type Error = InvalidUsers;

    fn try_from(raw: RawUserinfo) -> Result<Self, InvalidUsers> {
        if raw.headers.is_empty() {
            return Err(InvalidUsers::NoHeaders);
        }
        if let Some(name) = raw.headers.iter().find(|it| OF_CONNECTION.contains(it)) {
            return Err(InvalidUsers::OfConnection(name.clone()));
        }
        if raw.timeout_ms == 0 {
            return Err(InvalidUsers::NoTimeout);
        }
        if raw.timeout_ms > LONGEST_TIMEOUT_MS {
            return Err(InvalidUsers::LongTimeout);
        }
        if raw.cache_seconds > LONGEST_CACHE_SECONDS {
            return Err(InvalidUsers::LongCache);
        }
        if let Some(other) = raw.only_with.iter().find(|it| !raw.headers.contains(it)) {
            return Err(InvalidUsers::OnlyWith(other.clone()));
        }
        let only_with = if raw.only_with.is_empty() {
            raw.headers.clone()
        } else {
            raw.only_with
        };
        Ok(Self {
            backoffice_url: raw.backoffice_url.unwrap_or_else(|| raw.url.clone()),
            url: raw.url,
            headers: raw.headers,
            only_with,
            timeout_ms: raw.timeout_ms,
            cache_seconds: raw.cache_seconds,
            ca_file: raw.ca_file,
            mapping: Mapping {
                id: raw.id,
                groups: raw.groups,
                permissions: raw.permissions,
                properties: raw.properties,
            },
        })
    }
}

impl From<RawTrustedHeaders> for TrustedHeaders {
    fn from(raw: RawTrustedHeaders) -> Self {
        let default = TrustedNames::default();
        Self {
            peers: raw.peers,
            names: TrustedNames {
                id: raw.id.unwrap_or(default.id),
                groups: raw.groups.unwrap_or(default.groups),
                properties: raw.properties.unwrap_or(default.properties),
            },
        }
    }
}

fn authorization() -> Vec<TokenFrom> {
    vec![TokenFrom::Authorization]
}

const fn leeway() -> u32 {
    30
}

const fn timeout() -> u32 {
    1000
}

fn sub() -> Pointer {
    Pointer::member("sub")
}

fn groups() -> Vec<Pointer> {
    vec![Pointer::member("groups")]
}

fn permissions() -> Vec<Pointer> {
    vec![Pointer::member("permissions")]
}

fn parse<T: FromStr<Err: Display>, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse()
        .map_err(|error| E::custom(format_args!("`{text}`: {error}")))
}

fn parse_all<T: FromStr<Err: Display>, E: de::Error>(texts: &[String]) -> Result<Vec<T>, E> {
    texts.iter().map(|text| parse(text)).collect()
}

fn algorithms<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Algorithm>>, D::Error> {
    let names: Option<Vec<String>> = Deserialize::deserialize(from)?;
    names.map(|names| parse_all(&names)).transpose()
}

fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<HeaderName>, D::Error> {
    let names: Vec<String> = Deserialize::deserialize(from)?;
    parse_all(&names)
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<HeaderName>, D::Error> {
    let name: Option<String> = Deserialize::deserialize(from)?;
    name.map(|name| parse(&name)).transpose()
}

#[cfg(test)]
mod tests;
