//! From the text of an `auth.json` to what it says.

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

/// Reads entries and collects what is wrong.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) errors: Vec<PolicyError>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// The path that a name stands for.
    pub(super) fn path(&mut self, name: &Spanned<String>) -> Option<Pattern> {
        let place = Scalar::new(name, self.text);
        path(&name.value, place.place())
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
                        .help("put it inside a method or `ALL`");
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
            match mistaken_field(&name.value) {
                Some(help) => self.errors.push(PolicyError::Text(Box::new(
                    Diagnostic::error(message).at(at).help(help),
                ))),
                None => self.warnings.push(
                    Diagnostic::warning(message)
                        .at(at)
                        .help("it changes nothing here"),
                ),
            }
        }
        if text.ordinary.is_none() {
            self.warnings.push(
                Diagnostic::warning("no `authorization`, so every ordinary request is denied")
                    .at(at)
                    .help("write `\"authorization\": {\"expression\": \"true\", \"public\": true}` to allow them"),
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
            Ok((expression, place)) => Some(Authorization {
                expression,
                public: text.public,
                place: Some(place),
            }),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }
}

/// Returns what to write instead of a field that was meant to restrict requests.
///
/// Ignoring `backoffice` where `backofficeAuthorization` is meant would allow what it should deny.
fn mistaken_field(name: &str) -> Option<String> {
    if AuthorizationText::FIELDS.contains(&name) {
        return Some("put it inside `authorization` or `backofficeAuthorization`".to_owned());
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

/// A method of theirs other than `ALL`.
///
/// # Errors
/// No request may ever have it.
pub(crate) fn method(name: &str, at: Range<usize>) -> Result<Method, PolicyError> {
    Method::known(name, &[]).map_err(|error| {
        let (message, help) = match (&error, error.meant()) {
            (MethodError::Every(_), _) => {
                (error.to_string(), "write `ALL` for every method".to_owned())
            }
            (MethodError::Unknown(name), meant) => (
                format!("`{name}` is not a registered method"),
                meant.map_or_else(
                    || "write a method such as `GET`, or `ALL`; a policy.yaml may declare others by `customMethods`".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                ),
            ),
            (_, Some(meant)) => (error.to_string(), format!("did you mean `{meant}`?")),
            (_, None) => (error.to_string(), "write a method such as `GET`, or `ALL`".to_owned()),
        };
        PolicyError::Text(Box::new(Diagnostic::error(message).at(at).help(help)))
    })
}

/// A path of theirs, which covers what is below it.
///
/// # Errors
/// It is not a plain path, or means something else in another router.
pub(crate) fn path(text: &str, at: Range<usize>) -> Result<Pattern, PolicyError> {
    let braces = text.split('/').find(|segment| segment.contains(['{', '}']));
    let parsed = match braces {
        Some(segment) => Err(PatternError::OtherRouter {
            segment: segment.to_owned(),
            instead: "write `:id` for one segment".to_owned(),
            at: at.clone(),
        }),
        None => Pattern::base(&pattern(text), TrailingSlash::Ignore),
    };
    parsed.map_err(|error| {
        let diagnostic = Box::new(their_diagnostic(&error, text).at(at));
        PolicyError::Path { error, diagnostic }
    })
}

/// The error with the spelling that an `auth.json` has: `:name`, and nothing for what is below.
fn their_diagnostic(error: &PatternError, path: &str) -> Diagnostic {
    let diagnostic = error.diagnostic();
    let Some(help) = diagnostic.help.clone() else {
        return diagnostic;
    };
    if path.ends_with('*') || help.contains("covers everything below it") {
        let base = path.trim_end_matches('*').trim_end_matches('/');
        let base = if base.starts_with('/') { base } else { "/" };
        let help = format!("write `{base}`: a path covers what is below it");
        return diagnostic.help(help);
    }
    // `{name}` is `:name` there.
    let help = help.replace("`{", "`:").replace("}`", "`");
    diagnostic.help(help)
}

/// A path of theirs as a policy writes it: `:name` is a parameter.
pub(crate) fn pattern(path: &str) -> String {
    let mut taken = BTreeSet::new();
    let segments = path.split('/').map(|segment| {
        match segment.strip_prefix(':') {
            // With a pattern, it would take more than it says.
            Some(parameter) if !parameter.contains(['(', ')', '*', '+', '[', '\\', '{', '|']) => {
                format!("{{{}}}", parameter_name(parameter, &mut taken))
            }
            _ => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A parameter's name as a pattern takes it: its own, or else one that nobody has.
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
