//! The names under which a request carries its API key.

use http::{HeaderName, HeaderValue};
use keygate_headers::cookies;

/// The headers and cookies that carry an API key, which is never sent to the service.
#[derive(Debug, Clone, Default)]
pub struct KeyNames {
    /// Names of headers.
    pub headers: Vec<HeaderName>,
    /// Names of cookies.
    pub cookies: Vec<String>,
}

impl KeyNames {
    /// Returns a line of cookies without those that carry a key; `None` if there are no others.
    pub(super) fn removed_from(&self, line: &HeaderValue) -> Option<HeaderValue> {
        let is_key = |cookie: &&[u8]| {
            cookies(cookie).any(|(name, _)| self.cookies.iter().any(|it| it.as_bytes() == name))
        };
        let all = line.as_bytes();
        if !all.split(|byte| *byte == b';').any(|it| is_key(&it)) {
            return Some(line.clone());
        }
        let others = all
            .split(|byte| *byte == b';')
            .filter(|cookie| !is_key(cookie));
        let others: Vec<_> = others.map(<[u8]>::trim_ascii).collect();
        let others = others.join(&b"; "[..]);
        let others = HeaderValue::from_bytes(&others).ok()?;
        (!others.is_empty()).then_some(others)
    }
}
