//! The header `authorization`, which may carry an API key or a user's token (RFC 6750, section 2.1).

/// Returns the token of the scheme `Bearer`, which may be in any case (RFC 9110, section 11.1).
#[must_use]
pub fn token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer ".len())?;
    let token = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// Returns the API key of an `authorization` header, where that header may carry keys.
///
/// A bearer token of a JWT's shape is a user's. Every other value is a key, whatever its scheme, so that
/// none is taken for something that a backend may see.
///
/// The nginx includes pass the header on by the same rule: change both or neither.
#[must_use]
pub fn key(value: &[u8]) -> Option<&[u8]> {
    match token(value) {
        Some(token) if has_token_shape(token) => None,
        Some(token) => Some(token),
        None => Some(value),
    }
}

/// Returns whether a text has the shape of a JWT: three parts of base64url, between dots.
#[must_use]
pub fn has_token_shape(text: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
    let mut parts = text.split(|byte| *byte == b'.');
    let three = [parts.next(), parts.next(), parts.next()];
    parts.next().is_none()
        && matches!(three, [Some([_, ..]), Some([_, ..]), Some(_)])
        && three.into_iter().flatten().flatten().all(is_base64)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("eyJhbGciOiJub25lIn0.e30.c2ln", true)]
    #[case("eyJhbGciOiJub25lIn0.e30.", true)]
    #[case("a-_.b=.c", true)]
    #[case("kg_0123456789abcdef", false)]
    #[case("a.b", false)]
    #[case("a.b.c.d", false)]
    #[case(".b.c", false)]
    #[case("a..c", false)]
    #[case("a.b!.c", false)]
    #[case("", false)]
    fn a_token_is_told_from_a_key_by_its_shape(#[case] text: &str, #[case] expected: bool) {
        assert_eq!(has_token_shape(text.as_bytes()), expected);
    }

    #[rstest]
    #[case::bearer("Bearer kg_1", Some("kg_1"))]
    #[case::any_case("bEARER   kg_1 ", Some("kg_1"))]
    #[case::two_dots_and_more("Bearer a.b.c d", Some("a.b.c d"))]
    #[case::a_users_token("Bearer a.b.c", None)]
    #[case::without_a_scheme("kg_1", Some("kg_1"))]
    #[case::token_without_a_scheme("a.b.c", Some("a.b.c"))]
    #[case::another_scheme("Basic YTpi", Some("Basic YTpi"))]
    #[case::a_tab("Bearer\tkg_1", Some("Bearer\tkg_1"))]
    #[case::nothing("Bearer ", Some("Bearer "))]
    #[case::empty("", Some(""))]
    fn all_but_a_users_token_is_a_key(#[case] value: &str, #[case] expected: Option<&str>) {
        assert_eq!(key(value.as_bytes()), expected.map(str::as_bytes));
    }
}
