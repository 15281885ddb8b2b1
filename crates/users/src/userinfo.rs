//! A user from the response of a userinfo service.

use crate::{
    JsonError, Refusal, json,
    mapping::{Found, InvalidId, Mapping},
    peers::Peer,
};

/// What a userinfo service said.
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    /// This user is logged in.
    User(Found),
    /// Nobody is.
    Nobody(NobodyReason),
}

/// Why nobody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NobodyReason {
    /// The request has no credential for the service, which was not called.
    #[error("the request contains no credentials")]
    NoCredential,
    /// The token is invalid, and the setting `invalid-token` is `anonymous`.
    #[error("`invalid-token: anonymous`: {0}")]
    InvalidToken(Refusal),
    /// 401, 403, or a success without a body.
    #[error("the userinfo service knows no user with these credentials")]
    Unknown,
    /// Another error of the client's: Mia-Platform's service takes it as nobody too, but the URL may be wrong.
    #[error("the userinfo service responded with {0}, which means that nobody is logged in")]
    Status(u16),
    /// The trusted headers were ignored.
    #[error(
        "the header with the user id came from {0}, which is not in `users.trusted-headers.peers`"
    )]
    UntrustedPeer(Peer),
    /// The response has no id.
    #[error("the userinfo response identifies no user: {0}")]
    Id(#[from] InvalidId),
}

/// Why a response says nothing about the user: the service is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResponse {
    /// A status that is neither a success nor an error of the client's.
    #[error("the userinfo service responded with {0}")]
    Status(u16),
    /// The body is not what it should be.
    #[error("the body of the userinfo response is rejected: {0}")]
    Body(#[from] JsonError),
}

/// Reads a response.
///
/// # Errors
/// The service failed; a redirect is such a failure, since it leads to a login page.
pub fn read(status: u16, body: &[u8], mapping: &Mapping) -> Result<Login, InvalidResponse> {
    match status {
        200 | 204 if body.trim_ascii().is_empty() => Ok(Login::Nobody(NobodyReason::Unknown)),
        200 => {
            let document = json::object(body)?;
            Ok(mapping
                .find(&document)
                .map_or_else(|error| Login::Nobody(error.into()), Login::User))
        }
        401 | 403 => Ok(Login::Nobody(NobodyReason::Unknown)),
        // Not about this caller: too slow, too many requests.
        408 | 425 | 429 => Err(InvalidResponse::Status(status)),
        400..=499 => Ok(Login::Nobody(NobodyReason::Status(status))),
        _ => Err(InvalidResponse::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn mapping() -> Mapping {
        let pointers = |text: &str| vec![text.parse().unwrap()];
        Mapping {
            id: "/sub".parse().unwrap(),
            groups: pointers("/groups"),
            permissions: pointers("/permissions"),
            properties: pointers("/email"),
        }
    }

    #[test]
    fn a_response_names_the_user() {
        let body = br#"{"sub":"ada","groups":["admin"],"permissions":["write:orders"],"email":"a@x","more":1}"#;
        let Ok(Login::User(found)) = read(200, body, &mapping()) else {
            panic!("no user");
        };
        assert_eq!(found.user.id, "ada");
        assert!(found.user.groups.contains("admin"));
        assert!(found.user.permissions.contains("write:orders"));
        assert_eq!(found.user.properties.len(), 1);
    }

    #[rstest]
    #[case(401, "", Ok(NobodyReason::Unknown))]
    #[case(403, r#"{"sub":"ada"}"#, Ok(NobodyReason::Unknown))]
    #[case(200, "", Ok(NobodyReason::Unknown))]
    #[case(200, "\r\n", Ok(NobodyReason::Unknown))]
    #[case(204, "", Ok(NobodyReason::Unknown))]
    #[case(200, "{}", Ok(NobodyReason::Id(InvalidId::Missing)))]
    #[case(200, r#"{"sub":""}"#, Ok(NobodyReason::Id(InvalidId::Missing)))]
    #[case(200, r#"{"sub":true}"#, Ok(NobodyReason::Id(InvalidId::NotText)))]
    #[case(404, "", Ok(NobodyReason::Status(404)))]
    #[case(400, r#"{"sub":"ada"}"#, Ok(NobodyReason::Status(400)))]
    #[case(200, "<html>", Err(InvalidResponse::Body(JsonError::Syntax)))]
    #[case(200, "null", Err(InvalidResponse::Body(JsonError::NotAnObject)))]
    #[case(
        200,
        r#"{"sub":"a","sub":"b"}"#,
        Err(InvalidResponse::Body(JsonError::RepeatedName))
    )]
    #[case(302, r#"{"sub":"ada"}"#, Err(InvalidResponse::Status(302)))]
    #[case(206, r#"{"sub":"ada"}"#, Err(InvalidResponse::Status(206)))]
    #[case(429, "", Err(InvalidResponse::Status(429)))]
    #[case(500, r#"{"sub":"ada"}"#, Err(InvalidResponse::Status(500)))]
    #[case(503, "", Err(InvalidResponse::Status(503)))]
    fn other_responses_name_nobody_or_are_failures(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: Result<NobodyReason, InvalidResponse>,
    ) {
        let login = read(status, body.as_bytes(), &mapping());
        assert_eq!(login, expected.map(Login::Nobody));
    }
}
