//! `keygate import`: converts files of other gateways to Keygate's.

mod keys;
mod kong;
mod mia;
mod nginx_map;
mod policy;
mod secrets;

use std::{io, path::PathBuf, process::ExitCode};

use keygate_documents::source::SourceError;

use super::{
    keys::KeysError,
    terminal::{self, say},
};

/// `keygate import`
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Convert Mia-Platform files: an auth.json, or the endpoints and API keys in a Console
    /// configuration.
    #[command(after_help = mia::EXAMPLES)]
    Mia(mia::Arguments),
    /// Convert the consumers, keys, groups and routes in a declarative configuration of Kong
    /// Gateway.
    #[command(after_help = kong::EXAMPLES)]
    Kong(kong::Arguments),
    /// Convert an nginx `map` from API keys to client types.
    #[command(after_help = nginx_map::EXAMPLES)]
    NginxMap(nginx_map::Arguments),
}

/// The error of an import. Nothing is written then.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("{} contains nothing to import: expected {wanted}", path.display())]
    Nothing { path: PathBuf, wanted: String },
    #[error("{} contains endpoints, and so does an earlier file: import only one of them", .0.display())]
    TwoPolicies(PathBuf),
    #[error(
        "the files contain endpoints and API keys, but both cannot go to standard output: set \
         `--policy-out` or `--keys-out`"
    )]
    OneOutput,
    #[error("{} already exists: remove it, or choose another file", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let now = super::keys::now();
    let done = match &arguments.command {
        Command::Mia(arguments) => mia::run(arguments, now),
        Command::Kong(arguments) => kong::run(arguments, now),
        Command::NginxMap(arguments) => nginx_map::run(arguments, now),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&error);
            ExitCode::FAILURE
        }
    }
}
