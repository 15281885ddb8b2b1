//! What backends get of the headers that may carry a key beside other things.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use keygate_headers::{Gateway, bearer, cookies_without, gateway::ENVOY_REMOVES};

use crate::CredentialNames;

/// The cookies and the user's token of a request, for gateways that cannot remove a key from such a header.
///
/// The gateway replaces the caller's headers with them.
#[derive(Debug, Clone, Default)]
pub struct WithoutKey {
    cookie: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    removed: Option<HeaderValue>,
}

impl WithoutKey {
    pub(crate) fn of(gateway: Gateway, headers: &HeaderMap, names: &CredentialNames) -> Self {
        let without_key = Self {
            cookie: cookies_without(headers, &names.cookies),
            authorization: token(headers, names),
            removed: None,
        };
        match gateway {
            Gateway::Envoy => Self {
                removed: without_key.removed(headers, names),
                ..without_key
            },
            _ => without_key,
        }
    }

    /// Envoy leaves the caller's headers where a response has none, and removes what this list names.
    fn removed(&self, headers: &HeaderMap, names: &CredentialNames) -> Option<HeaderValue> {
        let is_removed = |name: &HeaderName| match *name {
            AUTHORIZATION => self.authorization.is_none() && headers.contains_key(name),
            COOKIE => self.cookie.is_none() && headers.contains_key(name),
            _ => true,
        };
        let names = names.headers.iter().chain([&COOKIE]);
        let names: Vec<_> = names
            .filter(|name| is_removed(name))
            .map(HeaderName::as_str)
            .collect();
        let list = HeaderValue::try_from(names.join(",")).ok()?;
        (!list.is_empty()).then_some(list)
    }

    /// Adds the headers of the response.
    pub fn write(self, headers: &mut HeaderMap) {
        let values = [(COOKIE, self.cookie), (AUTHORIZATION, self.authorization)];
        for (name, value) in values {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        if let Some(names) = self.removed {
            headers.append(ENVOY_REMOVES, names);
        }
    }
}

/// Returns the header `authorization`, if it is the user's where it may also carry a key.
fn token(headers: &HeaderMap, names: &CredentialNames) -> Option<HeaderValue> {
    if !names.headers.contains(&AUTHORIZATION) {
        return None;
    }
    let mut values = headers.get_all(AUTHORIZATION).iter();
    values
        .find(|value| bearer::key(value.as_bytes()).is_none())
        .cloned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::request::tests::headers;

    #[rstest]
    #[case::no_cookies(&[], &[])]
    #[case::the_key(&[("cookie", "mia_client_key=k")], &[])]
    #[case::others(&[("cookie", "a=1; mia_client_key=k")], &[("cookie", "a=1")])]
    #[case::a_key(&[("authorization", "Bearer kg_1")], &[])]
    #[case::a_token(&[("authorization", "Bearer a.b.c")], &[("authorization", "Bearer a.b.c")])]
    #[case::both(
        &[("authorization", "Bearer kg_1"), ("authorization", "Bearer a.b.c")],
        &[("authorization", "Bearer a.b.c")]
    )]
    fn backends_get_everything_but_the_key(
        #[case] lines: &[(&str, &str)],
        #[case] expected: &[(&str, &str)],
    ) {
        let names = CredentialNames {
            headers: vec![AUTHORIZATION],
            ..CredentialNames::default()
        };
        let mut written = HeaderMap::new();
        WithoutKey::of(Gateway::Caddy, &headers(lines), &names).write(&mut written);
        assert_eq!(written, headers(expected));
    }

    #[test]
    fn authorization_is_left_alone_where_it_carries_no_keys() {
        let names = CredentialNames::default();
        let mut written = HeaderMap::new();
        let lines = [("authorization", "Bearer a.b.c")];
        WithoutKey::of(Gateway::Caddy, &headers(&lines), &names).write(&mut written);
        assert!(written.is_empty());
    }

    #[rstest]
    #[case::none(&[], "client-key")]
    #[case::the_keys_cookie(&[("cookie", "mia_client_key=k")], "client-key,cookie")]
    #[case::other_cookies(&[("cookie", "a=1; mia_client_key=k")], "client-key")]
    #[case::a_key(&[("authorization", "Bearer kg_1")], "client-key,authorization")]
    #[case::a_token(&[("authorization", "Bearer a.b.c")], "client-key")]
    fn envoy_removes_what_it_would_leave(#[case] lines: &[(&str, &str)], #[case] expected: &str) {
        let names = CredentialNames {
            headers: vec![HeaderName::from_static("client-key"), AUTHORIZATION],
            ..CredentialNames::default()
        };
        let mut written = HeaderMap::new();
        WithoutKey::of(Gateway::Envoy, &headers(lines), &names).write(&mut written);
        assert_eq!(written[ENVOY_REMOVES], expected);
    }
}
