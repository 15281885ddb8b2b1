//! `keygate matrix`: the decision for each client type at each endpoint.

use std::{path::PathBuf, process::ExitCode};

use keygate_documents::source::{self, SourceError};
use keygate_explain::{
    UserDescription,
    matrix::{Circumstances, Matrix, Window},
};
use keygate_keys::keys_file;

use super::Output;
use crate::policy_file;

/// `keygate matrix`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Path to the keys file; adds a column for each client type in it, even if the policy does not
    /// name it
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Path to a shadow policy file; marks the cells where its decision differs
    #[arg(long, value_name = "FILE")]
    shadow_policy: Option<PathBuf>,
    /// The user who is logged in.
    #[command(flatten)]
    user: UserDescription,
    /// Evaluate the requests as back-office requests
    #[arg(long)]
    backoffice: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    super::exit(matrix(arguments))
}

fn matrix(arguments: &Arguments) -> Result<bool, SourceError> {
    let policy = policy_file::read(&arguments.policy)?;
    let shadow_policy = arguments.shadow_policy.as_deref();
    let shadow_policy = shadow_policy.map(policy_file::read).transpose()?;
    let entries = match &arguments.keys {
        Some(path) => keys_file::contents(path, &source::read(path)?)?.entries,
        None => Vec::new(),
    };
    let user = arguments.user.user();
    let circumstances = Circumstances {
        user: user.as_ref(),
        is_backoffice: arguments.backoffice,
        shadow_policy: shadow_policy.as_ref(),
    };
    let known = entries.iter().map(|entry| entry.key.client_type.as_str());
    arguments.output.print(&Matrix::of(
        &policy,
        known,
        circumstances,
        Window::EVERYTHING,
    ));
    Ok(true)
}
