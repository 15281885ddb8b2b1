//! Where nginx's configuration and the settings of Keygate's services disagree.

use super::{
    Configuration, Directive, Finding, OWN,
    scope::{Scope, named, visit},
    server::servers,
    warning,
};
use crate::names::HAND_OFF;

/// What the settings of the services say that nginx's configuration must know.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Headers that carry a key.
    pub key_headers: Vec<String>,
    /// Cookies that carry a key.
    pub key_cookies: Vec<String>,
    /// The header that tells the authorizer the client type.
    pub client_type_header: String,
    /// The header that tells the authorizer that the request comes by the back office.
    pub backoffice_header: String,
    /// The headers that tell the authorizer the user, where a gateway is trusted with that.
    pub user_headers: Vec<String>,
    /// Where services listen, where that is known.
    pub listeners: Vec<(Service, String)>,
    /// The first part of `x-keygate-names`, which the resolver compares, where it is known.
    pub stated_of_keys: Option<String>,
    /// The other part, which the authorizer compares.
    pub stated_of_identity: Option<String>,
    /// Whether a denial is a response 200 with a header.
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
    /// Both in one process.
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
    /// The service that a `proxy_pass` of the includes asks, by its path.
    fn asked_by(pass: &Directive) -> Option<Self> {
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

/// How to write includes that agree.
const GENERATE: &str =
    "write the includes anew with `keygate nginx-includes --config FILE --out DIR`";

/// Everything in which the includes' own locations disagree with the settings.
pub(super) fn findings(configuration: &Configuration, expected: &Expected) -> Vec<Finding> {
    let mut findings = cookie_map(configuration, expected);
    for server in servers(configuration) {
        let mut steps = Vec::new();
        collect_steps(server.directives, &server.scope, &mut steps);
        for (pass, scope) in steps {
            let Some(service) = Service::asked_by(pass) else {
                continue;
            };
            findings.extend(expected.headers_to(service, pass, &scope));
            findings.extend(expected.stated_to(service, &scope));
            findings.extend(expected.hand_off_to(service, pass, &scope));
            findings.extend(expected.address_of(service, pass, configuration));
            // The services respond by status to includes that name themselves.
            let is_named = scope.replaces("x-keygate-names");
            if expected.answers_with_header && service != Service::Resolver && !is_named {
                findings.push(header_mode(pass));
            }
        }
    }
    findings
}

/// The locations of the includes that ask a service.
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
    /// Headers that a location must replace or remove: the key's, and the identity's by the names of the
    /// authorizer, which a resolver alone cannot know.
    pub(super) fn headers_of_backends(&self) -> impl Iterator<Item = &str> {
        let identity = [&self.client_type_header, &self.backoffice_header];
        let all = identity.into_iter().chain(&self.user_headers);
        all.chain(&self.key_headers).map(String::as_str)
    }

    /// Names of headers by which a caller could speak to the service, or a key reach it.
    fn headers_to(&self, service: Service, pass: &Directive, scope: &Scope<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut demand = |header: &str, message: String| {
            if !scope.replaces(header) {
                findings.push(warning(pass, message).help(GENERATE));
            }
        };
        if service != Service::Resolver {
            let name = &self.backoffice_header;
            let message = format!(
                "the {} believes the caller's own `{name}` (setting `backoffice-header`)",
                service.name()
            );
            demand(name, message);
            for name in &self.user_headers {
                let message = format!(
                    "the {} believes the caller's own `{name}` (setting `users.trusted-headers`)",
                    service.name()
                );
                demand(name, message);
            }
        }
        if service == Service::Authorizer {
            let name = &self.client_type_header;
            let message = format!(
                "the authorizer believes the caller's own `{name}` (setting `client-type-header`)"
            );
            demand(name, message);
            for name in &self.key_headers {
                let message = format!(
                    "the key in the header `{name}` goes to the authorizer too (setting `key-headers`)"
                );
                demand(name, message);
            }
            if let Some(name) = self.key_cookies.first() {
                let message = format!(
                    "the key in the cookie `{name}` goes to the authorizer too (setting `key-cookies`)"
                );
                demand("cookie", message);
            }
        }
        findings
    }

    /// Includes that do not send the resolver's signature: the authorizer denies every key.
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
                "the authorizer gets no `{HAND_OFF}`: it denies every request with a key (setting \
                 `handoff-secret-file`)"
            );
            warning(pass, message).help(GENERATE)
        })
    }

    /// Includes that name themselves for other settings: the service rejects every request.
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
                "the includes were written for other names than the {} is set to: it rejects \
                 every request",
                service.name()
            );
            warning(stated, message).help(GENERATE)
        })
    }

    /// A service that listens elsewhere.
    fn address_of(
        &self,
        service: Service,
        pass: &Directive,
        configuration: &Configuration,
    ) -> Option<Finding> {
        let (_, listener) = self.listeners.iter().find(|(it, _)| *it == service)?;
        let asked = addresses(pass, configuration);
        if asked.is_empty() || asked.iter().any(|address| is_same(listener, address)) {
            return None;
        }
        let message = format!(
            "nginx asks the {} at {}, but by its settings it listens on `{listener}`",
            service.name(),
            asked
                .iter()
                .map(|address| format!("`{address}`"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        Some(
            warning(pass, message)
                .help("change `server` in the `upstream`, or the setting `listen`"),
        )
    }
}

fn header_mode(pass: &Directive) -> Finding {
    warning(
        pass,
        "with `answer-with: header` a denial has the status 200, which nginx takes for allowed",
    )
    .help("leave the setting at `status`: nginx does not read `mia-allowed`")
}

/// Cookies with a key that the includes' maps do not take out.
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
                    "the key in the cookie `{name}` passes on to backends (setting `key-cookies`)"
                );
                findings.push(warning(map, message).help(GENERATE));
            }
        }
    }
    findings
}

/// Where a `proxy_pass` leads: the servers of its upstream, or what it names itself.
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

/// Whether what listens on one address may be reached at the other.
fn is_same(listener: &str, asked: &str) -> bool {
    if listener.starts_with("unix:") || asked.starts_with("unix:") {
        return listener == asked;
    }
    let (host, port) = listener.rsplit_once(':').unwrap_or((listener, ""));
    let (asked_host, asked_port) = asked.rsplit_once(':').unwrap_or((asked, "80"));
    let is_ip = |host: &str| {
        host.trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok()
    };
    // A name may lead anywhere, and a service that listens on every address is at each of them.
    let may_be_same = !is_ip(host) || !is_ip(asked_host) || matches!(host, "0.0.0.0" | "[::]");
    port == asked_port && (may_be_same || host == asked_host)
}
