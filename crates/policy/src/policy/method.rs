//! Request methods as a policy names them.

use std::fmt;

use keygate_documents::diagnostic::nearest;

/// A method that a rule names, such as `GET` or `PURGE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(Box<str>);

/// The methods that are known without being declared: IANA's HTTP Method Registry, and `PURGE`,
/// which caches have. The usual ones come first, for "did you mean".
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

/// A text that is not a method, or not one that this policy knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Another router's word for every method.
    #[error("`{0}` is not a method")]
    Every(String),
    /// Several methods in one text.
    #[error("`{0}` is not a method")]
    Several(String),
    /// A character that methods do not have, such as a lower-case letter.
    #[error("`{0}` is no method: methods are written in capitals")]
    Spelling(String),
    /// A method that is neither registered nor declared.
    #[error("`{0}` is not a registered method, and `customMethods` does not name it")]
    Unknown(String),
}

impl Method {
    /// Takes a method as nginx would: capitals, `_` and `-`
    /// (`ngx_http_parse_request_line`, `sw_method`). Whether it is known is not looked at.
    ///
    /// # Errors
    /// The text has any other character, or none; or it is another router's word for every method.
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

    /// Takes a method that is registered, or among `custom`.
    ///
    /// # Errors
    /// It is neither: no request may ever have it, and its rule would leave them to another one.
    pub fn known(name: &str, custom: &[Self]) -> Result<Self, MethodError> {
        let method = Self::parse(name)?;
        if KNOWN.contains(&name) || custom.contains(&method) {
            Ok(method)
        } else {
            Err(MethodError::Unknown(name.to_owned()))
        }
    }

    /// The method as it stands in a request line.
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

/// Whether other routers' users write it for every method.
fn is_every(name: &str) -> bool {
    let words = ["ALL", "ANY", "*", "**", "EVERY"];
    words.iter().any(|word| name.eq_ignore_ascii_case(word))
}

impl MethodError {
    /// The method that was probably meant.
    #[must_use]
    pub fn meant(&self) -> Option<&'static str> {
        match self {
            Self::Every(_) | Self::Several(_) => None,
            Self::Spelling(name) | Self::Unknown(name) => nearest(name, KNOWN),
        }
    }

    /// What to write instead, in a policy file.
    #[must_use]
    pub fn help(&self) -> String {
        let meant = self.meant().map(|meant| format!("did you mean `{meant}`?"));
        match self {
            Self::Every(_) => "leave `methods` out: the rule is then for every method".to_owned(),
            Self::Several(names) => {
                let names = names.split([',', '|', '/', ';', ' ']);
                let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
                format!("name the methods one by one: `[{}]`", names.join(", "))
            }
            Self::Spelling(_) => meant.unwrap_or_else(|| {
                "write the method in capitals, or leave `methods` out for all methods".to_owned()
            }),
            Self::Unknown(name) => {
                let custom = format!(
                    "a method of your own is declared at the top of the file: `customMethods: [{name}]`"
                );
                meant.map_or_else(|| custom.clone(), |meant| format!("{meant} {custom}"))
            }
        }
    }
}
