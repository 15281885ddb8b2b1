//! The endpoints of a Mia-Platform Console configuration, as a policy.
//!
//! The shape is that of the Console's exported configuration (Mia-Platform Documentation, Console,
//! Endpoints): `endpoints`, by base path. "Authentication required" is `!public`, "API Key
//! required" is `secreted`, "User Group Permission" is `acl`. What a route overrides holds for its
//! path and verb alone; what it inherits, and what a back office inherits, is left out of the
//! policy too, and inherited there by the same rules.

use std::{collections::BTreeSet, fmt::Write as _};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{
    Scalar,
    auth_json::{Object, pattern},
    write::scalar,
    yaml::{self, Content},
};
use crate::{
    diagnostic::Diagnostic,
    expression::Expression,
    policy::{Method, PolicyError},
};

/// The endpoints of a configuration.
#[derive(Debug)]
pub struct Console {
    endpoints: Vec<Endpoint>,
    /// The fields of endpoints and routes that mean nothing here.
    pub passed_over: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Document {
    endpoints: Object<Endpoint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    base_path: Spanned<String>,
    description: Option<String>,
    public: bool,
    secreted: bool,
    acl: Spanned<String>,
    #[serde(default)]
    backoffice_acl: Inheritable<Spanned<String>>,
    routes: Option<Object<Route>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Route {
    path: Spanned<String>,
    verb: Spanned<String>,
    description: Option<String>,
    #[serde(default)]
    public: Inheritable<bool>,
    #[serde(default)]
    secreted: Inheritable<bool>,
    #[serde(default)]
    acl: Inheritable<Spanned<String>>,
    #[serde(default)]
    backoffice_acl: Inheritable<Spanned<String>>,
}

/// `{"inherited": true}` or `{"inherited": false, "value": …}`.
#[derive(Debug)]
struct Inheritable<T>(Option<T>);

impl<T> Default for Inheritable<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Inheritable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written<T> {
            inherited: bool,
            value: Option<T>,
        }
        let Written { inherited, value } = Written::deserialize(deserializer)?;
        match (inherited, value) {
            (true, _) => Ok(Self(None)),
            (false, Some(value)) => Ok(Self(Some(value))),
            (false, None) => Err(D::Error::missing_field("value")),
        }
    }
}

/// What the Console keeps of an endpoint or a route and a policy says too.
const MEANT: [&str; 9] = [
    "basePath",
    "description",
    "public",
    "secreted",
    "acl",
    "backofficeAcl",
    "routes",
    "path",
    "verb",
];

impl Console {
    /// Reads the endpoints of a configuration.
    ///
    /// # Errors
    /// Every mistake that was found; of mistakes in the JSON itself, the first. None of them quotes
    /// the text, which may hold API keys.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
        let as_text = |diagnostic| vec![PolicyError::Text(Box::new(diagnostic))];
        let document: Document = yaml::from_str(text, Content::Secret).map_err(as_text)?;
        let everything: Value = yaml::from_str(text, Content::Secret).map_err(as_text)?;
        let console = Self {
            endpoints: document.endpoints.0.into_iter().map(|(_, it)| it).collect(),
            passed_over: passed_over(&everything),
        };
        let mut mistakes = Vec::new();
        for endpoint in &console.endpoints {
            endpoint.check(text, &mut mistakes);
        }
        if mistakes.is_empty() {
            Ok(console)
        } else {
            Err(mistakes)
        }
    }

    /// The text of a `policy.yaml` that asks for the same.
    #[must_use]
    pub fn to_policy_yaml(&self) -> String {
        let mut text = "version: 1\nendpoints:".to_owned();
        text.push_str(if self.endpoints.is_empty() {
            " []\n"
        } else {
            "\n"
        });
        for endpoint in &self.endpoints {
            endpoint.write(&mut text);
        }
        text
    }
}

impl Endpoint {
    fn check(&self, text: &str, mistakes: &mut Vec<PolicyError>) {
        let expressions = [Some(&self.acl), self.backoffice_acl.0.as_ref()];
        check_expressions(&expressions, text, mistakes);
        for (_, route) in self.routes.iter().flat_map(|routes| &routes.0) {
            let expressions = [route.acl.0.as_ref(), route.backoffice_acl.0.as_ref()];
            check_expressions(&expressions, text, mistakes);
            if let Some(method) = route.method()
                && let Err(error) = Method::parse(method)
            {
                let at = yaml::span(route.verb.defined, text);
                mistakes.push(PolicyError::Method { error, at });
            }
        }
    }

    fn write(&self, text: &mut String) {
        let fields = [
            (
                "description",
                self.description.as_deref().unwrap_or_default(),
            ),
            ("apiKeyRequired", as_yaml(self.secreted)),
            ("authenticationRequired", as_yaml(!self.public)),
            ("groupExpression", &self.acl.value),
            ("backofficeExpression", value(&self.backoffice_acl)),
        ];
        write_entry(text, "  ", &pattern(&self.base_path.value), &fields);
        let routes = self.routes.iter().flat_map(|routes| &routes.0);
        for (number, (_, route)) in routes.enumerate() {
            if number == 0 {
                text.push_str("    routes:\n");
            }
            route.write(text);
        }
    }
}

impl Route {
    /// The method; `None` where it is every one.
    fn method(&self) -> Option<&str> {
        Some(self.verb.value.as_str()).filter(|verb| !matches!(*verb, "ALL" | "*"))
    }

    fn write(&self, text: &mut String) {
        let methods = self.method().map(|method| format!("[{method}]"));
        let required = |public: bool| as_yaml(!public);
        let fields = [
            ("methods", methods.as_deref().unwrap_or_default()),
            (
                "description",
                self.description.as_deref().unwrap_or_default(),
            ),
            ("apiKeyRequired", self.secreted.0.map_or("", as_yaml)),
            ("authenticationRequired", self.public.0.map_or("", required)),
            ("groupExpression", value(&self.acl)),
            ("backofficeExpression", value(&self.backoffice_acl)),
        ];
        write_entry(text, "      ", &pattern(&self.path.value), &fields);
    }
}

fn value(field: &Inheritable<Spanned<String>>) -> &str {
    field.0.as_ref().map_or("", |text| &text.value)
}

fn as_yaml(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// One list item of the policy; a field without a text is left out.
fn write_entry(text: &mut String, indent: &str, path: &str, fields: &[(&str, &str)]) {
    let _ = writeln!(text, "{indent}- path: {}", scalar(path));
    for (name, value) in fields {
        let value = match *name {
            _ if value.is_empty() => continue,
            "description" | "groupExpression" | "backofficeExpression" => scalar(value),
            _ => (*value).to_owned(),
        };
        let _ = writeln!(text, "{indent}  {name}: {value}");
    }
}

fn check_expressions(
    expressions: &[Option<&Spanned<String>>],
    text: &str,
    mistakes: &mut Vec<PolicyError>,
) {
    for written in expressions.iter().flatten() {
        if let Err(error) = Expression::parse(&written.value) {
            let place = Scalar::new(written, text);
            let diagnostic: Diagnostic = place.shift(error.diagnostic(), &written.value);
            mistakes.push(PolicyError::Expression(Box::new(diagnostic)));
        }
    }
}

fn passed_over(configuration: &Value) -> BTreeSet<String> {
    let entries = |of: &Value, name: &str| -> Vec<Value> {
        let object = of.get(name).and_then(Value::as_object);
        object
            .into_iter()
            .flat_map(|it| it.values().cloned())
            .collect()
    };
    let endpoints = entries(configuration, "endpoints");
    let routes: Vec<_> = endpoints
        .iter()
        .flat_map(|endpoint| entries(endpoint, "routes"))
        .collect();
    let fields = endpoints.iter().chain(&routes).filter_map(Value::as_object);
    fields
        .flat_map(|object| object.keys())
        .filter(|name| !MEANT.contains(&name.as_str()))
        .cloned()
        .collect()
}
