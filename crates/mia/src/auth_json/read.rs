//! Checks the text of an `auth.json` and converts it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use keygate_documents::{
    diagnostic::{Diagnostic, nearest},
    scalar::Scalar,
    yaml,
};
use keygate_policy::{
    path::{Pattern, PatternError, TrailingSlash},
    policy::{Method, MethodError, PolicyError},
    written::expression,
};
use serde_saphyr::Spanned;

use super::{
    Authorization, Authorizations, ByMethod,
    text::{AuthorizationText, MethodText, Object},
};

/// Converts entries and collects the errors.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) errors: Vec<PolicyError>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Parses the path in a name.
    pub(super) fn path(&mut self, name: &Spanned<String>) -> Option<Pattern> {
        let location = Scalar::new(name, self.text);
        path(&name.value, location.span())
            .map_err(|error| self.errors.push(error))
            .ok()
    }

    pub(super) fn methods(&mut self, methods: &Object<MethodText>) -> ByMethod {
        let mut read = BTreeMap::new();
        for (name, text) in &methods.0 {
            let at = yaml::span(name.defined, self.text);
            let method = match name.value.as_str() {
                "ALL" => None,
                name if MethodText::FIELDS.contains(&name) => {
                    let diagnostic = Diagnostic::error(format!("`{name}` is not a method"))
                        .at(at)
                        .help("move it inside a method or `ALL`");
                    self.errors.push(PolicyError::Text(Box::new(diagnostic)));
                    continue;
                }
                name => match method(name, at.clone()) {
                    Ok(method) => Some(method),
                    Err(error) => {
                        self.errors.push(error);
                        continue;
                    }
                },
            };
            read.insert(method, self.authorizations(text, at));
        }
        read
    }

    fn authorizations(&mut self, text: &MethodText, at: Range<usize>) -> Authorizations {
        for name in &text.unknown {
            let at = yaml::span(name.defined, self.text);
            let message = format!("unknown field `{}`", name.value);
            match hint_for_field(&name.value) {
                Some(help) => self.errors.push(PolicyError::Text(Box::new(
                    Diagnostic::error(message).at(at).help(help),
                ))),
                None => self.warnings.push(
                    Diagnostic::warning(message)
                        .at(at)
                        .help("the field is ignored"),
                ),
            }
        }
        if text.ordinary.is_none() {
            self.warnings.push(
                Diagnostic::warning(
                    "there is no `authorization`, so every ordinary request is \
                                     denied",
                )
                .at(at)
                .help(
                    "to allow ordinary requests, add `\"authorization\": {\"expression\": \
                           \"true\", \"public\": true}`",
                ),
            );
        }
        Authorizations {
            ordinary: text
                .ordinary
                .as_ref()
                .and_then(|text| self.authorization(text)),
            backoffice: text
                .backoffice
                .as_ref()
                .and_then(|text| self.authorization(text)),
        }
    }

    fn authorization(&mut self, text: &AuthorizationText) -> Option<Authorization> {
        match expression(&text.expression, self.text, &mut self.warnings) {
            Ok((expression, location)) => Some(Authorization {
                expression,
                public: text.public,
                location: Some(location),
            }),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }
}

/// Returns the hint for a field that was probably meant to restrict requests.
///
/// Ignoring `backoffice` instead of `backofficeAuthorization` would allow what it should deny.
fn hint_for_field(name: &str) -> Option<String> {
    if AuthorizationText::FIELDS.contains(&name) {
        return Some("move it inside `authorization` or `backofficeAuthorization`".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    let meant = nearest(name, MethodText::FIELDS).or_else(|| {
        if lower.replace(['-', '_'], "").contains("backoffice") {
            Some("backofficeAuthorization")
        } else if lower.contains("auth") || lower.contains("acl") {
            Some("authorization")
        } else {
            None
        }
    });
    meant.map(|meant| format!("did you mean `{meant}`?"))
}

/// Parses a method other than `ALL`.
///
/// # Errors
/// The text is not a method, or not a registered one.
pub(crate) fn method(name: &str, at: Range<usize>) -> Result<Method, PolicyError> {
    Method::known(name, &[]).map_err(|error| {
        let (message, help) = match (&error, error.meant()) {
            (MethodError::Every(_), _) => {
                (error.to_string(), "for all methods, write `ALL`".to_owned())
            }
            (MethodError::Unknown(name), meant) => (
                format!("`{name}` is not a registered method"),
                meant.map_or_else(
                    || "write a method such as `GET`, or `ALL`; a policy.yaml can declare others in `customMethods`".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                ),
            ),
            (_, Some(meant)) => (error.to_string(), format!("did you mean `{meant}`?")),
            (_, None) => (error.to_string(), "write a method such as `GET`, or `ALL`".to_owned()),
        };
        PolicyError::Text(Box::new(Diagnostic::error(message).at(at).help(help)))
    })
}

/// Parses a path, which covers everything below it.
///
/// # Errors
/// It is not a plain path, or looks like a pattern of another router.
pub(crate) fn path(text: &str, at: Range<usize>) -> Result<Pattern, PolicyError> {
    let braces = text.split('/').find(|segment| segment.contains(['{', '}']));
    let parsed = match braces {
        Some(segment) => Err(PatternError::OtherRouter {
            segment: segment.to_owned(),
            instead: "for a variable segment, write `:id`".to_owned(),
            at: at.clone(),
        }),
        None => Pattern::base(&pattern(text), TrailingSlash::Ignore),
    };
    parsed.map_err(|error| {
        let diagnostic = Box::new(auth_json_diagnostic(&error).at(at));
        PolicyError::Path { error, diagnostic }
    })
}

/// Parses the path of a route, which covers only itself.
///
/// # Errors
/// See [`path`].
pub(crate) fn exact_path(text: &str, at: Range<usize>) -> Result<Pattern, PolicyError> {
    path(text, at).map_err(|error| match error {
        PolicyError::Path { error, diagnostic } if is_of_rest(&diagnostic) => PolicyError::Path {
            error,
            diagnostic: Box::new(diagnostic.help(
                "a route applies only to exactly its path: to cover everything below it, use an \
                 endpoint with this path",
            )),
        },
        error => error,
    })
}

fn is_of_rest(diagnostic: &Diagnostic) -> bool {
    let help = diagnostic.help.as_deref();
    help.is_some_and(|help| help.contains("covers everything below it"))
}

/// Returns the error in the words of an `auth.json`: it has paths, and `:name` for a policy's `{name}`.
fn auth_json_diagnostic(error: &PatternError) -> Diagnostic {
    let diagnostic = error.diagnostic();
    let Some(help) = &diagnostic.help else {
        return diagnostic;
    };
    let help = help.replace("an endpoint's path", "a path");
    let help = help.replace('{', ":").replace('}', "");
    diagnostic.help(help)
}

/// Converts a path to a policy's pattern: `:name` becomes a parameter.
pub(crate) fn pattern(path: &str) -> String {
    let mut taken = BTreeSet::new();
    let segments = path.split('/').map(|segment| {
        match segment.strip_prefix(':') {
            // A parameter with a regular expression would match more than intended.
            Some(parameter) if !parameter.contains(['(', ')', '*', '+', '[', '\\', '{', '|']) => {
                format!("{{{}}}", parameter_name(parameter, &mut taken))
            }
            _ => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Returns the parameter's name if a pattern allows it, else a unique one.
fn parameter_name(own: &str, taken: &mut BTreeSet<String>) -> String {
    let starts_well = own.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_name = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    let mut name = own.to_owned();
    if !(starts_well && own.chars().all(is_name)) {
        "parameter".clone_into(&mut name);
    }
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}
