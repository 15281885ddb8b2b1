//! What is looked for in a configuration: each rule is one function over one place in it.

mod agreement;
mod before_access;
mod passed_on;
mod paths;
mod unguarded;

use std::ops::Range;

use keygate_documents::diagnostic::Diagnostic;

use self::before_access::Late;
use super::tree::{Configuration, Directive, FileId};

pub use self::{
    agreement::{Expected, Service},
    paths::CaseGap,
};

/// Something to say about one place.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) file: FileId,
    pub(super) diagnostic: Diagnostic,
}

/// Where the includes keep their own locations.
const OWN: &str = "/_keygate/";

/// What hands a request to a backend, and whether the include's headers go with it.
const PASSES: [(&str, bool); 6] = [
    ("proxy_pass", true),
    ("grpc_pass", false),
    ("fastcgi_pass", false),
    ("uwsgi_pass", false),
    ("scgi_pass", false),
    ("memcached_pass", false),
];

/// What keygate-authorize.conf sets, beside the headers that may hold a key.
const HEADERS: [&str; 7] = [
    "client-type",
    "x-keygate-key-id",
    "miauserid",
    "miausergroups",
    "miauserproperties",
    "isbackoffice",
    "client_type",
];

/// The blocks from the outside to one place.
#[derive(Debug, Clone)]
struct Scope<'c>(Vec<&'c [Directive]>);

impl<'c> Scope<'c> {
    fn inside(&self, block: &'c [Directive]) -> Self {
        let mut blocks = self.0.clone();
        blocks.push(block);
        Self(blocks)
    }

    /// The directives of this name that are in force: nginx takes those of the innermost block that
    /// has any, and forgets the others.
    fn in_force(&self, name: &str) -> Vec<&'c Directive> {
        self.0
            .iter()
            .rev()
            .map(|block| named(block, name).collect::<Vec<_>>())
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// The directive of this name that is in force, where there is one at most.
    fn one_in_force(&self, name: &str) -> Option<&'c Directive> {
        self.in_force(name).pop()
    }

    /// All directives of this name that stand in one of the blocks.
    fn everything(&self, name: &'c str) -> impl Iterator<Item = &'c Directive> {
        self.0.iter().flat_map(move |block| named(block, name))
    }

    /// The blocks around the innermost one.
    fn outer(&self) -> Self {
        let outer = self.0.split_last().map(|(_, outer)| outer.to_vec());
        Self(outer.unwrap_or_default())
    }

    /// Whether what the caller sent as this header is replaced or removed.
    fn replaces(&self, header: &str) -> bool {
        let own = format!("http_{}", header.to_ascii_lowercase().replace('-', "_"));
        self.in_force("proxy_set_header").iter().any(|it| {
            it.argument(0).eq_ignore_ascii_case(header)
                && !variables(it.argument(1)).any(|name| name == own)
        })
    }

    fn asks_keygate(&self) -> bool {
        self.one_in_force("auth_request")
            .is_some_and(|asks| asks.argument(0).starts_with(OWN))
    }
}

/// A location, or an `if` in one, that is not the includes' own.
#[derive(Debug)]
struct Place<'c> {
    directive: &'c Directive,
    scope: Scope<'c>,
}

/// A server, or a file that is a part of one.
#[derive(Debug)]
struct Server<'c> {
    directives: &'c [Directive],
    scope: Scope<'c>,
    places: Vec<Place<'c>>,
}

/// What the rules need to know beside nginx's configuration.
#[derive(Debug, Default)]
pub struct Context {
    /// The names and addresses that the settings of the services say.
    pub expected: Expected,
    /// Whether settings were given, or the default ones are assumed.
    pub has_settings: bool,
    /// Where another case leads to another rule of the policy, if one was given.
    pub case_gaps: Option<Vec<CaseGap>>,
}

/// Everything that is to be said, in the order of the files.
pub(super) fn findings(configuration: &Configuration, context: &Context) -> Vec<Finding> {
    let late = Late::of(configuration);
    let mut findings = Vec::new();
    visit(&configuration.directives, &mut |directive| {
        findings.extend(reading_of_requests(directive));
        findings.extend(late.zone(directive));
        findings.extend(backoffice_by_caller(directive));
        findings.extend(address_by_caller(directive));
        findings.extend(passed_on::subrequests(directive));
        findings.extend(context.expected.shown_key(directive));
    });
    for server in servers(configuration) {
        findings.extend(server.findings(context, &late));
    }
    if context.has_settings {
        findings.extend(agreement::findings(configuration, &context.expected));
    }
    findings.sort_by_key(|finding| {
        let start = finding.diagnostic.span.as_ref().map(|span| span.start);
        (finding.file, start)
    });
    // What several locations inherit is said once.
    findings.dedup_by(|second, first| {
        first.file == second.file && first.diagnostic == second.diagnostic
    });
    findings
}

/// How many locations ask Keygate.
pub(super) fn count_asking(configuration: &Configuration) -> usize {
    let asks =
        |place: &&Place<'_>| place.directive.name == "location" && place.scope.asks_keygate();
    servers(configuration)
        .iter()
        .map(|server| server.places.iter().filter(asks).count())
        .sum()
}

fn named<'c>(block: &'c [Directive], name: &str) -> impl Iterator<Item = &'c Directive> {
    block.iter().filter(move |directive| directive.name == name)
}

/// The names of the variables in a text, in lower case.
fn variables(text: &str) -> impl Iterator<Item = String> {
    text.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest
            .find(|it: char| !it.is_ascii_alphanumeric() && it != '_')
            .unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        // `$1x` is the first capture, and an `x`.
        let digit = name.get(..1).filter(|it| it.parse::<u8>().is_ok());
        digit.unwrap_or(name).to_ascii_lowercase()
    })
}

fn visit<'c>(block: &'c [Directive], see: &mut impl FnMut(&'c Directive)) {
    for directive in block {
        see(directive);
        visit(directive.children(), see);
    }
}

fn servers(configuration: &Configuration) -> Vec<Server<'_>> {
    let root = Scope(Vec::new()).inside(&configuration.directives);
    let mut servers = Vec::new();
    collect_servers(&configuration.directives, &root, &mut servers);
    // A file that is to be included in a server has locations, and no server.
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

/// What makes nginx take in what the includes cannot undo.
fn reading_of_requests(directive: &Directive) -> Option<Finding> {
    let (message, help) = match (directive.name.as_str(), directive.argument(0)) {
        ("underscores_in_headers", "on") => (
            "`underscores_in_headers on` lets names such as `client_type` in, which many backends \
             read as `client-type`",
            "leave it out; the include removes `client_type`, but not what your backends read as \
             other names",
        ),
        ("ignore_invalid_headers", "off") => (
            "`ignore_invalid_headers off` lets names such as `client.type` in, which many backends \
             read as `client-type`",
            "leave it out",
        ),
        ("merge_slashes", "off") => (
            "with `merge_slashes off` nginx chooses a location by another path than Keygate decides on",
            "leave it out: `//orders` would go to `location /` by the rule for `/orders`",
        ),
        _ => return None,
    };
    Some(warning(directive, message).help(help))
}

impl<'c> Server<'c> {
    fn new(directives: &'c [Directive], scope: &Scope<'c>) -> Self {
        let mut places = Vec::new();
        collect_places(directives, scope, &mut places);
        Self {
            directives,
            scope: scope.clone(),
            places,
        }
    }

    fn findings(&self, context: &Context, late: &Late) -> Vec<Finding> {
        let asking = self.places.iter().find(|place| place.scope.asks_keygate());
        let Some(asking) = asking else {
            let passing = self.places.iter().find_map(Place::pass);
            let nobody_asks = passing.map(|pass| {
                warning(pass, "no location of this server asks Keygate")
                    .help("include `keygate-authorize.conf` in those that it is to guard")
            });
            return nobody_asks.into_iter().collect();
        };
        let mut findings = Vec::new();
        findings.extend(self.missing_answers(asking));
        findings.extend(self.rewrites());
        findings.extend(self.other_answers());
        if self.scope.asks_keygate() {
            findings.extend(self.directives.iter().filter_map(before_access::answers));
        }
        for place in &self.places {
            findings.extend(place.findings(context, late));
        }
        findings
    }

    /// Without the includes' own locations the question goes where any request goes.
    fn missing_answers(&self, asking: &Place<'_>) -> Option<Finding> {
        let is_own = |location: &Directive| {
            location.arguments.iter().any(|argument| argument == OWN)
                && named(location.children(), "internal").next().is_some()
        };
        if named(self.directives, "location").any(is_own) {
            return None;
        }
        let message = format!(
            "`{}` asks Keygate, but this server does not have Keygate's own locations: the \
             question goes to another one, and whatever answers there lets everybody in",
            asking.directive.title()
        );
        let diagnostic =
            Diagnostic::error(message).help("include `keygate-server.conf` in the server");
        Some(Finding::at(asking.directive, diagnostic))
    }

    /// A location of the user's own that nginx may take for one of the includes.
    fn other_answers(&self) -> Vec<Finding> {
        let is_below = |location: &&Directive| {
            let mut arguments = location.arguments.iter();
            arguments.any(|it| it.starts_with(OWN) && it != OWN)
        };
        let found = named(self.directives, "location").filter(is_below);
        found
            .map(|location| {
                let message = format!(
                    "`{}` may respond to the authorization request instead of Keygate",
                    location.title()
                );
                warning(location, message).help(
                    "paths below `/_keygate/` are for `keygate-server.conf` alone: give it another path",
                )
            })
            .collect()
    }

    /// nginx runs a server's rewrites again for the question; the include steps aside in time if it
    /// stands before them.
    fn rewrites(&self) -> Vec<Finding> {
        let mut steps_aside = false;
        let mut findings = Vec::new();
        for directive in self.directives {
            steps_aside |=
                directive.name == "if" && directive.arguments.iter().any(|it| it.contains(OWN));
            if directive.name == "rewrite" && !is_redirect(directive) {
                findings.push(if steps_aside {
                    rewritten(directive)
                } else {
                    warning(
                        directive,
                        "`rewrite` may catch the question that nginx asks Keygate",
                    )
                    .help("include `keygate-server.conf` before it")
                });
            }
        }
        findings
    }
}

fn collect_places<'c>(block: &'c [Directive], scope: &Scope<'c>, places: &mut Vec<Place<'c>>) {
    for directive in block {
        let is_own = directive.arguments.iter().any(|it| it.starts_with(OWN))
            || is_response_of_includes(directive);
        if !matches!(directive.name.as_str(), "location" | "if") || is_own {
            continue;
        }
        let inside = scope.inside(directive.children());
        places.push(Place {
            directive,
            scope: inside.clone(),
        });
        collect_places(directive.children(), &inside, places);
    }
}

/// Whether it is one of the includes' responses to denied callers, which nobody else reaches.
fn is_response_of_includes(location: &Directive) -> bool {
    let passes = |directive: &Directive| PASSES.iter().any(|(name, _)| *name == directive.name);
    location.argument(0).starts_with("@keygate_") && !location.children().iter().any(passes)
}

impl<'c> Place<'c> {
    /// What hands the request to a backend here. It is not inherited.
    fn pass(&self) -> Option<&'c Directive> {
        let block = self.directive.children();
        block
            .iter()
            .find(|directive| PASSES.iter().any(|(name, _)| *name == directive.name))
    }

    fn findings(&self, context: &Context, late: &Late) -> Vec<Finding> {
        let pass = self.pass();
        let mut findings: Vec<_> = paths::alias(self).into_iter().collect();
        if !self.scope.asks_keygate() {
            let unguarded = unguarded::turned_off(self)
                .or_else(|| pass.map(|pass| self.unasked(pass)))
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
            findings.extend(before_access::answers(directive));
            findings.extend(late.read_early(directive));
            if directive.name == "rewrite" && !is_redirect(directive) {
                findings.push(rewritten(directive));
            }
        }
        findings.extend(late.read_early(self.directive));
        findings
    }

    fn unasked(&self, pass: &Directive) -> Finding {
        let title = self.directive.title();
        if self.directive.argument(0).starts_with('@') {
            return warning(
                pass,
                format!("`{title}` passes on the caller's own identity headers"),
            )
            .help(
                "a location that leads there has asked Keygate, but its headers stay behind: \
                     include `keygate-authorize.conf` here too",
            );
        }
        warning(
            pass,
            format!("`{title}` passes requests on without asking Keygate"),
        )
        .help(unguarded::help(self.directive))
    }

    /// What the backend is told beside, or instead of, what the include says.
    fn headers(&self, pass: &Directive, expected: &Expected) -> Vec<Finding> {
        if let Some((name, false)) = PASSES.iter().find(|(name, _)| *name == pass.name) {
            let message = format!("`{name}` does not send the headers of Keygate's include");
            return vec![warning(pass, message).help(
                "its backend sees what the caller wrote as `client-type`, and the API key: use \
                 `proxy_pass`, or replace each of them here",
            )];
        }
        let set = self.scope.in_force("proxy_set_header");
        let of_settings: Vec<_> = expected.headers_of_backends().collect();
        let cookie = (!expected.key_cookies.is_empty()).then_some("cookie");
        let others = of_settings.iter().copied().chain(cookie);
        let others = others.filter(|it| !HEADERS.contains(it));
        let headers: Vec<_> = HEADERS.into_iter().chain(others).collect();
        let is_lost = |header: &&&str| !self.scope.replaces(header);
        let lost: Vec<_> = headers.iter().filter(is_lost).collect();
        if !lost.is_empty() {
            let names: Vec<_> = lost.iter().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "`{}` passes on what the caller wrote as {}",
                self.directive.title(),
                names.join(", ")
            );
            let at = set.first().copied().unwrap_or(pass);
            let help = if lost.iter().all(|name| of_settings.contains(name)) {
                "these are the names that the settings give: write the includes anew with \
                 `keygate nginx-includes --config FILE --out DIR`"
            } else {
                "a block with a `proxy_set_header` of its own inherits none: include \
                 `keygate-authorize.conf` in this one"
            };
            return vec![warning(at, message).help(help)];
        }
        // An empty value removes the header, and adds none beside another one.
        let count_values = |header: &str| {
            let same = set.iter().filter(|it| {
                it.argument(0).eq_ignore_ascii_case(header) && !it.argument(1).is_empty()
            });
            same.count()
        };
        let doubled = headers.iter().filter(|header| count_values(header) > 1);
        doubled
            .filter_map(|header| {
                let again = set
                    .iter()
                    .rfind(|it| it.argument(0).eq_ignore_ascii_case(header))?;
                let message = format!("`{header}` is set twice: the backend gets both");
                Some(warning(again, message).help("leave it to Keygate's include"))
            })
            .collect()
    }

    fn cache(&self) -> Option<Finding> {
        let cache = self.scope.one_in_force("proxy_cache")?;
        if cache.argument(0) == "off" {
            return None;
        }
        let key = self.scope.one_in_force("proxy_cache_key");
        let names: Vec<_> = key
            .into_iter()
            .flat_map(|key| &key.arguments)
            .flat_map(|it| variables(it))
            .collect();
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
        if !has(&["keygate_client_type"]) {
            let message = "`proxy_cache` may give to one client type what was answered to another";
            return Some(warning(cache, message).help(
                "put `$keygate_client_type` into `proxy_cache_key`, with users `$keygate_user_id` too, \
                 or say `proxy_cache off`",
            ));
        }
        let key = key?;
        if !has(&["request_uri", "uri", "document_uri", "request"]) {
            let message =
                "`proxy_cache_key` has no path: the response to one path is sent for another";
            return Some(warning(key, message).help("add `$request_uri`"));
        }
        let server_names = self.scope.one_in_force("server_name");
        let has_names = server_names.is_some_and(|it| it.arguments.len() > 1);
        (has_names && !has(&["host", "http_host"])).then(|| {
            let message =
                "`proxy_cache_key` has no host: the response of one host is sent for another";
            warning(key, message).help("add `$host`")
        })
    }

    /// A backend's own error that becomes one of Keygate's.
    fn intercepted_errors(&self) -> Option<Finding> {
        let intercept = self.scope.one_in_force("proxy_intercept_errors")?;
        let pages = self.scope.in_force("error_page");
        let is_own = |page: &&Directive| {
            let target = page.arguments.last();
            target.is_some_and(|target| target.starts_with("@keygate_"))
        };
        (intercept.argument(0) == "on" && pages.iter().any(is_own)).then(|| {
            warning(
                intercept,
                "with `proxy_intercept_errors on` the backend's own 401, 403 and 500 look like \
                 Keygate's denials",
            )
            .help("leave it off where the include stands")
        })
    }

    fn satisfy(&self) -> Option<Finding> {
        let satisfy = self.scope.one_in_force("satisfy")?;
        (satisfy.argument(0) == "any").then(|| {
            warning(
                satisfy,
                "`satisfy any` lets another condition stand in for Keygate's answer",
            )
            .help("include `keygate-authorize.conf` in this block, or say `satisfy all`")
        })
    }

    /// A refusal that is told as a success.
    fn error_pages(&self) -> Vec<Finding> {
        let is_refusal =
            |argument: &String| matches!(argument.as_str(), "401" | "403" | "500" | "503");
        let succeeds = |argument: &String| argument == "=" || argument.starts_with("=2");
        self.scope
            .in_force("error_page")
            .into_iter()
            .filter(|page| {
                // The includes' own locations set the status themselves.
                let is_own = page
                    .arguments
                    .last()
                    .is_some_and(|it| it.starts_with("@keygate_"));
                !is_own
                    && page.arguments.iter().any(is_refusal)
                    && page.arguments.iter().any(succeeds)
            })
            .map(|page| {
                let message = format!("`{}` makes a success of Keygate's refusal", page.title());
                warning(page, message).help("leave the status as it is")
            })
            .collect()
    }
}

/// Whether a rewrite leads to a redirect, not to another path of the same server.
fn is_redirect(rewrite: &Directive) -> bool {
    matches!(rewrite.argument(2), "redirect" | "permanent")
        || ["http://", "https://", "$scheme"]
            .iter()
            .any(|start| rewrite.argument(1).starts_with(start))
}

/// The back office's mark, made of what the caller sent.
fn backoffice_by_caller(set: &Directive) -> Option<Finding> {
    if set.name != "set" || set.argument(0) != "$keygate_backoffice" {
        return None;
    }
    let starts = [
        "http_",
        "arg_",
        "cookie_",
        "args",
        "query_string",
        "request",
    ];
    let variable = variables(set.argument(1))
        .find(|name| starts.iter().any(|start| name.starts_with(start)))?;
    let message = format!("`${variable}` lets any caller be the back office");
    Some(warning(set, message).help(
        "say `set $keygate_backoffice 1;` in a server or location that the back office alone can \
         reach",
    ))
}

/// Any caller may then say from which address it comes.
fn address_by_caller(directive: &Directive) -> Option<Finding> {
    let is_everybody = matches!(directive.argument(0), "0.0.0.0/0" | "::/0");
    (directive.name == "set_real_ip_from" && is_everybody).then(|| {
        let message = format!(
            "`{}` lets any caller choose the address that limits and logs see",
            directive.title()
        );
        warning(directive, message).help("name the addresses of your own proxies alone")
    })
}

fn rewritten(rewrite: &Directive) -> Finding {
    warning(
        rewrite,
        "Keygate decides on the path as the caller wrote it, not on what `rewrite` makes of it",
    )
    .help("write the policy for the caller's paths, and let no rewrite lead from one rule's to another's")
}

fn warning(at: &Directive, message: impl Into<String>) -> Finding {
    Finding::at(at, Diagnostic::warning(message))
}

impl Finding {
    fn at(directive: &Directive, diagnostic: Diagnostic) -> Self {
        let span: Range<usize> = directive.span.clone();
        Self {
            file: directive.file,
            diagnostic: diagnostic.at(span),
        }
    }

    fn help(mut self, help: &str) -> Self {
        self.diagnostic = self.diagnostic.help(help);
        self
    }
}
