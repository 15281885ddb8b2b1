//! A compiled rule: an endpoint or a route with its requirements.

use keygate_documents::{diagnostic::Diagnostic, scalar::Scalar};
use keygate_expression::{Expression, Warning};

use super::{
    HostPattern, Method, Needs,
    client_types::{ClientTypes, Written},
};
use crate::{
    Reason, Request,
    path::{Ambiguities, Pattern},
};

/// An endpoint or route: the unit that decides on a request.
#[derive(Debug)]
pub struct Rule {
    pub(super) index: usize,
    pub(super) label: String,
    pub(super) path: Pattern,
    pub(super) is_route: bool,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) methods: Option<Vec<Method>>,
    pub(super) requirements: Requirements,
    /// Whether a request of the ordinary and of the back-office gateway needs a user.
    pub(super) needs_user: [bool; 2],
    /// The same for the shadow expression.
    pub(super) shadow_needs_user: [bool; 2],
    /// The locations of the expressions in the policy's text.
    pub(super) locations: ExpressionLocations,
}

/// The requirements of a rule.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one field of the policy file"
)]
pub struct Requirements {
    /// A description for people.
    pub description: Option<String>,
    /// Whether requests need an API key.
    pub api_key_required: bool,
    /// Whether requests of the ordinary gateway need a user.
    pub authentication_required: bool,
    /// Whether requests of the back-office gateway need a user.
    pub backoffice_authentication_required: bool,
    /// The expression of the ordinary gateway.
    pub group_expression: Expression,
    /// The expression of the back-office gateway, if it has its own.
    pub backoffice_expression: Option<Expression>,
    /// The shadow expression, whose result is only recorded.
    pub shadow: Option<Expression>,
    /// Whether CORS preflights are allowed.
    pub allows_preflight: bool,
    /// The ambiguous spellings that are allowed.
    pub allowed_ambiguities: Ambiguities,
}

/// The locations of a rule's expressions; `None` for defaults.
#[derive(Debug, Clone, Default)]
pub struct ExpressionLocations {
    /// Of the ordinary expression.
    pub group: Option<Scalar>,
    /// Of the back-office expression.
    pub backoffice: Option<Scalar>,
    /// Of the shadow expression.
    pub shadow: Option<Scalar>,
    /// The client types that were added to each expression.
    pub(super) client_types: Option<ClientTypes>,
    /// The expressions before that.
    pub(super) written: Written,
}

impl ExpressionLocations {
    /// Returns the locations of these expressions.
    #[must_use]
    pub fn new(group: Option<Scalar>, backoffice: Option<Scalar>, shadow: Option<Scalar>) -> Self {
        Self {
            group,
            backoffice,
            shadow,
            ..Self::default()
        }
    }
}

impl Rule {
    /// Returns the rule's index in [`Policy::rules`](super::Policy::rules), for parallel tables.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the rule's name for people, e.g. `POST /orders/{id}/refund`, in visible ASCII.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns the base path, or the base path and the route.
    #[must_use]
    pub fn path(&self) -> &Pattern {
        &self.path
    }

    /// Returns whether it is an exact route; an endpoint also covers everything below its path.
    #[must_use]
    pub fn is_route(&self) -> bool {
        self.is_route
    }

    /// Returns the hosts that it applies to; none means all.
    #[must_use]
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// Returns the methods that it applies to; `None` means all.
    #[must_use]
    pub fn methods(&self) -> Option<&[Method]> {
        self.methods.as_deref()
    }

    /// Returns the description of the endpoint or route.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.requirements.description.as_deref()
    }

    /// Returns whether a request needs an API key.
    #[must_use]
    pub fn api_key_required(&self) -> bool {
        self.requirements.api_key_required
    }

    /// Returns whether a request of this gateway needs a logged-in user.
    #[must_use]
    pub fn authentication_required(&self, is_backoffice: bool) -> bool {
        if is_backoffice {
            self.requirements.backoffice_authentication_required
        } else {
            self.requirements.authentication_required
        }
    }

    /// Returns the expression of the ordinary gateway.
    #[must_use]
    pub fn group_expression(&self) -> &Expression {
        &self.requirements.group_expression
    }

    /// Returns the expression of the back-office gateway: its own, or else the ordinary one.
    #[must_use]
    pub fn backoffice_expression(&self) -> &Expression {
        self.requirements
            .backoffice_expression
            .as_ref()
            .unwrap_or(&self.requirements.group_expression)
    }

    /// Returns the expression that decides for this gateway.
    #[must_use]
    pub fn expression(&self, is_backoffice: bool) -> &Expression {
        if is_backoffice {
            self.backoffice_expression()
        } else {
            self.group_expression()
        }
    }

    /// Returns whether CORS preflights are allowed.
    #[must_use]
    pub fn allows_preflight(&self) -> bool {
        self.requirements.allows_preflight
    }

    /// Returns the ambiguous spellings that the policy allows by name.
    #[must_use]
    pub fn allowed_ambiguities(&self) -> Ambiguities {
        self.requirements.allowed_ambiguities
    }

    /// Returns the shadow expression, if the ordinary expression decides for this gateway.
    #[must_use]
    pub fn shadow_expression(&self, is_backoffice: bool) -> Option<&Expression> {
        let is_ordinary = !is_backoffice || self.requirements.backoffice_expression.is_none();
        self.requirements.shadow.as_ref().filter(|_| is_ordinary)
    }

    /// Whether it requires a logged-in user, or an expression of it names `groups`, `permissions` or `user`.
    #[must_use]
    pub fn uses_user(&self) -> bool {
        self.needs_user.contains(&true) || self.shadow_needs_user.contains(&true)
    }

    /// The facts about the caller that the decision on a matched request needs.
    pub(super) fn needs(&self, request: &Request<'_>) -> Needs {
        if self.allows_preflight() && is_preflight(request) {
            return Needs::default();
        }
        let facts = &request.facts;
        let key = self.api_key_required();
        // Without a required key, the request is denied for every user.
        let is_denied = key && facts.client_type.is_none();
        let of_gateway = |[ordinary, backoffice]: [bool; 2]| {
            if facts.is_backoffice {
                backoffice
            } else {
                ordinary
            }
        };
        Needs {
            key,
            user: !is_denied && of_gateway(self.needs_user),
            shadow_user: !is_denied && of_gateway(self.shadow_needs_user),
        }
    }

    /// Whether the decision for this gateway depends on the user.
    pub(super) fn mentions_user(&self, is_backoffice: bool) -> bool {
        self.authentication_required(is_backoffice)
            || self.expression(is_backoffice).mentions_user()
    }

    /// Whether the shadow decision for this gateway depends on the user.
    pub(super) fn shadow_mentions_user(&self, is_backoffice: bool) -> bool {
        self.shadow_expression(is_backoffice).is_some_and(|shadow| {
            shadow.mentions_user() || self.authentication_required(is_backoffice)
        })
    }

    /// The decision on a matched request.
    pub(super) fn judge(&self, request: &Request<'_>) -> Reason {
        self.judge_by(self.expression(request.facts.is_backoffice), request)
    }

    /// Returns the decision on a matched request if the shadow expression decided.
    #[must_use]
    pub fn judge_by_shadow(&self, request: &Request<'_>) -> Option<Reason> {
        let expression = self.shadow_expression(request.facts.is_backoffice)?;
        Some(self.judge_by(expression, request))
    }

    fn judge_by(&self, expression: &Expression, request: &Request<'_>) -> Reason {
        let facts = &request.facts;
        if self.allows_preflight() && is_preflight(request) {
            return Reason::Ok;
        }
        if self.api_key_required() && facts.client_type.is_none() {
            return Reason::MissingKey;
        }
        if self.authentication_required(facts.is_backoffice) && facts.user.is_none() {
            return Reason::MissingUser;
        }
        match expression.evaluate(facts) {
            Ok(true) => Reason::Ok,
            Ok(false) => Reason::ExpressionFalse,
            Err(_) => Reason::ExpressionError,
        }
    }

    pub(super) fn client_type_warnings(&self, known: &[&str]) -> Vec<Diagnostic> {
        let (locations, requirements) = (&self.locations, &self.requirements);
        let written = &locations.written;
        let backoffice = written.backoffice.as_ref();
        let shadow = written.shadow.as_ref();
        let expressions = [
            (
                written
                    .group
                    .as_ref()
                    .or(Some(&requirements.group_expression)),
                &locations.group,
            ),
            (
                backoffice.or(requirements.backoffice_expression.as_ref()),
                &locations.backoffice,
            ),
            (shadow.or(requirements.shadow.as_ref()), &locations.shadow),
        ];
        let listed = locations
            .client_types
            .iter()
            .flat_map(|it| it.unknown(known));
        let in_expressions = expressions
            .into_iter()
            .filter_map(|(expression, location)| Some((expression?, location.as_ref()?)))
            .flat_map(|(expression, location)| {
                let warnings = expression.warnings(Some(known));
                warnings
                    .into_iter()
                    .filter(|warning| matches!(warning, Warning::UnknownClientType { .. }))
                    .map(|warning| location.shift(warning.diagnostic(), expression.source()))
            });
        listed.chain(in_expressions).collect()
    }
}

/// Iterates over the names; without names, yields one `None`, which stands for all.
pub(super) fn or_all<T>(names: &[T]) -> impl Iterator<Item = Option<&T>> {
    let all = names.is_empty().then_some(None);
    names.iter().map(Some).chain(all)
}

/// Whether the request is a CORS preflight that the rule may allow.
pub(super) fn is_preflight(request: &Request<'_>) -> bool {
    request.is_cors_preflight && request.method == "OPTIONS"
}
