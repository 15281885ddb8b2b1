//! Truth tables: the results that a part can have, over all callers.
//!
//! A part that depends on finitely many distinct facts about the caller is evaluated for every
//! combination of their values. So the table is exact; for other parts there is none.

use std::collections::BTreeSet;

use super::{
    evaluate::evaluate,
    tree::{Expr, Fact, Kind, Operator},
};
use crate::{Facts, User};

/// The most evaluations of one node for all tables of an expression.
pub(super) const BUDGET: usize = 500_000;

/// The results of a part, over all callers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) truthy: bool,
    pub(super) falsy: bool,
    pub(super) error: bool,
}

impl Results {
    /// Returns the results that `expr` can have; `None` if they cannot be enumerated within `budget`.
    pub(super) fn of(expr: &Expr, budget: &mut usize) -> Option<Self> {
        let inputs = Inputs::about(expr, budget)?;
        let mut results = Self::default();
        inputs.for_each_caller(|facts| results.note(expr, facts));
        Some(results)
    }

    /// Returns the results of `expr` over all users, with the other facts as given.
    pub(super) fn over_users(expr: &Expr, facts: &Facts<'_>, mut budget: usize) -> Option<Self> {
        let inputs = Inputs::about(expr, &mut budget)?;
        let mut results = Self::default();
        inputs.for_each_caller(|Facts { user, .. }| {
            let facts = Facts {
                user: *user,
                ..*facts
            };
            results.note(expr, &facts);
        });
        Some(results)
    }

    fn note(&mut self, expr: &Expr, facts: &Facts<'_>) {
        match evaluate(expr, facts) {
            Ok(true) => self.truthy = true,
            Ok(false) => self.falsy = true,
            Err(_) => self.error = true,
        }
    }
}

/// How the value of a part is used.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// Its truth, or its equality with a literal, matters: the strings in the expression and one
    /// other string cover all cases.
    Equality,
    /// Anything else, such as an order.
    Other,
}

/// The facts about the caller that a part depends on.
#[derive(Default)]
struct Inputs<'e> {
    nodes: usize,
    client_type: bool,
    is_backoffice: bool,
    groups: BTreeSet<String>,
    permissions: BTreeSet<String>,
    strings: BTreeSet<&'e str>,
}

impl<'e> Inputs<'e> {
    /// Returns the inputs of `expr`; `None` if they cannot be enumerated within `budget`.
    fn about(expr: &'e Expr, budget: &mut usize) -> Option<Self> {
        let mut inputs = Self::default();
        inputs.collect(expr, Use::Equality)?;
        let evaluations = inputs.rows()?.checked_mul(inputs.nodes)?;
        *budget = budget.checked_sub(evaluations)?;
        Some(inputs)
    }

    /// Returns `None` for an input with too many values.
    fn collect(&mut self, expr: &'e Expr, usage: Use) -> Option<()> {
        self.nodes += 1;
        match &expr.kind {
            // The facts among these are objects for every caller.
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number(_)
            | Kind::Fact(Fact::Groups | Fact::Permissions | Fact::User) => {}
            Kind::Text(text) => {
                self.strings.insert(text);
            }
            Kind::Fact(Fact::ClientType) if usage == Use::Equality => self.client_type = true,
            Kind::Fact(Fact::ClientType) => return None,
            Kind::Fact(Fact::IsBackoffice) => self.is_backoffice = true,
            Kind::Member { base, name } => return self.property(base, name.to_string()),
            Kind::Index { base, index } => return self.property(base, literal_name(index)?),
            Kind::List { items, .. } => self.collect_all(items, Use::Other)?,
            Kind::Not(operand) => self.collect(operand, Use::Equality)?,
            Kind::And(operands) | Kind::Or(operands) => self.collect_all(operands, usage)?,
            // Each element is compared with the item by `===`.
            Kind::Includes { list, item } => {
                match &list.kind {
                    Kind::List { items, .. } => self.collect_all(items, Use::Equality)?,
                    _ => self.collect(list, Use::Other)?,
                }
                self.collect(item, Use::Equality)?;
            }
            Kind::Binary {
                operator: Operator::In,
                left,
                right,
            } => self.names(left, right)?,
            Kind::Binary {
                operator,
                left,
                right,
            } => {
                self.collect(left, use_in_comparison(*operator, right))?;
                self.collect(right, use_in_comparison(*operator, left))?;
            }
        }
        Some(())
    }

    fn collect_all(&mut self, exprs: &'e [Expr], usage: Use) -> Option<()> {
        exprs.iter().try_for_each(|expr| self.collect(expr, usage))
    }

    fn property(&mut self, base: &'e Expr, name: String) -> Option<()> {
        match &base.kind {
            Kind::Fact(Fact::Groups | Fact::Permissions) => self.name(base, name),
            Kind::Fact(Fact::IsBackoffice) | Kind::Member { .. } | Kind::Index { .. } => {
                self.collect(base, Use::Other)
            }
            // The user's properties can have any value, and strings have properties.
            _ => None,
        }
    }

    /// `left in right`.
    fn names(&mut self, left: &'e Expr, right: &'e Expr) -> Option<()> {
        let names = match &left.kind {
            Kind::List { items, .. } => items,
            _ => std::slice::from_ref(left),
        };
        match &right.kind {
            Kind::Fact(Fact::Groups | Fact::Permissions) => names
                .iter()
                .try_for_each(|name| self.name(right, literal_name(name)?)),
            Kind::Fact(Fact::User) => None,
            // Neither a string nor `null` holds names, so both give the same result.
            Kind::Fact(Fact::ClientType) => {
                self.collect_all(names, Use::Other)?;
                self.collect(right, Use::Equality)
            }
            _ => {
                self.collect_all(names, Use::Other)?;
                self.collect(right, Use::Other)
            }
        }
    }

    fn name(&mut self, set: &Expr, name: String) -> Option<()> {
        self.nodes += 1;
        match &set.kind {
            Kind::Fact(Fact::Groups) => self.groups.insert(name),
            Kind::Fact(Fact::Permissions) => self.permissions.insert(name),
            _ => return None,
        };
        Some(())
    }

    /// The client types that give different results.
    fn client_types(&self) -> Vec<Option<String>> {
        if !self.client_type {
            return vec![None];
        }
        let mut values: BTreeSet<_> = self.strings.iter().map(|text| (*text).to_owned()).collect();
        let other = values.iter().map(String::as_str).collect::<String>() + "other";
        values.extend([String::new(), other]);
        std::iter::once(None)
            .chain(values.into_iter().map(Some))
            .collect()
    }

    fn rows(&self) -> Option<usize> {
        let bits = self.groups.len() + self.permissions.len() + usize::from(self.is_backoffice);
        let sets = 1usize.checked_shl(u32::try_from(bits).ok()?)?;
        sets.checked_mul(self.client_types().len())
    }

    /// Call it only if [`Inputs::rows`] is small.
    fn for_each_caller(&self, mut visit: impl FnMut(&Facts<'_>)) {
        let client_types = self.client_types();
        let subset = |names: &BTreeSet<String>, bits: &mut usize| {
            let mut next_bit = || {
                let bit = *bits & 1 == 1;
                *bits >>= 1;
                bit
            };
            names
                .iter()
                .filter(|_| next_bit())
                .map(String::as_str)
                .collect()
        };
        for set in 0..self.rows().unwrap_or_default() / client_types.len() {
            let mut bits = set;
            let user = User {
                groups: subset(&self.groups, &mut bits),
                permissions: subset(&self.permissions, &mut bits),
                ..User::default()
            };
            for client_type in &client_types {
                let client_type = client_type.as_deref();
                visit(&Facts {
                    client_type,
                    is_backoffice: bits & 1 == 1,
                    user: Some(&user),
                });
            }
        }
    }
}

/// How an equality uses the side that is not `other`: `==` may convert it to a number.
fn use_in_comparison(operator: Operator, other: &Expr) -> Use {
    match operator {
        Operator::StrictEqual | Operator::StrictUnequal => Use::Equality,
        Operator::LooseEqual | Operator::LooseUnequal
            if matches!(other.kind, Kind::Text(_) | Kind::Null) =>
        {
            Use::Equality
        }
        _ => Use::Other,
    }
}

/// The name of a string or number literal.
fn literal_name(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Text(text) => Some(text.to_string()),
        Kind::Number(number) => Some(ryu_js::Buffer::new().format(*number).to_owned()),
        _ => None,
    }
}
