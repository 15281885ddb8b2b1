//! The file at http level: upstreams, and the maps that remove the key from cookies.

use askama::Template;

use super::{servers::Upstream, spellings::bearer_may_be_key};
use crate::Names;

/// What the file contains besides the maps.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Addresses,
    MapsAlone,
}

#[derive(Template)]
#[template(path = "nginx/http.conf", escape = "none")]
pub(super) struct Http {
    form: Form,
    upstreams: Vec<Upstream>,
    cookies: Vec<String>,
    /// A regular expression that matches the names of all cookies.
    cookie: String,
    cookie_variable: String,
    removals: Vec<Removal>,
    last_removal: String,
    trusted_user: bool,
    bearer_may_be_key: bool,
}

/// A map that removes one cookie from a variable.
struct Removal {
    from: String,
    to: String,
}

impl Http {
    pub(super) fn new(names: &Names, form: Form, upstreams: Vec<Upstream>) -> Self {
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
            trusted_user: names.user().is_some(),
            bearer_may_be_key: bearer_may_be_key(names),
        }
    }
}

/// Returns the variable with the cookies for the authorizer and backends.
///
/// Its name depends on the cookies' names: nginx does not start with files that were written for
/// different ones.
pub(super) fn cookie_variable(cookies: &[String]) -> String {
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
