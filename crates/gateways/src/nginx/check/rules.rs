//! The rules of the check: each one is a function over a directive, a location or a server.

mod agreement;
mod before_access;
mod passed_on;
mod paths;
mod requests;
mod responses;
mod scope;
mod server;
mod unguarded;

use std::ops::Range;

use keygate_documents::diagnostic::Diagnostic;

use self::{before_access::Late, scope::visit, server::servers};
use super::tree::{Configuration, Directive, FileId};

pub use self::{
    agreement::{Expected, Service},
    paths::CaseGap,
};

/// A finding about one directive.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) file: FileId,
    pub(super) diagnostic: Diagnostic,
}

/// The prefix of the includes' own locations.
const OWN: &str = "/_keygate/";

/// What the rules need in addition to nginx's configuration.
#[derive(Debug, Default)]
pub struct Context {
    /// The names and addresses from the settings of the services.
    pub expected: Expected,
    /// Whether settings were given; otherwise the defaults are assumed.
    pub has_settings: bool,
    /// The paths of the policy that match another rule in another case, if a policy was given.
    pub case_gaps: Option<Vec<CaseGap>>,
}

/// Returns the findings, in the order of the files.
pub(super) fn findings(configuration: &Configuration, context: &Context) -> Vec<Finding> {
    let late = Late::of(configuration);
    let mut findings = Vec::new();
    visit(&configuration.directives, &mut |directive| {
        findings.extend(requests::parsing(directive));
        findings.extend(late.zone(directive));
        findings.extend(requests::backoffice_by_caller(directive));
        findings.extend(requests::user_by_caller(directive));
        findings.extend(requests::address_by_caller(directive));
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
    // A directive that several locations inherit is reported once.
    findings.dedup_by(|second, first| {
        first.file == second.file && first.diagnostic == second.diagnostic
    });
    findings
}

/// Returns how many locations Keygate guards.
pub(super) fn count_guarded(configuration: &Configuration) -> usize {
    let servers = servers(configuration);
    servers.iter().map(server::Server::count_guarded).sum()
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
