//! The headers in which backends get the identity, and those that never reach them.

use http::HeaderName;

use super::{BACKOFFICE, CLIENT_TYPE, HAND_OFF, IDENTITY, Names, UserHeaders};

impl Names {
    /// Returns the headers in which backends get the client type: the default name, and that of the settings.
    #[must_use]
    pub fn client_types(&self) -> Vec<HeaderName> {
        with_default(CLIENT_TYPE, self.client_type())
    }

    /// Returns the headers in which backends get the back-office mark, likewise.
    #[must_use]
    pub fn backoffices(&self) -> Vec<HeaderName> {
        with_default(BACKOFFICE, self.backoffice())
    }

    /// Returns the other headers about the caller's identity: they reach backends only if Keygate sets them.
    #[must_use]
    pub fn identities(&self) -> Vec<HeaderName> {
        let known = IDENTITY.into_iter().chain([HAND_OFF]);
        let of_settings = self.user().into_iter().flat_map(UserHeaders::all).cloned();
        let mut names: Vec<_> = known
            .map(HeaderName::from_static)
            .chain(of_settings)
            .collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        names
    }
}

fn with_default(default: &'static str, chosen: &HeaderName) -> Vec<HeaderName> {
    let mut names = vec![HeaderName::from_static(default)];
    names.extend((chosen != default).then(|| chosen.clone()));
    names
}
