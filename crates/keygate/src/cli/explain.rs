//! `keygate explain`: how one request would be decided, and why.

use std::{path::PathBuf, process::ExitCode};

use super::Output;
use crate::{
    explain::{Answer, Question},
    source::{self, SourceError, policy_file},
};

/// `keygate explain`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
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
    let text = source::read(&arguments.policy)?;
    let policy = policy_file::parse(&arguments.policy, &text)?.policy;
    let user = arguments.question.logged_in();
    let request = arguments.question.request(user.as_ref());
    let answer = Answer::of(&request, &policy, None);
    arguments.output.print(&answer);
    Ok(answer.allowed)
}
