//! What one endpoint or route asks of a request.

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

/// What one endpoint or route asks of a request: the thing that decides.
#[derive(Debug)]
pub struct Rule {
    pub(super) index: usize,
    pub(super) label: String,
    pub(super) path: Pattern,
    pub(super) is_route: bool,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) methods: Option<Vec<Method>>,
    pub(super) demands: Demands,
    /// Whether a request of the ordinary and of the back-office gateway needs a user to be known.
    pub(super) needs_user: [bool; 2],
    /// Where the expressions stand in the policy's text.
    pub(super) places: ExpressionPlaces,
}

/// What a rule asks for once it matched.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one field of the policy file"
)]
pub struct Demands {
    /// For people.
    pub description: Option<String>,
    /// Whether a request needs an API key.
    pub api_key_required: bool,
    /// Whether a request of the ordinary gateway needs a user.
    pub authentication_required: bool,
    /// Whether a request of the back-office gateway needs a user.
    pub backoffice_authentication_required: bool,
    /// The expression of the ordinary gateway.
    pub group_expression: Expression,
    /// The expression of the back-office gateway, if it has its own.
    pub backoffice_expression: Option<Expression>,
    /// The expression that is tried beside the one that decides.
    pub shadow: Option<Expression>,
    /// Whether CORS preflights pass.
    pub allows_preflight: bool,
    /// The ambiguous spellings that pass.
    pub allowed_ambiguities: Ambiguities,
}

/// Where a rule's expressions stand; absent where a default applies.
#[derive(Debug, Clone, Default)]
pub struct ExpressionPlaces {
    /// Of the ordinary expression.
    pub group: Option<Scalar>,
    /// Of the back-office expression.
    pub backoffice: Option<Scalar>,
    /// Of the shadow expression.
    pub shadow: Option<Scalar>,
    /// The client types that were added to each of them.
    pub(super) client_types: Option<ClientTypes>,
    /// What they were before.
    pub(super) written: Written,
}

impl ExpressionPlaces {
    /// The places of these expressions.
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
    /// This rule's place in [`Policy::rules`](super::Policy::rules), for tables beside the policy.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The rule's name for people, e.g. `POST /orders/{id}/refund`: visible ASCII alone.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The base path, or the base path and the route.
    #[must_use]
    pub fn path(&self) -> &Pattern {
        &self.path
    }

    /// Whether it is an exact route; else it covers everything below its path too.
    #[must_use]
    pub fn is_route(&self) -> bool {
        self.is_route
    }

    /// The hosts that it is for; none means all.
    #[must_use]
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// The methods that it is for; `None` means all.
    #[must_use]
    pub fn methods(&self) -> Option<&[Method]> {
        self.methods.as_deref()
    }

    /// The endpoint's or route's description.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.demands.description.as_deref()
    }

    /// Whether a request needs an API key.
    #[must_use]
    pub fn api_key_required(&self) -> bool {
        self.demands.api_key_required
    }

    /// Whether a request of this gateway needs a logged-in user.
    #[must_use]
    pub fn authentication_required(&self, is_backoffice: bool) -> bool {
        if is_backoffice {
            self.demands.backoffice_authentication_required
        } else {
            self.demands.authentication_required
        }
    }

    /// The expression of the ordinary gateway.
    #[must_use]
    pub fn group_expression(&self) -> &Expression {
        &self.demands.group_expression
    }

    /// The expression of the back-office gateway: its own, or else the ordinary one.
    #[must_use]
    pub fn backoffice_expression(&self) -> &Expression {
        self.demands
            .backoffice_expression
            .as_ref()
            .unwrap_or(&self.demands.group_expression)
    }

    /// The expression that decides for this gateway.
    #[must_use]
    pub fn expression(&self, is_backoffice: bool) -> &Expression {
        if is_backoffice {
            self.backoffice_expression()
        } else {
            self.group_expression()
        }
    }

    /// Whether CORS preflights pass.
    #[must_use]
    pub fn allows_preflight(&self) -> bool {
        self.demands.allows_preflight
    }

    /// The ambiguous spellings that the policy lets through by name.
    #[must_use]
    pub fn allowed_ambiguities(&self) -> Ambiguities {
        self.demands.allowed_ambiguities
    }

    /// The expression that is tried in the place of the one that decides, where that is the
    /// ordinary one.
    #[must_use]
    pub fn shadow_expression(&self, is_backoffice: bool) -> Option<&Expression> {
        let is_ordinary = !is_backoffice || self.demands.backoffice_expression.is_none();
        self.demands.shadow.as_ref().filter(|_| is_ordinary)
    }

    /// Whether it requires a logged-in user, or an expression of it names `groups`, `permissions` or `user`.
    #[must_use]
    pub fn uses_user(&self) -> bool {
        self.needs_user.contains(&true)
    }

    /// What has to be known of the caller of a request that the rule matches.
    pub(super) fn needs(&self, request: &Request<'_>) -> Needs {
        if self.allows_preflight() && is_preflight(request) {
            return Needs::default();
        }
        let [ordinary, backoffice] = self.needs_user;
        let facts = &request.facts;
        let key = self.api_key_required();
        // Without a required key the request is denied, whoever the user is.
        let is_denied = key && facts.client_type.is_none();
        Needs {
            key,
            user: !is_denied
                && if facts.is_backoffice {
                    backoffice
                } else {
                    ordinary
                },
        }
    }

    /// Whether the decision on a request of this gateway, or its shadow's, depends on the user.
    pub(super) fn mentions_user(&self, is_backoffice: bool) -> bool {
        let expressions = [
            Some(self.expression(is_backoffice)),
            self.shadow_expression(is_backoffice),
        ];
        self.authentication_required(is_backoffice)
            || expressions
                .into_iter()
                .flatten()
                .any(Expression::mentions_user)
    }

    /// What the rule makes of a request that it matches.
    pub(super) fn judge(&self, request: &Request<'_>) -> Reason {
        self.judge_by(self.expression(request.facts.is_backoffice), request)
    }

    /// What the rule would make of a request that it matches if its shadow expression decided.
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
        let (places, demands) = (&self.places, &self.demands);
        let written = &places.written;
        let backoffice = written.backoffice.as_ref();
        let shadow = written.shadow.as_ref();
        let expressions = [
            (
                written.group.as_ref().or(Some(&demands.group_expression)),
                &places.group,
            ),
            (
                backoffice.or(demands.backoffice_expression.as_ref()),
                &places.backoffice,
            ),
            (shadow.or(demands.shadow.as_ref()), &places.shadow),
        ];
        let listed = places.client_types.iter().flat_map(|it| it.unknown(known));
        let in_expressions = expressions
            .into_iter()
            .filter_map(|(expression, place)| Some((expression?, place.as_ref()?)))
            .flat_map(|(expression, place)| {
                let warnings = expression.warnings(Some(known));
                warnings
                    .into_iter()
                    .filter(|warning| matches!(warning, Warning::UnknownClientType { .. }))
                    .map(|warning| place.shift(warning.diagnostic(), expression.source()))
            });
        listed.chain(in_expressions).collect()
    }
}

/// The names to be found under; `None`, where there are no names, stands for all.
pub(super) fn or_all<T>(names: &[T]) -> impl Iterator<Item = Option<&T>> {
    let all = names.is_empty().then_some(None);
    names.iter().map(Some).chain(all)
}

/// Whether the request is a CORS preflight that a rule may let through.
pub(super) fn is_preflight(request: &Request<'_>) -> bool {
    request.is_cors_preflight && request.method == "OPTIONS"
}
