//! Writes the includes for given names and addresses.

mod http;
mod servers;
mod spellings;

use std::time::Duration;

use ::http::HeaderName;
use askama::Template;

use self::{
    http::{Form, Http, cookie_variable},
    servers::upstreams,
    spellings::{bearer_may_be_key, keys, spellings, with_default},
};
use crate::{
    Names, UserHeaders,
    names::{BACKOFFICE, CLIENT_ADDRESS, CLIENT_TYPE, HAND_OFF, IDENTITY, TOKEN},
};

pub use servers::{Server, ServerError, Servers};

/// The header with the key's id, for backends.
const KEY_ID: &str = "x-keygate-key-id";

/// Headers of a caller that would describe the request if the setting `gateway` were another gateway's.
///
/// Without a target no request is decided; `x-forwarded-host` may be for a userinfo service.
const OF_OTHER_GATEWAYS: [&str; 2] = ["x-forwarded-uri", "x-forwarded-method"];

/// Hop-by-hop headers, which authorization requests must not have.
const OF_THE_CONNECTION: [&str; 4] = [
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
];

/// The longest name for nginx's default `proxy_headers_hash_bucket_size`.
const USUAL_LENGTH: usize = 46;

/// The longest name for the bucket size that the includes set.
const MAX_LENGTH: usize = 100;

/// How long nginx waits for a response of a service, in seconds, unless a user takes longer to find.
const USUAL_READ_TIMEOUT: u64 = 2;

/// The size of the buffer for a response's headers, in KiB, unless identities are longer.
const USUAL_BUFFER_SIZE: usize = 16;

/// The time that a service needs besides the one for a user.
const MARGIN: Duration = Duration::from_millis(500);

/// Where another replica may take over: how much longer than the read timeout, in seconds.
const NEXT_REPLICA: u64 = 2;

/// The variables that hold the user of a trusted gateway: id, groups and properties.
const USER_VARIABLES: [&str; 3] = [
    "keygate_trusted_user_id",
    "keygate_trusted_user_groups",
    "keygate_trusted_user_properties",
];

/// The limit of all names together: they must fit into one argument of a directive.
const MAX_NAMES: usize = 16;

/// An include file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The name of the file.
    pub name: &'static str,
    /// The content of the file.
    pub text: String,
}

/// Other options.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether nginx follows the `X-Accel-Redirect` of backends.
    pub keep_accel_redirect: bool,
    /// The longest time that a service waits for the user of a request.
    pub user_lookup: Duration,
    /// The most bytes of a response's headers with the identity of a user.
    pub identity_bytes: usize,
}

impl Options {
    /// Returns the size of the buffer for a response's headers, in KiB: pages of 4 KiB, one for other headers.
    fn buffer_size(self) -> usize {
        self.identity_bytes
            .div_ceil(4096)
            .saturating_add(1)
            .saturating_mul(4)
            .max(USUAL_BUFFER_SIZE)
    }

    /// Returns how long nginx waits for a response, in seconds: never less than a service may need.
    fn read_timeout(self) -> u64 {
        let needed = self.user_lookup.saturating_add(MARGIN);
        needed
            .as_secs()
            .saturating_add(u64::from(needed.subsec_nanos() > 0))
            .max(USUAL_READ_TIMEOUT)
    }
}

/// The error for names that the includes cannot support.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncludesError {
    /// nginx can neither remove nor replace such a header.
    #[error(
        "nginx cannot remove the header `{0}` from requests, because it considers the name \
         invalid: use only letters, digits, `-` and `_`"
    )]
    InvalidHeader(HeaderName),
    /// The name is too long for nginx's tables.
    #[error("the name `{0}` is too long: use at most {MAX_LENGTH} characters")]
    TooLong(String),
    /// There are too many names.
    #[error(
        "{0} headers and cookies can carry a key, but the nginx includes support at most \
         {MAX_NAMES}"
    )]
    TooMany(usize),
}

/// Returns all include files.
///
/// # Errors
/// The includes cannot support these names.
pub fn includes(
    names: &Names,
    servers: &Servers,
    options: Options,
) -> Result<Vec<Include>, IncludesError> {
    check(names)?;
    let tcp = upstreams(servers, |_, port| format!("127.0.0.1:{port}"));
    let unix = upstreams(&Servers::default(), |role, _| {
        format!("unix:/run/keygate/{role}.sock")
    });
    let http = |form, upstreams| Http::new(names, form, upstreams).to_string();
    let server = |single| Steps::new(names, single, options).to_string();
    let location = |policy| Location::new(names, policy, options).to_string();
    let includes = [
        ("keygate.conf", http(Form::Addresses, tcp)),
        ("keygate-unix.conf", http(Form::Addresses, unix)),
        ("keygate-maps.conf", http(Form::MapsAlone, Vec::new())),
        ("keygate-server.conf", server(false)),
        ("keygate-server-single.conf", server(true)),
        ("keygate-authorize.conf", location(true)),
        ("keygate-require-key.conf", location(false)),
        ("keygate-grpc.conf", Grpc::new(&location(true)).to_string()),
        ("keygate-users.conf", Users.to_string()),
        (
            "keygate-identity-token.conf",
            Token { token: TOKEN }.to_string(),
        ),
        ("keygate-limit-failures.conf", LimitFailures.to_string()),
    ];
    let finished = |(name, text): (_, String)| Include {
        name,
        text: format!("{}\n", text.trim_end()),
    };
    Ok(includes.into_iter().map(finished).collect())
}

fn check(names: &Names) -> Result<(), IncludesError> {
    for name in headers(names) {
        let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !name.as_str().chars().all(is_valid) {
            return Err(IncludesError::InvalidHeader(name.clone()));
        }
        if name.as_str().len() > MAX_LENGTH {
            return Err(IncludesError::TooLong(name.to_string()));
        }
    }
    if let Some(cookie) = names.key_cookies().iter().find(|it| it.len() > MAX_LENGTH) {
        return Err(IncludesError::TooLong(cookie.clone()));
    }
    let count = names.key_headers().len() + names.key_cookies().len();
    if count > MAX_NAMES {
        return Err(IncludesError::TooMany(count));
    }
    Ok(())
}

/// Returns every header that the settings name.
fn headers(names: &Names) -> impl Iterator<Item = &HeaderName> {
    let set = [
        names.client_type(),
        names.backoffice(),
        names.client_address(),
    ];
    let user = names.user().into_iter().flat_map(UserHeaders::all);
    names.key_headers().iter().chain(set).chain(user)
}

/// Returns the key headers that nginx drops by default.
pub fn dropped_by_default(names: &Names) -> impl Iterator<Item = &HeaderName> {
    let headers = names.key_headers().iter();
    headers.filter(|name| name.as_str().contains('_'))
}

#[derive(Template)]
#[template(path = "nginx/server.conf", escape = "none")]
struct Steps {
    single: bool,
    names: String,
    client_type: String,
    backoffice: String,
    hand_off: &'static str,
    client_addresses: Vec<String>,
    /// Headers for the service that finds the client type alone.
    resolver: Identity,
    /// Headers for the service that decides.
    authorizer: Identity,
    keys: Vec<String>,
    bearer_may_be_key: bool,
    cookie_variable: String,
    bucket_size: bool,
    read_timeout: u64,
    next_upstream_timeout: u64,
    /// In KiB.
    buffer_size: usize,
}

/// The headers about the user in an authorization request.
struct Identity {
    /// Headers with their variables.
    user: Vec<(String, &'static str)>,
    never_sent: Vec<String>,
}

impl Identity {
    fn new(names: &Names, user: Option<&UserHeaders>) -> Self {
        let user = user.into_iter().flat_map(UserHeaders::all);
        let user: Vec<_> = user.map(ToString::to_string).zip(USER_VARIABLES).collect();
        let set = [
            names.client_type(),
            names.backoffice(),
            names.client_address(),
        ];
        let known = [CLIENT_TYPE, BACKOFFICE].into_iter().chain(IDENTITY);
        let of_settings = names.user().into_iter().flat_map(UserHeaders::all);
        let of_settings = of_settings
            .map(HeaderName::as_str)
            .filter(|name| !IDENTITY.contains(name));
        let never_sent = known
            .chain(of_settings)
            .chain(OF_THE_CONNECTION)
            .chain(OF_OTHER_GATEWAYS)
            .filter(|name| {
                !set.iter().any(|it| it == name) && !user.iter().any(|(it, _)| it == name)
            });
        Self {
            never_sent: never_sent.map(str::to_owned).collect(),
            user,
        }
    }
}

impl Steps {
    fn new(names: &Names, single: bool, options: Options) -> Self {
        let read_timeout = options.read_timeout();
        Self {
            single,
            names: names.header_value(),
            client_type: names.client_type().to_string(),
            backoffice: names.backoffice().to_string(),
            hand_off: HAND_OFF,
            client_addresses: with_default(CLIENT_ADDRESS, names.client_address()),
            resolver: Identity::new(names, None),
            authorizer: Identity::new(names, names.user()),
            keys: keys(names),
            bearer_may_be_key: bearer_may_be_key(names),
            cookie_variable: cookie_variable(names.key_cookies()),
            bucket_size: has_long_name(names),
            read_timeout,
            buffer_size: options.buffer_size(),
            next_upstream_timeout: read_timeout.saturating_add(NEXT_REPLICA),
        }
    }
}

#[derive(Template)]
#[template(path = "nginx/location.conf", escape = "none")]
struct Location {
    policy: bool,
    names: String,
    client_types: Vec<String>,
    backoffices: Vec<String>,
    removed: Vec<String>,
    keys: Vec<String>,
    bearer_may_be_key: bool,
    cookie_variable: String,
    keep_accel_redirect: bool,
}

impl Location {
    fn new(names: &Names, policy: bool, options: Options) -> Self {
        let client_types = with_default(CLIENT_TYPE, names.client_type());
        let backoffices = with_default(BACKOFFICE, names.backoffice());
        let mut set = vec![KEY_ID.to_owned()];
        set.extend(client_types.iter().chain(&backoffices).cloned());
        let of_settings = names.user().into_iter().flat_map(UserHeaders::all);
        let of_settings = of_settings
            .map(HeaderName::as_str)
            .filter(|name| !IDENTITY.contains(name));
        let removed = IDENTITY.into_iter().chain([HAND_OFF]).chain(of_settings);
        let mut removed: Vec<String> = removed.map(str::to_owned).collect();
        let known: Vec<String> = set.iter().chain(&removed).cloned().collect();
        let others = known.iter().flat_map(|name| spellings(name));
        for name in others
            .filter(|name| !known.contains(name))
            .collect::<Vec<_>>()
        {
            if !removed.contains(&name) {
                removed.push(name);
            }
        }
        Self {
            policy,
            names: names.header_value(),
            client_types,
            backoffices,
            removed,
            keys: keys(names),
            bearer_may_be_key: bearer_may_be_key(names),
            cookie_variable: cookie_variable(names.key_cookies()),
            keep_accel_redirect: options.keep_accel_redirect,
        }
    }
}

#[derive(Template)]
#[template(path = "nginx/grpc.conf", escape = "none")]
struct Grpc {
    headers: Vec<String>,
}

impl Grpc {
    /// Returns the headers of the include for `proxy_pass`, for `grpc_pass`.
    fn new(location: &str) -> Self {
        let headers = location
            .lines()
            .filter_map(|line| line.strip_prefix("proxy_set_header "));
        Self {
            headers: headers.map(str::to_owned).collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "nginx/users.conf", escape = "none")]
struct Users;

#[derive(Template)]
#[template(path = "nginx/identity-token.conf", escape = "none")]
struct Token {
    token: &'static str,
}

#[derive(Template)]
#[template(path = "nginx/limit-failures.conf", escape = "none")]
struct LimitFailures;

fn has_long_name(names: &Names) -> bool {
    headers(names).any(|name| name.as_str().len() > USUAL_LENGTH)
}

#[cfg(test)]
mod tests;
