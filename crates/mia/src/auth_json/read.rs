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
    path::{Pattern, TrailingSlash},
    policy::{Method, PolicyError},
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
        Pattern::base(&pattern(&name.value), TrailingSlash::Ignore)
            .map_err(|error| {
                let diagnostic = Box::new(error.diagnostic().at(place.place()));
                self.errors.push(PolicyError::Path { error, diagnostic });
            })
            .ok()
    }

    pub(super) fn methods(&mut self, methods: &Object<MethodText>) -> ByMethod {
        let mut read = BTreeMap::new();
        for (name, text) in &methods.0 {
            let at = yaml::span(name.defined, self.text);
            let method = match name.value.as_str() {
                "ALL" => None,
                method => match Method::parse(method) {
                    Ok(method) => Some(method),
                    Err(error) => {
                        let help = if MethodText::FIELDS.contains(&method) {
                            "put it inside a method or `ALL`"
                        } else {
                            "write a method such as `GET`, or `ALL`"
                        };
                        let diagnostic = Diagnostic::error(error.to_string()).at(at).help(help);
                        self.errors.push(PolicyError::Text(Box::new(diagnostic)));
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
            match nearest(&name.value, MethodText::FIELDS) {
                Some(meant) => self.errors.push(PolicyError::Text(Box::new(
                    Diagnostic::error(message)
                        .at(at)
                        .help(format!("did you mean `{meant}`?")),
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

/// A path of theirs as a policy writes it: `:name` is a parameter, braces are letters.
pub(crate) fn pattern(path: &str) -> String {
    let mut taken = BTreeSet::new();
    let segments = path.split('/').map(|segment| {
        if let Some(parameter) = segment.strip_prefix(':') {
            format!("{{{}}}", parameter_name(parameter, &mut taken))
        } else {
            segment.replace('{', "%7B").replace('}', "%7D")
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
