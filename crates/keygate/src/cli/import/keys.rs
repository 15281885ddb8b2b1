//! Writes keys of another gateway to a keys file, as digests.

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
use keygate_keys::{
    ClientType, Key,
    generated::Weakness,
    plaintext::{self, Placeholder},
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{ImportError, say, terminal};
use crate::cli::keys::{
    self,
    new_key::{DigestArguments, free_id},
};

/// The destination of the keys.
#[derive(Debug, clap::Args)]
pub(super) struct OutArguments {
    /// Path of the keys file to write; if it exists, the keys are added to it [default: standard
    /// output]
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

/// A key of another gateway.
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
        let mut text = source::read(path)?;
        // Windows editors write a byte order mark; JSON and nginx have none.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let path = path.to_owned();
        Ok(Self { path, text })
    }

    /// Returns the error for the problems in this file.
    pub(super) fn rejected(&self, errors: &[Diagnostic]) -> SourceError {
        let origin = self.path.display().to_string();
        let show = |error: &Diagnostic| error.render_without_source(&origin, &self.text);
        SourceError::Rejected(errors.iter().map(show).collect())
    }

    pub(super) fn warn_of(&self, warnings: &[Diagnostic]) {
        let origin = self.path.display().to_string();
        for warning in warnings {
            say(warning.render_without_source(&origin, &self.text));
        }
    }

    /// Checks the syntax of a file that looks like JSON.
    ///
    /// # Errors
    /// What is wrong with it, and where; none of its text is repeated.
    pub(super) fn check_json(&self) -> Result<(), SourceError> {
        if !self.text.trim_start().starts_with(['{', '[']) {
            return Ok(());
        }
        let Err(error) = serde_json::from_str::<IgnoredAny>(&self.text) else {
            return Ok(());
        };
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let lines = self.text.split_inclusive('\n');
        let before = error.line().saturating_sub(1);
        let start: usize = lines.take(before).map(str::len).sum();
        let at = (start + error.column().saturating_sub(1)).min(self.text.len());
        let (before, after) = self.text.split_at_checked(at).unwrap_or_default();
        let error = match before.trim_end().strip_suffix(',') {
            Some(before) if after.starts_with(['}', ']']) => {
                Diagnostic::error("not JSON: a trailing comma")
                    .at(before.len()..before.len() + 1)
                    .help("remove it")
            }
            _ => Diagnostic::error(format!("not JSON: {message}")).at(at..at),
        };
        Err(self.rejected(&[error]))
    }

    /// Whether it is an `auth.json`: an object of paths.
    pub(super) fn is_auth_json(&self) -> bool {
        let object: Option<Map<String, Value>> = serde_json::from_str(&self.text).ok();
        object.is_some_and(|object| object.keys().any(|name| name.starts_with('/')))
    }

    /// A location as `FILE:LINE:COLUMN`.
    pub(super) fn location(&self, at: usize) -> String {
        let (line, column) = line_and_column(&self.text, at);
        format!("{}:{line}:{column}", self.path.display())
    }
}

impl<'t> FoundKey<'t> {
    /// Returns a key at an offset of a file.
    ///
    /// # Errors
    /// The key or the client type is invalid; the message does not contain the key.
    pub(super) fn new(
        secret: Zeroizing<String>,
        client_type: &str,
        origin: &'t Text,
        at: usize,
    ) -> Result<Self, String> {
        plaintext::check(secret.as_bytes()).map_err(|why| match why.help() {
            Some(help) => format!("invalid key: {why}: {help}"),
            None => format!("invalid key: {why}"),
        })?;
        if plaintext::contains_variable(client_type) {
            let why = Placeholder::Variable;
            return Err(format!(
                "invalid client type: {why}: replace it with the client type"
            ));
        }
        Ok(Self {
            client_type: client_type
                .parse()
                .map_err(|error| format!("invalid client type: {error}"))?,
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

/// Writes the hashed keys.
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
                1 => say(format_args!("added 1 key to {path}, stored as a digest")),
                number => say(format_args!(
                    "added {number} keys to {path}, stored as digests"
                )),
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

/// Rejects a key with two client types, because either could be the intended one.
fn refuse_doubles(found: &[FoundKey<'_>]) -> Result<(), SourceError> {
    let mut first_places = HashMap::with_capacity(found.len());
    for key in found {
        match first_places.entry(key.secret.as_str()) {
            Place::Vacant(vacant) => drop(vacant.insert((key.origin, key.at))),
            Place::Occupied(first) => {
                let (origin, at) = first.get();
                let error = Diagnostic::error("the same key is listed twice")
                    .at(key.at..key.at)
                    .help(format!("it is also at {}: keep one", origin.location(*at)));
                return Err(key.origin.rejected(&[error]));
            }
        }
    }
    Ok(())
}
