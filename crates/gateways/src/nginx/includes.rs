//! Writes the includes for given names and addresses.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use askama::Template;
use http::HeaderName;

use crate::{
    Names,
    names::{BACKOFFICE, CLIENT_ADDRESS, CLIENT_TYPE, IDENTITY},
};

/// The header with the key's id, for backends.
const KEY_ID: &str = "x-keygate-key-id";

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

/// The limit of all names together: they must fit into one argument of a directive.
const MAX_NAMES: usize = 16;

/// With more separators, a name would have too many spellings.
const MAX_SEPARATORS: usize = 3;

/// An include file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The name of the file.
    pub name: &'static str,
    /// The content of the file.
    pub text: String,
}

/// The address of one replica, for a `server` line of an `upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(String);

/// The error for a text that is not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an address that nginx can connect to: write `HOST:PORT` or `unix:/path`, the path \
     of letters, digits and `/ . _ - @ +`"
)]
pub struct ServerError(String);

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let is_address = match text.strip_prefix("unix:") {
            Some(path) => path.starts_with('/') && path.chars().all(is_of_path),
            None => text.rsplit_once(':').is_some_and(|(host, port)| {
                is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0)
            }),
        };
        if is_address {
            Ok(Self(text.to_owned()))
        } else {
            Err(ServerError(text.to_owned()))
        }
    }
}

fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-@+".contains(c)
}

fn is_host(host: &str) -> bool {
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The addresses of the services' replicas.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// The resolvers; none means `127.0.0.1:7081`.
    pub resolver: Vec<Server>,
    /// The authorizers; none means `127.0.0.1:7082`.
    pub authorizer: Vec<Server>,
    /// The `keygate serve` processes; none means `127.0.0.1:7080`.
    pub serve: Vec<Server>,
}

/// Other options.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether nginx follows the `X-Accel-Redirect` of backends.
    pub keep_accel_redirect: bool,
}

/// The error for names that the includes cannot support.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncludesError {
    /// nginx can neither remove nor replace such a header.
    #[error(
        "`{0}` is an invalid header name for nginx, which cannot remove it from requests: use \
         letters, digits, `-` and `_`"
    )]
    InvalidHeader(HeaderName),
    /// The name is too long for nginx's tables.
    #[error("the name `{0}` is too long: use at most {MAX_LENGTH} characters")]
    TooLong(String),
    /// There are too many names.
    #[error(
        "{0} names of headers and cookies carry a key: nginx includes can be written for {MAX_NAMES}"
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
    let server = |single| Steps::new(names, single).to_string();
    let location = |policy| Location::new(names, policy, options).to_string();
    let includes = [
        ("keygate.conf", http(Form::Addresses, tcp)),
        ("keygate-unix.conf", http(Form::Addresses, unix)),
        ("keygate-maps.conf", http(Form::MapsAlone, Vec::new())),
        ("keygate-server.conf", server(false)),
        ("keygate-server-single.conf", server(true)),
        ("keygate-authorize.conf", location(true)),
        ("keygate-require-key.conf", location(false)),
        ("keygate-users.conf", Users.to_string()),
        ("keygate-limit-failures.conf", LimitFailures.to_string()),
    ];
    let finished = |(name, text): (_, String)| Include {
        name,
        text: format!("{}\n", text.trim_end()),
    };
    Ok(includes.into_iter().map(finished).collect())
}

fn check(names: &Names) -> Result<(), IncludesError> {
    let headers = names.key_headers().iter();
    for name in headers.chain([
        names.client_type(),
        names.backoffice(),
        names.client_address(),
    ]) {
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

/// Returns the key headers that nginx drops by default.
pub fn dropped_by_default(names: &Names) -> impl Iterator<Item = &HeaderName> {
    let headers = names.key_headers().iter();
    headers.filter(|name| name.as_str().contains('_'))
}

#[derive(Debug)]
struct Upstream {
    name: &'static str,
    servers: Vec<String>,
}

fn upstreams(servers: &Servers, default: impl Fn(&str, u16) -> String) -> Vec<Upstream> {
    let upstream = |name, role, port, servers: &[Server]| Upstream {
        name,
        servers: if servers.is_empty() {
            vec![default(role, port)]
        } else {
            servers.iter().map(ToString::to_string).collect()
        },
    };
    vec![
        upstream("keygate_resolver", "resolver", 7081, &servers.resolver),
        upstream(
            "keygate_authorizer",
            "authorizer",
            7082,
            &servers.authorizer,
        ),
        upstream("keygate_serve", "serve", 7080, &servers.serve),
    ]
}

/// The content of the file at http level.
#[derive(Debug, Clone, Copy)]
enum Form {
    Addresses,
    MapsAlone,
}

#[derive(Template)]
#[template(path = "nginx/http.conf", escape = "none")]
struct Http {
    form: Form,
    upstreams: Vec<Upstream>,
    cookies: Vec<String>,
    /// A regular expression that matches the names of all cookies.
    cookie: String,
    cookie_variable: String,
    removals: Vec<Removal>,
    last_removal: String,
}

/// A map that removes one cookie from a variable.
struct Removal {
    from: String,
    to: String,
}

impl Http {
    fn new(names: &Names, form: Form, upstreams: Vec<Upstream>) -> Self {
        let cookies = names.key_cookies().to_vec();
        let cookie_variable = cookie_variable(&cookies);
        let step = |n: usize| match n {
            0 => "http_cookie".to_owned(),
            n => format!("{cookie_variable}_{n}"),
        };
        // One map for each name, and two more.
        let steps = cookies.len() + 2;
        let removals = (1..=steps).map(|n| Removal {
            from: step(n - 1),
            to: step(n),
        });
        Self {
            form,
            upstreams,
            cookie: any_of(&cookies),
            removals: removals.collect(),
            last_removal: step(steps),
            cookie_variable,
            cookies,
        }
    }
}

/// Returns the variable with the cookies for the authorizer and backends.
///
/// Its name depends on the cookies' names: nginx does not start with files that were written for
/// different ones.
fn cookie_variable(cookies: &[String]) -> String {
    if cookies == ["mia_client_key"] {
        return "keygate_cookie".to_owned();
    }
    // FNV-1a: stable across versions; a collision helps no attacker.
    let bytes = cookies.iter().flat_map(|name| name.bytes().chain([b';']));
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    // Short, because long names need a larger hash table of variables.
    format!("keygate_cookie_{:04x}", hash & 0xffff)
}

fn any_of(cookies: &[String]) -> String {
    let escaped: Vec<String> = cookies.iter().map(|name| escaped(name)).collect();
    match escaped.as_slice() {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

/// Escapes a name for a regular expression in a quoted argument.
fn escaped(name: &str) -> String {
    let escape = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            c.to_string()
        } else {
            format!("\\x{:02x}", u32::from(c))
        }
    };
    name.chars().map(escape).collect()
}

#[derive(Template)]
#[template(path = "nginx/server.conf", escape = "none")]
struct Steps {
    single: bool,
    names: String,
    client_type: String,
    backoffice: String,
    client_addresses: Vec<String>,
    never_sent: Vec<String>,
    keys: Vec<String>,
    cookie_variable: String,
    bucket_size: bool,
}

impl Steps {
    fn new(names: &Names, single: bool) -> Self {
        let set = [
            names.client_type().as_str(),
            names.backoffice().as_str(),
            names.client_address().as_str(),
        ];
        let never_sent = [CLIENT_TYPE, BACKOFFICE]
            .into_iter()
            .chain(IDENTITY)
            .chain(OF_THE_CONNECTION)
            .filter(|name| !set.contains(name));
        Self {
            single,
            names: names.header_value(),
            client_type: names.client_type().to_string(),
            backoffice: names.backoffice().to_string(),
            client_addresses: with_default(CLIENT_ADDRESS, names.client_address()),
            never_sent: never_sent.map(str::to_owned).collect(),
            keys: keys(names),
            cookie_variable: cookie_variable(names.key_cookies()),
            bucket_size: has_long_name(names),
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
    cookie_variable: String,
    keep_accel_redirect: bool,
    bucket_size: bool,
}

impl Location {
    fn new(names: &Names, policy: bool, options: Options) -> Self {
        let client_types = with_default(CLIENT_TYPE, names.client_type());
        let backoffices = with_default(BACKOFFICE, names.backoffice());
        let mut set = vec![KEY_ID.to_owned()];
        set.extend(client_types.iter().chain(&backoffices).cloned());
        let removed = IDENTITY.iter().map(|name| (*name).to_owned());
        let mut removed: Vec<String> = removed.collect();
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
            cookie_variable: cookie_variable(names.key_cookies()),
            keep_accel_redirect: options.keep_accel_redirect,
            bucket_size: has_long_name(names),
        }
    }
}

#[derive(Template)]
#[template(path = "nginx/users.conf", escape = "none")]
struct Users;

#[derive(Template)]
#[template(path = "nginx/limit-failures.conf", escape = "none")]
struct LimitFailures;

/// A header that is always sent, and its name in the settings.
fn with_default(default: &str, chosen: &HeaderName) -> Vec<String> {
    let mut names = vec![default.to_owned()];
    if chosen.as_str() != default {
        names.push(chosen.to_string());
    }
    names
}

/// The headers that carry a key, in every spelling that backends treat as equal.
fn keys(names: &Names) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for name in names.key_headers() {
        for spelling in std::iter::once(name.to_string()).chain(spellings(name.as_str())) {
            if !keys.contains(&spelling) {
                keys.push(spelling);
            }
        }
    }
    keys
}

/// Returns the name with other separators: `client_type` for `client-type`.
fn spellings(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split(['-', '_']).collect();
    let separators = parts.len() - 1;
    let choices: Vec<u32> = if separators <= MAX_SEPARATORS {
        (0..1 << separators).collect()
    } else {
        vec![0, u32::MAX]
    };
    let spelled = |choice: u32| {
        let mut text = String::with_capacity(name.len());
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                let is_underscore = choice
                    .checked_shr(u32::try_from(n - 1).unwrap_or(u32::MAX))
                    .unwrap_or(choice)
                    & 1
                    == 1;
                text.push(if is_underscore { '_' } else { '-' });
            }
            text.push_str(part);
        }
        text
    };
    let all = choices.into_iter().map(spelled);
    all.filter(|spelling| spelling != name).collect()
}

fn has_long_name(names: &Names) -> bool {
    let headers = names.key_headers().iter();
    let mut all = headers.chain([
        names.client_type(),
        names.backoffice(),
        names.client_address(),
    ]);
    all.any(|name| name.as_str().len() > USUAL_LENGTH)
}

#[cfg(test)]
mod tests;
