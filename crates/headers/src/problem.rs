//! Problem details (RFC 9457): what the caller of a denied request gets.
//!
//! The nginx includes contain the same text, since nginx cannot pass on a service's.

use http::StatusCode;

/// The media type of [`document`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Returns the document for a denial.
///
/// `reason` is a value of `x-keygate-reason`: letters, digits and `-`, which need no escaping. The id of the request is left
/// out where it has other characters than ids have.
#[must_use]
pub fn document(status: StatusCode, reason: &str, request_id: Option<&str>) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let status = status.as_u16();
    let id = request_id.filter(|id| is_plain(id));
    let id = id.map_or_else(String::new, |id| format!(",\"requestId\":\"{id}\""));
    format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{reason}\"{id}}}\n"
    )
}

/// As in the nginx includes.
fn is_plain(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/+=-".contains(&byte);
    !id.is_empty() && id.bytes().all(is_plain)
}
