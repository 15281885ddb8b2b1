//! A file of cases: requests, and how each must be decided.

use std::{fmt, path::PathBuf};

use keygate_documents::{
    content::{FileKind, Top},
    diagnostic::{Content, Diagnostic, line_and_column},
    yaml,
};
use keygate_policy::{Policy, Reason};
use serde::{Deserialize, Serialize, de};
use serde_saphyr::Spanned;

use super::{Answer, Question, verdict};

/// The version of the format that this program reads.
const VERSION: u64 = 1;

/// How a file of cases is told from other files.
const FILE_KIND: FileKind<'static> = FileKind {
    top: Top::FieldsWithList(&["version", "policy", "cases"], "cases"),
    inner: &["name", "expect", "endpoint"],
};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<u64>,
    policy: Option<PathBuf>,
    cases: Vec<Spanned<Case>>,
}

/// One request, and how it must be decided.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    request: Question,
    expect: Expected,
    endpoint: Option<String>,
}

/// How a request must be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Allowed,
    /// For whatever reason.
    Denied,
    DeniedFor(Reason),
}

/// The cases of a file.
#[derive(Debug)]
pub struct Cases {
    /// The policy that the file names.
    pub policy: Option<PathBuf>,
    cases: Vec<(usize, Case)>,
}

/// What became of the cases.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many came out as expected.
    pub passed: usize,
    /// Those that did not.
    pub failed: Vec<Failure>,
}

/// A case that did not come out as expected.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// Its line in the file.
    pub line: usize,
    /// Its name, or else the request in one line.
    pub name: String,
    /// The request.
    pub request: Question,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub decided: String,
    /// Why.
    pub answer: Answer,
}

impl Cases {
    /// Whether messages may repeat the text of a file of cases.
    #[must_use]
    pub fn content(text: &str) -> Content {
        Content::of(text, &FILE_KIND)
    }

    /// Reads the text of a file of cases.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let document: Document = yaml::from_str(text, Self::content(text))?;
        if document.version.value != VERSION {
            let version = document.version.value;
            let message = format!("version {version} of the format is not known");
            return Err(Diagnostic::error(message)
                .at(yaml::span(document.version.referenced, text))
                .help(format!("this program reads `version: {VERSION}`")));
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

    /// Whether there are none.
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
        let user = self.request.logged_in();
        let answer = Answer::of(&self.request.request(user.as_ref()), policy, None);
        let at_the_endpoint =
            self.endpoint.is_none() || self.endpoint.as_deref() == answer.endpoint.as_deref();
        if self.expect.is_met_by(&answer) && at_the_endpoint {
            return None;
        }
        let by = |endpoint: &str| {
            let expected = self.endpoint.as_ref();
            expected
                .map(|_| format!(" by {endpoint}"))
                .unwrap_or_default()
        };
        let nobody = if answer.reason == Reason::MethodNotAllowed.as_str() {
            format!("no rule for {}", self.request.method)
        } else {
            "no endpoint".to_owned()
        };
        let expected = self.endpoint.as_deref().unwrap_or_default();
        let decided_by = answer.endpoint.as_deref().unwrap_or(&nobody);
        let (decided, reason) = (verdict(answer.allowed), answer.reason);
        Some(Failure {
            line,
            name: self
                .name
                .clone()
                .unwrap_or_else(|| self.request.to_string()),
            request: self.request.clone(),
            expected: format!("{}{}", self.expect, by(expected)),
            decided: format!("{decided} ({reason}){}", by(decided_by)),
            answer,
        })
    }
}

impl Expected {
    fn is_met_by(self, answer: &Answer) -> bool {
        match self {
            Self::Allowed => answer.allowed,
            Self::Denied => !answer.allowed,
            Self::DeniedFor(reason) => answer.reason == reason.as_str(),
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

/// What differs, for people.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  request   {}", self.request)?;
        writeln!(f, "- expected  {}", self.expected)?;
        writeln!(f, "+ decided   {}", self.decided)?;
        for line in self.answer.to_string().lines().skip(2) {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
