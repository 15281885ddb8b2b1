//! Evaluates a tree over facts: its value, or the error.

use std::{cell::Cell, cmp::Ordering, ops::Range};

use keygate_documents::diagnostic::Diagnostic;

use super::{
    fault::Fault,
    text::Text,
    tree::{Expr, Fact, Kind, MAX_ELEMENTS, Operator, Span},
    value::{List, Object, Value},
};
use crate::Facts;

/// The error for an expression without a value: JavaScript would throw a `TypeError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct EvaluationError {
    fault: Fault,
    span: Span,
}

impl EvaluationError {
    /// The cause.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// The part that has no value, in bytes of the expression's text.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.range()
    }

    /// Returns the error for people.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.fault.to_string()).at(self.span());
        match self.fault {
            Fault::PropertyOfUndefined | Fault::PropertyOfNull => {
                diagnostic.help("test the outer property first: `user.a && user.a.b`")
            }
            Fault::NoPrimitive => diagnostic.help("compare one of its properties"),
            Fault::NoContainer { .. }
            | Fault::NoList { .. }
            | Fault::Nesting
            | Fault::HalfCharacter => diagnostic,
        }
    }
}

/// Returns whether the value of `root` is truthy.
pub(super) fn evaluate(root: &Expr, facts: &Facts<'_>) -> Result<bool, EvaluationError> {
    // Most expressions have no list that needs slots, and clearing them costs more than the rest.
    if root.needs_slots() {
        let slots = slots();
        Evaluator {
            facts,
            slots: &slots,
        }
        .is_truthy(root)
    } else {
        Evaluator { facts, slots: &[] }.is_truthy(root)
    }
}

/// Storage for the elements of every list literal of an expression.
pub(super) fn slots<'v>() -> [Cell<Value<'v>>; MAX_ELEMENTS] {
    [const { Cell::new(Value::Undefined) }; MAX_ELEMENTS]
}

/// One evaluation.
#[derive(Clone, Copy)]
pub(super) struct Evaluator<'v> {
    pub(super) facts: &'v Facts<'v>,
    /// The elements of the list literals evaluated so far.
    pub(super) slots: &'v [Cell<Value<'v>>],
}

impl<'v> Evaluator<'v> {
    /// Returns whether the value of a part is truthy, without computing the value if not needed.
    fn is_truthy(&self, expr: &'v Expr) -> Result<bool, EvaluationError> {
        match &expr.kind {
            Kind::Not(operand) => Ok(!self.is_truthy(operand)?),
            Kind::And(operands) => self.any(operands, false).map(|found| !found),
            Kind::Or(operands) => self.any(operands, true),
            Kind::Binary {
                operator,
                left,
                right,
            } => self.binary(*operator, left, right, expr.span),
            Kind::Includes { list, item } => self.includes(list, item, expr.span),
            _ => Ok(self.value(expr)?.is_truthy()),
        }
    }

    /// Returns whether an operand is as truthy as `truthy`; evaluation stops at the first one.
    fn any(&self, operands: &'v [Expr], truthy: bool) -> Result<bool, EvaluationError> {
        for operand in operands {
            if self.is_truthy(operand)? == truthy {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the value of a part.
    #[expect(
        clippy::inline_always,
        reason = "half of all parts are leaves: inlined, they cost a branch and no call"
    )]
    #[inline(always)]
    pub(super) fn value(&self, expr: &'v Expr) -> Result<Value<'v>, EvaluationError> {
        Ok(match &expr.kind {
            Kind::Null => Value::Null,
            Kind::Bool(bool) => Value::Bool(*bool),
            Kind::Number(number) => Value::Number(*number),
            Kind::Text(text) => Value::Text(text),
            Kind::Fact(fact) => self.fact(*fact),
            _ => return self.composed(expr),
        })
    }

    fn composed(&self, expr: &'v Expr) -> Result<Value<'v>, EvaluationError> {
        let at_this = |fault| EvaluationError {
            fault,
            span: expr.span,
        };
        match &expr.kind {
            Kind::Not(operand) => Ok(Value::Bool(!self.is_truthy(operand)?)),
            Kind::And(operands) => self.last_until(operands, false),
            Kind::Or(operands) => self.last_until(operands, true),
            Kind::Binary {
                operator,
                left,
                right,
            } => self
                .binary(*operator, left, right, expr.span)
                .map(Value::Bool),
            Kind::Includes { list, item } => self.includes(list, item, expr.span).map(Value::Bool),
            Kind::Member { base, name } => {
                let base = self.value(base)?;
                base.property(Text::Plain(name)).map_err(at_this)
            }
            Kind::Index { base, index } => {
                let (base, index) = (self.value(base)?, self.value(index)?);
                let name = index.to_name();
                name.and_then(|name| base.property(name)).map_err(at_this)
            }
            Kind::List { items, first_slot } => self.list(items, *first_slot).map(Value::List),
            // A leaf, which `value` has handled.
            _ => self.value(expr),
        }
    }

    fn binary(
        &self,
        operator: Operator,
        left: &'v Expr,
        right: &'v Expr,
        span: Span,
    ) -> Result<bool, EvaluationError> {
        if operator == Operator::In {
            return self.is_in(left, right, span);
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        compare(operator, left, right).map_err(|fault| EvaluationError { fault, span })
    }

    fn fact(&self, fact: Fact) -> Value<'v> {
        let user = self.facts.user;
        match fact {
            Fact::ClientType => self.facts.client_type.map_or(Value::Null, Value::Text),
            Fact::IsBackoffice => Value::Bool(self.facts.is_backoffice),
            Fact::Groups => Value::Object(Object::Groups(user.map(|user| &user.groups))),
            Fact::Permissions => {
                Value::Object(Object::Permissions(user.map(|user| &user.permissions)))
            }
            Fact::User => Value::Object(Object::Properties(user.map(|user| &user.properties))),
        }
    }

    /// Returns the value of the first operand that is as truthy as `truthy`, else of the last.
    fn last_until(&self, operands: &'v [Expr], truthy: bool) -> Result<Value<'v>, EvaluationError> {
        let mut last = Value::Undefined;
        for operand in operands {
            last = self.value(operand)?;
            if last.is_truthy() == truthy {
                break;
            }
        }
        Ok(last)
    }

    fn list(&self, items: &'v [Expr], first: usize) -> Result<List<'v>, EvaluationError> {
        let slots = self
            .slots
            .get(first..first + items.len())
            .unwrap_or_default();
        for (slot, item) in slots.iter().zip(items) {
            slot.set(self.value(item)?);
        }
        Ok(List::Literal(slots))
    }

    /// The list literal is not built, because only its elements matter. So it may be long.
    fn includes(
        &self,
        list: &'v Expr,
        item: &'v Expr,
        span: Span,
    ) -> Result<bool, EvaluationError> {
        let Kind::List { items, .. } = &list.kind else {
            let included = self.value(list)?.includes(self.value(item)?);
            return included.map_err(|fault| EvaluationError { fault, span });
        };
        let item = self.value(item)?;
        let mut any = false;
        // Every element is evaluated: one that has no value is an error at any index.
        for own in items {
            any |= self.value(own)?.same_value(item);
        }
        Ok(any)
    }

    /// A list literal on the left is not built, because only its elements matter. So it may be long.
    fn is_in(&self, left: &'v Expr, right: &'v Expr, span: Span) -> Result<bool, EvaluationError> {
        let at_this = |fault| EvaluationError { fault, span };
        let Kind::List { items, .. } = &left.kind else {
            return self.value(left)?.is_in(self.value(right)?).map_err(at_this);
        };
        let container = self.value(right)?;
        let mut any = container.has_any([]).map_err(at_this)?;
        for item in items {
            any |= container.has_any([self.value(item)?]).map_err(at_this)?;
        }
        Ok(any)
    }
}

fn compare<'v>(operator: Operator, left: Value<'v>, right: Value<'v>) -> Result<bool, Fault> {
    let ordered = |holds: fn(Ordering) -> bool| Ok(left.partial_cmp(right)?.is_some_and(holds));
    match operator {
        Operator::StrictEqual => Ok(left.strictly_equals(right)),
        Operator::StrictUnequal => Ok(!left.strictly_equals(right)),
        Operator::LooseEqual => left.loosely_equals(right),
        Operator::LooseUnequal => Ok(!left.loosely_equals(right)?),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
        Operator::In => left.is_in(right),
    }
}
