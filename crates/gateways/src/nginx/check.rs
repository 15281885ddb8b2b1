//! `keygate check --nginx`: finds what could let a request bypass Keygate.
//!
//! It reads the same files as nginx, with their includes, and applies nginx's rules of inheritance.
//! It knows only the files: a configuration without warnings is not proven to be safe.

mod rules;
mod tree;

use std::path::Path;

use keygate_documents::{diagnostic::Severity, source::SourceError};

pub use self::rules::{CaseGap, Context, Expected, Service};

/// The findings about a configuration.
#[derive(Debug)]
pub struct Outcome {
    /// How many locations Keygate guards.
    pub guarded: usize,
    /// What lets every request bypass Keygate, rendered.
    pub errors: Vec<String>,
    /// What may let a request bypass Keygate, rendered.
    pub warnings: Vec<String>,
}

/// Checks a configuration, or a part of one, and the files that it includes.
///
/// # Errors
/// A file cannot be read, or is not an nginx configuration.
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
