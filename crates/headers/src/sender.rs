//! Which gateway sent an authorization request, and whether it follows the settings of this process.
//!
//! Keygate's nginx includes send the names of headers and cookies that they were written for. Includes
//! for other names would forward a key to the backend, or trust a caller's own identity headers.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Gateway, repeats_none};

/// The header with the names that the includes were written for.
static NAMES: HeaderName = HeaderName::from_static("x-keygate-names");

/// The two headers that former includes, which do not send names, always send.
static FORMER: [HeaderName; 2] = [
    HeaderName::from_static("x-keygate-client-address"),
    HeaderName::from_static("original-request-uri"),
];

/// The names that the nginx includes must have been written for.
///
/// As separate processes, each service knows only its own settings, and compares only its part.
#[derive(Debug, Clone, Default)]
pub struct ExpectedNames {
    start: String,
    end: String,
    are_others: bool,
}

/// The sender of an authorization request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Keygate's nginx includes: `auth_request` uses only the status.
    Includes,
    /// Another gateway, or other includes for nginx.
    Other,
}

/// The error for a request of includes that were written for other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the nginx includes were generated for header and cookie names other than the ones in this \
     service's settings: regenerate them with `keygate nginx-includes` and these settings"
)]
pub struct OtherNames;

impl ExpectedNames {
    /// Returns names that start with `start` and end with `end`.
    ///
    /// `are_others` is whether former includes, which were written for the default names, are rejected.
    #[must_use]
    pub fn new(start: String, end: String, are_others: bool) -> Self {
        Self {
            start,
            end,
            are_others,
        }
    }

    /// Returns the sender of a request with these headers.
    ///
    /// # Errors
    /// The includes were written for other names, so the request must be denied.
    pub fn sender(&self, gateway: Gateway, headers: &HeaderMap) -> Result<Sender, OtherNames> {
        if gateway != Gateway::Nginx {
            return Ok(Sender::Other);
        }
        let Some(stated) = headers.get(&NAMES) else {
            let is_former = FORMER.iter().all(|name| headers.contains_key(name));
            return match (is_former, self.are_others) {
                (true, true) => Err(OtherNames),
                (true, false) => Ok(Sender::Includes),
                (false, _) => Ok(Sender::Other),
            };
        };
        let fits = |value: &HeaderValue| {
            let value = value.as_bytes();
            value.starts_with(self.start.as_bytes()) && value.ends_with(self.end.as_bytes())
        };
        if fits(stated) && (repeats_none(headers) || headers.get_all(&NAMES).iter().all(fits)) {
            Ok(Sender::Includes)
        } else {
            Err(OtherNames)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ADDRESS: (&str, &str) = ("x-keygate-client-address", "192.0.2.1");
    const URI: (&str, &str) = ("original-request-uri", "/");

    fn sender(are_others: bool, lines: &[(&'static str, &str)]) -> Result<Sender, OtherNames> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        ExpectedNames::new("a;".to_owned(), ";b".to_owned(), are_others)
            .sender(Gateway::Nginx, &headers)
    }

    #[rstest]
    #[case::exact(&[("x-keygate-names", "a;b")], Ok(Sender::Includes))]
    #[case::whole(&[("x-keygate-names", "a;;b")], Ok(Sender::Includes))]
    #[case::part_of_another(&[("x-keygate-names", "a;other;b")], Ok(Sender::Includes))]
    #[case::other_start(&[("x-keygate-names", "c;;b")], Err(OtherNames))]
    #[case::other_end(&[("x-keygate-names", "a;;c")], Err(OtherNames))]
    #[case::empty(&[("x-keygate-names", "")], Err(OtherNames))]
    #[case::one_of_two(&[("x-keygate-names", "a;;b"), ("x-keygate-names", "c")], Err(OtherNames))]
    fn includes_must_send_the_names_of_the_settings(
        #[values(false, true)] are_others: bool,
        #[case] lines: &[(&'static str, &str)],
        #[case] expected: Result<Sender, OtherNames>,
    ) {
        assert_eq!(sender(are_others, lines), expected);
    }

    #[test]
    fn former_includes_fit_only_the_default_names() {
        assert_eq!(sender(false, &[ADDRESS, URI]), Ok(Sender::Includes));
        assert_eq!(sender(true, &[ADDRESS, URI]), Err(OtherNames));
    }

    #[rstest]
    #[case(&[])]
    #[case(&[ADDRESS])]
    #[case(&[URI])]
    fn other_gateways_send_no_names(#[case] lines: &[(&'static str, &str)]) {
        assert_eq!(sender(true, lines), Ok(Sender::Other));
    }
}
