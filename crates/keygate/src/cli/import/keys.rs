//! Keys that another gateway holds in clear → a keys file that holds their digests.

use std::{
    collections::{HashMap, hash_map::Entry as Place},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use keygate_documents::{
    diagnostic::{Diagnostic, line_and_column},
    source::{self, SourceError},
};
use keygate_keys::keys_file::{
    Entry,
    edit::{Edit, NEW_FILE},
    store::LockedFile,
};
use keygate_keys::{ClientType, Key, generated::Weakness, table::LONGEST_KEY};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{ImportError, say, terminal};
use crate::cli::keys::{
    self,
    new_key::{DigestArguments, free_id},
};

/// Where the keys go.
#[derive(Debug, clap::Args)]
pub(super) struct OutArguments {
    /// Keys file to write; keys are added where it exists [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(super) keys_out: Option<PathBuf>,
    #[command(flatten)]
    digest: DigestArguments,
}

/// A file that is imported. It holds secrets: none of its lines is ever shown.
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) text: Zeroizing<String>,
}

/// A key as another gateway holds it.
pub(super) struct FoundKey<'t> {
    secret: Zeroizing<String>,
    client_type: ClientType,
    active: bool,
    description: Option<String>,
    origin: &'t Text,
    at: usize,
}

impl Text {
    pub(super) fn read(path: &Path) -> Result<Self, SourceError> {
        let text = source::read(path)?;
        let path = path.to_owned();
        Ok(Self { path, text })
    }

    /// How mistakes in this file are told.
    pub(super) fn rejected(&self, mistakes: &[Diagnostic]) -> SourceError {
        let origin = self.path.display().to_string();
        let show = |mistake: &Diagnostic| mistake.render_without_source(&origin, &self.text);
        SourceError::Rejected(mistakes.iter().map(show).collect())
    }

    pub(super) fn warn_of(&self, warnings: &[Diagnostic]) {
        let origin = self.path.display().to_string();
        for warning in warnings {
            say(warning.render_without_source(&origin, &self.text));
        }
    }

    /// Whether it is an `auth.json`: an object of paths.
    pub(super) fn is_auth_json(&self) -> bool {
        let object: Option<Map<String, Value>> = serde_json::from_str(&self.text).ok();
        object.is_some_and(|object| object.keys().any(|name| name.starts_with('/')))
    }

    fn place(&self, at: usize) -> String {
        let (line, column) = line_and_column(&self.text, at);
        format!("{}:{line}:{column}", self.path.display())
    }
}

impl<'t> FoundKey<'t> {
    /// A key that stands at a place of a file.
    ///
    /// # Errors
    /// It can be no key of ours, or its client type can be none; what is wrong is said without it.
    pub(super) fn new(
        secret: Zeroizing<String>,
        client_type: &str,
        origin: &'t Text,
        at: usize,
    ) -> Result<Self, String> {
        if secret.is_empty() {
            return Err("the key is empty".to_owned());
        }
        if secret.len() > LONGEST_KEY {
            return Err(format!("the key is longer than {LONGEST_KEY} characters"));
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the key has a character other than visible ASCII, such as a blank";
            return Err(message.to_owned());
        }
        Ok(Self {
            client_type: client_type
                .parse()
                .map_err(|error| format!("not a client type: {error}"))?,
            secret,
            active: true,
            description: None,
            origin,
            at,
        })
    }

    pub(super) fn active(self, active: bool) -> Self {
        Self { active, ..self }
    }

    pub(super) fn description(self, description: Option<String>) -> Self {
        Self {
            description,
            ..self
        }
    }
}

/// Writes the keys down, hashed.
pub(super) fn write(
    found: &[FoundKey<'_>],
    out: &OutArguments,
    now: Timestamp,
) -> Result<(), ImportError> {
    refuse_doubles(found)?;
    let digest = out.digest.maker()?;
    let add = |edit: &mut Edit<'_>| {
        for key in found {
            let id = free_id(key.client_type.as_str(), now, edit.entries())?;
            if let Some(weakness) = Weakness::of(&key.secret) {
                say(format_args!("warning: the key `{id}` is weak: {weakness}"));
            }
            edit.add(Entry {
                key: Key {
                    id,
                    client_type: key.client_type.clone(),
                    digest: digest(key.secret.as_bytes()),
                    active: key.active,
                    not_before: None,
                    expires_at: None,
                },
                clear: None,
                description: key.description.clone(),
                created_at: None,
            });
        }
        Ok(())
    };
    match &out.keys_out {
        Some(path) => {
            let file = LockedFile::open_or_new(path).map_err(keys::KeysError::from)?;
            keys::change(path, &file, add)?;
            let path = path.display();
            match found.len() {
                1 => say(format_args!("1 key is in {path} now, hashed")),
                number => say(format_args!("{number} keys are in {path} now, hashed")),
            }
        }
        None => print(add)?,
    }
    Ok(())
}

fn print(
    add: impl FnOnce(&mut Edit<'_>) -> Result<(), keys::KeysError>,
) -> Result<(), keys::KeysError> {
    let mut edit = Edit::begin(Path::new("standard output"), NEW_FILE)?;
    add(&mut edit)?;
    terminal::print(edit.finish()?.as_str());
    Ok(())
}

/// One key under two client types would make its bearer either, by luck.
fn refuse_doubles(found: &[FoundKey<'_>]) -> Result<(), SourceError> {
    let mut first_places = HashMap::with_capacity(found.len());
    for key in found {
        match first_places.entry(key.secret.as_str()) {
            Place::Vacant(vacant) => drop(vacant.insert((key.origin, key.at))),
            Place::Occupied(first) => {
                let (origin, at) = first.get();
                let mistake = Diagnostic::error("the same key stands there twice")
                    .at(key.at..key.at)
                    .help(format!("it stands at {} too: keep one", origin.place(*at)));
                return Err(key.origin.rejected(&[mistake]));
            }
        }
    }
    Ok(())
}
