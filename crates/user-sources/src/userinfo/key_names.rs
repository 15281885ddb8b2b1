//! The names under which a request carries its API key.

use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use keygate_headers::{bearer, cookies};

/// The headers and cookies that carry an API key, which is never sent to the service.
#[derive(Debug, Clone, Default)]
pub struct KeyNames {
    /// Names of headers.
    pub headers: Vec<HeaderName>,
    /// Names of cookies.
    pub cookies: Vec<String>,
}

impl KeyNames {
    /// Returns the value of a header without an API key; `None` if nothing else is in it.
    pub(super) fn removed_from(
        &self,
        name: &HeaderName,
        value: &HeaderValue,
    ) -> Option<HeaderValue> {
        let is_kept = match *name {
            COOKIE => return self.removed_from_cookies(value),
            AUTHORIZATION if self.headers.contains(name) => bearer::key(value.as_bytes()).is_none(),
            _ => !self.headers.contains(name),
        };
        is_kept.then(|| value.clone())
    }

    fn removed_from_cookies(&self, line: &HeaderValue) -> Option<HeaderValue> {
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
