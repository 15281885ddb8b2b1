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
    let body_fits = response.body == body.as_bytes()
        || is_undescribed
        || response.body.is_empty()
            && response.header("content-length") == Some(&body.len().to_string());
    if response.status() != status || !body_fits {
        return Err(format!("expected {body}"));
    }
    if !is_undescribed && response.header("content-type") != Some("application/problem+json") {
        return Err("not application/problem+json".to_owned());
    }
    if response.header("cache-control") != Some("no-store") {
        return Err("a cache may keep it".to_owned());
    }
    if response.header("www-authenticate").is_some() != (status == 401) {
        return Err(
            "`www-authenticate` must be sent with 401, and with no other status".to_owned(),
        );
    }
    Ok(())
}
