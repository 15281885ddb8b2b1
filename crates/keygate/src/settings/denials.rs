//! Settings that say how a denial is sent.

/// [`RejectedKeyStatus`] as it is set: a number.
pub(super) mod rejected_key_status {
    use keygate_resolver::service::RejectedKeyStatus;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::settings) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<RejectedKeyStatus, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        let status = match Written::deserialize(from)? {
            Written::Number(status) => status.to_string(),
            Written::Text(status) => status,
        };
        match status.as_str() {
            "401" => Ok(RejectedKeyStatus::Unauthorized),
            "403" => Ok(RejectedKeyStatus::Forbidden),
            other => Err(de::Error::custom(format!(
                "`{other}` is not one of 401, 403"
            ))),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(in crate::settings) fn serialize<S: Serializer>(
        it: &RejectedKeyStatus,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u16(match it {
            RejectedKeyStatus::Unauthorized => 401,
            RejectedKeyStatus::Forbidden => 403,
        })
    }
}

/// [`AnswerWith`] as it is set: a word.
pub(super) mod answer_with {
    use keygate_authorizer::AnswerWith;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::settings) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<AnswerWith, D::Error> {
        match String::deserialize(from)?.as_str() {
            "status" => Ok(AnswerWith::Status),
            "header" => Ok(AnswerWith::Header),
            other => Err(de::Error::custom(format!(
                "`{other}` is not one of status, header"
            ))),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(in crate::settings) fn serialize<S: Serializer>(
        it: &AnswerWith,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(match it {
            AnswerWith::Status => "status",
            AnswerWith::Header => "header",
        })
    }
}
