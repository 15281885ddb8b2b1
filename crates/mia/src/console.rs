//! Converts the endpoints of a Mia-Platform Console configuration to a policy.
//!
//! The format is that of the Console's exported configuration (Mia-Platform Documentation, Console,
//! Endpoints): `endpoints`, by base path. "Authentication required" is `!public`, "API Key
//! required" is `secreted`, "User Group Permission" is `acl`. A route's own values apply only to its
//! path and verb; values that it inherits are omitted in the policy too, which inherits them by the
//! same rules.

use std::collections::BTreeSet;

use keygate_documents::{
    diagnostic::Diagnostic,
    yaml::{self, Content, scalar},
};
use keygate_policy::{policy::PolicyError, written::expression};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{
    auth_json::{self, Object, pattern},
    write::{head, write_entry},
};

/// The endpoints of a configuration.
#[derive(Debug)]
pub struct Console {
    endpoints: Vec<Endpoint>,
    /// The fields of endpoints and routes that are ignored.
    pub ignored: BTreeSet<String>,
    /// The likely errors.
    pub warnings: Vec<Diagnostic>,
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

/// The fields of an endpoint or a route that a policy has too.
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
    /// Parses the endpoints of a configuration.
    ///
    /// # Errors
    /// Every error in the file, but only the first error in the JSON syntax. No error quotes the text,
    /// which may hold API keys.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
        let as_text = |diagnostic| vec![PolicyError::Text(Box::new(diagnostic))];
        let document: Document = yaml::from_str(text, Content::Secret).map_err(as_text)?;
        let everything: Value = yaml::from_str(text, Content::Secret).map_err(as_text)?;
        let endpoints: Vec<_> = document.endpoints.0.into_iter().map(|(_, it)| it).collect();
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        for endpoint in &endpoints {
            endpoint.check(text, &mut errors, &mut warnings);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            endpoints,
            ignored: ignored(&everything),
            warnings,
        })
    }

    /// Returns the text of an equivalent `policy.yaml`.
    #[must_use]
    pub fn to_policy_yaml(&self) -> String {
        let mut text = head(self.endpoints.is_empty());
        for endpoint in &self.endpoints {
            endpoint.write(&mut text);
        }
        text
    }
}

impl Endpoint {
    fn check(&self, text: &str, errors: &mut Vec<PolicyError>, warnings: &mut Vec<Diagnostic>) {
        let mut check = |written: Option<&Spanned<String>>| {
            if let Some(Err(error)) = written.map(|it| expression(it, text, warnings)) {
                errors.push(error);
            }
        };
        check(Some(&self.acl));
        check(self.backoffice_acl.0.as_ref());
        for route in self.routes() {
            check(route.acl.0.as_ref());
            check(route.backoffice_acl.0.as_ref());
        }
        let at = yaml::span(self.base_path.defined, text);
        errors.extend(auth_json::path(&self.base_path.value, at).err());
        for route in self.routes() {
            let at = yaml::span(route.path.defined, text);
            errors.extend(auth_json::exact_path(&route.path.value, at).err());
            if let Some(method) = route.method() {
                let at = yaml::span(route.verb.defined, text);
                errors.extend(auth_json::method(method, at).err());
            }
        }
    }

    fn routes(&self) -> impl Iterator<Item = &Route> {
        let routes = self.routes.iter().flat_map(|routes| &routes.0);
        routes.map(|(_, route)| route)
    }

    fn write(&self, text: &mut String) {
        let fields = [
            ("description", description(self.description.as_deref())),
            ("apiKeyRequired", Some(self.secreted.to_string())),
            ("authenticationRequired", Some((!self.public).to_string())),
            ("groupExpression", Some(scalar(&self.acl.value))),
            ("backofficeExpression", self.backoffice_acl.scalar()),
        ];
        write_entry(text, "  ", &pattern(&self.base_path.value), &fields);
        for (number, route) in self.routes().enumerate() {
            if number == 0 {
                text.push_str("    routes:\n");
            }
            route.write(text);
        }
    }
}

impl Route {
    /// The method; `None` for all methods.
    fn method(&self) -> Option<&str> {
        Some(self.verb.value.as_str()).filter(|verb| !matches!(*verb, "ALL" | "*"))
    }

    fn write(&self, text: &mut String) {
        let required = self.public.0.map(|public| !public);
        let fields = [
            ("methods", self.method().map(|method| format!("[{method}]"))),
            ("description", description(self.description.as_deref())),
            ("apiKeyRequired", self.secreted.0.map(|it| it.to_string())),
            ("authenticationRequired", required.map(|it| it.to_string())),
            ("groupExpression", self.acl.scalar()),
            ("backofficeExpression", self.backoffice_acl.scalar()),
        ];
        write_entry(text, "      ", &pattern(&self.path.value), &fields);
    }
}

impl Inheritable<Spanned<String>> {
    fn scalar(&self) -> Option<String> {
        self.0.as_ref().map(|text| scalar(&text.value))
    }
}

fn description(written: Option<&str>) -> Option<String> {
    written.filter(|text| !text.is_empty()).map(scalar)
}

/// Returns the names of the ignored fields.
fn ignored(configuration: &Value) -> BTreeSet<String> {
    let endpoints = entries(configuration, "endpoints");
    endpoints
        .flat_map(|endpoint| std::iter::once(endpoint).chain(entries(endpoint, "routes")))
        .filter_map(Value::as_object)
        .flat_map(|object| object.keys())
        .filter(|name| !MEANT.contains(&name.as_str()))
        .cloned()
        .collect()
}

fn entries<'v>(of: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    let object = of.get(name).and_then(Value::as_object);
    object.into_iter().flat_map(|object| object.values())
}
