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
    /// Create a key; it is printed once, and the file stores only its digest.
    #[command(after_help = create::EXAMPLES)]
    Create(create::Arguments),
    /// List the keys with their state, age and expiry.
    #[command(after_help = list::EXAMPLES)]
    List(list::Arguments),
    /// Enable a disabled key.
    #[command(after_help = "Example:\n  keygate keys enable --keys keys.yaml cms-2026-11-24")]
    Enable(Target),
    /// Disable a key; services reject it within one second, and you can enable it again.
    #[command(after_help = "Example:\n  keygate keys disable --keys keys.yaml cms-2026-11-24")]
    Disable(Target),
    /// Replace a key with a new one; the old key stays valid for a while.
    #[command(
        mut_arg("expires_in", |it| it.help(rotate::EXPIRES_IN)),
        mut_arg("id", |it| it.help("Id of the old key")),
        after_help = rotate::EXAMPLES
    )]
    Rotate(rotate::Arguments),
    /// Change the expiry or the description of a key.
    #[command(after_help = set::EXAMPLES)]
    Set(set::Arguments),
    /// Delete a key from the file.
    #[command(after_help = "Example:\n  keygate keys delete --keys keys.yaml cms-2026-11-24")]
    Delete(Target),
    /// Replace all plaintext keys in the file with their digests.
    #[command(after_help = hash::EXAMPLES)]
    Hash(hash::Arguments),
}

/// One key of a file.
#[derive(Debug, clap::Args)]
struct Target {
    /// Path to the keys file
    #[arg(long, env = "KEYGATE_KEYS", value_name = "FILE")]
    keys: PathBuf,
    /// Id of the key
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
    #[error("`hmac-sha256:` digests need a pepper: set `--pepper-file` or `KEYGATE_PEPPER`")]
    NoPepper,
    #[error(
        "the key `{0}` is stored with a pepper, but its successor would not be: set \
         `--pepper-file` or `KEYGATE_PEPPER`, or `--scheme sha256`"
    )]
    LosesPepper(KeyId),
    #[error("the key is weak: {0}; to accept it anyway, use `--allow-weak`")]
    Weak(Weakness),
    #[error("standard input does not contain a valid key: {0}")]
    NotAKey(PlaintextError),
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    #[error("the system provides no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("cannot derive a key id from `{0}`: set one with `--id`")]
    NoId(String),
    #[error("the expiry is too far in the future")]
    TooFar,
    #[error(
        "with `--expires-in 0d` the key would never be valid: use a longer time, such as `90d`, or \
         omit the flag"
    )]
    ExpiresAtOnce,
    #[error(
        "the lifetime of the key `{0}` is unknown: set the lifetime of its successor with \
         `--expires-in`"
    )]
    UnknownLifetime(KeyId),
    #[error("a key that expires at {end} would never be valid: the current time is {now}")]
    ExpiresInThePast { end: Timestamp, now: Timestamp },
    #[error(
        "the key `{id}` is disabled, but its successor would be valid: first enable it with \
         `keygate keys enable`, or create a new key with `keygate keys create --client-type \
         {client_type}`"
    )]
    RotatesDisabled { id: KeyId, client_type: ClientType },
    /// The file has changed.
    #[error("the key `{id}` was added to the file but could not be printed ({error}): delete it")]
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
