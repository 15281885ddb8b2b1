//! How nginx parses requests, and values that a caller must not choose.

use super::{
    Directive, Finding,
    scope::{is_from_caller, variables},
    warning,
};

/// Reports directives that let in headers and paths which the includes cannot sanitize.
pub(super) fn parsing(directive: &Directive) -> Option<Finding> {
    let (message, help) = match (directive.name.as_str(), directive.argument(0)) {
        ("underscores_in_headers", "on") => (
            "`underscores_in_headers on` allows headers such as `client_type`, which many backends \
             treat as `client-type`",
            "remove it; the include removes `client_type`, but not other spellings that your \
             backends might accept",
        ),
        ("ignore_invalid_headers", "off") => (
            "`ignore_invalid_headers off` allows headers such as `client.type`, which many \
             backends treat as `client-type`",
            "remove it",
        ),
        ("merge_slashes", "off") => (
            "with `merge_slashes off`, nginx and Keygate can use different paths for the same \
             request",
            "remove it: nginx would route `//orders` to `location /`, while Keygate applies the \
             rule for `/orders`",
        ),
        _ => return None,
    };
    Some(warning(directive, message).help(help))
}

/// Reports a back-office mark with a value from the caller.
pub(super) fn backoffice_by_caller(set: &Directive) -> Option<Finding> {
    if set.name != "set" || set.argument(0) != "$keygate_backoffice" {
        return None;
    }
    let variable = variables(set.argument(1))
        .find(|name| is_from_caller(name) || name.starts_with("request"))?;
    let message = format!("`${variable}` lets any caller mark a request as a back-office request");
    Some(warning(set, message).help(
        "add `set $keygate_backoffice 1;` to a server or location that only the back office can \
         reach",
    ))
}

/// Reports the user of a trusted gateway with a value from the caller.
pub(super) fn user_by_caller(set: &Directive) -> Option<Finding> {
    if set.name != "set" || !set.argument(0).starts_with("$keygate_trusted_user_") {
        return None;
    }
    let variable = variables(set.argument(1)).find(|name| is_from_caller(name))?;
    let message = format!("`${variable}` lets any caller choose the user");
    Some(warning(set, message).help(
        "use a variable that the caller cannot control; if another gateway sends the header, use a \
         `map` from that gateway's address and the header",
    ))
}

/// Reports `set_real_ip_from` for every address: any caller can then choose its own.
pub(super) fn address_by_caller(directive: &Directive) -> Option<Finding> {
    let is_everybody = matches!(directive.argument(0), "0.0.0.0/0" | "::/0");
    (directive.name == "set_real_ip_from" && is_everybody).then(|| {
        let message = format!(
            "`{}` lets any caller choose the address that is used in limits and logs",
            directive.title()
        );
        warning(directive, message).help("list only the addresses of your own proxies")
    })
}
