//! `keygate test`: checks the decisions of a policy against a file of cases.

use std::{fmt, path::PathBuf, process::ExitCode};

use keygate_documents::source::{self, SourceError};
use keygate_explain::cases::{Cases, Report};

use super::Output;
use crate::policy_file;

/// `keygate test`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the file of test cases (YAML)
    #[arg(value_name = "FILE")]
    cases: PathBuf,
    /// Path to the policy file [default: the policy named in the file of test cases]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) const EXAMPLE: &str = "Example:
  keygate test cases.yaml

Example of a file of test cases:
  version: 1
  policy: policy.yaml           # relative to this file
  cases:
    - name: the shop can read   # optional; shown if the case fails
      request: { uri: /orders/7, clientType: shop }
      expect: allowed
    - request: { method: POST, uri: /orders/7/refund, clientType: shop }
      expect: expression-false  # a reason, or `denied` for any reason
      endpoint: POST /orders/{id}/refund

The fields of a request correspond to the options of `keygate explain`: method, uri, host, clientType,
userId, groups, permissions, user and backoffice.";

/// Why no case was run.
#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(
        "no policy to test: add `policy: FILE` at the top level of {}, or set `--policy FILE`",
        .0.display()
    )]
    NoPolicy(PathBuf),
    #[error("{} contains no test cases: add at least one", .0.display())]
    NoCases(PathBuf),
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    super::exit(test(arguments))
}

/// Prints the failed cases, and returns whether there are none.
fn test(arguments: &Arguments) -> Result<bool, TestError> {
    let origin = arguments.cases.display().to_string();
    let text = source::read(&arguments.cases)?;
    let cases = Cases::parse(&text).map_err(|error| {
        let shown = error.show(&origin, &text, Cases::content(&text));
        SourceError::Rejected(vec![shown])
    })?;
    if cases.is_empty() {
        return Err(TestError::NoCases(arguments.cases.clone()));
    }
    // A relative path in the file starts from the folder of the file.
    let beside = |path: &PathBuf| arguments.cases.with_file_name("").join(path);
    let path = arguments
        .policy
        .clone()
        .or_else(|| cases.policy.as_ref().map(beside))
        .ok_or_else(|| TestError::NoPolicy(arguments.cases.clone()))?;
    let policy = policy_file::read(&path)?;
    let report = cases.run(&policy);
    let passed = report.failed.is_empty();
    arguments.output.print(&Outcome { origin, report });
    Ok(passed)
}

#[derive(serde::Serialize)]
struct Outcome {
    #[serde(skip)]
    origin: String,
    #[serde(flatten)]
    report: Report,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.report.failed {
            writeln!(
                f,
                "{}:{}: {}\n{failure}\n",
                self.origin, failure.line, failure.name
            )?;
        }
        let Report { passed, failed } = &self.report;
        write!(f, "{passed} passed, {} failed", failed.len())
    }
}
