//! A user from the response of a userinfo service.

use crate::{
    JsonError, json,
    mapping::{Found, InvalidId, Mapping},
};

/// What a userinfo service said.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// This user is logged in.
    User(Found),
    /// Nobody is.
    Nobody(Why),
}

/// Why nobody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// 401, 403, or a success without a body.
    #[error("the userinfo service knows nobody by these credentials")]
    Unknown,
    /// Another error of the client's: Mia-Platform's service takes it as nobody too, but the URL may be wrong.
    #[error("the userinfo service responded with {0}: taken as nobody is logged in")]
    Status(u16),
    /// The response has no id.
    #[error("the userinfo response names nobody: {0}")]
    Id(#[from] InvalidId),
}

/// Why a response says nothing about the user: the service is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
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
pub fn read(status: u16, body: &[u8], mapping: &Mapping) -> Result<Answer, Unusable> {
    match status {
        200 | 204 if body.trim_ascii().is_empty() => Ok(Answer::Nobody(Why::Unknown)),
        200 => {
            let document = json::object(body)?;
            Ok(mapping
                .find(&document)
                .map_or_else(|error| Answer::Nobody(error.into()), Answer::User))
        }
        401 | 403 => Ok(Answer::Nobody(Why::Unknown)),
        // Not about this caller: too slow, too many requests.
        408 | 425 | 429 => Err(Unusable::Status(status)),
        400..=499 => Ok(Answer::Nobody(Why::Status(status))),
        _ => Err(Unusable::Status(status)),
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
        let Ok(Answer::User(found)) = read(200, body, &mapping()) else {
            panic!("no user");
        };
        assert_eq!(found.user.id, "ada");
        assert!(found.user.groups.contains("admin"));
        assert!(found.user.permissions.contains("write:orders"));
        assert_eq!(found.user.properties.len(), 1);
    }

    #[rstest]
    #[case(401, "", Ok(Why::Unknown))]
    #[case(403, r#"{"sub":"ada"}"#, Ok(Why::Unknown))]
    #[case(200, "", Ok(Why::Unknown))]
    #[case(200, "\r\n", Ok(Why::Unknown))]
    #[case(204, "", Ok(Why::Unknown))]
    #[case(200, "{}", Ok(Why::Id(InvalidId::Missing)))]
    #[case(200, r#"{"sub":""}"#, Ok(Why::Id(InvalidId::Missing)))]
    #[case(200, r#"{"sub":true}"#, Ok(Why::Id(InvalidId::NotText)))]
    #[case(404, "", Ok(Why::Status(404)))]
    #[case(400, r#"{"sub":"ada"}"#, Ok(Why::Status(400)))]
    #[case(200, "<html>", Err(Unusable::Body(JsonError::Syntax)))]
    #[case(200, "null", Err(Unusable::Body(JsonError::NotAnObject)))]
    #[case(
        200,
        r#"{"sub":"a","sub":"b"}"#,
        Err(Unusable::Body(JsonError::RepeatedName))
    )]
    #[case(302, r#"{"sub":"ada"}"#, Err(Unusable::Status(302)))]
    #[case(206, r#"{"sub":"ada"}"#, Err(Unusable::Status(206)))]
    #[case(429, "", Err(Unusable::Status(429)))]
    #[case(500, r#"{"sub":"ada"}"#, Err(Unusable::Status(500)))]
    #[case(503, "", Err(Unusable::Status(503)))]
    fn other_responses_name_nobody_or_are_failures(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: Result<Why, Unusable>,
    ) {
        let answer = read(status, body.as_bytes(), &mapping());
        assert_eq!(answer, expected.map(Answer::Nobody));
    }
}
