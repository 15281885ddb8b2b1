//! `keygate explain`: how one request would be decided, and why.

use std::{path::PathBuf, process::ExitCode};

use keygate_documents::source::SourceError;
use keygate_explain::{Answer, Question};

use super::Output;
use crate::policy_file;

/// `keygate explain`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Policy file that is tried as shadow: what it would answer
    #[arg(long, value_name = "FILE")]
    shadow_policy: Option<PathBuf>,
    #[command(flatten)]
    question: Question,
    /// How the answer looks
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    super::exit(explain(arguments))
}

/// Prints the explanation, and answers whether the request would be allowed.
fn explain(arguments: &Arguments) -> Result<bool, SourceError> {
    let policy = policy_file::read(&arguments.policy)?;
    let shadow_policy = arguments.shadow_policy.as_deref();
    let shadow_policy = shadow_policy.map(policy_file::read).transpose()?;
    let user = arguments.question.logged_in();
    let request = arguments.question.request(user.as_ref());
    let answer = Answer::of(&request, &policy, shadow_policy.as_ref());
    arguments.output.print(&answer);
    Ok(answer.allowed)
}
