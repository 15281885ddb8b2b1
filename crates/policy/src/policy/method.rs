//! Request methods in a policy.

use std::fmt;

use keygate_documents::diagnostic::nearest;

/// A method in a rule, such as `GET` or `PURGE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(Box<str>);

/// The methods that need no declaration: IANA's HTTP Method Registry, and `PURGE`, which caches use.
/// The common ones come first, for "did you mean".
const KNOWN: [&str; 41] = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PURGE",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// The error for a text that is not a method, or not one that this policy knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Another router's word for every method.
    #[error("`{0}` is not a method")]
    Every(String),
    /// Several methods in one string.
    #[error("`{0}` is not a method")]
    Several(String),
    /// A character that methods cannot contain, such as a lower-case letter.
    #[error("`{0}` is not a method: write methods in capital letters")]
    Spelling(String),
    /// A method that is neither registered nor declared.
    #[error("`{0}` is not a registered method, and not in `customMethods`")]
    Unknown(String),
}

impl Method {
    /// Parses a method as nginx would: capitals, `_` and `-`
    /// (`ngx_http_parse_request_line`, `sw_method`), without checking that it is known.
    ///
    /// # Errors
    /// The text is empty, has another character, or is another router's word for every method.
    pub fn parse(name: &str) -> Result<Self, MethodError> {
        let owned = || name.to_owned();
        if is_every(name) {
            return Err(MethodError::Every(owned()));
        }
        if name.contains([',', '|', '/', ';', ' ']) && !name.trim().is_empty() {
            return Err(MethodError::Several(owned()));
        }
        let is_method = |byte: u8| byte.is_ascii_uppercase() || b"_-".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_method) {
            return Err(MethodError::Spelling(owned()));
        }
        Ok(Self(name.into()))
    }

    /// Parses a method that is registered, or in `custom`.
    ///
    /// # Errors
    /// It is neither: probably no request has it, and another rule would decide the intended ones.
    pub fn known(name: &str, custom: &[Self]) -> Result<Self, MethodError> {
        let method = Self::parse(name)?;
        if KNOWN.contains(&name) || custom.contains(&method) {
            Ok(method)
        } else {
            Err(MethodError::Unknown(name.to_owned()))
        }
    }

    /// Returns the method as in the request line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether other routers use the word for every method.
fn is_every(name: &str) -> bool {
    let words = ["ALL", "ANY", "*", "**", "EVERY"];
    words.iter().any(|word| name.eq_ignore_ascii_case(word))
}

impl MethodError {
    /// Returns the method that was probably meant.
    #[must_use]
    pub fn meant(&self) -> Option<&'static str> {
        match self {
            Self::Every(_) | Self::Several(_) => None,
            Self::Spelling(name) | Self::Unknown(name) => nearest(name, KNOWN),
        }
    }

    /// Returns the hint for a policy file.
    #[must_use]
    pub fn help(&self) -> String {
        let meant = self.meant().map(|meant| format!("did you mean `{meant}`?"));
        match self {
            Self::Every(_) => {
                "remove `methods`, so that the rule applies to every method".to_owned()
            }
            Self::Several(names) => {
                let names = names.split([',', '|', '/', ';', ' ']);
                let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
                format!("write a list of methods: `[{}]`", names.join(", "))
            }
            Self::Spelling(_) => meant.unwrap_or_else(|| {
                "write the method in capital letters, or remove `methods` to match every method"
                    .to_owned()
            }),
            Self::Unknown(name) => {
                let custom = format!(
                    "declare custom methods at the top level of the file: `customMethods: [{name}]`"
                );
                meant.map_or_else(|| custom.clone(), |meant| format!("{meant} {custom}"))
            }
        }
    }
}
