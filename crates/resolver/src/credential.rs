//! The API key in a request's headers.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE},
};
use keygate_headers::{bearer, cookies};

/// The headers and cookies that may carry a key.
#[derive(Debug, Clone)]
pub struct CredentialNames {
    /// Header names.
    pub headers: Vec<HeaderName>,
    /// Cookie names, compared byte for byte (RFC 6265, section 5.4).
    pub cookies: Vec<String>,
}

/// `client-key`, its older alias `secret`, and Mia-Platform's cookie `mia_client_key`.
impl Default for CredentialNames {
    fn default() -> Self {
        Self {
            headers: vec![
                HeaderName::from_static("client-key"),
                HeaderName::from_static("secret"),
            ],
            cookies: vec!["mia_client_key".to_owned()],
        }
    }
}

/// The key in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'h> {
    /// No key.
    None,
    /// One key, possibly repeated.
    One(&'h [u8]),
    /// Several different keys: the intended one is unknown.
    Ambiguous,
}

impl<'h> Credential<'h> {
    /// Returns the credential: every header and cookie with a configured name counts.
    ///
    /// `authorization` may also carry a user's token, which is not a key.
    #[must_use]
    pub fn read(headers: &'h HeaderMap, names: &CredentialNames) -> Self {
        let mut found = Self::None;
        for name in &names.headers {
            for value in headers.get_all(name) {
                let key = match *name {
                    AUTHORIZATION => bearer::key(value.as_bytes()),
                    _ => Some(value.as_bytes()),
                };
                found = key.map_or(found, |key| found.and(key));
            }
        }
        for line in headers.get_all(&COOKIE) {
            for (name, value) in cookies(line.as_bytes()) {
                if names.cookies.iter().any(|it| it.as_bytes() == name) {
                    found = found.and(value);
                }
            }
        }
        found
    }

    fn and(self, value: &'h [u8]) -> Self {
        match self {
            Self::None => Self::One(value),
            Self::One(first) if first == value => self,
            Self::One(_) | Self::Ambiguous => Self::Ambiguous,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::request::tests::headers;

    #[rstest]
    #[case::nothing(&[], Credential::None)]
    #[case::another_header(&[("x-key", "k")], Credential::None)]
    #[case::header(&[("client-key", "k")], Credential::One(b"k"))]
    #[case::alias(&[("secret", "k")], Credential::One(b"k"))]
    #[case::empty_header(&[("client-key", "")], Credential::One(b""))]
    #[case::cookie(&[("cookie", "a=b; mia_client_key=k")], Credential::One(b"k"))]
    #[case::cookie_with_blanks(&[("cookie", "a=b;\t mia_client_key = k ;c=d")], Credential::One(b"k"))]
    #[case::cookie_with_equals(&[("cookie", "mia_client_key=k=")], Credential::One(b"k="))]
    #[case::cookie_of_another_case(&[("cookie", "MIA_CLIENT_KEY=k")], Credential::None)]
    #[case::cookie_name_inside(&[("cookie", "xmia_client_key=k; mia_client_keyx=k")], Credential::None)]
    #[case::cookie_name_alone(&[("cookie", "mia_client_key")], Credential::None)]
    #[case::cookie_name_in_a_value(&[("cookie", "a=mia_client_key=k")], Credential::None)]
    #[case::the_same_twice(&[("client-key", "k"), ("client-key", "k")], Credential::One(b"k"))]
    #[case::the_same_everywhere(&[("client-key", "k"), ("secret", "k"), ("cookie", "mia_client_key=k")], Credential::One(b"k"))]
    #[case::two_headers(&[("client-key", "k"), ("client-key", "l")], Credential::Ambiguous)]
    #[case::header_and_alias(&[("client-key", "k"), ("secret", "l")], Credential::Ambiguous)]
    #[case::header_and_empty_alias(&[("client-key", "k"), ("secret", "")], Credential::Ambiguous)]
    #[case::header_and_cookie(&[("client-key", "k"), ("cookie", "mia_client_key=l")], Credential::Ambiguous)]
    #[case::two_cookies(&[("cookie", "mia_client_key=k; mia_client_key=l")], Credential::Ambiguous)]
    #[case::two_cookie_lines(&[("cookie", "mia_client_key=k"), ("cookie", "mia_client_key=l")], Credential::Ambiguous)]
    #[case::the_first_again_after_another(&[("client-key", "k"), ("client-key", "l"), ("client-key", "k")], Credential::Ambiguous)]
    fn the_credential_is_the_only_key_of_a_request(
        #[case] lines: &[(&str, &str)],
        #[case] expected: Credential<'_>,
    ) {
        let (headers, names) = (headers(lines), CredentialNames::default());
        assert!(Credential::read(&headers, &names) == expected);
    }

    const AUTH: &str = "authorization";

    #[rstest]
    #[case::bearer(&[(AUTH, "Bearer k")], Credential::One(b"k"))]
    #[case::without_a_scheme(&[(AUTH, "k")], Credential::One(b"k"))]
    #[case::another_scheme(&[(AUTH, "Basic k")], Credential::One(b"Basic k"))]
    #[case::a_users_token(&[(AUTH, "Bearer a.b.c")], Credential::None)]
    #[case::beside_a_users_token(&[(AUTH, "Bearer a.b.c"), (AUTH, "bearer k")], Credential::One(b"k"))]
    #[case::the_same_in_another_header(&[(AUTH, "Bearer k"), ("x-api-key", "k")], Credential::One(b"k"))]
    #[case::another_in_another_header(&[(AUTH, "Bearer k"), ("x-api-key", "l")], Credential::Ambiguous)]
    #[case::two(&[(AUTH, "Bearer k"), (AUTH, "Bearer l")], Credential::Ambiguous)]
    #[case::a_token_in_another_header(&[("x-api-key", "Bearer a.b.c")], Credential::One(b"Bearer a.b.c"))]
    fn authorization_carries_a_key_or_a_users_token(
        #[case] lines: &[(&str, &str)],
        #[case] expected: Credential<'_>,
    ) {
        let names = CredentialNames {
            headers: vec![AUTHORIZATION, HeaderName::from_static("x-api-key")],
            cookies: Vec::new(),
        };
        assert!(Credential::read(&headers(lines), &names) == expected);
    }
}
