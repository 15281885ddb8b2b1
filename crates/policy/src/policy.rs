//! Endpoints and routes, compiled for look-up, and the decision over them.

use crate::{Decision, Reason, Request, expression::Expression};

/// A policy: an immutable snapshot, valid as a whole.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// What one endpoint or route asks of a request: the thing that decides.
#[derive(Debug)]
pub struct Rule {
    index: usize,
    label: String,
    group_expression: Expression,
}

impl Policy {
    /// Decides one request.
    #[must_use]
    pub fn decide<'r>(&self, _request: &Request<'r>) -> Decision<'_, 'r> {
        Decision {
            reason: Reason::NoEndpoint,
            rule: None,
            path: None,
        }
    }

    /// Every rule, in the order of [`Rule::index`].
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl Rule {
    /// This rule's place in [`Policy::rules`], for tables beside the policy.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The rule's name for people, e.g. `POST /orders/{id}/refund`: visible ASCII alone.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The expression of the ordinary gateway.
    #[must_use]
    pub fn group_expression(&self) -> &Expression {
        &self.group_expression
    }
}
