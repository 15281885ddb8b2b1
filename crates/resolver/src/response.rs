//! The resolver's decision, and its response headers.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use keygate_headers::{API_KEY_CHALLENGE, CLIENT_TYPE, KEY_ID, REASON};
use keygate_keys::KeyRef;

use crate::ResolutionReason;

/// nginx's internal redirect.
const ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// The decision on the credential of one request.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The response status: 200, 401 or 403.
    pub status: StatusCode,
    /// The reason of the decision.
    pub reason: ResolutionReason,
    /// The owner of the key, if it is valid.
    pub identity: Option<Identity>,
    /// The next step for nginx; only on success.
    pub next_step: Option<HeaderValue>,
}

/// The owner of a valid key, as header values.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The client type.
    pub client_type: HeaderValue,
    /// The key's id.
    pub key_id: HeaderValue,
}

impl Identity {
    /// Both values share their bytes with the key table: cloning only counts references.
    pub(crate) fn of(key: KeyRef<'_>) -> Self {
        Self {
            client_type: key.client_type().header().clone(),
            key_id: key.id_header(),
        }
    }
}

impl Decision {
    /// Adds the headers of the response; its status is [`Decision::status`].
    ///
    /// A success without `x-accel-redirect` ends nginx's `auth_request` as allowed.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(REASON, HeaderValue::from_static(self.reason.as_str()));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, API_KEY_CHALLENGE);
        }
        if let Some(identity) = self.identity {
            headers.insert(CLIENT_TYPE, identity.client_type);
            headers.insert(KEY_ID, identity.key_id);
        }
        if let Some(next_step) = self.next_step {
            headers.insert(ACCEL_REDIRECT, next_step);
        }
    }
}
