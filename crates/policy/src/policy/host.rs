//! The hosts of an endpoint.

use std::fmt;

/// A host pattern of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// One host, in lower case.
    Exact(Box<str>),
    /// Every host below a domain, at any depth, as nginx's `*.example.com`; holds the domain.
    Below(Box<str>),
}

/// The error for a text that is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a host: write a name such as `shop.example.com` or `*.example.com`, without a \
     port"
)]
pub struct HostError {
    text: String,
}

/// The longest host name (RFC 1035, section 2.3.4), without the final dot.
const LONGEST: usize = 253;

impl HostPattern {
    /// Parses a host name, an address, or `*.` and a domain.
    ///
    /// # Errors
    /// The text is none of these; an internationalised name must be written in its ASCII form.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (domain, wildcard) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        let name = domain
            .strip_suffix('.')
            .unwrap_or(domain)
            .to_ascii_lowercase();
        let is_literal = !wildcard
            && name
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'))
                .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let is_name = name.len() <= LONGEST && name.split('.').all(is_label);
        match (is_name || is_literal, wildcard) {
            (false, _) => Err(HostError {
                text: text.to_owned(),
            }),
            (true, true) => Ok(Self::Below(name.into())),
            (true, false) => Ok(Self::Exact(name.into())),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// A request's host, normalized for comparison: lower case, no port, no final dot.
pub(super) struct RequestHost {
    buffer: [u8; LONGEST],
    length: usize,
}

impl RequestHost {
    /// Returns `None` for a host that no pattern can match.
    pub(super) fn new(host: &str) -> Option<Self> {
        let name = match host.find(']') {
            Some(end) if host.starts_with('[') => host.get(..=end)?,
            _ => host.split(':').next().unwrap_or(host),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut buffer = [0; LONGEST];
        let target = buffer.get_mut(..name.len())?;
        target.copy_from_slice(name.as_bytes());
        target.make_ascii_lowercase();
        Some(Self {
            buffer,
            length: name.len(),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        self.buffer
            .get(..self.length)
            .and_then(|name| std::str::from_utf8(name).ok())
            .unwrap_or_default()
    }

    /// Returns the domains above the host, the nearest first.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        let name = self.as_str();
        name.match_indices('.')
            .filter_map(move |(dot, _)| name.get(dot + 1..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("Shop.Example.com", Some("shop.example.com"))]
    #[case("shop.example.com.", Some("shop.example.com"))]
    #[case("*.example.com", Some("*.example.com"))]
    #[case("[::1]", Some("[::1]"))]
    #[case("127.0.0.1", Some("127.0.0.1"))]
    #[case("localhost", Some("localhost"))]
    #[case("shop.example.com:443", None)]
    #[case("*", None)]
    #[case("*.", None)]
    #[case("a.*.com", None)]
    #[case("", None)]
    #[case("a..b", None)]
    #[case("münchen.de", None)]
    fn host_patterns_are_validated(#[case] text: &str, #[case] expected: Option<&str>) {
        let parsed = HostPattern::parse(text).ok().map(|host| host.to_string());
        assert_eq!(parsed.as_deref(), expected);
    }

    #[rstest::rstest]
    #[case("shop.example.com", "shop.example.com")]
    #[case("SHOP.example.com:8443", "shop.example.com")]
    #[case("shop.example.com.", "shop.example.com")]
    #[case("shop.example.com.:80", "shop.example.com")]
    #[case("[::1]:80", "[::1]")]
    #[case("[::1]", "[::1]")]
    fn case_port_and_final_dot_are_ignored(#[case] host: &str, #[case] expected: &str) {
        assert_eq!(RequestHost::new(host).unwrap().as_str(), expected);
    }

    #[test]
    fn an_overlong_host_matches_no_pattern() {
        assert!(RequestHost::new(&"a".repeat(254)).is_none());
    }

    #[test]
    fn a_host_is_below_each_of_its_domains() {
        let host = RequestHost::new("a.b.example.com").unwrap();
        assert_eq!(
            host.domains().collect::<Vec<_>>(),
            ["b.example.com", "example.com", "com"]
        );
    }
}
