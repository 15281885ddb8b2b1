//! `keygate check`: validates files, and warns of likely errors in them.

mod settings;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use jiff::Timestamp;
use keygate_documents::source::{self, SourceError};
use keygate_expression::Facts;
use keygate_gateways::nginx::check::{self as check_nginx, CaseGap, Context};
use keygate_keys::{
    KeyTable,
    keys_file::{self, Loaded},
    pepper,
};
use keygate_policy::{path::CanonicalPath, policy::Example};

use super::{
    nginx_settings,
    terminal::{print, say},
};
use crate::policy_file;

/// `keygate check`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the keys file
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Path to the file with the pepper for `hmac-sha256:` digests; alternatively, set
    /// `KEYGATE_PEPPER`
    #[arg(long, value_name = "FILE", requires = "keys")]
    pepper_file: Option<PathBuf>,
    /// Path to the policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Path to the nginx configuration, e.g. /etc/nginx/nginx.conf; reports anything that could let
    /// requests bypass Keygate
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// Path to a service's settings file; checks the sources of users in this file, and that the
    /// nginx configuration agrees with the file. If the resolver and the authorizer have separate
    /// settings files, repeat this flag
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Exit with code 1 if there are any warnings
    #[arg(long)]
    deny_warnings: bool,
}

/// The findings in one file.
struct Report {
    /// `valid`, or what the errors mean.
    verdict: &'static str,
    summary: String,
    errors: Vec<String>,
    warnings: Vec<String>,
}

const VALID: &str = "valid";
const NO_ERRORS: &str = "no errors";
const WOULD_NOT_LOAD: &str = "would not load";

/// The result for all files.
#[derive(Default)]
struct Total {
    is_bad: bool,
    warnings: usize,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let files = [&arguments.keys, &arguments.policy, &arguments.nginx];
    if arguments.config.is_empty() && files.into_iter().all(Option::is_none) {
        say(
            "error: no file to check: set at least one of `--keys`, `--policy`, `--config` and \
             `--nginx`, for example\n  keygate check --keys keys.yaml --policy policy.yaml",
        );
        return ExitCode::from(2);
    }
    let keys = arguments
        .keys
        .as_deref()
        .map(|path| (path, keys(path, arguments.pepper_file.as_deref())));
    let client_types: Option<Vec<String>> = match &keys {
        Some((_, Ok((_, table)))) => {
            let known = table.client_types().into_iter();
            Some(known.map(str::to_owned).collect())
        }
        _ => None,
    };
    let settings: Vec<_> = arguments
        .config
        .iter()
        .map(|path| (path, settings::check(path)))
        .collect();
    let has_users = settings::have_users(settings.iter().map(|(_, outcome)| outcome));
    let policy = arguments
        .policy
        .as_deref()
        .map(|path| (path, policy(path, client_types, has_users)));

    let mut total = Total::default();
    if let Some((path, outcome)) = keys {
        total.show(path, outcome.map(|(report, _)| report), WOULD_NOT_LOAD);
    }
    if let Some((path, outcome)) = policy {
        total.show(path, outcome, WOULD_NOT_LOAD);
    }
    for (path, outcome) in settings {
        // The comparison with nginx's configuration reports it as well.
        if outcome.is_ok() || arguments.nginx.is_none() {
            total.show(path, outcome.map(|it| it.report), WOULD_NOT_LOAD);
        }
    }
    if let Some(path) = &arguments.nginx {
        total.show(path, nginx(path, arguments), "could not be checked");
    }
    if total.is_bad {
        return ExitCode::FAILURE;
    }
    if arguments.deny_warnings && total.warnings > 0 {
        let warnings = count(total.warnings, "warning");
        say(format_args!(
            "error: {warnings}, denied by `--deny-warnings`"
        ));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

impl Total {
    /// Prints the findings in a file; `failure` is the verdict on an error.
    fn show(&mut self, path: &Path, outcome: Result<Report, SourceError>, failure: &str) {
        let path = path.display();
        match outcome {
            Ok(report) => {
                self.warnings += report.warnings.len();
                self.is_bad |= !report.errors.is_empty();
                for found in report.errors.iter().chain(&report.warnings) {
                    print(format_args!("{found}\n\n"));
                }
                print(format_args!(
                    "{path}: {}, {}\n",
                    report.verdict, report.summary
                ));
            }
            Err(error) => {
                self.is_bad = true;
                print(format_args!("{error}\n\n{path}: {failure}\n"));
            }
        }
    }
}

fn keys(path: &Path, pepper_file: Option<&Path>) -> Result<(Report, KeyTable), SourceError> {
    let pepper = pepper::of_command(pepper_file)
        .map_err(|error| SourceError::Rejected(vec![format!("error: {error}")]))?;
    let Loaded {
        table,
        mut warnings,
    } = keys_file::parse(path, &source::read(path)?, pepper)?;
    let keys = table
        .keys()
        .map(|key| (key.id(), key.client_type(), key.validity()));
    warnings.extend(keys_file::expiring_soon(keys, Timestamp::now()));
    let summary = count(table.keys().count(), "key");
    let report = Report {
        verdict: VALID,
        summary,
        errors: Vec::new(),
        warnings,
    };
    Ok((report, table))
}

/// If the keys are known, a client type that no key has is a warning; if the settings are known, so is a rule
/// that uses a user who can never be logged in.
fn policy(
    path: &Path,
    client_types: Option<Vec<String>>,
    has_users: Option<bool>,
) -> Result<Report, SourceError> {
    let text = source::read(path)?;
    let mut loaded = policy_file::parse(path, &text)?;
    if let Some(known) = client_types {
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let origin = path.display().to_string();
        let warnings = loaded.policy.client_type_warnings(&known);
        let content = loaded.content;
        let show = |warning| policy_file::shown(warning, &origin, &text, content);
        loaded.warnings.extend(warnings.into_iter().map(show));
    }
    let rules = count(loaded.policy.rules().len(), "rule");
    let of_users = policy_file::of_users(&loaded.policy);
    let summary = match (of_users, has_users) {
        (None, _) => rules,
        (Some(of_users), Some(true)) => of_users,
        (Some(of_users), None) => {
            format!(
                "{of_users}, which requires a source of users: the section `users` in the \
                 settings, or `USERINFO_URL`"
            )
        }
        (Some(of_users), Some(false)) => {
            let file = path.display();
            loaded.warnings.push(format!(
                "warning: {file}: {of_users}, but the settings have no section `users`, so nobody \
                 is ever logged in"
            ));
            rules
        }
    };
    Ok(Report {
        verdict: VALID,
        summary,
        errors: Vec::new(),
        warnings: loaded.warnings,
    })
}

fn nginx(path: &Path, arguments: &Arguments) -> Result<Report, SourceError> {
    let context = Context {
        expected: nginx_settings::expected(&arguments.config)?,
        has_settings: !arguments.config.is_empty(),
        case_gaps: arguments.policy.as_deref().and_then(case_gaps),
    };
    let outcome = check_nginx::check(path, &context)?;
    let guarded = count(outcome.guarded, "location");
    let mut found = count(outcome.warnings.len(), "warning");
    if !outcome.errors.is_empty() {
        found = format!("{}, {found}", count(outcome.errors.len(), "error"));
    }
    Ok(Report {
        verdict: if outcome.errors.is_empty() {
            NO_ERRORS
        } else {
            "not safe"
        },
        summary: format!("{guarded} with Keygate, {found}"),
        errors: outcome.errors,
        warnings: outcome.warnings,
    })
}

/// Returns the paths that match another rule in another case; `None` if the policy does not load, which
/// is reported separately.
fn case_gaps(policy: &Path) -> Option<Vec<CaseGap>> {
    let policy = policy_file::parse(policy, &source::read(policy).ok()?)
        .ok()?
        .policy;
    let rule_of = |example: &Example| {
        let request = example.request(Facts::default());
        let path = CanonicalPath::parse(request.target).ok()?;
        policy.find(&request, path.as_bytes()).rule()
    };
    let gap = |example: Example| {
        let rule = rule_of(&example)?;
        in_other_cases(&example.target).find_map(|target| {
            let other = Example {
                target,
                ..example.clone()
            };
            let decided_by = rule_of(&other)?;
            (rule.index() != decided_by.index()).then(|| CaseGap {
                path: example.target.clone(),
                other: other.target,
                decided_by: decided_by.label().to_owned(),
            })
        })
    };
    Some(policy.examples().flatten().filter_map(gap).collect())
}

/// Returns the paths that differ from this one by the case of one segment.
fn in_other_cases(path: &str) -> impl Iterator<Item = String> {
    let segments: Vec<_> = path.split('/').collect();
    (0..segments.len()).map(move |other| {
        let segments = segments.iter().enumerate().map(|(index, segment)| {
            if index == other {
                segment.to_ascii_uppercase()
            } else {
                (*segment).to_owned()
            }
        });
        segments.collect::<Vec<_>>().join("/")
    })
}

fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
