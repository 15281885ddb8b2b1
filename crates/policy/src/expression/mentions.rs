//! What an expression speaks of, for those who look at many callers at once.

use std::collections::BTreeSet;

use super::{
    Expression,
    tree::{Expr, Fact, Kind},
    truth::Answers,
};
use crate::Facts;

/// The most evaluations that one answer of [`Expression::may_pass_logged_in`] may take: a table
/// has one for each cell.
const BUDGET: usize = 2_000;

impl Expression {
    /// The client types that it names: those that it compares `clientType` with.
    #[must_use]
    pub fn client_types(&self) -> BTreeSet<&str> {
        let mut named = BTreeSet::new();
        each(&self.root, &mut |expr| {
            if let Kind::Binary {
                operator,
                left,
                right,
            } = &expr.kind
                && operator.is_equality()
                && let (Kind::Fact(Fact::ClientType), Kind::Text(text))
                | (Kind::Text(text), Kind::Fact(Fact::ClientType)) = (&left.kind, &right.kind)
            {
                named.insert(&**text);
            }
        });
        named
    }

    /// Whether it may be satisfied for some user who is logged in, with the rest of the facts as
    /// given. Where that cannot be told, it may.
    #[must_use]
    pub fn may_pass_logged_in(&self, facts: &Facts<'_>) -> bool {
        let mut asks_about_user = false;
        each(&self.root, &mut |expr| {
            asks_about_user |= matches!(
                expr.kind,
                Kind::Fact(Fact::Groups | Fact::Permissions | Fact::User)
            );
        });
        if !asks_about_user {
            return self.evaluate(facts) == Ok(true);
        }
        Answers::over_users(&self.root, facts, BUDGET).is_none_or(|answers| answers.truthy)
    }
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
    fn client_types_are_those_that_are_compared() {
        let text = "clientType === 'A' || !('B' != clientType) && groups['C'] && 'D' in groups";
        let expression = expression(text);
        assert_eq!(Vec::from_iter(expression.client_types()), ["A", "B"]);
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
    fn whether_a_login_may_help(#[case] text: &str, #[case] may: bool) {
        let facts = Facts {
            client_type: Some("B"),
            ..Facts::default()
        };
        assert_eq!(expression(text).may_pass_logged_in(&facts), may);
    }
}
