//! The policy file: `policy.yaml`, or Mia-Platform's `auth.json` as it is.

use std::path::Path;

use keygate_documents::source::{self, SourceError};
use keygate_mia::auth_json::AuthJson;
use keygate_policy::{Policy, policy::Loaded};

/// What a policy file holds.
#[derive(Debug)]
pub struct PolicyFile {
    /// The policy.
    pub policy: Policy,
    /// What is probably not meant, ready to be shown.
    pub warnings: Vec<String>,
}

/// Reads a policy file, for the commands that need the policy alone.
///
/// # Errors
/// It cannot be read, or it is wrong.
pub(crate) fn read(path: &Path) -> Result<Policy, SourceError> {
    Ok(parse(path, &source::read(path)?)?.policy)
}

/// Reads the text of a policy file; a name that ends in `.json` says that it is an `auth.json`.
///
/// # Errors
/// Every mistake, with its place and a mark under it.
pub fn parse(path: &Path, text: &str) -> Result<PolicyFile, SourceError> {
    let is_auth_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let parsed = if is_auth_json {
        AuthJson::parse(text).and_then(AuthJson::load)
    } else {
        Policy::from_yaml(text)
    };
    let origin = path.display().to_string();
    match parsed {
        Ok(Loaded { policy, warnings }) => {
            let warnings = warnings.iter().map(|it| it.render(&origin, text)).collect();
            Ok(PolicyFile { policy, warnings })
        }
        Err(errors) => Err(SourceError::Rejected(
            errors
                .iter()
                .map(|it| it.diagnostic().render(&origin, text))
                .collect(),
        )),
    }
}
