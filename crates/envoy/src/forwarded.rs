//! The headers that Envoy sets and removes before it forwards an allowed request.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use keygate_authorizer::Decision;
use keygate_gateways::alike;
use keygate_headers::{KEY_ID, hand_off::HAND_OFF};
use keygate_resolver::{Identity, WithoutKey};
use keygate_users::{
    identity::{GROUPS, PROPERTIES, USER_ID},
    identity_token,
};

/// The names of headers and cookies, as the settings choose them.
#[derive(Debug, Clone)]
pub struct Names {
    pub(crate) client_address: HeaderName,
    keys: Vec<HeaderName>,
    client_types: Vec<HeaderName>,
    backoffices: Vec<HeaderName>,
    backoffice: HeaderName,
    identities: Vec<HeaderName>,
}

impl From<&keygate_gateways::Names> for Names {
    fn from(names: &keygate_gateways::Names) -> Self {
        Self {
            client_address: names.client_address().clone(),
            keys: names.key_headers().to_vec(),
            client_types: names.client_types(),
            backoffices: names.backoffices(),
            backoffice: names.backoffice().clone(),
            identities: names.identities(),
        }
    }
}

/// What Envoy does with the headers of an allowed request: a name is either set or removed.
///
/// A header is removed also if the check request does not have it: Envoy may not have sent it.
#[derive(Debug, PartialEq, Eq)]
pub struct Forwarded(HeaderMap<Option<HeaderValue>>);

/// The names that fit without another allocation: more than the default settings have.
const USUAL_NAMES: usize = 24;

impl Default for Forwarded {
    fn default() -> Self {
        Self(HeaderMap::with_capacity(USUAL_NAMES))
    }
}

impl Forwarded {
    /// After the resolver: who the caller is, for the authorizer, and no key.
    pub(crate) fn resolved(
        &mut self,
        request: &HeaderMap,
        names: &Names,
        identity: Option<&Identity>,
        hand_off: Option<&HeaderValue>,
        without_key: WithoutKey,
    ) {
        let client_type = identity.map(|it| &it.client_type);
        for name in &names.client_types {
            self.set(name, client_type);
        }
        self.set(&KEY_ID, identity.map(|it| &it.key_id));
        self.set(&HAND_OFF, hand_off);
        let mut kept = HeaderMap::new();
        without_key.write(&mut kept);
        for name in names.keys.iter().chain([&COOKIE]) {
            let may_stay = [AUTHORIZATION, COOKIE].contains(name);
            let is_same = request.get_all(name).iter().eq(kept.get_all(name).iter());
            if !may_stay || !is_same {
                self.set(name, kept.get(name));
            }
        }
        let protected = names.keys.iter().chain(&names.client_types);
        self.remove_aliases(request, &protected.chain([&KEY_ID, &HAND_OFF]));
    }

    /// After the authorizer: the identity for the backend, whatever the caller sent under these names.
    ///
    /// The key's id is the resolver's: it stays.
    pub(crate) fn decided(&mut self, request: &HeaderMap, names: &Names, decision: &Decision) {
        for name in &names.identities {
            self.set(name, None);
        }
        for name in &names.client_types {
            self.set(name, decision.client_type.as_ref());
        }
        let stated = request.get(&names.backoffice);
        let is_backoffice = stated.is_some_and(|it| it == "1" || it == "true");
        let mark = is_backoffice.then(|| HeaderValue::from_static("1"));
        for name in &names.backoffices {
            self.set(name, mark.as_ref());
        }
        let user = decision.identity();
        self.set(&USER_ID, user.map(|it| &it.id));
        self.set(&GROUPS, user.and_then(|it| it.groups.as_ref()));
        self.set(&PROPERTIES, user.and_then(|it| it.properties.as_ref()));
        self.set(&identity_token::HEADER, decision.token());
        self.set(&HAND_OFF, None);
        let protected = names.client_types.iter().chain(&names.backoffices);
        let protected = protected.chain(&names.identities);
        self.remove_aliases(request, &protected.chain([&KEY_ID]));
    }

    /// Returns every name: with the value to set, or `None` if the header is removed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, Option<&str>)> {
        self.0.iter().map(|(name, value)| {
            let value = value.as_ref().map(HeaderValue::as_bytes);
            (name, value.and_then(|it| str::from_utf8(it).ok()))
        })
    }

    /// An empty value is none, and one that is no text cannot be sent to Envoy.
    fn set(&mut self, name: &HeaderName, value: Option<&HeaderValue>) {
        let value = value.filter(|it| !it.is_empty() && str::from_utf8(it.as_bytes()).is_ok());
        self.0.insert(name, value.cloned());
    }

    /// Removes headers that many backends treat as equal to one of these.
    fn remove_aliases<'n>(
        &mut self,
        request: &HeaderMap,
        protected: &(impl Iterator<Item = &'n HeaderName> + Clone),
    ) {
        for name in request.keys() {
            if !name.as_str().contains(['_', '.']) || self.0.contains_key(name) {
                continue;
            }
            let spelled = alike(name.as_str());
            if protected.clone().any(|it| alike(it.as_str()) == spelled) {
                self.set(name, None);
            }
        }
    }
}
