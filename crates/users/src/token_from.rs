//! Where a request carries its token: the header `authorization`, or a cookie.

use std::{fmt, str::FromStr};

use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};
use keygate_headers::{bearer, cookies};
use serde::Deserialize;

use crate::jwt::Refusal;

/// A place of a token in a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum TokenFrom {
    /// `authorization`, scheme `Bearer`.
    Authorization,
    /// The cookie of this name.
    Cookie(String),
}

/// The error for a place that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither `authorization` nor a cookie, such as `cookie:sid`")]
pub struct NotAPlace(String);

impl TokenFrom {
    /// Returns the token of a request.
    ///
    /// `may_be_key` says that a bearer value may be an API key; then only one that has the shape of a
    /// token is a token.
    ///
    /// # Errors
    /// The request has several that differ, and nobody can say which one the caller means.
    pub fn find<'h>(
        places: &[Self],
        headers: &'h HeaderMap,
        may_be_key: bool,
    ) -> Result<Option<&'h [u8]>, Refusal> {
        let mut found = None;
        for token in places
            .iter()
            .flat_map(|place| place.all(headers, may_be_key))
        {
            match found {
                None => found = Some(token),
                Some(first) if first == token => {}
                Some(_) => return Err(Refusal::SeveralTokens),
            }
        }
        Ok(found)
    }

    fn all<'h>(&self, headers: &'h HeaderMap, may_be_key: bool) -> Vec<&'h [u8]> {
        match self {
            Self::Authorization => headers
                .get_all(AUTHORIZATION)
                .iter()
                .filter_map(|value| bearer::token(value.as_bytes()))
                .filter(|token| !may_be_key || bearer::has_token_shape(token))
                .collect(),
            Self::Cookie(name) => headers
                .get_all(COOKIE)
                .iter()
                .flat_map(|line| cookies(line.as_bytes()))
                .filter(|(known, value)| *known == name.as_bytes() && !value.is_empty())
                .map(|(_, value)| value)
                .collect(),
        }
    }
}

impl FromStr for TokenFrom {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let is_name = |name: &str| {
            let token =
                |byte: u8| byte.is_ascii_graphic() && !b"=;,\"()<>@:\\/[]?{}".contains(&byte);
            !name.is_empty() && name.bytes().all(token)
        };
        match text.strip_prefix("cookie:") {
            Some(name) if is_name(name) => Ok(Self::Cookie(name.to_owned())),
            None if text.eq_ignore_ascii_case("authorization") => Ok(Self::Authorization),
            _ => Err(NotAPlace(text.to_owned())),
        }
    }
}

/// In words.
impl fmt::Display for TokenFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorization => f.write_str("`authorization`"),
            Self::Cookie(name) => write!(f, "the cookie `{name}`"),
        }
    }
}

impl TryFrom<String> for TokenFrom {
    type Error = NotAPlace;

    fn try_from(text: String) -> Result<Self, NotAPlace> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    const AUTH: &str = "authorization";

    #[rstest]
    #[case::none(&[], false, Ok(None))]
    #[case::bearer(&[(AUTH, "Bearer a.b.c")], false, Ok(Some("a.b.c")))]
    #[case::any_case(&[(AUTH, "bEARER   a.b.c ")], false, Ok(Some("a.b.c")))]
    #[case::another_scheme(&[(AUTH, "Basic YTpi")], false, Ok(None))]
    #[case::no_scheme(&[(AUTH, "a.b.c")], false, Ok(None))]
    #[case::nothing_else(&[(AUTH, "Bearer ")], false, Ok(None))]
    #[case::opaque(&[(AUTH, "Bearer kg_1")], false, Ok(Some("kg_1")))]
    #[case::a_key(&[(AUTH, "Bearer kg_1")], true, Ok(None))]
    #[case::a_token_beside_keys(&[(AUTH, "Bearer a.b.c")], true, Ok(Some("a.b.c")))]
    #[case::cookie(&[("cookie", "x=1; sid=a.b.c")], false, Ok(Some("a.b.c")))]
    #[case::another_cookie(&[("cookie", "SID=a.b.c; sidx=1")], false, Ok(None))]
    #[case::empty_cookie(&[("cookie", "sid=")], false, Ok(None))]
    #[case::equal(&[(AUTH, "Bearer a.b.c"), ("cookie", "sid=a.b.c")], false, Ok(Some("a.b.c")))]
    #[case::two(&[(AUTH, "Bearer a.b.c"), (AUTH, "Bearer a.b.d")], false, Err(Refusal::SeveralTokens))]
    #[case::header_and_cookie(&[(AUTH, "Bearer a.b.c"), ("cookie", "sid=a.b.d")], false, Err(Refusal::SeveralTokens))]
    #[case::two_cookies(&[("cookie", "sid=a.b.c; sid=a.b.d")], false, Err(Refusal::SeveralTokens))]
    fn a_request_has_one_token(
        #[case] lines: &[(&'static str, &str)],
        #[case] may_be_key: bool,
        #[case] expected: Result<Option<&str>, Refusal>,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let places = [
            TokenFrom::Authorization,
            TokenFrom::Cookie("sid".to_owned()),
        ];
        let found = TokenFrom::find(&places, &headers, may_be_key);
        assert_eq!(found, expected.map(|token| token.map(str::as_bytes)));
    }

    #[rstest]
    #[case("authorization", Some(TokenFrom::Authorization))]
    #[case("cookie:sid", Some(TokenFrom::Cookie("sid".to_owned())))]
    #[case("cookie:", None)]
    #[case("cookie:a b", None)]
    #[case("cookie:a=b", None)]
    #[case("x-token", None)]
    fn a_place_is_the_header_or_a_cookie(#[case] text: &str, #[case] place: Option<TokenFrom>) {
        assert_eq!(text.parse().ok(), place);
    }
}
