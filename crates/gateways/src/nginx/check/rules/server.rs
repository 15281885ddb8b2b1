//! The servers of a configuration, their locations, and which of them Keygate guards.

use keygate_documents::diagnostic::Diagnostic;

use super::{
    Configuration, Context, Directive, Finding, OWN,
    before_access::{self, Late},
    passed_on, paths,
    scope::{Scope, named},
    unguarded, warning,
};

/// The directives that pass requests to a backend, and those that set its headers, if an include has them.
pub(super) const PASSES: [(&str, Option<&str>); 6] = [
    ("proxy_pass", Some("proxy_set_header")),
    ("grpc_pass", Some("grpc_set_header")),
    ("fastcgi_pass", None),
    ("uwsgi_pass", None),
    ("scgi_pass", None),
    ("memcached_pass", None),
];

/// A location or `if` that is not part of the includes.
#[derive(Debug)]
pub(super) struct Location<'c> {
    pub(super) directive: &'c Directive,
    pub(super) scope: Scope<'c>,
}

/// A server, or a file that is a part of one.
#[derive(Debug)]
pub(super) struct Server<'c> {
    pub(super) directives: &'c [Directive],
    pub(super) scope: Scope<'c>,
    locations: Vec<Location<'c>>,
}

pub(super) fn servers(configuration: &Configuration) -> Vec<Server<'_>> {
    let root = Scope::default().inside(&configuration.directives);
    let mut servers = Vec::new();
    collect_servers(&configuration.directives, &root, &mut servers);
    // A file that servers include has locations, and no server.
    if named(&configuration.directives, "location")
        .next()
        .is_some()
    {
        servers.push(Server::new(&configuration.directives, &root));
    }
    servers
}

fn collect_servers<'c>(block: &'c [Directive], scope: &Scope<'c>, servers: &mut Vec<Server<'c>>) {
    for directive in block {
        let inside = scope.inside(directive.children());
        match directive.name.as_str() {
            "server" if directive.block.is_some() => {
                servers.push(Server::new(directive.children(), &inside));
            }
            "http" => collect_servers(directive.children(), &inside, servers),
            _ => {}
        }
    }
}

impl<'c> Server<'c> {
    fn new(directives: &'c [Directive], scope: &Scope<'c>) -> Self {
        let mut locations = Vec::new();
        collect_locations(directives, scope, &mut locations);
        Self {
            directives,
            scope: scope.clone(),
            locations,
        }
    }

    pub(super) fn findings(&self, context: &Context, late: &Late) -> Vec<Finding> {
        let guarded = self
            .locations
            .iter()
            .find(|location| location.scope.is_guarded());
        let Some(guarded) = guarded else {
            let passing = self.locations.iter().find_map(Location::pass);
            let unguarded = passing.map(|pass| {
                warning(
                    pass,
                    "no location of this server sends authorization requests to Keygate",
                )
                .help("include `keygate-authorize.conf` in the locations that you want to protect")
            });
            return unguarded.into_iter().collect();
        };
        let mut findings = Vec::new();
        findings.extend(self.missing_steps(guarded));
        findings.extend(self.rewrites());
        findings.extend(self.own_steps());
        if self.scope.is_guarded() {
            findings.extend(self.directives.iter().filter_map(before_access::responds));
        }
        for location in &self.locations {
            findings.extend(location.findings(context, late));
        }
        findings
    }

    /// Returns how many of its locations Keygate guards.
    pub(super) fn count_guarded(&self) -> usize {
        let is_guarded = |location: &&Location<'_>| {
            location.directive.name == "location" && location.scope.is_guarded()
        };
        self.locations.iter().filter(is_guarded).count()
    }

    /// Reports a server without the includes' own locations: authorization requests reach others.
    fn missing_steps(&self, guarded: &Location<'_>) -> Option<Finding> {
        let is_own = |location: &Directive| {
            location.arguments.iter().any(|argument| argument == OWN)
                && named(location.children(), "internal").next().is_some()
        };
        if named(self.directives, "location").any(is_own) {
            return None;
        }
        let message = format!(
            "`{}` sends authorization requests to Keygate, but this server lacks Keygate's own \
             locations: another location receives the requests, and its response might allow every \
             caller",
            guarded.directive.title()
        );
        let diagnostic =
            Diagnostic::error(message).help("include `keygate-server.conf` in the server");
        Some(Finding::at(guarded.directive, diagnostic))
    }

    /// Reports other locations below the includes' own path.
    fn own_steps(&self) -> Vec<Finding> {
        let is_below = |location: &&Directive| {
            let mut arguments = location.arguments.iter();
            arguments.any(|it| it.starts_with(OWN) && it != OWN)
        };
        let found = named(self.directives, "location").filter(is_below);
        found
            .map(|location| {
                let message = format!(
                    "`{}` might respond to authorization requests instead of Keygate",
                    location.title()
                );
                warning(location, message).help(
                    "paths below `/_keygate/` are reserved for `keygate-server.conf`: use another path",
                )
            })
            .collect()
    }

    /// Reports rewrites of the server, which nginx runs again for the authorization request.
    ///
    /// The include prevents that if it comes before them.
    fn rewrites(&self) -> Vec<Finding> {
        let mut is_stopped = false;
        let mut findings = Vec::new();
        for directive in self.directives {
            is_stopped |=
                directive.name == "if" && directive.arguments.iter().any(|it| it.contains(OWN));
            if directive.name == "rewrite" && !is_redirect(directive) {
                findings.push(if is_stopped {
                    rewritten(directive)
                } else {
                    warning(
                        directive,
                        "`rewrite` might match authorization requests to Keygate",
                    )
                    .help("include `keygate-server.conf` before it")
                });
            }
        }
        findings
    }
}

fn collect_locations<'c>(
    block: &'c [Directive],
    scope: &Scope<'c>,
    locations: &mut Vec<Location<'c>>,
) {
    for directive in block {
        let is_own = directive.arguments.iter().any(|it| it.starts_with(OWN))
            || is_response_of_includes(directive);
        if !matches!(directive.name.as_str(), "location" | "if") || is_own {
            continue;
        }
        let inside = scope.inside(directive.children());
        locations.push(Location {
            directive,
            scope: inside.clone(),
        });
        collect_locations(directive.children(), &inside, locations);
    }
}

/// Returns whether it is one of the includes' responses to denied callers.
fn is_response_of_includes(location: &Directive) -> bool {
    let passes = |directive: &Directive| PASSES.iter().any(|(name, _)| *name == directive.name);
    location.argument(0).starts_with("@keygate_") && !location.children().iter().any(passes)
}

impl<'c> Location<'c> {
    /// Returns the directive that passes requests to a backend; nginx does not inherit it.
    fn pass(&self) -> Option<&'c Directive> {
        let block = self.directive.children();
        block
            .iter()
            .find(|directive| PASSES.iter().any(|(name, _)| *name == directive.name))
    }

    fn findings(&self, context: &Context, late: &Late) -> Vec<Finding> {
        let pass = self.pass();
        let mut findings: Vec<_> = paths::alias(self).into_iter().collect();
        if !self.scope.is_guarded() {
            let unguarded = unguarded::turned_off(self)
                .or_else(|| pass.map(|pass| self.open_pass(pass)))
                .or_else(|| unguarded::content(self));
            findings.extend(unguarded);
            return findings;
        }
        if let Some(pass) = pass {
            findings.extend(self.headers(pass, &context.expected));
            findings.extend(passed_on::findings(self));
            findings.extend(self.cache());
            findings.extend(self.intercepted_errors());
        }
        findings.extend(paths::findings(self, pass));
        findings.extend(paths::case(self, context.case_gaps.as_deref()));
        findings.extend(self.satisfy());
        findings.extend(self.error_pages());
        for directive in self.directive.children() {
            findings.extend(before_access::responds(directive));
            findings.extend(late.read_early(directive));
            if directive.name == "rewrite" && !is_redirect(directive) {
                findings.push(rewritten(directive));
            }
        }
        findings.extend(late.read_early(self.directive));
        findings
    }

    /// Reports a `proxy_pass` or the like without authorization.
    fn open_pass(&self, pass: &Directive) -> Finding {
        let title = self.directive.title();
        if self.directive.argument(0).starts_with('@') {
            return warning(
                pass,
                format!(
                    "`{title}` passes the identity headers to the backend as sent by the \
                         caller"
                ),
            )
            .help(
                "the `proxy_set_header` lines of a location that leads here do not apply here: \
                 include `keygate-authorize.conf` in this location as well",
            );
        }
        warning(
            pass,
            format!("`{title}` passes requests to a backend without authorization by Keygate"),
        )
        .help(unguarded::help(self.directive))
    }
}

/// Returns whether a rewrite leads to a redirect, not to another path of the same server.
pub(super) fn is_redirect(rewrite: &Directive) -> bool {
    matches!(rewrite.argument(2), "redirect" | "permanent")
        || ["http://", "https://", "$scheme"]
            .iter()
            .any(|start| rewrite.argument(1).starts_with(start))
}

fn rewritten(rewrite: &Directive) -> Finding {
    warning(
        rewrite,
        "Keygate decides on the original path, not on the result of `rewrite`",
    )
    .help(
        "write the policy for the original paths, and do not rewrite a path from one rule to a \
         path from another",
    )
}
