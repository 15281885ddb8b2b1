//! Reads `policy.yaml`.

use std::ops::Range;

use keygate_documents::{
    content::{FileKind, Top},
    diagnostic::{Content, Diagnostic, nearest},
    scalar::Scalar,
    yaml,
};
use keygate_expression::Expression;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use crate::{
    path::{Ambiguities, Ambiguity, Pattern, TrailingSlash, Treatment},
    policy::{
        ClientTypeName, ClientTypes, Draft, ExpressionLocations, HostPattern, Loaded, Method,
        Policy, PolicyError, Requirements,
    },
    written::expression,
};

/// The format of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    #[serde(default, deserialize_with = "present")]
    version: Option<Spanned<u64>>,
    #[serde(default, deserialize_with = "present")]
    trailing_slash: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    custom_methods: Option<Spanned<Vec<Spanned<String>>>>,
    endpoints: Vec<Entry>,
}

/// An endpoint or a route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    path: Spanned<String>,
    #[serde(default, deserialize_with = "present")]
    hosts: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default, deserialize_with = "present")]
    methods: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    api_key_required: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    authentication_required: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    backoffice_authentication_required: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    client_types: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default, deserialize_with = "present")]
    group_expression: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    backoffice_expression: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    shadow: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    cors_preflight: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "present")]
    allow_ambiguous: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default, deserialize_with = "present")]
    routes: Option<Spanned<Vec<Entry>>>,
}

/// A field in the file must have a value: `groupExpression:` with nothing after it is an error, not
/// the default.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl Policy {
    /// The fields that distinguish a `policy.yaml` from other files.
    pub const FILE_KIND: FileKind<'static> = FileKind {
        top: Top::FieldsWithList(
            &["version", "trailingSlash", "customMethods", "endpoints"],
            "endpoints",
        ),
        inner: &[
            "path",
            "hosts",
            "methods",
            "clientTypes",
            "groupExpression",
            "backofficeExpression",
            "shadow",
        ],
    };

    /// Parses a `policy.yaml`.
    ///
    /// # Errors
    /// Every error in the file, but only the first error in the YAML syntax.
    pub fn from_yaml(text: &str) -> Result<Loaded, Vec<PolicyError>> {
        let content = Content::of(text, &Self::FILE_KIND);
        let document: Document = yaml::from_str(text, content)
            .map_err(|diagnostic| vec![PolicyError::Text(Box::new(diagnostic))])?;
        let mut reader = Reader {
            text,
            custom_methods: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        reader.check_version(document.version.as_ref());
        reader.read_custom_methods(document.custom_methods.as_ref());
        let trailing_slash = reader.trailing_slash(document.trailing_slash.as_ref());
        let mut drafts = Vec::new();
        for endpoint in &document.endpoints {
            reader.endpoint(endpoint, trailing_slash, &mut drafts);
        }
        if document.endpoints.is_empty() {
            reader.warnings.push(
                Diagnostic::warning("the policy has no endpoints, so every request is denied")
                    .help("add an endpoint, such as `- path: /orders`"),
            );
        }
        // Drafts lack the rules with errors, so they are compared only if there are none.
        if !reader.errors.is_empty() {
            let start = |error: &PolicyError| error.diagnostic().span.map(|span| span.start);
            reader.errors.sort_by_key(start);
            return Err(reader.errors);
        }
        let policy = Self::build(drafts, trailing_slash)?;
        Ok(Loaded {
            policy,
            warnings: reader.warnings,
        })
    }
}

/// The fields of an endpoint or a route, parsed but without inherited values.
#[derive(Debug, Default, Clone)]
struct Own {
    methods: Option<Vec<Method>>,
    client_types: Option<ClientTypes>,
    group: Option<(Expression, Scalar)>,
    backoffice: Option<(Expression, Scalar)>,
    shadow: Option<(Expression, Scalar)>,
    allows_preflight: Option<bool>,
    allowed_ambiguities: Option<Ambiguities>,
    description: Option<String>,
    api_key_required: Option<bool>,
    authentication_required: Option<bool>,
    backoffice_authentication_required: Option<bool>,
}

impl Own {
    /// Fills each omitted field from the endpoint. A shadow is inherited only with the expression that
    /// it would replace.
    fn or(self, endpoint: Self) -> Self {
        let inherited_shadow = endpoint.shadow.filter(|_| self.group.is_none());
        Self {
            methods: self.methods.or(endpoint.methods),
            client_types: self.client_types.or(endpoint.client_types),
            group: self.group.or(endpoint.group),
            backoffice: self.backoffice.or(endpoint.backoffice),
            shadow: self.shadow.or(inherited_shadow),
            allows_preflight: self.allows_preflight.or(endpoint.allows_preflight),
            allowed_ambiguities: self.allowed_ambiguities.or(endpoint.allowed_ambiguities),
            description: self.description.or(endpoint.description),
            api_key_required: self.api_key_required.or(endpoint.api_key_required),
            authentication_required: self
                .authentication_required
                .or(endpoint.authentication_required),
            backoffice_authentication_required: self
                .backoffice_authentication_required
                .or(endpoint.backoffice_authentication_required),
        }
    }

    /// Fields that neither the route nor its endpoint sets get the contract's defaults.
    fn draft(
        self,
        base: Pattern,
        route: Option<Pattern>,
        hosts: Vec<HostPattern>,
        at: &Scalar,
    ) -> Draft {
        let authentication_required = self.authentication_required.unwrap_or(false);
        let (group_expression, group) = self.group.unzip();
        let (backoffice_expression, backoffice) = self.backoffice.unzip();
        let (shadow_expression, shadow) = self.shadow.unzip();
        Draft {
            base,
            route,
            hosts,
            methods: self.methods,
            requirements: Requirements {
                description: self.description,
                api_key_required: self.api_key_required.unwrap_or(true),
                authentication_required,
                backoffice_authentication_required: self
                    .backoffice_authentication_required
                    .unwrap_or(authentication_required),
                group_expression: group_expression.unwrap_or_else(Expression::always),
                backoffice_expression,
                shadow: shadow_expression,
                allows_preflight: self.allows_preflight.unwrap_or(false),
                allowed_ambiguities: self.allowed_ambiguities.unwrap_or_default(),
            },
            expression_locations: ExpressionLocations::new(group, backoffice, shadow),
            span: at.span(),
        }
    }
}

/// Parses entries and collects the errors.
struct Reader<'t> {
    text: &'t str,
    /// The methods that the file declares.
    custom_methods: Vec<Method>,
    errors: Vec<PolicyError>,
    warnings: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn check_version(&mut self, version: Option<&Spanned<u64>>) {
        match version {
            Some(version) if version.value == 1 => {}
            Some(version) => self.errors.push(PolicyError::UnknownVersion {
                version: version.value,
                at: yaml::span(version.defined, self.text),
            }),
            None => self.errors.push(PolicyError::MissingVersion),
        }
    }

    fn read_custom_methods(&mut self, written: Option<&Spanned<Vec<Spanned<String>>>>) {
        let methods = self.list("customMethods", written, |method, at| {
            Method::parse(method).map_err(|error| PolicyError::Method { error, at })
        });
        self.custom_methods = methods.unwrap_or_default();
    }

    fn trailing_slash(&mut self, written: Option<&Spanned<String>>) -> TrailingSlash {
        let values = [
            ("ignore", TrailingSlash::Ignore),
            ("strict", TrailingSlash::Strict),
        ];
        self.choice("trailingSlash", written, &values)
            .unwrap_or_default()
    }

    fn endpoint(&mut self, entry: &Entry, trailing_slash: TrailingSlash, drafts: &mut Vec<Draft>) {
        let location = Scalar::new(&entry.path, self.text);
        let base = self.path(
            &entry.path,
            Pattern::base(&entry.path.value, trailing_slash),
        );
        let hosts = self.list("hosts", entry.hosts.as_ref(), |host, at| {
            HostPattern::parse(host).map_err(|error| PolicyError::Host { error, at })
        });
        let hosts = hosts.unwrap_or_default();
        let own = self.own(entry);
        self.check_key_of_client_types(&own);
        if let Some(base) = base.clone() {
            drafts.push(self.draft(own.clone(), base, None, hosts.clone(), &location));
        }
        for route in entry.routes.iter().flat_map(|routes| &routes.value) {
            if let Some(hosts) = &route.hosts {
                let at = yaml::span(hosts.defined, self.text);
                self.errors
                    .push(PolicyError::EndpointOnly { field: "hosts", at });
            }
            if let Some(routes) = &route.routes {
                let at = yaml::span(routes.defined, self.text);
                self.errors.push(PolicyError::EndpointOnly {
                    field: "routes",
                    at,
                });
            }
            let location = Scalar::new(&route.path, self.text);
            let pattern = self.path(
                &route.path,
                Pattern::route(&route.path.value, trailing_slash),
            );
            let filled = self.own(route).or(own.clone());
            if route.client_types.is_some() || route.api_key_required.is_some() {
                self.check_key_of_client_types(&filled);
            }
            if let (Some(base), Some(pattern)) = (base.clone(), pattern) {
                drafts.push(self.draft(filled, base, Some(pattern), hosts.clone(), &location));
            }
        }
    }

    /// Returns a complete rule; its client types become part of its expressions.
    fn draft(
        &mut self,
        mut filled: Own,
        base: Pattern,
        route: Option<Pattern>,
        hosts: Vec<HostPattern>,
        at: &Scalar,
    ) -> Draft {
        let client_types = filled.client_types.take();
        let mut draft = filled.draft(base, route, hosts, at);
        if let Some(client_types) = client_types {
            let (requirements, locations) =
                (&mut draft.requirements, &mut draft.expression_locations);
            let added = client_types.add_to(requirements, locations, &mut self.warnings);
            self.errors.extend(added.err());
        }
        draft
    }

    /// Without a key there is no client type, so `apiKeyRequired: false` beside a list of them lets nobody in.
    fn check_key_of_client_types(&mut self, filled: &Own) {
        if let (Some(client_types), Some(false)) = (&filled.client_types, filled.api_key_required) {
            self.warnings.push(
                Diagnostic::warning(
                    "`apiKeyRequired: false` has no effect here, because \
                                     `clientTypes` requires a key",
                )
                .at(client_types.at.clone())
                .help(
                    "a caller without a key has no client type: remove `clientTypes` or \
                           `apiKeyRequired`",
                ),
            );
        }
    }

    fn client_types(&mut self, entry: &Entry) -> Option<ClientTypes> {
        let written = entry.client_types.as_ref()?;
        let names = self.list("clientTypes", Some(written), ClientTypeName::parse)?;
        Some(ClientTypes::new(
            names,
            yaml::span(written.defined, self.text),
        ))
    }

    fn own(&mut self, entry: &Entry) -> Own {
        let custom = std::mem::take(&mut self.custom_methods);
        let methods = self.list("methods", entry.methods.as_ref(), |method, at| {
            Method::known(method, &custom).map_err(|error| PolicyError::Method { error, at })
        });
        self.custom_methods = custom;
        let ambiguities = self.list(
            "allowAmbiguous",
            entry.allow_ambiguous.as_ref(),
            allowable_ambiguity,
        );
        Own {
            methods,
            client_types: self.client_types(entry),
            group: self.expression(entry.group_expression.as_ref()),
            backoffice: self.expression(entry.backoffice_expression.as_ref()),
            shadow: self.expression(entry.shadow.as_ref()),
            allows_preflight: self.choice(
                "corsPreflight",
                entry.cors_preflight.as_ref(),
                &[("allow", true), ("deny", false)],
            ),
            allowed_ambiguities: ambiguities.map(Ambiguities::from_iter),
            description: entry.description.clone(),
            api_key_required: entry.api_key_required,
            authentication_required: entry.authentication_required,
            backoffice_authentication_required: entry.backoffice_authentication_required,
        }
    }

    fn path(
        &mut self,
        written: &Spanned<String>,
        parsed: Result<Pattern, crate::path::PatternError>,
    ) -> Option<Pattern> {
        parsed
            .map_err(|error| {
                let scalar = Scalar::new(written, self.text);
                let diagnostic = Box::new(scalar.shift(error.diagnostic(), &written.value));
                self.errors.push(PolicyError::Path { error, diagnostic });
            })
            .ok()
    }

    fn expression(&mut self, written: Option<&Spanned<String>>) -> Option<(Expression, Scalar)> {
        expression(written?, self.text, &mut self.warnings)
            .map_err(|error| self.errors.push(error))
            .ok()
    }

    /// Parses a field that has a fixed set of values.
    fn choice<T: Copy>(
        &mut self,
        field: &'static str,
        written: Option<&Spanned<String>>,
        values: &[(&'static str, T)],
    ) -> Option<T> {
        let written = written?;
        let chosen = values.iter().find(|(name, _)| *name == written.value);
        if chosen.is_none() {
            let names: Vec<_> = values.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.errors.push(PolicyError::UnknownValue {
                field,
                value: written.value.clone(),
                help: format!("write {}", names.join(" or ")),
                at: yaml::span(written.defined, self.text),
            });
        }
        chosen.map(|(_, value)| *value)
    }

    /// Parses a list that must not be empty or contain duplicates.
    fn list<T: PartialEq>(
        &mut self,
        field: &'static str,
        written: Option<&Spanned<Vec<Spanned<String>>>>,
        parse: impl Fn(&str, Range<usize>) -> Result<T, PolicyError>,
    ) -> Option<Vec<T>> {
        let written = written?;
        if written.value.is_empty() {
            let at = yaml::span(written.defined, self.text);
            self.errors.push(PolicyError::EmptyList { field, at });
        }
        let mut values = Vec::new();
        let mut spans = Vec::new();
        for item in &written.value {
            let at = yaml::span(item.defined, self.text);
            let value = match parse(&item.value, at.clone()) {
                Ok(value) => value,
                Err(error) => {
                    self.errors.push(error);
                    continue;
                }
            };
            if let Some(first) = values.iter().position(|known| *known == value) {
                let first = spans.get(first).cloned().unwrap_or_default();
                let value = item.value.clone();
                self.errors.push(PolicyError::Repeated { value, at, first });
            } else {
                values.push(value);
                spans.push(at);
            }
        }
        Some(values)
    }
}

fn allowable_ambiguity(name: &str, at: Range<usize>) -> Result<Ambiguity, PolicyError> {
    let help = match Ambiguity::from_name(name).map(|class| (class, class.treatment())) {
        Some((class, Treatment::Refused)) => return Ok(class),
        Some((_, Treatment::NoPath)) => {
            "remove it: nginx itself responds 400 to such requests".to_owned()
        }
        Some((_, Treatment::Compared)) => {
            "remove it: such requests are allowed anyway if every known interpretation of the path \
             is allowed"
                .to_owned()
        }
        None => {
            let known = || {
                Ambiguity::ALL
                    .into_iter()
                    .filter(|class| class.treatment() == Treatment::Refused)
                    .map(Ambiguity::as_str)
            };
            match nearest(name, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "expected one of: {}",
                    known().collect::<Vec<_>>().join(", ")
                ),
            }
        }
    };
    let value = name.to_owned();
    Err(PolicyError::UnknownValue {
        field: "allowAmbiguous",
        value,
        help,
        at,
    })
}
