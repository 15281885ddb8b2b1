//! Differences between nginx's configuration and the settings of Keygate's services.

use super::{
    Configuration, Directive, Finding, OWN,
    scope::{Scope, named, visit},
    server::servers,
    warning,
};
use crate::names::HAND_OFF;

/// The names and addresses from the services' settings that nginx must use too.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Headers that carry a key.
    pub key_headers: Vec<String>,
    /// Cookies that carry a key.
    pub key_cookies: Vec<String>,
    /// The header with the client type, as the authorizer reads it.
    pub client_type_header: String,
    /// The header that marks requests of the back office, as the authorizer reads it.
    pub backoffice_header: String,
    /// The headers with the user, as the authorizer reads them from a trusted gateway.
    pub user_headers: Vec<String>,
    /// The addresses on which services listen, if known.
    pub listeners: Vec<(Service, String)>,
    /// The first part of `x-keygate-names`, which the resolver compares, if known.
    pub stated_of_keys: Option<String>,
    /// The second part, which the authorizer compares, if known.
    pub stated_of_identity: Option<String>,
    /// Whether a denied request gets status 200 and a header (`answer-with: header`).
    pub answers_with_header: bool,
    /// Whether the authorizer accepts only a client type that the resolver signed.
    pub needs_hand_off: bool,
}

/// One of Keygate's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The client-type resolver.
    Resolver,
    /// The authorization service.
    Authorizer,
    /// Both services in one process.
    Serve,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            key_headers: vec!["client-key".to_owned(), "secret".to_owned()],
            key_cookies: vec!["mia_client_key".to_owned()],
            client_type_header: "client-type".to_owned(),
            backoffice_header: "isbackoffice".to_owned(),
            user_headers: Vec::new(),
            listeners: Vec::new(),
            stated_of_keys: None,
            stated_of_identity: None,
            answers_with_header: false,
            needs_hand_off: false,
        }
    }
}

impl Service {
    /// Returns the service that a `proxy_pass` of the includes leads to, by its path.
    fn behind(pass: &Directive) -> Option<Self> {
        let target = pass.argument(0);
        let starts = |path: &str| target.ends_with(path) || target.contains(&format!("{path}/"));
        [
            ("/auth", Self::Authorizer),
            ("/check", Self::Serve),
            ("/resolve", Self::Resolver),
            ("/require", Self::Resolver),
        ]
        .into_iter()
        .find_map(|(path, service)| starts(path).then_some(service))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::Authorizer => "authorizer",
            Self::Serve => "service",
        }
    }
}

/// The hint for includes that disagree with the settings.
const GENERATE: &str =
    "regenerate the includes with `keygate nginx-includes --config FILE --out DIR`";

/// Returns where the includes' own locations disagree with the settings.
pub(super) fn findings(configuration: &Configuration, expected: &Expected) -> Vec<Finding> {
    let mut findings = cookie_map(configuration, expected);
    findings.extend(user_of_nobody(configuration, expected));
    for server in servers(configuration) {
        let mut steps = Vec::new();
        collect_steps(server.directives, &server.scope, &mut steps);
        for (pass, scope) in steps {
            let Some(service) = Service::behind(pass) else {
                continue;
            };
            findings.extend(expected.headers_to(service, pass, &scope));
            findings.extend(expected.stated_to(service, &scope));
            findings.extend(expected.hand_off_to(service, pass, &scope));
            findings.extend(expected.address_of(service, pass, configuration));
            // To includes that send `x-keygate-names`, the services always respond by status.
            let is_named = scope.replaces("x-keygate-names");
            if expected.answers_with_header && service != Service::Resolver && !is_named {
                findings.push(header_mode(pass));
            }
        }
    }
    findings
}

/// Collects the locations of the includes that send authorization requests to a service.
fn collect_steps<'c>(
    block: &'c [Directive],
    scope: &Scope<'c>,
    steps: &mut Vec<(&'c Directive, Scope<'c>)>,
) {
    for location in named(block, "location") {
        let inside = scope.inside(location.children());
        if location.arguments.iter().any(|it| it.starts_with(OWN)) {
            let pass = named(location.children(), "proxy_pass").last();
            steps.extend(pass.map(|pass| (pass, inside.clone())));
        }
        collect_steps(location.children(), &inside, steps);
    }
}

impl Expected {
    /// Returns the headers that a location must replace or remove: the key's, and the identity headers by
    /// the authorizer's names.
    pub(super) fn headers_of_backends(&self) -> impl Iterator<Item = &str> {
        let identity = [&self.client_type_header, &self.backoffice_header];
        let all = identity.into_iter().chain(&self.user_headers);
        all.chain(&self.key_headers).map(String::as_str)
    }

    /// Reports headers that a caller could send to the service, or that take a key to it.
    fn headers_to(&self, service: Service, pass: &Directive, scope: &Scope<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut require = |header: &str, message: String| {
            if !scope.replaces(header) {
                findings.push(warning(pass, message).help(GENERATE));
            }
        };
        if service != Service::Resolver {
            let name = &self.backoffice_header;
            let message = format!(
                "the {} trusts the caller's own `{name}` (setting `backoffice-header`)",
                service.name()
            );
            require(name, message);
            for name in &self.user_headers {
                let message = format!(
                    "the {} trusts the caller's own `{name}` (setting `users.trusted-headers`)",
                    service.name()
                );
                require(name, message);
            }
        }
        if service == Service::Authorizer {
            let name = &self.client_type_header;
            let message = format!(
                "the authorizer trusts the caller's own `{name}` (setting `client-type-header`)"
            );
            require(name, message);
            for name in &self.key_headers {
                let message = format!(
                    "the key in the header `{name}` is also sent to the authorizer (setting `key-headers`)"
                );
                require(name, message);
            }
            if let Some(name) = self.key_cookies.first() {
                let message = format!(
                    "the key in the cookie `{name}` is also sent to the authorizer (setting `key-cookies`)"
                );
                require("cookie", message);
            }
        }
        findings
    }

    /// Reports includes that do not send the resolver's signature: the authorizer denies every key.
    fn hand_off_to(
        &self,
        service: Service,
        pass: &Directive,
        scope: &Scope<'_>,
    ) -> Option<Finding> {
        let set = scope.effective("proxy_set_header");
        let mut values = set
            .iter()
            .filter(|it| it.argument(0).eq_ignore_ascii_case(HAND_OFF));
        let is_sent = values.any(|it| !it.argument(1).is_empty());
        let is_needed = self.needs_hand_off && service == Service::Authorizer;
        (is_needed && !is_sent).then(|| {
            let message = format!(
                "the authorizer does not receive `{HAND_OFF}`, so it denies every request with a \
                 key (setting `handoff-secret-file`)"
            );
            warning(pass, message).help(GENERATE)
        })
    }

    /// Reports includes whose `x-keygate-names` differs from the settings.
    fn stated_to(&self, service: Service, scope: &Scope<'_>) -> Option<Finding> {
        let set = scope.effective("proxy_set_header").into_iter();
        let mut stated = set.filter(|it| it.argument(0).eq_ignore_ascii_case("x-keygate-names"));
        let stated = stated.next_back()?;
        let part = |part: &'_ Option<String>| part.clone().unwrap_or_default();
        let starts = stated.argument(1).starts_with(&part(&self.stated_of_keys));
        let ends = stated
            .argument(1)
            .ends_with(&part(&self.stated_of_identity));
        let is_other = match service {
            Service::Resolver => !starts,
            Service::Authorizer => !ends,
            Service::Serve => !(starts && ends),
        };
        is_other.then(|| {
            let message = format!(
                "the includes were generated for header and cookie names other than the ones in \
                 the settings, so the {} rejects every request",
                service.name()
            );
            warning(stated, message).help(GENERATE)
        })
    }

    /// Reports a service that listens on another address.
    fn address_of(
        &self,
        service: Service,
        pass: &Directive,
        configuration: &Configuration,
    ) -> Option<Finding> {
        let (_, listener) = self.listeners.iter().find(|(it, _)| *it == service)?;
        let targets = addresses(pass, configuration);
        if targets.is_empty() || targets.iter().any(|address| is_same(listener, address)) {
            return None;
        }
        let message = format!(
            "nginx connects to the {} at {}, but according to its settings it listens on \
             `{listener}`",
            service.name(),
            targets
                .iter()
                .map(|address| format!("`{address}`"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        Some(
            warning(pass, message)
                .help("change either `server` in the `upstream` block or the setting `listen`"),
        )
    }
}

fn header_mode(pass: &Directive) -> Finding {
    warning(
        pass,
        "with `answer-with: header`, denied requests get status 200, which nginx treats as allowed",
    )
    .help("set it to `status`, because nginx does not read `mia-allowed`")
}

/// Reports cookies with a key that the includes' maps do not remove.
fn cookie_map(configuration: &Configuration, expected: &Expected) -> Vec<Finding> {
    let mut maps = Vec::new();
    visit(&configuration.directives, &mut |directive| {
        if directive.name == "map" && directive.argument(1) == "$keygate_cookie" {
            maps.push(directive);
        }
    });
    let mut findings = Vec::new();
    for map in maps {
        let text = map
            .children()
            .iter()
            .map(|entry| entry.name.replace('\\', ""));
        let entries: Vec<_> = text.collect();
        for name in &expected.key_cookies {
            if !entries.iter().any(|entry| entry.contains(name.as_str())) {
                let message = format!(
                    "the key in the cookie `{name}` is sent to backends (setting `key-cookies`)"
                );
                findings.push(warning(map, message).help(GENERATE));
            }
        }
    }
    findings
}

/// Reports trusted headers with a user whom nginx never sets.
fn user_of_nobody(configuration: &Configuration, expected: &Expected) -> Option<Finding> {
    let variable = "$keygate_trusted_user_id";
    let mut included = None;
    let mut is_set = expected.user_headers.is_empty();
    visit(&configuration.directives, &mut |directive| {
        let by_map = directive.name == "map" && directive.argument(1) == variable;
        if by_map && directive.argument(0).is_empty() {
            included = Some(directive);
        }
        is_set |=
            directive.argument(0) == variable || (by_map && !directive.argument(0).is_empty());
    });
    let message = "nothing sets `$keygate_trusted_user_id`, so the headers in the setting \
                   `users.trusted-headers` never log anybody in";
    let found = warning(included.filter(|_| !is_set)?, message);
    Some(found.help(
        "add `set $keygate_trusted_user_id …;` to a server or location, with a \
                     variable that callers cannot control",
    ))
}

/// Returns the addresses behind a `proxy_pass`: the servers of its upstream, or its own host.
fn addresses(pass: &Directive, configuration: &Configuration) -> Vec<String> {
    let target = pass.argument(0);
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let host = match rest.strip_prefix("unix:") {
        Some(socket) => format!("unix:{}", socket.split(':').next().unwrap_or_default()),
        None => rest.split('/').next().unwrap_or_default().to_owned(),
    };
    let mut servers = Vec::new();
    visit(&configuration.directives, &mut |directive| {
        if directive.name == "upstream" && directive.argument(0) == host {
            let members = named(directive.children(), "server");
            servers.extend(members.map(|server| server.argument(0).to_owned()));
        }
    });
    if servers.is_empty() && !host.contains('$') {
        servers.push(host);
    }
    servers
}

/// Returns whether a connection to `target` may reach the listener.
fn is_same(listener: &str, target: &str) -> bool {
    if listener.starts_with("unix:") || target.starts_with("unix:") {
        return listener == target;
    }
    let (host, port) = listener.rsplit_once(':').unwrap_or((listener, ""));
    let (target_host, target_port) = target.rsplit_once(':').unwrap_or((target, "80"));
    let is_ip = |host: &str| {
        host.trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok()
    };
    // A host name may resolve to any address, and a wildcard listener accepts on all of them.
    let may_be_same = !is_ip(host) || !is_ip(target_host) || matches!(host, "0.0.0.0" | "[::]");
    port == target_port && (may_be_same || host == target_host)
}
