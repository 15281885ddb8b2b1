//! The facts that an expression uses, for tables over many callers.

use std::collections::BTreeSet;

use super::{
    Expression,
    evaluate::evaluate,
    tree::{Expr, Fact, Kind, Span},
    truth::Results,
};
use crate::Facts;

/// The most evaluations of one call of [`Expression::may_pass_logged_in`]: a table makes one call
/// for each cell.
const BUDGET: usize = 2_000;

impl Expression {
    /// Returns the client types that it compares `clientType` with.
    #[must_use]
    pub fn client_types(&self) -> BTreeSet<&str> {
        let mut named = BTreeSet::new();
        each(&self.root, &mut |expr| {
            named.extend(compared(expr).map(|(text, _)| text));
        });
        named
    }

    /// Returns whether its value depends on the user: it uses `groups`, `permissions` or `user`.
    #[must_use]
    pub fn mentions_user(&self) -> bool {
        uses_user(&self.root)
    }

    /// Returns whether a logged-in user could satisfy it, with the other facts as given.
    ///
    /// It is `true` where this cannot be decided.
    #[must_use]
    pub fn may_pass_logged_in(&self, facts: &Facts<'_>) -> bool {
        can_be(&self.root, true, facts)
    }
}

/// Returns the strings that a part compares `clientType` with, and their spans.
pub(super) fn compared(expr: &Expr) -> impl Iterator<Item = (&str, Span)> {
    let is_client_type = |expr: &Expr| matches!(expr.kind, Kind::Fact(Fact::ClientType));
    let (first, others): (Option<&Expr>, &[Expr]) = match &expr.kind {
        Kind::Binary {
            operator,
            left,
            right,
        } if operator.is_equality() && is_client_type(left) => (Some(right), &[]),
        Kind::Binary {
            operator,
            left,
            right,
        } if operator.is_equality() && is_client_type(right) => (Some(left), &[]),
        Kind::Includes { list, item } => match &list.kind {
            Kind::List { items, .. } if is_client_type(item) => (None, items),
            Kind::List { items, .. } if items.iter().any(is_client_type) => (Some(item), &[]),
            _ => (None, &[]),
        },
        _ => (None, &[]),
    };
    let all = first.into_iter().chain(others);
    all.filter_map(|expr| match &expr.kind {
        Kind::Text(written) => Some((&**written, expr.span)),
        _ => None,
    })
}

/// Whether a user can make a part as truthy as `truthy`.
fn can_be(expr: &Expr, truthy: bool, facts: &Facts<'_>) -> bool {
    if !uses_user(expr) {
        return evaluate(expr, facts) == Ok(truthy);
    }
    if let Some(results) = Results::over_users(expr, facts, BUDGET) {
        return if truthy {
            results.truthy
        } else {
            results.falsy
        };
    }
    let mut parts = expr.children();
    match &expr.kind {
        Kind::Not(operand) => can_be(operand, !truthy, facts),
        Kind::And(_) if truthy => parts.all(|part| can_be(part, true, facts)),
        Kind::Or(_) if !truthy => parts.all(|part| can_be(part, false, facts)),
        Kind::And(_) | Kind::Or(_) => parts.any(|part| can_be(part, truthy, facts)),
        _ => true,
    }
}

fn uses_user(expr: &Expr) -> bool {
    let mut uses = false;
    each(expr, &mut |part| {
        uses |= matches!(
            part.kind,
            Kind::Fact(Fact::Groups | Fact::Permissions | Fact::User)
        );
    });
    uses
}

fn each<'e>(expr: &'e Expr, visit: &mut impl FnMut(&'e Expr)) {
    visit(expr);
    expr.children().for_each(|child| each(child, visit));
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn expression(text: &str) -> Expression {
        Expression::parse(text).unwrap()
    }

    #[test]
    fn only_compared_strings_are_client_types() {
        let text = "clientType === 'A' || !('B' != clientType) && groups['C'] && 'D' in groups \
                    || ['E', 'F'].includes(clientType) || [clientType].includes('G') \
                    || ['H'].includes(user.x)";
        let expression = expression(text);
        let named = Vec::from_iter(expression.client_types());
        assert_eq!(named, ["A", "B", "E", "F", "G"]);
    }

    #[rstest]
    #[case("true", false)]
    #[case("clientType === 'groups' || isBackoffice", false)]
    #[case("clientType === 'A' || groups.admin", true)]
    #[case("!('a' in permissions)", true)]
    #[case("user.level > 2 && false", true)]
    fn the_user_is_mentioned(#[case] text: &str, #[case] mentioned: bool) {
        assert_eq!(expression(text).mentions_user(), mentioned);
    }

    #[rstest]
    #[case("clientType === 'A'", false)]
    #[case("clientType === 'B'", true)]
    #[case("groups.staff", true)]
    #[case("groups.staff && clientType === 'A'", false)]
    #[case("groups.staff && clientType === 'B'", true)]
    #[case("groups.staff && isBackoffice", false)]
    #[case("permissions.x && !permissions.x", false)]
    #[case("user.level === 1", true)]
    #[case("user.level === 1 && clientType === 'A'", false)]
    #[case("clientType === 'A' || clientType === 'B' && !(user.level > 2)", true)]
    #[case("!(user.level > 2 || clientType === 'B')", false)]
    fn a_login_helps_only_where_the_expression_could_become_true(
        #[case] text: &str,
        #[case] may: bool,
    ) {
        let facts = Facts {
            client_type: Some("B"),
            ..Facts::default()
        };
        assert_eq!(expression(text).may_pass_logged_in(&facts), may);
    }
}
