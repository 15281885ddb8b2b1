//! `keygate keys`: the keys of a keys file, from creation to deletion.
//!
//! Standard output contains only the result, a new key or a list; reports go to standard error.

mod create;
mod delete;
mod hash;
mod list;
pub(super) mod new_key;
mod period;
mod rotate;
mod set;
mod switch;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::Timestamp;
use keygate_documents::source::SourceError;
use keygate_keys::{
    ClientType, KeyId,
    generated::Weakness,
    keys_file::{
        edit::{Edit, EditError},
        store::{LockedFile, StoreError},
    },
    pepper::PepperError,
    plaintext::PlaintextError,
};

use super::terminal::{self, say};

/// `keygate keys`
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Create a key: it is shown once, on standard output; the file stores only its digest.
    #[command(after_help = create::EXAMPLES)]
    Create(create::Arguments),
    /// List the keys, with state, age and expiry.
    #[command(after_help = list::EXAMPLES)]
    List(list::Arguments),
    /// Enable a key.
    #[command(after_help = "Example:\n  keygate keys enable --keys keys.yaml cms-2026-11-24")]
    Enable(Target),
    /// Disable a key: it is rejected within a second, and can be enabled again.
    #[command(after_help = "Example:\n  keygate keys disable --keys keys.yaml cms-2026-11-24")]
    Disable(Target),
    /// Create the successor of a key, which stays valid for a while.
    #[command(after_help = rotate::EXAMPLES)]
    Rotate(rotate::Arguments),
    /// Change the expiry or the description of a key.
    #[command(after_help = set::EXAMPLES)]
    Set(set::Arguments),
    /// Delete a key from the file.
    #[command(after_help = "Example:\n  keygate keys delete --keys keys.yaml cms-2026-11-24")]
    Delete(Target),
    /// Replace all plaintext keys in the file by their digests.
    #[command(after_help = hash::EXAMPLES)]
    Hash(hash::Arguments),
}

/// One key of a file.
#[derive(Debug, clap::Args)]
struct Target {
    /// Keys file
    #[arg(long, env = "KEYGATE_KEYS", value_name = "FILE")]
    keys: PathBuf,
    /// The key's id
    id: String,
}

/// The error of a command. The file is unchanged, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Pepper(#[from] PepperError),
    #[error(
        "a digest `hmac-sha256:` needs a pepper: name its file by `--pepper-file`, or set \
         `KEYGATE_PEPPER`"
    )]
    NoPepper,
    #[error("the key is weak: {0}; `--allow-weak` accepts it anyway")]
    Weak(Weakness),
    #[error("standard input contains no key: {0}")]
    NotAKey(PlaintextError),
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    #[error("the system provides no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("no id can be derived from `{0}`: give one with `--id`")]
    NoId(String),
    #[error("the expiry is beyond the calendar")]
    TooFar,
    #[error(
        "with `--expires-in` of zero the key is never valid: write e.g. `90d`, or omit the flag"
    )]
    ExpiresAtOnce,
    #[error(
        "it is unknown how long the key `{0}` was to be valid: give its successor `--expires-in`"
    )]
    UnknownLifetime(KeyId),
    #[error("a key that expires at {end} is never valid: it is {now}")]
    ExpiresInThePast { end: Timestamp, now: Timestamp },
    #[error(
        "the key `{id}` is disabled, and its successor would be valid: enable it first with `keygate \
         keys enable`, or make a new key with `keygate keys create --client-type {client_type}`"
    )]
    RotatesDisabled { id: KeyId, client_type: ClientType },
    /// The file has changed.
    #[error("the key `{id}` is in the file but could not be printed ({error}): delete it")]
    NotShown { id: KeyId, error: io::Error },
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let now = now();
    let done = match &arguments.command {
        Command::Create(arguments) => create::run(arguments, now),
        Command::List(arguments) => list::run(arguments, now),
        Command::Enable(target) => switch::run(target, true, now),
        Command::Disable(target) => switch::run(target, false, now),
        Command::Rotate(arguments) => rotate::run(arguments, now),
        Command::Set(arguments) => set::run(arguments, now),
        Command::Delete(target) => delete::run(target),
        Command::Hash(arguments) => hash::run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// The time in whole seconds, as in files.
pub(super) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// Changes a file: read, changed, checked and replaced under its lock.
pub(super) fn change<T>(
    path: &Path,
    file: &LockedFile,
    change: impl FnOnce(&mut Edit<'_>) -> Result<T, KeysError>,
) -> Result<T, KeysError> {
    let mut edit = Edit::begin(path, file.text())?;
    let outcome = change(&mut edit)?;
    let text = edit.finish()?;
    if text.as_str() != file.text() {
        file.replace(&text)?;
    }
    Ok(outcome)
}
