//! The spellings of a header name that many backends treat as equal.

use http::{HeaderName, header::AUTHORIZATION};

use crate::Names;

/// With more separators, a name would have too many spellings.
const MAX_SEPARATORS: usize = 3;

/// A header that is always sent, and its name in the settings.
pub(super) fn with_default(default: &str, chosen: &HeaderName) -> Vec<String> {
    let mut names = vec![default.to_owned()];
    if chosen.as_str() != default {
        names.push(chosen.to_string());
    }
    names
}

/// The headers that carry nothing but a key, in every spelling that backends treat as equal.
pub(super) fn keys(names: &Names) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for name in names
        .key_headers()
        .iter()
        .filter(|it| **it != AUTHORIZATION)
    {
        for spelling in std::iter::once(name.to_string()).chain(spellings(name.as_str())) {
            if !keys.contains(&spelling) {
                keys.push(spelling);
            }
        }
    }
    keys
}

/// Whether `authorization` may carry a key, beside tokens of users.
pub(super) fn bearer_may_be_key(names: &Names) -> bool {
    names.key_headers().contains(&AUTHORIZATION)
}

/// Returns the name with other separators: `client_type` for `client-type`.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split(['-', '_']).collect();
    let separators = parts.len() - 1;
    let choices: Vec<u32> = if separators <= MAX_SEPARATORS {
        (0..1 << separators).collect()
    } else {
        vec![0, u32::MAX]
    };
    let spelled = |choice: u32| {
        let mut text = String::with_capacity(name.len());
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                let is_underscore = choice
                    .checked_shr(u32::try_from(n - 1).unwrap_or(u32::MAX))
                    .unwrap_or(choice)
                    & 1
                    == 1;
                text.push(if is_underscore { '_' } else { '-' });
            }
            text.push_str(part);
        }
        text
    };
    let all = choices.into_iter().map(spelled);
    all.filter(|spelling| spelling != name).collect()
}
