//! The headers between gateways and the two services: their names, and how a security-relevant header
//! is read.
//!
//! The services do not depend on each other, and read the same headers from the same gateways. Names
//! that only one service uses are in that service.

pub mod bearer;
mod cookies;
pub mod gateway;
pub mod hand_off;
pub mod problem;
mod sender;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use cookies::{cookies, cookies_without};
pub use gateway::Gateway;
pub use hand_off::HandOff;
pub use sender::{ExpectedNames, OtherNames, Sender};

/// The client type: from the resolver to the gateway, from there to the authorizer and the backend.
pub const CLIENT_TYPE: HeaderName = HeaderName::from_static("client-type");

/// The id of the caller's key.
pub const KEY_ID: HeaderName = HeaderName::from_static("x-keygate-key-id");

/// The reason of a decision.
pub const REASON: HeaderName = HeaderName::from_static("x-keygate-reason");

/// The gateway's id of the client request, for logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The challenge of 401 responses to requests that need a valid key.
///
/// RFC 9110, section 11.6.1 requires a challenge; there is no registered scheme for a key in a custom
/// header.
pub const API_KEY_CHALLENGE: HeaderValue = HeaderValue::from_static("ApiKey realm=\"keygate\"");

/// The error for a repeated header with different values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header `{0}` is repeated with different values")]
pub struct Repeated(pub HeaderName);

/// Returns the value of a header, which may be empty.
///
/// Repeated equal values are accepted: Mia-Platform's Envoy sends `isbackoffice` twice.
///
/// # Errors
/// The header is repeated with different values, and it is unknown which one the gateway wrote.
pub fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Repeated> {
    let first = headers.get(name);
    if repeats_none(headers) || headers.get_all(name).iter().all(|it| Some(it) == first) {
        Ok(first)
    } else {
        Err(Repeated(name.clone()))
    }
}

/// Whether each header has one value, as usual: then a second lookup, of all its values, is saved.
fn repeats_none(headers: &HeaderMap) -> bool {
    headers.len() == headers.keys_len()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::absent(&[], Ok(None))]
    #[case::once(&["1"], Ok(Some("1")))]
    #[case::empty(&[""], Ok(Some("")))]
    #[case::equal(&["1", "1", "1"], Ok(Some("1")))]
    #[case::different(&["1", "0"], Err(Repeated(KEY_ID)))]
    #[case::different_later(&["1", "1", "0"], Err(Repeated(KEY_ID)))]
    #[case::one_is_empty(&["", "1"], Err(Repeated(KEY_ID)))]
    #[case::case_differs(&["a", "A"], Err(Repeated(KEY_ID)))]
    fn a_repeated_header_must_have_equal_values(
        #[case] values: &[&str],
        #[case] expected: Result<Option<&str>, Repeated>,
        #[values(&[], &["other"], &["other", "another"])] beside: &[&str],
    ) {
        let mut headers = HeaderMap::new();
        for value in beside {
            headers.append(REQUEST_ID, HeaderValue::from_str(value).unwrap());
        }
        for value in values {
            headers.append(KEY_ID, HeaderValue::from_str(value).unwrap());
        }
        let found = single(&headers, &KEY_ID);
        let text = |value: Option<&HeaderValue>| value.map(|value| value.as_bytes().to_vec());
        assert_eq!(
            found.map(text),
            expected.map(|value| value.map(|value| value.as_bytes().to_vec()))
        );
    }
}
