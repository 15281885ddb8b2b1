//! `keygate import kong`

mod document;
mod left_out;
mod plugins;
mod routes;

use std::{collections::BTreeSet, path::PathBuf};

use jiff::Timestamp;
use keygate_documents::{
    diagnostic::Diagnostic,
    source::SourceError,
    yaml::{self, Content},
};
use serde_json::Value;

use super::{
    ImportError,
    keys::{self, FoundKey, Text},
    policy, say,
};
use document::{Consumer, Document};

pub(super) const EXAMPLES: &str = "Examples:
  keygate import kong kong.yaml --policy-out policy.yaml --keys-out keys.yaml
  keygate import kong kong.yaml --keys-out keys.yaml

The file is a declarative configuration in YAML or JSON, such as the output of `deck gateway dump`. Each consumer becomes
a client type, each of its key-auth credentials becomes a key, and each route becomes an endpoint. If a route
has a plugin that might restrict access and that Keygate cannot convert, its endpoint denies all requests.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the declarative configuration of Kong
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Path of the policy file to write, which must not exist yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    policy_out: Option<PathBuf>,
    #[command(flatten)]
    keys: keys::OutArguments,
}

/// The parts of a file that are converted.
const CONVERTED: [&str; 8] = [
    "_format_version",
    "_transform",
    "acls",
    "consumers",
    "keyauth_credentials",
    "plugins",
    "routes",
    "services",
];

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), ImportError> {
    let text = Text::read(&arguments.file)?;
    text.check_json()?;
    let secret = Content::Secret;
    let document: Document =
        yaml::from_str(&text.text, secret).map_err(|error| text.rejected(&[error]))?;
    let all: Value = yaml::from_str(&text.text, secret).map_err(|error| text.rejected(&[error]))?;
    let keys = found_keys(&document, &text)?;
    let found = routes::convert(&document).map_err(|errors| {
        let errors: Vec<_> = errors.into_iter().map(Diagnostic::error).collect();
        text.rejected(&errors)
    })?;
    if keys.is_empty() && found.endpoints.is_empty() {
        return Err(ImportError::Nothing {
            path: text.path,
            wanted: "consumers with `keyauth_credentials`, or routes".to_owned(),
        });
    }
    let out = arguments.policy_out.as_deref();
    if !keys.is_empty()
        && !found.endpoints.is_empty()
        && out.is_none()
        && arguments.keys.keys_out.is_none()
    {
        return Err(ImportError::OneOutput);
    }
    // Everything is checked before anything is written.
    let written = (!found.endpoints.is_empty()).then(|| found.to_policy_yaml());
    let written = written.map(|text| policy::checked(text, out)).transpose()?;
    let path = text.path.display();
    for name in ignored(&all) {
        say(format_args!("{path}: ignored the field `{name}`"));
    }
    for note in &found.notes {
        say(format_args!("{path}: {note}"));
    }
    if !keys.is_empty() {
        keys::write(&keys, &arguments.keys, now)?;
    }
    written.map_or(Ok(()), |text| policy::write(&text, out))
}

/// The keys of all consumers, in the order of the file.
fn found_keys<'t>(document: &Document, text: &'t Text) -> Result<Vec<FoundKey<'t>>, SourceError> {
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    let nested = document.consumers.iter().flat_map(|consumer| {
        let credentials = consumer.keyauth_credentials.iter();
        credentials.map(move |credential| (Some(consumer), credential))
    });
    let flat = document.keyauth_credentials.iter().map(|credential| {
        let owner = credential.value.consumer.as_ref();
        (owner.and_then(|owner| document.consumer(owner)), credential)
    });
    for (consumer, credential) in nested.chain(flat) {
        let at = yaml::span(credential.referenced, &text.text);
        let Some(client_type) = consumer.and_then(Consumer::name) else {
            let error = "this key belongs to no consumer with a `username`, which would become its client \
                 type";
            errors.push(Diagnostic::error(error).at(at));
            continue;
        };
        match FoundKey::new(credential.value.key.clone(), client_type, text, at.start) {
            Ok(key) => keys.push(key.description(Some(format!("Kong consumer {client_type}")))),
            Err(message) => errors.push(Diagnostic::error(message).at(at)),
        }
    }
    if errors.is_empty() {
        Ok(keys)
    } else {
        Err(text.rejected(&errors))
    }
}

/// The names of the parts that are not converted.
fn ignored(all: &Value) -> BTreeSet<&str> {
    let names = all.as_object().into_iter().flat_map(serde_json::Map::keys);
    names
        .map(String::as_str)
        .filter(|name| !CONVERTED.contains(name))
        .collect()
}
