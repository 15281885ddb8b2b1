//! `keygate check --nginx`: what in an nginx configuration could let a request past Keygate.
//!
//! It reads what nginx reads, includes too, and follows the way nginx inherits directives. It
//! knows what stands in the files and nothing else: no warning is no proof.

mod rules;
mod tree;

use std::path::Path;

use keygate_documents::{diagnostic::Severity, source::SourceError};

pub use self::rules::{CaseGap, Context, Expected, Service};

/// What is to be said of a configuration.
#[derive(Debug)]
pub struct Outcome {
    /// How many locations Keygate guards.
    pub guarded: usize,
    /// What lets every request past, ready to be shown.
    pub errors: Vec<String>,
    /// What may let a request past, ready to be shown.
    pub warnings: Vec<String>,
}

/// Reads a configuration, or a part of one, and what it includes.
///
/// # Errors
/// It cannot be read, or is not a configuration.
pub fn check(path: &Path, context: &Context) -> Result<Outcome, SourceError> {
    let configuration = tree::Configuration::load(path)?;
    let findings = rules::findings(&configuration, context);
    let (errors, warnings): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|finding| finding.diagnostic.severity == Severity::Error);
    let shown = |findings: Vec<&rules::Finding>| {
        let findings = findings.into_iter();
        let shown = findings.map(|it| configuration.render(it.file, &it.diagnostic));
        shown.collect()
    };
    Ok(Outcome {
        guarded: rules::count_guarded(&configuration),
        errors: shown(errors),
        warnings: shown(warnings),
    })
}

#[cfg(test)]
mod tests;
