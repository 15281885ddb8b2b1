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
    /// How many locations ask Keygate.
    pub asking: usize,
    /// What may let a request past, ready to be shown.
    pub warnings: Vec<String>,
}

/// Reads a configuration, or a part of one, and what it includes.
///
/// # Errors
/// It would not load, or lets everybody in.
pub fn check(path: &Path, context: &Context) -> Result<Outcome, SourceError> {
    let configuration = tree::Configuration::load(path)?;
    let findings = rules::findings(&configuration, context);
    let is_bad = findings
        .iter()
        .any(|finding| finding.diagnostic.severity == Severity::Error);
    let shown = findings
        .iter()
        .map(|finding| configuration.render(finding.file, &finding.diagnostic))
        .collect();
    if is_bad {
        return Err(SourceError::Rejected(shown));
    }
    Ok(Outcome {
        asking: rules::count_asking(&configuration),
        warnings: shown,
    })
}

#[cfg(test)]
mod tests;
