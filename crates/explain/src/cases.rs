//! A file of cases: requests and their expected decisions.

use std::{fmt, path::PathBuf};

use keygate_documents::{
    content::{FileKind, Top},
    diagnostic::{Content, Diagnostic, line_and_column},
    yaml,
};
use keygate_policy::{Policy, Reason};
use serde::{Deserialize, Serialize, de};
use serde_saphyr::Spanned;

use super::{Context, ExplainedDecision, RequestDescription, verdict};

/// The supported version of the format.
const VERSION: u64 = 1;

/// The fields that distinguish a file of cases from other files.
const FILE_KIND: FileKind<'static> = FileKind {
    top: Top::FieldsWithList(&["version", "policy", "cases"], "cases"),
    inner: &["name", "expect", "endpoint"],
};

/// The format of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<u64>,
    policy: Option<PathBuf>,
    cases: Vec<Spanned<Case>>,
}

/// A request and its expected decision.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    request: RequestDescription,
    expect: Expected,
    endpoint: Option<String>,
}

/// An expected decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Allowed,
    /// Denied for any reason.
    Denied,
    DeniedFor(Reason),
}

/// The cases of a file.
#[derive(Debug)]
pub struct Cases {
    /// The path of the policy.
    pub policy: Option<PathBuf>,
    cases: Vec<(usize, Case)>,
}

/// The results of the cases.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many cases passed.
    pub passed: usize,
    /// The failed cases.
    pub failed: Vec<Failure>,
}

/// A failed case.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// The line of the case in the file.
    pub line: usize,
    /// The name of the case, or else its request.
    pub name: String,
    /// The request of the case.
    pub request: RequestDescription,
    /// The expected decision, as text.
    pub expected: String,
    /// The actual decision, as text.
    pub decided: String,
    /// The actual decision with its explanation.
    pub decision: ExplainedDecision,
}

impl Cases {
    /// Returns whether messages may show the text of a file of cases.
    #[must_use]
    pub fn content(text: &str) -> Content {
        Content::of(text, &FILE_KIND)
    }

    /// Parses the text of a file of cases.
    ///
    /// # Errors
    /// The first error in the text, with its location.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let document: Document = yaml::from_str(text, Self::content(text))?;
        if document.version.value != VERSION {
            let version = document.version.value;
            let message = format!("version {version} is not supported");
            return Err(Diagnostic::error(message)
                .at(yaml::span(document.version.referenced, text))
                .help(format!("write `version: {VERSION}`")));
        }
        let cases = document.cases.into_iter().map(|case| {
            let start = yaml::span(case.referenced, text).start;
            (line_and_column(text, start).0, case.value)
        });
        Ok(Self {
            policy: document.policy,
            cases: cases.collect(),
        })
    }

    /// Returns whether there are no cases.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Decides each case by a policy.
    #[must_use]
    pub fn run(&self, policy: &Policy) -> Report {
        let failed: Vec<_> = self
            .cases
            .iter()
            .filter_map(|(line, case)| case.run(*line, policy))
            .collect();
        Report {
            passed: self.cases.len() - failed.len(),
            failed,
        }
    }
}

impl Case {
    fn run(&self, line: usize, policy: &Policy) -> Option<Failure> {
        let decision = ExplainedDecision::to(&self.request, &Context::of(policy));
        let at_the_endpoint =
            self.endpoint.is_none() || self.endpoint.as_deref() == decision.endpoint.as_deref();
        if self.expect.is_met_by(&decision) && at_the_endpoint {
            return None;
        }
        let by = |endpoint: &str| {
            let expected = self.endpoint.as_ref();
            expected
                .map(|_| format!(" by {endpoint}"))
                .unwrap_or_default()
        };
        let none = if decision.reason == Reason::MethodNotAllowed.as_str() {
            format!("no rule for {}", self.request.method)
        } else {
            "no endpoint".to_owned()
        };
        let expected = self.endpoint.as_deref().unwrap_or_default();
        let decided_by = decision.endpoint.as_deref().unwrap_or(&none);
        let (decided, reason) = (verdict(decision.allowed), decision.reason);
        Some(Failure {
            line,
            name: self
                .name
                .clone()
                .unwrap_or_else(|| self.request.to_string()),
            request: self.request.clone(),
            expected: format!("{}{}", self.expect, by(expected)),
            decided: format!("{decided} ({reason}){}", by(decided_by)),
            decision,
        })
    }
}

impl Expected {
    fn is_met_by(self, decision: &ExplainedDecision) -> bool {
        match self {
            Self::Allowed => decision.allowed,
            Self::Denied => !decision.allowed,
            Self::DeniedFor(reason) => decision.reason == reason.as_str(),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str(verdict(true)),
            Self::Denied => f.write_str(verdict(false)),
            Self::DeniedFor(reason) => write!(f, "{} ({reason})", verdict(false)),
        }
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = String::deserialize(from)?;
        match written.as_str() {
            "allowed" => return Ok(Self::Allowed),
            "denied" => return Ok(Self::Denied),
            _ => {}
        }
        let denials = || Reason::ALL.into_iter().filter(|it| *it != Reason::Ok);
        let found = denials().find(|reason| reason.as_str() == written);
        found.map(Self::DeniedFor).ok_or_else(|| {
            let reasons: Vec<_> = denials().map(Reason::as_str).collect();
            let reasons = reasons.join(", ");
            de::Error::custom(format!(
                "`{written}` is not one of allowed, denied, {reasons}"
            ))
        })
    }
}

/// The difference, for people.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  request   {}", self.request)?;
        writeln!(f, "- expected  {}", self.expected)?;
        writeln!(f, "+ decided   {}", self.decided)?;
        for line in self.decision.to_string().lines().skip(2) {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
