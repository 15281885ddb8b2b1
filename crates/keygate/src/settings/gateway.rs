//! The gateway, and the names of headers and cookies that it must use, as the settings choose them.

use std::time::Duration;

use keygate_authorizer::{AnswerWith, HeaderNames};
use keygate_gateways::{Choice, UserHeaders};
use keygate_headers::{ExpectedNames, Gateway};
use keygate_resolver::{CredentialNames, FailedKeys};
use keygate_telemetry::role::Role;
use keygate_user_sources::Timing;
use keygate_users::{
    settings::{InvalidToken, Jwt, KeySource},
    trusted::TrustedNames,
};

use super::{
    Settings, SettingsError,
    names::{Name, Names},
};

/// [`Gateway`] as it is set: a word.
pub(super) mod name {
    use keygate_headers::Gateway;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::settings) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Gateway, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(in crate::settings) fn serialize<S: Serializer>(
        it: &Gateway,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(it.as_str())
    }
}

impl Settings {
    /// Makes sure that the other settings fit the gateway.
    ///
    /// # Errors
    /// Denied requests would reach the backend, or a caller could choose its own address.
    pub fn fitting_the_gateway(self, role: Role) -> Result<Self, SettingsError> {
        let gateway = self.gateway;
        if gateway == Gateway::Nginx {
            return Ok(self);
        }
        if role != Role::Resolver && self.answer_with == AnswerWith::Header {
            return Err(SettingsError::AllowsAll {
                named: self.origins.named("answer-with"),
                gateway,
            });
        }
        let is_limited = role != Role::Authorizer && self.failed_keys_per_minute.is_some();
        if is_limited && self.client_address_header.is_none() {
            return Err(SettingsError::NoClientAddress {
                named: self.origins.named("failed-keys-per-minute"),
                gateway,
            });
        }
        Ok(self)
    }

    /// Returns the counter and limit of failed attempts.
    #[must_use]
    pub fn failed_keys(&self) -> FailedKeys {
        let failed_keys = match (&self.client_address_header, self.gateway) {
            (Some(Name(header)), _) => FailedKeys::by(header.clone()),
            (None, Gateway::Nginx) => FailedKeys::default(),
            // No header of theirs has only the caller's address, and a caller may send the includes' name.
            (None, _) => FailedKeys::without_addresses(),
        };
        failed_keys.limited(self.failed_keys_per_minute)
    }

    /// Where requests carry their key.
    #[must_use]
    pub fn credential_names(&self) -> CredentialNames {
        let Names(headers) = &self.key_headers;
        let Names(cookies) = &self.key_cookies;
        CredentialNames {
            headers: headers
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            cookies: cookies.clone(),
        }
    }

    /// The names of the headers in which the gateway describes a request.
    #[must_use]
    pub fn header_names(&self) -> HeaderNames {
        HeaderNames {
            client_type: self.client_type_header.0.clone(),
            backoffice: self.backoffice_header.0.clone(),
        }
    }

    /// The names of headers and cookies that a gateway must follow, each with one meaning.
    ///
    /// # Errors
    /// A header would have two: a caller's own could be believed, or a key passed on.
    pub fn gateway_names(&self) -> Result<keygate_gateways::Names, SettingsError> {
        keygate_gateways::Names::new(self.choice_of_names()).map_err(|error| {
            let named = self.origins.named(error.setting());
            SettingsError::Names { named, error }
        })
    }

    /// What a role expects of the nginx includes.
    ///
    /// In a pair a process may have only the settings that it reads itself: it compares the others
    /// where they are set.
    ///
    /// # Errors
    /// See [`Settings::gateway_names`].
    pub fn expected_names(&self, role: Role) -> Result<ExpectedNames, SettingsError> {
        let (names, default) = (self.gateway_names()?, keygate_gateways::Names::default());
        let part = |part: String, default: String, is_read: bool| {
            let is_compared = is_read || part != default;
            if is_compared { part } else { String::new() }
        };
        Ok(ExpectedNames::new(
            part(
                names.resolver_value(),
                default.resolver_value(),
                role != Role::Authorizer,
            ),
            part(
                names.authorizer_value(),
                default.authorizer_value(),
                role != Role::Resolver,
            ),
            names.header_value() != default.header_value(),
        ))
    }

    /// The headers in which the gateway names the user, if it is trusted with that.
    fn trusted_headers(&self) -> Option<&TrustedNames> {
        let trusted = self.users.as_ref()?.trusted_headers.as_ref()?;
        Some(&trusted.names)
    }

    /// The most bytes of a response's headers with the identity of a user.
    #[must_use]
    pub fn longest_identity(&self) -> usize {
        // The id, the groups, the properties, and a token with all of them.
        self.users
            .as_ref()
            .map_or(0, |_| 4 * usize::from(self.identity_header_limit.get()))
    }

    /// The longest time that a request waits for its user.
    #[must_use]
    pub fn longest_user_lookup(&self) -> Duration {
        let Some(users) = &self.users else {
            return Duration::ZERO;
        };
        let is_fetched = |jwt: &Jwt| matches!(jwt.keys, KeySource::Url { .. });
        let keys = if users.jwt.iter().any(is_fetched) {
            Timing::default().wait
        } else {
            Duration::ZERO
        };
        let userinfo = users.userinfo.as_ref().map_or(Duration::ZERO, |userinfo| {
            Duration::from_millis(userinfo.timeout_ms.into())
        });
        match users.invalid_token {
            InvalidToken::Deny => keys.max(userinfo),
            // The service is called after the keys of the token have not come.
            InvalidToken::Anonymous => keys.saturating_add(userinfo),
        }
    }

    /// These names as the settings choose them.
    #[must_use]
    pub fn choice_of_names(&self) -> Choice {
        let CredentialNames { headers, cookies } = self.credential_names();
        let default = Choice::default().client_address;
        let address = self.client_address_header.as_ref();
        Choice {
            key_headers: headers,
            key_cookies: cookies,
            client_address: address.map_or(default, |Name(header)| header.clone()),
            client_type: self.client_type_header.0.clone(),
            backoffice: self.backoffice_header.0.clone(),
            user: self.trusted_headers().map(|names| UserHeaders {
                id: names.id.clone(),
                groups: names.groups.clone(),
                properties: names.properties.clone(),
            }),
        }
    }
}
