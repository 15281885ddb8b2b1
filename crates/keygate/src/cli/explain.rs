//! `keygate explain`: how one request would be decided, and why.

use std::{path::PathBuf, process::ExitCode};

use clap::ValueEnum;
use keygate_policy::{Decision, Facts, Request, User, expression::Explanation};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::source::{self, SourceError, policy_file};

/// `keygate explain`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Method of the request
    #[arg(long, default_value = "GET")]
    method: String,
    /// Target of the request: path and query, as a client sends them
    #[arg(long, value_name = "TARGET")]
    uri: String,
    /// Host of the request, where endpoints name hosts
    #[arg(long)]
    host: Option<String>,
    /// Client type of the caller's key; without it the caller has no key
    #[arg(long, value_name = "TYPE")]
    client_type: Option<String>,
    /// Groups of the user who is logged in, with commas
    #[arg(long, value_delimiter = ',')]
    groups: Vec<String>,
    /// Permissions of the user who is logged in, with commas
    #[arg(long, value_delimiter = ',')]
    permissions: Vec<String>,
    /// Properties of the user who is logged in, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = properties)]
    user: Option<Map<String, Value>>,
    /// The request comes by the back-office gateway
    #[arg(long)]
    backoffice: bool,
    /// How the answer looks
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// The answer, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    allowed: bool,
    status: u16,
    reason: &'static str,
    path: Option<String>,
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<Explanation>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match explain(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            super::complain(&error);
            ExitCode::from(2)
        }
    }
}

/// Prints the explanation, and answers whether the request would be allowed.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn explain(arguments: &Arguments) -> Result<bool, SourceError> {
    let text = source::read(&arguments.policy)?;
    let policy = policy_file::parse(&arguments.policy, &text)?.policy;
    let user = arguments.logged_in();
    let facts = Facts {
        client_type: arguments.client_type.as_deref(),
        is_backoffice: arguments.backoffice,
        user: user.as_ref(),
    };
    let decision = policy.decide(&Request {
        method: &arguments.method,
        target: arguments.uri.as_bytes(),
        host: arguments.host.as_deref(),
        is_cors_preflight: false,
        facts,
    });
    let answer = Answer::of(&decision, &facts);
    match arguments.output {
        Output::Text => println!("{answer}"),
        Output::Json => println!("{}", serde_json::json!(answer)),
    }
    Ok(answer.allowed)
}

impl Arguments {
    /// Somebody is logged in as soon as anything is said about them.
    fn logged_in(&self) -> Option<User> {
        let nothing = self.user.is_none() && self.groups.is_empty() && self.permissions.is_empty();
        (!nothing).then(|| User {
            id: String::new(),
            groups: self.groups.iter().map(String::as_str).collect(),
            permissions: self.permissions.iter().map(String::as_str).collect(),
            properties: self.user.clone().unwrap_or_default(),
        })
    }
}

fn properties(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

impl<'a> Answer<'a> {
    fn of(decision: &Decision<'a, '_>, facts: &Facts<'_>) -> Self {
        let expression = decision
            .rule
            .map(|rule| rule.expression(facts.is_backoffice));
        Self {
            allowed: decision.is_allowed(),
            status: decision.status.code(),
            reason: decision.reason.as_str(),
            path: decision
                .path
                .as_ref()
                .map(|path| path.as_bytes().escape_ascii().to_string()),
            endpoint: decision.rule.map(keygate_policy::policy::Rule::label),
            expression: expression.map(|expression| expression.explain(facts)),
        }
    }
}

impl std::fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.allowed { "allowed" } else { "denied" };
        write!(f, "{verdict} ({}, {})", self.status, self.reason)?;
        let none = "none";
        write!(f, "\npath      {}", self.path.as_deref().unwrap_or(none))?;
        write!(f, "\nendpoint  {}", self.endpoint.unwrap_or(none))?;
        match &self.expression {
            Some(expression) => write!(f, "\n\n{expression}"),
            None => Ok(()),
        }
    }
}
