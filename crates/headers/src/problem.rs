//! Problem details (RFC 9457): what the caller of a denied request gets.
//!
//! The nginx includes contain the same text, since nginx cannot pass on a service's.

use http::StatusCode;

/// The media type of [`document`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Returns the document for a denial.
///
/// `reason` is a value of `x-keygate-reason`: letters, digits and `-`, which need no escaping.
#[must_use]
pub fn document(status: StatusCode, reason: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let status = status.as_u16();
    format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{reason}\"}}\n"
    )
}
