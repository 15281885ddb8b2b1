//! How nginx parses requests, and what callers can choose that they must not.

use super::{
    Directive, Finding,
    scope::{is_from_caller, variables},
    warning,
};

/// Settings that let in headers and paths which the includes cannot clean.
pub(super) fn parsing(directive: &Directive) -> Option<Finding> {
    let (message, help) = match (directive.name.as_str(), directive.argument(0)) {
        ("underscores_in_headers", "on") => (
            "`underscores_in_headers on` lets names such as `client_type` in, which many backends \
             read as `client-type`",
            "leave it out; the include removes `client_type`, but not what your backends read as \
             other names",
        ),
        ("ignore_invalid_headers", "off") => (
            "`ignore_invalid_headers off` lets names such as `client.type` in, which many backends \
             read as `client-type`",
            "leave it out",
        ),
        ("merge_slashes", "off") => (
            "with `merge_slashes off` nginx chooses a location by another path than Keygate decides on",
            "leave it out: `//orders` would go to `location /` by the rule for `/orders`",
        ),
        _ => return None,
    };
    Some(warning(directive, message).help(help))
}

/// The back office's mark, made of what the caller sent.
pub(super) fn backoffice_by_caller(set: &Directive) -> Option<Finding> {
    if set.name != "set" || set.argument(0) != "$keygate_backoffice" {
        return None;
    }
    let variable = variables(set.argument(1))
        .find(|name| is_from_caller(name) || name.starts_with("request"))?;
    let message = format!("`${variable}` lets any caller be the back office");
    Some(warning(set, message).help(
        "say `set $keygate_backoffice 1;` in a server or location that the back office alone can \
         reach",
    ))
}

/// The user of a trusted gateway, made of what the caller sent.
pub(super) fn user_by_caller(set: &Directive) -> Option<Finding> {
    if set.name != "set" || !set.argument(0).starts_with("$keygate_trusted_user_") {
        return None;
    }
    let variable = variables(set.argument(1)).find(|name| is_from_caller(name))?;
    let message = format!("`${variable}` lets any caller be any user");
    Some(warning(set, message).help(
        "use a variable that no caller controls; where another gateway sends that header, a `map` of \
         its address and the header",
    ))
}

/// Any caller may then say from which address it comes.
pub(super) fn address_by_caller(directive: &Directive) -> Option<Finding> {
    let is_everybody = matches!(directive.argument(0), "0.0.0.0/0" | "::/0");
    (directive.name == "set_real_ip_from" && is_everybody).then(|| {
        let message = format!(
            "`{}` lets any caller choose the address that limits and logs see",
            directive.title()
        );
        warning(directive, message).help("name the addresses of your own proxies alone")
    })
}
