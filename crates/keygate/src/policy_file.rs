//! The policy file: `policy.yaml`, or Mia-Platform's `auth.json` as it is.

use std::path::Path;

use keygate_documents::{
    content::{Top, top_fields},
    diagnostic::{Content, Diagnostic},
    known_file::KnownFile,
    source::{self, SourceError},
};
use keygate_mia::auth_json::AuthJson;
use keygate_policy::{
    Policy,
    policy::{Loaded, PolicyError},
};

/// What a policy file holds.
#[derive(Debug)]
pub struct PolicyFile {
    /// The policy.
    pub policy: Policy,
    /// Warnings, ready to be shown.
    pub warnings: Vec<String>,
    /// Whether messages may repeat its text.
    pub content: Content,
}

/// Reads a policy file, for the commands that need the policy alone.
///
/// # Errors
/// It cannot be read, or it is wrong.
pub(crate) fn read(path: &Path) -> Result<Policy, SourceError> {
    Ok(parse(path, &source::read(path)?)?.policy)
}

/// Reads the text of a policy file; its fields say which of the two formats it has.
///
/// # Errors
/// Every error with its location; the text itself is shown only if it certainly is a policy.
pub fn parse(path: &Path, text: &str) -> Result<PolicyFile, SourceError> {
    let fields = top_fields(text);
    let (content, parsed) = if is_auth_json(path, &fields) {
        let content = Content::of(text, &AuthJson::FILE_KIND);
        (content, AuthJson::parse(text).and_then(AuthJson::load))
    } else {
        let content = Content::of(text, &Policy::FILE_KIND);
        (content, Policy::from_yaml(text))
    };
    let origin = path.display().to_string();
    match parsed {
        Ok(Loaded { policy, warnings }) => {
            let show = |warning: Diagnostic| shown(warning, &origin, text, content);
            Ok(PolicyFile {
                policy,
                warnings: warnings.into_iter().map(show).collect(),
                content,
            })
        }
        Err(errors) => {
            let show = |error: &PolicyError| {
                let diagnostic = error.diagnostic_for(content);
                let diagnostic = match other_kind(error, &fields) {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                };
                diagnostic.show(&origin, text, content)
            };
            Err(SourceError::Rejected(errors.iter().map(show).collect()))
        }
    }
}

/// A diagnostic about a policy, without its text where that may be secret.
pub(crate) fn shown(diagnostic: Diagnostic, origin: &str, text: &str, content: Content) -> String {
    match content {
        Content::Public => diagnostic.render(origin, text),
        Content::Secret => diagnostic.redacted().render_without_source(origin, text),
    }
}

/// Returns how many rules a policy has, and how many of them use a logged-in user, if any does.
pub(crate) fn of_users(policy: &Policy) -> Option<String> {
    let mut rules = policy.rules().iter().filter(|rule| rule.uses_user());
    let first = rules.next()?.label();
    let count = 1 + rules.count();
    let uses = if count == 1 { "uses" } else { "use" };
    let rules = match policy.rules().len() {
        1 => "1 rule".to_owned(),
        several => format!("{several} rules"),
    };
    Some(format!(
        "{rules}, {count} of which {uses} a logged-in user (the first is `{first}`)"
    ))
}

/// Whether it is an `auth.json`, by its fields, or by its name where they do not say.
fn is_auth_json(path: &Path, fields: &[String]) -> bool {
    let Top::FieldsWithList(known, _) = Policy::FILE_KIND.top else {
        return false;
    };
    if fields.iter().any(|field| known.contains(&field.as_str())) {
        return false;
    }
    fields.iter().any(|field| field.starts_with('/'))
        || path
            .extension()
            .is_some_and(|extension| extension == "json")
}

/// Returns the hint for a file that is probably of another kind.
fn other_kind(error: &PolicyError, fields: &[String]) -> Option<&'static str> {
    let known = match error {
        PolicyError::Text(_) => KnownFile::of(fields)?,
        _ => return None,
    };
    (known != KnownFile::Policy).then(|| known.hint())
}
