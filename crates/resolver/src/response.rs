//! The resolver's decision, and the response headers that carry it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use keygate_headers::{API_KEY_CHALLENGE, CLIENT_TYPE, KEY_ID, REASON};
use keygate_keys::KeyRef;

use crate::Reason;

/// nginx's redirect to another location of its own.
const ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// The decision on the credential of one request.
#[derive(Debug, Clone)]
pub struct Decision {
    /// 200, 401 or 403.
    pub status: StatusCode,
    /// Why.
    pub reason: Reason,
    /// Whose the key is, where it is valid.
    pub identity: Option<Identity>,
    /// The step that nginx goes on to; on a success alone.
    pub next_step: Option<HeaderValue>,
}

/// The owner of a valid key, ready for response headers.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The client type.
    pub client_type: HeaderValue,
    /// The key's id.
    pub key_id: HeaderValue,
}

impl Identity {
    /// Both values share their bytes with the key table: a copy counts a reference.
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
