//! `keygate explain`: the decision on one request, with its explanation.

mod token;

use std::{fmt, path::PathBuf, process::ExitCode};

use jiff::Timestamp;
use keygate_documents::source::SourceError;
use keygate_explain::{
    Context, ExplainedDecision, ExplainedToken, RequestDescription, UserSettings,
};
use keygate_users::settings::Users;
use serde::Serialize;

use self::token::TokenError;
use super::{Output, settings_file};
use crate::{policy_file, settings::Settings};

/// `keygate explain`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the policy file: policy.yaml, or Mia-Platform's auth.json [default: the policy file
    /// in the settings]
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    policy: Option<PathBuf>,
    /// Path to a shadow policy file, whose decision is shown as well [default: the shadow policy
    /// file in the settings]
    #[arg(long, value_name = "FILE")]
    shadow_policy: Option<PathBuf>,
    /// Path to the authorizer's settings file, which names the policy file and the sources of users
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the user's token from standard input, and verify it as configured in the settings
    #[arg(
        long,
        requires = "config",
        conflicts_with_all = ["id", "groups", "permissions", "properties"]
    )]
    token_stdin: bool,
    #[command(flatten)]
    description: RequestDescription,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) const EXAMPLES: &str = "Examples:
  keygate explain --policy policy.yaml --method GET --uri /orders/7 --client-type A
  keygate explain --policy policy.yaml --uri /orders/7 --user-id ada --groups staff,finance
  keygate explain --config keygate.yaml --uri /orders/7 --token-stdin < token

Exit codes: 0 if the request is allowed, 1 if it is denied or the token is invalid, 2 if the command line or a file is invalid.";

/// Why nothing is explained.
#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("{} names no policy: add `--policy FILE`", .0.display())]
    NoPolicy(PathBuf),
}

/// What is printed.
#[derive(Serialize)]
struct Explanation {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<ExplainedToken>,
    #[serde(flatten)]
    decision: ExplainedDecision,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    super::exit(explain(arguments))
}

/// Prints the explanation, and returns whether the request would be allowed.
fn explain(arguments: &Arguments) -> Result<bool, ExplainError> {
    let settings = arguments.settings()?;
    let policy = policy_file::read(&arguments.policy_file(settings.as_ref())?)?;
    let of_settings = settings.as_ref().and_then(|it| it.shadow_policy.as_deref());
    let shadow_policy = arguments.shadow_policy.as_deref().or(of_settings);
    let shadow_policy = shadow_policy.map(policy_file::read).transpose()?;
    let sources = settings.as_ref().map(|settings| {
        let users = settings.users.as_ref();
        users.map(Users::sources).unwrap_or_default()
    });
    let context = Context {
        shadow_policy: shadow_policy.as_ref(),
        users: sources
            .as_deref()
            .zip(settings.as_ref())
            .map(|(sources, settings)| UserSettings {
                sources,
                identity_limit: settings.identity_header_limit.get().into(),
            }),
        ..Context::of(&policy)
    };
    let token = match &settings {
        Some(settings) if arguments.token_stdin => {
            Some(token::explain(settings, Timestamp::now())?)
        }
        _ => None,
    };
    let description = &arguments.description;
    let decision = match &token {
        Some(token) => ExplainedDecision::of(&description.request(), token.login(), &context),
        None => ExplainedDecision::to(description, &context),
    };
    let is_valid = token.as_ref().is_none_or(|token| token.valid);
    let is_allowed = decision.allowed;
    arguments.output.print(&Explanation { token, decision });
    Ok(is_valid && is_allowed)
}

impl Arguments {
    fn settings(&self) -> Result<Option<Settings>, SourceError> {
        let settings = self.config.as_deref().map(settings_file::read);
        Ok(settings.transpose()?.map(|(_, settings)| settings))
    }

    fn policy_file(&self, settings: Option<&Settings>) -> Result<PathBuf, ExplainError> {
        let of_settings = settings.and_then(|settings| settings.policy.as_ref());
        let policy = self.policy.as_ref().or(of_settings);
        let config = self.config.clone().unwrap_or_default();
        policy.cloned().ok_or(ExplainError::NoPolicy(config))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(token) = &self.token {
            write!(f, "{token}\n\n")?;
        }
        write!(f, "{}", self.decision)
    }
}
