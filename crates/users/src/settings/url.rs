//! A URL that is fetched.

use std::{fmt, net::IpAddr, str::FromStr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use serde::Deserialize;

/// An absolute `https` or `http` URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Url(Uri);

/// The error for a text that is no such URL; it is not repeated, since it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is not one.
    #[error("this is not a URL that starts with `https://` or `http://` and has a host")]
    NotAUrl,
    /// It holds a password, and would show it in logs.
    #[error("the URL contains a user name or a password")]
    Credentials,
}

impl Url {
    /// Returns the URL for a request.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether both are on the same server: equal in scheme, host and port.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.0.scheme() == other.0.scheme() && self.0.authority() == other.0.authority()
    }

    /// Whether nobody on the way can read or change what is fetched: TLS, or this machine.
    #[must_use]
    pub fn is_private(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        self.0.scheme() == Some(&Scheme::HTTPS)
            || host == "localhost"
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl::NotAUrl)?;
        let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
        let is_web = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
        if !is_web || uri.host().is_none_or(str::is_empty) {
            Err(InvalidUrl::NotAUrl)
        } else if authority.contains('@') {
            Err(InvalidUrl::Credentials)
        } else {
            Ok(Self(uri))
        }
    }
}

impl TryFrom<String> for Url {
    type Error = InvalidUrl;

    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://a.example.com/other?x", true)]
    #[case("https://A.example.com/", true)]
    #[case("http://a.example.com/", false)]
    #[case("https://a.example.com:8443/", false)]
    #[case("https://b.example.com/", false)]
    fn a_server_is_a_scheme_a_host_and_a_port(#[case] other: &str, #[case] is_same: bool) {
        let url: Url = "https://a.example.com/".parse().unwrap();
        assert_eq!(url.is_same_server(&other.parse().unwrap()), is_same);
    }

    #[rstest]
    #[case("https://id.example.com/jwks", Ok(true))]
    #[case("http://id.example.com/jwks", Ok(false))]
    #[case("http://localhost:8080/jwks", Ok(true))]
    #[case("http://127.0.0.1/jwks", Ok(true))]
    #[case("http://[::1]:80/jwks", Ok(true))]
    #[case("http://localhost.example.com/", Ok(false))]
    #[case("http://127.0.0.1.example.com/", Ok(false))]
    #[case("https://u:p@id.example.com/", Err(InvalidUrl::Credentials))]
    #[case("id.example.com/jwks", Err(InvalidUrl::NotAUrl))]
    #[case("/jwks", Err(InvalidUrl::NotAUrl))]
    #[case("file:///etc/passwd", Err(InvalidUrl::NotAUrl))]
    #[case("https://", Err(InvalidUrl::NotAUrl))]
    #[case("", Err(InvalidUrl::NotAUrl))]
    fn a_url_is_private_by_tls_or_loopback(
        #[case] text: &str,
        #[case] expected: Result<bool, InvalidUrl>,
    ) {
        assert_eq!(text.parse().map(|url: Url| url.is_private()), expected);
    }
}
