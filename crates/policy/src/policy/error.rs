//! What can be wrong with a policy's text.

use std::ops::Range;

use keygate_documents::diagnostic::{Content, Diagnostic};

use super::{HostError, MethodError};
use crate::path::PatternError;

/// One mistake in a policy; places are bytes of its text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PolicyError {
    /// The text is no YAML of the right shape.
    #[error("{}", .0.message)]
    Text(Box<Diagnostic>),
    /// The version is missing.
    #[error("the field `version` is missing")]
    MissingVersion,
    /// The version is another one.
    #[error("version {version} is not known here")]
    UnknownVersion {
        /// What was written.
        version: u64,
        /// Where.
        at: Range<usize>,
    },
    /// A path that is none.
    #[error("{error}")]
    Path {
        /// What is wrong.
        error: PatternError,
        /// Where, placed in the file.
        diagnostic: Box<Diagnostic>,
    },
    /// A method that is none.
    #[error("{error}")]
    Method {
        /// What is wrong.
        error: MethodError,
        /// Where.
        at: Range<usize>,
    },
    /// A host that is none.
    #[error("{error}")]
    Host {
        /// What is wrong.
        error: HostError,
        /// Where.
        at: Range<usize>,
    },
    /// A list without entries, so that nothing matches.
    #[error("an empty `{field}` matches nothing")]
    EmptyList {
        /// The field.
        field: &'static str,
        /// Where.
        at: Range<usize>,
    },
    /// A value twice in one list.
    #[error("`{value}` stands here a second time")]
    Repeated {
        /// The value.
        value: String,
        /// Where.
        at: Range<usize>,
        /// Where it stood first.
        first: Range<usize>,
    },
    /// A value that the field does not have.
    #[error("`{value}` is not a value of `{field}`")]
    UnknownValue {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
        /// What to write instead.
        help: String,
        /// Where.
        at: Range<usize>,
    },
    /// A field that only endpoints have.
    #[error("a route takes `{field}` from its endpoint")]
    EndpointOnly {
        /// The field.
        field: &'static str,
        /// Where.
        at: Range<usize>,
    },
    /// A group expression with a mistake.
    #[error("{}", .0.message)]
    Expression(Box<Diagnostic>),
    /// Two rules that match the same requests.
    #[error("nothing tells `{label}` from another rule")]
    Indistinguishable {
        /// The second rule's name.
        label: String,
        /// The second rule.
        at: Range<usize>,
        /// The first rule.
        first: Range<usize>,
    },
    /// A rule that others hide.
    #[error("`{label}` can never match")]
    Unreachable {
        /// The rule's name.
        label: String,
        /// The rule.
        at: Range<usize>,
        /// The rule that hides it.
        hiding: Option<Range<usize>>,
    },
}

impl PolicyError {
    /// The error for a person, as it may be shown: without the user's text where that is secret.
    #[must_use]
    pub fn diagnostic_for(&self, content: Content) -> Diagnostic {
        match (self, content) {
            // What reads the text knows what may be shown.
            (Self::Text(diagnostic), _) => (**diagnostic).clone(),
            (_, Content::Public) => self.diagnostic(),
            (_, Content::Secret) => self.diagnostic().redacted(),
        }
    }

    /// The mistake for a person.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let error = || Diagnostic::error(self.to_string());
        match self {
            Self::Text(diagnostic)
            | Self::Expression(diagnostic)
            | Self::Path { diagnostic, .. } => (**diagnostic).clone(),
            Self::MissingVersion => error().help("start the file with `version: 1`"),
            Self::UnknownVersion { at, .. } => error().at(at.clone()).help("write `version: 1`"),
            Self::Method { error: method, at } => error().at(at.clone()).help(method.help()),
            Self::Host { at, .. } => error().at(at.clone()),
            Self::EmptyList { field, at } => error()
                .at(at.clone())
                .help(format!("leave `{field}` out, or name some")),
            Self::Repeated { at, first, .. } => error()
                .at(at.clone())
                .related(first.clone(), "it stands here already"),
            Self::UnknownValue { help, at, .. } => error().at(at.clone()).help(help.as_str()),
            Self::EndpointOnly { at, .. } => error().at(at.clone()).help("leave it out here"),
            Self::Indistinguishable { at, first, .. } => error()
                .at(at.clone())
                .related(
                    first.clone(),
                    "this one has the same path, hosts and method",
                )
                .help("leave one of them out, or give them different methods, paths or hosts"),
            Self::Unreachable {
                at,
                hiding: Some(hiding),
                ..
            } => error()
                .at(at.clone())
                .related(hiding.clone(), "this one takes its requests")
                .help("move the rule to the endpoint that takes its requests, or leave it out"),
            Self::Unreachable {
                at, hiding: None, ..
            } => error()
                .at(at.clone())
                .help("the path `/` always has its slash: write the route `/`"),
        }
    }
}
