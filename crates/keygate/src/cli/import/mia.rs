//! `keygate import mia`

use std::{collections::BTreeSet, path::PathBuf};

use jiff::Timestamp;

use super::{
    ImportError,
    keys::{self, FoundKey, Text},
    policy, say, secrets,
};

pub(super) const EXAMPLES: &str = "Examples:
  keygate import mia auth.json auth-extension.json --policy-out policy.yaml
  keygate import mia console.json --policy-out policy.yaml --keys-out keys.yaml
  keygate import mia console.json --policy-out policy.yaml --keys-out keys.yaml --pepper-file pepper

If several auth.json files define `authorization` or `backofficeAuthorization` for the same path and method, the last one
wins.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Paths to Console configurations or auth.json files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Path of the policy file to write, which must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    policy_out: Option<PathBuf>,
    #[command(flatten)]
    keys: keys::OutArguments,
}

/// Fields of the Console's configurations that have no meaning for Keygate.
const IGNORED: [&str; 41] = [
    "allowUnknownRequestContentType",
    "allowUnknownResponseContentType",
    "apiVersions",
    "applications",
    "catchDecorators",
    "collections",
    "collectionId",
    "committedDate",
    "configMaps",
    "cronjobs",
    "decorators",
    "description",
    "enabledFeatures",
    "extensionsConfig",
    "fastDataConfig",
    "forceMicroserviceGatewayProxy",
    "groups",
    "iframePolicy",
    "internalEndpoint",
    "lastCommitAuthor",
    "lastConfigFileCommitId",
    "listeners",
    "options",
    "pathName",
    "pathRewrite",
    "platformVersion",
    "postDecorators",
    "preDecorators",
    "projectId",
    "rateLimit",
    "requestBody",
    "service",
    "serviceAccounts",
    "services",
    "showInDocumentation",
    "tags",
    "timeout",
    "type",
    "unsecretedVariables",
    "useDownstreamProtocol",
    "version",
];

/// The content of the files.
#[derive(Default)]
struct Found<'t> {
    policy: Option<policy::Found>,
    keys: Option<Vec<FoundKey<'t>>>,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), ImportError> {
    let texts = arguments.files.iter().map(|path| Text::read(path));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let mut found = Found::default();
    for text in &texts {
        found.take(text)?;
    }
    let Found { policy, keys } = found;
    let out = arguments.policy_out.as_deref();
    let both = policy.is_some() && keys.is_some();
    if both && out.is_none() && arguments.keys.keys_out.is_none() {
        return Err(ImportError::OneOutput);
    }
    // Everything is checked before anything is written.
    let policy = policy
        .map(|policy| policy::text(&policy, out))
        .transpose()?;
    if let Some(keys) = keys {
        keys::write(&keys, &arguments.keys, now)?;
    }
    policy.map_or(Ok(()), |text| policy::write(&text, out))
}

impl<'t> Found<'t> {
    /// Takes one file for what it holds.
    fn take(&mut self, text: &'t Text) -> Result<(), ImportError> {
        text.check_json()?;
        if text.is_auth_json() {
            self.policy = Some(policy::auth_json(self.policy.take(), text)?);
            return Ok(());
        }
        let mut found = secrets::read(text)?;
        let has_endpoints = found.ignored.remove("endpoints");
        if found.keys.is_none() && !has_endpoints {
            return Err(ImportError::Nothing {
                path: text.path.clone(),
                wanted: format!(
                    "an auth.json, a list of API keys, or an object with `endpoints` or with a \
                     list of API keys in `{}`",
                    secrets::NAMES.join("` or `")
                ),
            });
        }
        if has_endpoints {
            let console = policy::console(text)?;
            found.ignored.extend(console.ignored.clone());
            if self.policy.is_some() {
                return Err(ImportError::TwoPolicies(text.path.clone()));
            }
            self.policy = Some(policy::Found::Console(console));
        }
        if let Some(keys) = found.keys {
            self.keys.get_or_insert_default().extend(keys);
        }
        say_ignored(text, &found.ignored);
        Ok(())
    }
}

/// Names the fields that are ignored. One that the Console does not have is counted: it may be a key.
fn say_ignored(text: &Text, fields: &BTreeSet<String>) {
    let path = text.path.display();
    let (known, other): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|name| IGNORED.contains(&name.as_str()));
    for name in known {
        say(format_args!("{path}: ignored the field `{name}`"));
    }
    match other.len() {
        0 => {}
        1 => say(format_args!("{path}: ignored 1 other field")),
        count => say(format_args!("{path}: ignored {count} other fields")),
    }
}
