//! Converts Kong's routes to endpoints, by the plugins that apply to each.
//!
//! What cannot be converted is never open: a route with a plugin that may deny requests allows nobody. A route
//! with a condition that a policy does not have is left out, and no other endpoint allows more callers for its
//! requests than Kong.

use std::{collections::BTreeSet, fmt::Write};

use keygate_documents::yaml::scalar;

use super::{
    document::{Document, Plugin, Route, Service},
    left_out::{LeftOut, close},
    plugins::{effective_plugins, matches_service, note_consumer_plugins, plugin, unresolved},
};

/// Plugins that deny no request for who sends it.
pub(super) const WITHOUT_DECISION: [&str; 28] = [
    "aws-lambda",
    "azure-functions",
    "correlation-id",
    "cors",
    "datadog",
    "file-log",
    "grpc-gateway",
    "grpc-web",
    "http-log",
    "kafka-log",
    "loggly",
    "opentelemetry",
    "prometheus",
    "proxy-cache",
    "proxy-cache-advanced",
    "rate-limiting",
    "rate-limiting-advanced",
    "request-size-limiting",
    "request-transformer",
    "request-transformer-advanced",
    "response-ratelimiting",
    "response-transformer",
    "response-transformer-advanced",
    "statsd",
    "syslog",
    "tcp-log",
    "udp-log",
    "zipkin",
];

/// The endpoints, and what the user has to know.
pub(super) struct Found {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) notes: Vec<String>,
    /// Plugins that are left to the gateway.
    left: BTreeSet<String>,
    left_out: Vec<LeftOut>,
}

/// An endpoint of a policy.
pub(super) struct Endpoint {
    path: String,
    pub(super) kong_path: String,
    pub(super) route: String,
    methods: Vec<String>,
    hosts: Vec<String>,
    pub(super) callers: Callers,
}

/// Who may call an endpoint.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Callers {
    Everybody,
    AnyKey,
    ClientTypes(BTreeSet<String>),
    Nobody,
}

impl Callers {
    /// Whether each of these callers is one of the others, too.
    pub(super) fn are_within(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Nobody, _)
            | (_, Self::Everybody)
            | (Self::AnyKey | Self::ClientTypes(_), Self::AnyKey) => true,
            (Self::ClientTypes(some), Self::ClientTypes(all)) => some.is_subset(all),
            _ => false,
        }
    }
}

/// Converts all routes.
///
/// # Errors
/// Kong and Keygate would choose different ones for a request, or an entity names one that is not in the file: its
/// plugins or groups would be lost.
pub(super) fn convert(document: &Document) -> Result<Found, Vec<String>> {
    let mut errors = unresolved(document);
    errors.extend(document.other_format());
    errors.extend(document.shared_names());
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut found = Found {
        endpoints: Vec::new(),
        notes: Vec::new(),
        left: BTreeSet::new(),
        left_out: Vec::new(),
    };
    let nested = document.services.iter().flat_map(|service| {
        let routes = service.routes.iter();
        routes.map(move |route| (Some(service), route))
    });
    let flat = document.routes.iter().map(|route| {
        let of = |reference| {
            let mut services = document.services.iter();
            services.find(|it| matches_service(reference, it))
        };
        (route.service.as_ref().and_then(of), route)
    });
    let mut key_names = BTreeSet::new();
    for (number, (service, route)) in nested.chain(flat).enumerate() {
        let name = route.name.clone().or_else(|| route.id.clone());
        let name = name.unwrap_or_else(|| format!("number {}", number + 1));
        found.take(document, service, route, &name, &mut key_names);
    }
    close(&mut found.endpoints, &found.left_out, &mut found.notes);
    note_consumer_plugins(document, &mut found.notes);
    if !found.left.is_empty() {
        let names: Vec<_> = found.left.iter().map(String::as_str).collect();
        found.notes.push(format!(
            "plugins that are not converted, because they do not decide who can call a route: \
             `{}`; configure these features in your gateway",
            names.join("`, `")
        ));
    }
    if !key_names.is_empty() {
        let names: Vec<_> = key_names.into_iter().collect();
        found.notes.push(format!(
            "Kong accepts keys in the headers and query parameters `{}`: set `key-headers: [{}]`; \
             Keygate does not accept keys in query parameters",
            names.join("`, `"),
            names.join(", ")
        ));
    }
    let errors = found.ambiguities();
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(errors)
    }
}

impl Found {
    fn take(
        &mut self,
        document: &Document,
        service: Option<&Service>,
        route: &Route,
        name: &str,
        key_names: &mut BTreeSet<String>,
    ) {
        if service.is_some_and(|service| service.enabled == Some(false)) {
            self.notes.push(format!(
                "the route `{name}` is not imported, because its service is disabled"
            ));
            return;
        }
        let plugins = effective_plugins(document, service, route);
        if let Some(key_auth) = plugin(&plugins, "key-auth") {
            let names = key_auth.config.key_names.clone();
            key_names.extend(names.unwrap_or_else(|| vec!["apikey".to_owned()]));
            if key_auth.config.anonymous.is_some() {
                self.notes.push(format!(
                    "the route `{name}` now requires a key, because Kong's `anonymous` consumer is \
                     not converted"
                ));
            }
        }
        let callers = self.callers(document, &plugins, name);
        let all = vec!["/".to_owned()];
        let paths = route.paths.as_ref().filter(|it| !it.is_empty());
        let paths = paths.unwrap_or(&all);
        if let Some(condition) = route.unknown_condition() {
            self.notes.push(format!(
                "the route `{name}` is not imported, because a policy cannot express its condition \
                 `{condition}`"
            ));
            let left_out = |path: &String| LeftOut::new(name, path, callers.clone());
            self.left_out.extend(paths.iter().map(left_out));
            return;
        }
        if callers == Callers::Everybody {
            self.notes
                .push(format!("the route `{name}` requires no key, as in Kong"));
        }
        for path in paths {
            if path.starts_with('~') {
                self.notes.push(format!(
                    "a path of the route `{name}` is not imported, because it is a regular \
                     expression"
                ));
                self.left_out
                    .push(LeftOut::new(name, path, callers.clone()));
                continue;
            }
            self.endpoints.push(Endpoint {
                path: literal(path),
                kong_path: path.clone(),
                route: name.to_owned(),
                methods: route.methods.clone().unwrap_or_default(),
                hosts: route.hosts.clone().unwrap_or_default(),
                callers: callers.clone(),
            });
        }
    }

    /// Who may call a route with these plugins.
    fn callers(&mut self, document: &Document, plugins: &[&Plugin], name: &str) -> Callers {
        let names = plugins.iter().map(|plugin| plugin.name.as_str());
        let left = names.clone().filter(|it| WITHOUT_DECISION.contains(it));
        self.left.extend(left.map(str::to_owned));
        let mut others =
            names.filter(|it| !["key-auth", "acl"].contains(it) && !WITHOUT_DECISION.contains(it));
        if let Some(other) = others.next() {
            self.notes.push(format!(
                "the route `{name}` denies all requests, because its plugin `{other}` is not \
                 converted: set who can call it in the policy"
            ));
            return Callers::Nobody;
        }
        let key_auth = plugin(plugins, "key-auth");
        let Some(acl) = plugin(plugins, "acl") else {
            return key_auth.map_or(Callers::Everybody, |_| Callers::AnyKey);
        };
        if key_auth.is_none() {
            self.notes.push(format!(
                "the route `{name}` denies all requests, because it has the plugin `acl` but not \
                 `key-auth`"
            ));
            return Callers::Nobody;
        }
        if acl.config.include_consumer_groups == Some(true) {
            self.notes.push(format!(
                "the route `{name}` denies all requests, because its plugin `acl` uses consumer \
                 groups, which are not converted"
            ));
            return Callers::Nobody;
        }
        let is_allowed = |groups: &[&str]| {
            let has = |list: &Option<Vec<String>>| {
                let list = list.as_deref().unwrap_or_default();
                list.iter().any(|group| groups.contains(&group.as_str()))
            };
            match (&acl.config.allow, &acl.config.deny) {
                (Some(_), _) => has(&acl.config.allow) && !has(&acl.config.deny),
                (None, Some(_)) => !has(&acl.config.deny),
                (None, None) => false,
            }
        };
        let allowed = document.consumers.iter().filter(|consumer| {
            let groups: Vec<_> = document.groups_of(consumer).collect();
            is_allowed(&groups)
        });
        let names: BTreeSet<_> = allowed
            .filter_map(|it| it.name())
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            self.notes.push(format!(
                "the route `{name}` denies all requests, because no consumer is in a group that it \
                 allows"
            ));
            return Callers::Nobody;
        }
        Callers::ClientTypes(names)
    }

    /// Kong prefers a route with more conditions, Keygate the longer path.
    fn ambiguities(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for short in &self.endpoints {
            for long in &self.endpoints {
                let is_below = long.path != short.path
                    && (short.path == "/"
                        || long
                            .path
                            .strip_prefix(&short.path)
                            .is_some_and(|it| it.starts_with('/')));
                if is_below
                    && short.conditions() > long.conditions()
                    && short.callers != long.callers
                {
                    errors.push(format!(
                        "for requests to `{}`, Kong uses the route `{}`, which has more \
                         conditions, whereas Keygate uses the route `{}`, which has the longer \
                         path: give both routes the same kinds of conditions (`hosts`, `methods`)",
                        long.path, short.route, long.route
                    ));
                }
            }
        }
        errors
    }

    /// Returns the text of the policy file.
    pub(super) fn to_policy_yaml(&self) -> String {
        let mut text = "version: 1\nendpoints:\n".to_owned();
        for endpoint in &self.endpoints {
            endpoint.write(&mut text);
        }
        text
    }
}

impl Endpoint {
    /// What Kong orders routes by: the number of their conditions, whether one is the host, and a host
    /// without a wildcard.
    fn conditions(&self) -> (usize, bool, bool) {
        let has_host = !self.hosts.is_empty();
        let is_plain = has_host && self.hosts.iter().all(|host| !host.contains('*'));
        let number = usize::from(has_host) + usize::from(!self.methods.is_empty());
        (number, has_host, is_plain)
    }

    fn write(&self, text: &mut String) {
        let list = |values: &mut dyn Iterator<Item = &String>| {
            let values: Vec<_> = values.map(|it| scalar(it)).collect();
            format!("[{}]", values.join(", "))
        };
        let mut fields = vec![("description", scalar(&format!("Kong route {}", self.route)))];
        if !self.hosts.is_empty() {
            fields.push(("hosts", list(&mut self.hosts.iter())));
        }
        if !self.methods.is_empty() {
            fields.push(("methods", list(&mut self.methods.iter())));
        }
        match &self.callers {
            Callers::Everybody => fields.push(("apiKeyRequired", "false".to_owned())),
            Callers::AnyKey => {}
            Callers::ClientTypes(types) => fields.push(("clientTypes", list(&mut types.iter()))),
            Callers::Nobody => fields.push(("groupExpression", "\"false\"".to_owned())),
        }
        let _ = writeln!(text, "  - path: {}", scalar(&self.path));
        for (name, value) in fields {
            let _ = writeln!(text, "    {name}: {value}");
        }
    }
}

impl Route {
    /// The name of a condition that a policy does not have.
    fn unknown_condition(&self) -> Option<&'static str> {
        let snis = self.snis.as_ref().filter(|it| !it.is_empty());
        [
            (
                "headers",
                self.headers.as_ref().is_some_and(|it| !it.is_null()),
            ),
            ("snis", snis.is_some()),
            (
                "sources",
                self.sources.as_ref().is_some_and(|it| !it.is_null()),
            ),
            (
                "destinations",
                self.destinations.as_ref().is_some_and(|it| !it.is_null()),
            ),
            ("expression", self.expression.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_there)| is_there.then_some(name))
    }
}

/// Returns the path as the text of a base path: without a slash at the end, and with nothing that is a
/// placeholder in policies.
fn literal(path: &str) -> String {
    let mut literal = String::with_capacity(path.len());
    for segment in path.trim_end_matches('/').split('/').skip(1) {
        literal.push('/');
        for (at, character) in segment.char_indices() {
            match character {
                '{' => literal.push_str("%7B"),
                '}' => literal.push_str("%7D"),
                '*' => literal.push_str("%2A"),
                ':' if at == 0 => literal.push_str("%3A"),
                other => literal.push(other),
            }
        }
    }
    if literal.is_empty() {
        literal.push('/');
    }
    literal
}
