//! `keygate explain`: the decision on one request, with its explanation.

use std::{path::PathBuf, process::ExitCode};

use keygate_documents::source::SourceError;
use keygate_explain::{ExplainedDecision, RequestDescription};

use super::Output;
use crate::policy_file;

/// `keygate explain`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Shadow policy file, whose decision is shown too
    #[arg(long, value_name = "FILE")]
    shadow_policy: Option<PathBuf>,
    #[command(flatten)]
    description: RequestDescription,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    super::exit(explain(arguments))
}

/// Prints the explanation, and returns whether the request would be allowed.
fn explain(arguments: &Arguments) -> Result<bool, SourceError> {
    let policy = policy_file::read(&arguments.policy)?;
    let shadow_policy = arguments.shadow_policy.as_deref();
    let shadow_policy = shadow_policy.map(policy_file::read).transpose()?;
    let user = arguments.description.logged_in();
    let request = arguments.description.request(user.as_ref());
    let decision = ExplainedDecision::of(&request, &policy, shadow_policy.as_ref());
    arguments.output.print(&decision);
    Ok(decision.allowed)
}
