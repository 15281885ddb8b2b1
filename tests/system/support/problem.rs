//! The problem documents of denied requests.

use crate::support::http_message::Message;

/// Checks that a response is the problem document that Keygate sends with this status and detail.
pub(crate) fn is_problem(response: &Message, status: u16, detail: &str) -> Result<(), String> {
    let title = match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Service Unavailable",
    };
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\"}}\n"
    );
    // A response to HEAD has no body. Envoy asks over HTTP with the same method, and then describes none.
    let is_undescribed = response.body.is_empty()
        && response.header("content-type").is_none()
        && response.header("server") == Some("envoy")
        && response.header("x-keygate-reason") == Some(detail);
    let (shown, id) = without_request_id(&String::from_utf8_lossy(&response.body));
    if id.is_some_and(|id| !is_request_id(&id)) {
        return Err("the request id may break out of its JSON string".to_owned());
    }
    let length = response
        .header("content-length")
        .and_then(|it| it.parse().ok());
    let body_fits = shown == body
        || is_undescribed
        || response.body.is_empty() && length.is_some_and(|length: usize| length >= body.len());
    if response.status() != status || !body_fits {
        return Err(format!("expected {body}"));
    }
    if !is_undescribed && response.header("content-type") != Some("application/problem+json") {
        return Err("not application/problem+json".to_owned());
    }
    // Without one, no cache keeps these statuses (RFC 9111, section 3): the server's own headers are on the document.
    if ![None, Some("no-store")].contains(&response.header("cache-control")) {
        return Err("a cache may keep it".to_owned());
    }
    if response.header("www-authenticate").is_some() != (status == 401) {
        return Err(
            "`www-authenticate` must be sent with 401, and with no other status".to_owned(),
        );
    }
    Ok(())
}

/// Splits a document into one without the id of the request, and the id, if there is one.
pub(crate) fn without_request_id(document: &str) -> (String, Option<String>) {
    let Some((before, rest)) = document.split_once(",\"requestId\":\"") else {
        return (document.to_owned(), None);
    };
    let (id, after) = rest.split_once('"').unwrap_or((rest, ""));
    (format!("{before}{after}"), Some(id.to_owned()))
}

fn is_request_id(id: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:/+=-".contains(c);
    !id.is_empty() && id.chars().all(is_plain)
}
