//! Request methods as a policy names them.

use std::fmt;

use keygate_documents::diagnostic::nearest;

/// A method that a rule names, such as `GET` or `PURGE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(Box<str>);

/// The methods of RFC 9110 and RFC 5789, for "did you mean".
const COMMON: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
];

/// A text that is no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no method: methods are written in capitals")]
pub struct MethodError {
    name: String,
}

impl Method {
    /// Takes a method as nginx would: capitals, `_` and `-`
    /// (`ngx_http_parse_request_line`, `sw_method`).
    ///
    /// # Errors
    /// The text has any other character, or none.
    pub fn parse(name: &str) -> Result<Self, MethodError> {
        let is_method = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || b"_-".contains(&byte));
        if is_method {
            Ok(Self(name.into()))
        } else {
            Err(MethodError {
                name: name.to_owned(),
            })
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

impl MethodError {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> String {
        match nearest(&self.name, COMMON) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "leave `methods` out for all methods".to_owned(),
        }
    }
}
