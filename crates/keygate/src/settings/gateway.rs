//! The names of headers and cookies that the gateway must use, as the settings choose them.

use std::time::Duration;

use keygate_authorizer::HeaderNames;
use keygate_gateways::{Choice, UserHeaders};
use keygate_headers::ExpectedNames;
use keygate_resolver::CredentialNames;
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

impl Settings {
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
