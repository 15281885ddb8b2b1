//! The errors of a policy file.

use std::ops::Range;

use keygate_documents::diagnostic::{Content, Diagnostic};

use super::{HostError, MethodError};
use crate::path::PatternError;

/// An error in a policy; spans are bytes of its text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PolicyError {
    /// The text is not YAML, or has the wrong structure.
    #[error("{}", .0.message)]
    Text(Box<Diagnostic>),
    /// The version is missing.
    #[error("the field `version` is missing")]
    MissingVersion,
    /// The version is unknown.
    #[error("version {version} is not supported")]
    UnknownVersion {
        /// The version in the file.
        version: u64,
        /// Its span.
        at: Range<usize>,
    },
    /// An invalid path.
    #[error("{error}")]
    Path {
        /// The cause.
        error: PatternError,
        /// Its span in the file.
        diagnostic: Box<Diagnostic>,
    },
    /// An invalid method.
    #[error("{error}")]
    Method {
        /// The cause.
        error: MethodError,
        /// Its span.
        at: Range<usize>,
    },
    /// An invalid host.
    #[error("{error}")]
    Host {
        /// The cause.
        error: HostError,
        /// Its span.
        at: Range<usize>,
    },
    /// An empty list, which would match nothing.
    #[error("an empty list in `{field}` matches nothing")]
    EmptyList {
        /// The field's name.
        field: &'static str,
        /// The span of the list.
        at: Range<usize>,
    },
    /// A repeated value in a list.
    #[error("`{value}` is repeated")]
    Repeated {
        /// The repeated value.
        value: String,
        /// The span of the second one.
        at: Range<usize>,
        /// The span of the first one.
        first: Range<usize>,
    },
    /// An invalid value of a field.
    #[error("`{value}` is not a valid value for `{field}`")]
    UnknownValue {
        /// The field's name.
        field: &'static str,
        /// The value in the file.
        value: String,
        /// The hint.
        help: String,
        /// The span of the value.
        at: Range<usize>,
    },
    /// A field that only endpoints can have.
    #[error("a route inherits `{field}` from its endpoint")]
    EndpointOnly {
        /// The field's name.
        field: &'static str,
        /// The span of its value.
        at: Range<usize>,
    },
    /// An invalid group expression.
    #[error("{}", .0.message)]
    Expression(Box<Diagnostic>),
    /// Two rules that match the same requests.
    #[error("`{label}` matches the same requests as another rule")]
    Indistinguishable {
        /// The second rule's name.
        label: String,
        /// The second rule's span.
        at: Range<usize>,
        /// The first rule's span.
        first: Range<usize>,
    },
    /// A rule that never matches because of another rule.
    #[error("`{label}` can never match")]
    Unreachable {
        /// The rule's name.
        label: String,
        /// The rule's span.
        at: Range<usize>,
        /// The span of the rule that matches its requests.
        hiding: Option<Range<usize>>,
    },
}

impl PolicyError {
    /// Returns the error for a person, without the user's text if it may be secret.
    #[must_use]
    pub fn diagnostic_for(&self, content: Content) -> Diagnostic {
        match (self, content) {
            // The YAML parser has already removed the user's text if necessary.
            (Self::Text(diagnostic), _) => (**diagnostic).clone(),
            (_, Content::Public) => self.diagnostic(),
            (_, Content::Secret) => self.diagnostic().redacted(),
        }
    }

    /// Returns the error for a person.
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
                .help(format!("remove `{field}`, or add at least one entry")),
            Self::Repeated { at, first, .. } => {
                error().at(at.clone()).related(first.clone(), "first here")
            }
            Self::UnknownValue { help, at, .. } => error().at(at.clone()).help(help.as_str()),
            Self::EndpointOnly { at, .. } => error().at(at.clone()).help("remove it here"),
            Self::Indistinguishable { at, first, .. } => error()
                .at(at.clone())
                .related(
                    first.clone(),
                    "this one has the same path, hosts and method",
                )
                .help("remove one of them, or give them different methods, paths or hosts"),
            Self::Unreachable {
                at,
                hiding: Some(hiding),
                ..
            } => error()
                .at(at.clone())
                .related(hiding.clone(), "this rule matches its requests")
                .help("move the rule to the endpoint that matches its requests, or remove it"),
            Self::Unreachable {
                at, hiding: None, ..
            } => error()
                .at(at.clone())
                .help("the path `/` always ends with a slash: change the route to `/`"),
        }
    }
}
