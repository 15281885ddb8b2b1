//! `keygate check`: would these files load, and what looks wrong in them?

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::source::{self, SourceError, keys_file, policy_file};

/// `keygate check`
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Arguments {
    /// Keys file
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut good = true;
    let mut report =
        |path: &Path, outcome: Result<(String, Vec<String>), SourceError>| match outcome {
            Ok((summary, warnings)) => {
                for warning in warnings {
                    println!("{warning}");
                }
                println!("{}: good, {summary}", path.display());
            }
            Err(error) => {
                good = false;
                println!("{error}\n{}: would not load", path.display());
            }
        };
    if let Some(path) = &arguments.keys {
        report(path, keys(path));
    }
    if let Some(path) = &arguments.policy {
        report(path, policy(path));
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn keys(path: &Path) -> Result<(String, Vec<String>), SourceError> {
    let loaded = keys_file::parse(path, &source::read(path)?, None)?;
    Ok((
        format!("{} keys", loaded.table.keys().len()),
        loaded.warnings,
    ))
}

fn policy(path: &Path) -> Result<(String, Vec<String>), SourceError> {
    let loaded = policy_file::parse(path, &source::read(path)?)?;
    Ok((
        format!("{} rules", loaded.policy.rules().len()),
        loaded.warnings,
    ))
}
