//! Warnings: valid expressions that probably do not mean what their author intended.

use std::ops::Range;

use keygate_documents::diagnostic::{Diagnostic, nearest};

use super::{
    Expression,
    mentions::compared,
    tree::{Expr, Fact, Kind, Operator},
    truth::{BUDGET, Results},
};

/// A likely error. Spans are bytes of the expression's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A comparison with a client type that no key has.
    #[error("no key has the client type `{client_type}`")]
    UnknownClientType {
        /// What was written.
        client_type: String,
        /// The hint.
        instead: String,
        /// The span of the string.
        span: Range<usize>,
    },
    /// A part that is true for every caller.
    #[error("`{part}` is always true")]
    AlwaysTrue {
        /// The canonical form of the part.
        part: String,
        /// The hint, if there is one.
        instead: Option<String>,
        /// The span of the part.
        span: Range<usize>,
    },
    /// A part that is false for every caller.
    #[error("`{part}` is never true")]
    NeverTrue {
        /// The canonical form of the part.
        part: String,
        /// The hint, if there is one.
        instead: Option<String>,
        /// The span of the part.
        span: Range<usize>,
    },
    /// A part that fails for every caller.
    #[error("`{part}` fails for every request, so the request is denied")]
    AlwaysFails {
        /// The canonical form of the part.
        part: String,
        /// The hint, if there is one.
        instead: Option<String>,
        /// The span of the part.
        span: Range<usize>,
    },
    /// `!a in b`, which negates only `a`.
    #[error("`!` negates only `{operand}`, before `{operator}` is evaluated")]
    NegatedOperand {
        /// The negated operand.
        operand: String,
        /// The operator after it.
        operator: &'static str,
        /// The hint.
        instead: String,
        /// The span of the whole comparison.
        span: Range<usize>,
    },
    /// A comparison with a string that no key can have as its client type.
    #[error("no key can have the client type `{}`", client_type.escape_debug())]
    ImpossibleClientType {
        /// What was written.
        client_type: String,
        /// The span of the string.
        span: Range<usize>,
    },
    /// `a === ['x', 'y']`, which compares the whole list.
    #[error("a list is compared as a whole, not element by element")]
    ComparedList {
        /// The hint.
        instead: String,
        /// The span of the whole comparison.
        span: Range<usize>,
    },
    /// `a === ('x' || 'y')`, which is `a === 'x'`.
    #[error("`{part}` is `{value}` for every caller")]
    Settled {
        /// The canonical form of the part.
        part: String,
        /// Its constant value.
        value: String,
        /// The span of the part.
        span: Range<usize>,
    },
    /// `groups.length`, which tests for a group of that name.
    #[error("`{part}` tests for the name `{name}` and does not count anything")]
    Counted {
        /// The canonical form of the part.
        part: String,
        /// The tested name, e.g. `length`.
        name: String,
        /// The span of the part.
        span: Range<usize>,
    },
}

impl Warning {
    /// Returns its span, in bytes of the expression's text.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        match self {
            Self::UnknownClientType { span, .. }
            | Self::AlwaysTrue { span, .. }
            | Self::NeverTrue { span, .. }
            | Self::AlwaysFails { span, .. }
            | Self::NegatedOperand { span, .. }
            | Self::ImpossibleClientType { span, .. }
            | Self::ComparedList { span, .. }
            | Self::Settled { span, .. }
            | Self::Counted { span, .. } => span.clone(),
        }
    }

    /// Returns whether the part allows more requests than it seems to.
    ///
    /// `clientType === 'A' || 'B'` is true for every caller. Files with such parts are rejected; a
    /// part that denies more than it seems to is only a warning.
    #[must_use]
    pub fn allows_more(&self) -> bool {
        match self {
            Self::AlwaysTrue { .. } => true,
            // `clientType !== ['A']` and `!clientType !== 'A'`.
            Self::ComparedList { instead, .. } => instead.starts_with('!'),
            Self::NegatedOperand { operator, .. } => operator.starts_with('!'),
            _ => false,
        }
    }

    /// Returns the warning for people.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::warning(self.to_string()).at(self.span());
        diagnostic.help = match self {
            Self::UnknownClientType { instead, .. } => Some(instead.clone()),
            Self::AlwaysTrue { instead, .. }
            | Self::NeverTrue { instead, .. }
            | Self::AlwaysFails { instead, .. } => instead.clone(),
            Self::ImpossibleClientType { .. } => Some(
                "a client type is 1 to 128 characters of visible ASCII, without spaces; without a \
                 key, `clientType` is `null`"
                    .to_owned(),
            ),
            Self::Settled { .. } => {
                Some("to compare with each value, write `['A', 'B'].includes(…)`".to_owned())
            }
            Self::Counted { .. } => Some("test for a name, e.g. `groups.admin`".to_owned()),
            Self::NegatedOperand { instead, .. } | Self::ComparedList { instead, .. } => {
                Some(format!("write `{instead}`"))
            }
        };
        diagnostic
    }
}

impl Expression {
    /// Returns the likely errors in the order of the text.
    ///
    /// `known_client_types` are the client types of the keys, if they are known.
    #[must_use]
    pub fn warnings(&self, known_client_types: Option<&[&str]>) -> Vec<Warning> {
        let mut checker = Checker {
            source: &self.source,
            known_client_types,
            budget: BUDGET,
            warnings: Vec::new(),
        };
        checker.check(&self.root, true);
        checker.warnings.sort_by_key(|warning| warning.span().start);
        checker.warnings
    }
}

struct Checker<'e> {
    source: &'e str,
    known_client_types: Option<&'e [&'e str]>,
    budget: usize,
    warnings: Vec<Warning>,
}

impl Checker<'_> {
    /// Checks a part, its children first, because the smallest wrong part is reported.
    /// `is_condition` is whether only its truth matters. Returns whether the part is suspicious.
    fn check(&mut self, expr: &Expr, is_condition: bool) -> bool {
        if let Kind::Binary {
            operator,
            left,
            right,
        } = &expr.kind
            && let Some(warning) = self.negated_operand(expr, *operator, left, right)
        {
            self.warnings.push(warning);
            return true;
        }
        let is_chain = matches!(expr.kind, Kind::And(_) | Kind::Or(_));
        let conditions = matches!(expr.kind, Kind::Not(_)) || (is_chain && is_condition);
        let mut is_suspicious = false;
        for child in expr.children() {
            is_suspicious |= self.check(child, conditions);
        }
        self.check_client_types(expr);
        is_suspicious |= self.check_list(expr) || self.check_container(expr);
        is_suspicious |= !is_condition && self.check_settled(expr);
        is_suspicious || self.check_results(expr, is_condition)
    }

    fn check_client_types(&mut self, expr: &Expr) {
        for (text, span) in compared(expr) {
            let (client_type, span) = (text.to_owned(), span.range());
            if !can_be_client_type(text) {
                let warning = Warning::ImpossibleClientType { client_type, span };
                self.warnings.push(warning);
            } else if let Some(known) = self.known_client_types
                && !known.contains(&text)
            {
                self.warnings.push(Warning::UnknownClientType {
                    client_type,
                    instead: help_for_client_type(text, known),
                    span,
                });
            }
        }
    }

    fn negated_operand(
        &self,
        expr: &Expr,
        operator: Operator,
        left: &Expr,
        right: &Expr,
    ) -> Option<Warning> {
        let Kind::Not(operand) = &left.kind else {
            return None;
        };
        let is_bare = self.source.get(left.span.range())?.starts_with('!');
        let is_comparable = operator.is_equality()
            && !matches!(right.kind, Kind::Text(_) | Kind::Number(_) | Kind::Null);
        let operator = operator.as_str();
        (is_bare && !is_comparable).then(|| Warning::NegatedOperand {
            operand: operand.to_string(),
            operator,
            instead: format!("!({operand} {operator} {right})"),
            span: expr.span.range(),
        })
    }

    /// Checks an equality with a list literal.
    fn check_list(&mut self, expr: &Expr) -> bool {
        let Kind::Binary {
            operator,
            left,
            right,
        } = &expr.kind
        else {
            return false;
        };
        let is_list =
            |side: &Expr| matches!(&side.kind, Kind::List { items, .. } if !items.is_empty());
        let (list, other) = match (is_list(left), is_list(right)) {
            (true, false) if !right.is_literal() => (left, right),
            (false, true) if !left.is_literal() => (right, left),
            _ => return false,
        };
        if !operator.is_equality() {
            return false;
        }
        let is_negated = matches!(operator, Operator::StrictUnequal | Operator::LooseUnequal);
        let not = if is_negated { "!" } else { "" };
        let instead = match &other.kind {
            Kind::Fact(Fact::Groups | Fact::Permissions) if is_negated => {
                format!("!({list} in {other})")
            }
            Kind::Fact(Fact::Groups | Fact::Permissions) => format!("{list} in {other}"),
            _ => format!("{not}{list}.includes({other})"),
        };
        let span = expr.span.range();
        self.warnings.push(Warning::ComparedList { instead, span });
        true
    }

    /// Checks `groups.length` and the like.
    fn check_container(&mut self, expr: &Expr) -> bool {
        let Kind::Member { base, name } = &expr.kind else {
            return false;
        };
        let is_set = matches!(base.kind, Kind::Fact(Fact::Groups | Fact::Permissions));
        if !is_set || !matches!(&**name, "length" | "size" | "count") {
            return false;
        }
        self.warnings.push(Warning::Counted {
            part: expr.to_string(),
            name: name.to_string(),
            span: expr.span.range(),
        });
        true
    }

    /// Checks a compared chain with a literal that is always its value.
    fn check_settled(&mut self, expr: &Expr) -> bool {
        let (operands, ends_at) = match &expr.kind {
            Kind::Or(operands) => (operands, true),
            Kind::And(operands) => (operands, false),
            _ => return false,
        };
        let is_truthy = |operand: &Expr| match &operand.kind {
            Kind::Text(text) => Some(!text.is_empty()),
            Kind::List { .. } => Some(true),
            Kind::Number(number) => Some(*number != 0.0),
            _ => None,
        };
        let mut truths = operands.iter().map(is_truthy);
        let end = truths.position(|truth| truth != Some(!ends_at));
        let value = match end {
            Some(end) => operands
                .get(end)
                .filter(|operand| is_truthy(operand) == Some(ends_at)),
            None => operands.last(),
        };
        let Some(value) = value else {
            return false;
        };
        self.warnings.push(Warning::Settled {
            part: expr.to_string(),
            value: value.to_string(),
            span: expr.span.range(),
        });
        true
    }

    fn check_results(&mut self, expr: &Expr, is_condition: bool) -> bool {
        let is_testable = match &expr.kind {
            // People write these on purpose.
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => false,
            Kind::Binary { .. } | Kind::Includes { .. } => true,
            _ => is_condition,
        };
        let Some(results) = is_testable
            .then(|| Results::of(expr, &mut self.budget))
            .flatten()
        else {
            return false;
        };
        let (part, instead, span) = (expr.to_string(), instead_of(expr), expr.span.range());
        let warning = match (results.truthy, results.falsy, results.error) {
            (true, false, false) => Warning::AlwaysTrue {
                part,
                instead,
                span,
            },
            (false, true, _) => Warning::NeverTrue {
                part,
                instead,
                span,
            },
            (false, false, true) => Warning::AlwaysFails {
                part,
                instead,
                span,
            },
            _ => return false,
        };
        self.warnings.push(warning);
        true
    }
}

/// Returns whether a key may have this client type: 1 to 128 characters of visible ASCII.
#[must_use]
pub fn can_be_client_type(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn help_for_client_type(text: &str, known: &[&str]) -> String {
    match nearest(text, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "no key has a client type".to_owned(),
        None => {
            let shown: Vec<_> = known
                .iter()
                .take(8)
                .map(|known| format!("`{known}`"))
                .collect();
            let more = if known.len() > 8 { ", …" } else { "" };
            format!("the client types of keys are {}{more}", shown.join(", "))
        }
    }
}

/// The hint for a part that has always the same result.
fn instead_of(expr: &Expr) -> Option<String> {
    let help_for = |side: &Expr, other: &Expr| match (&side.kind, &other.kind) {
        (Kind::Fact(Fact::Groups | Fact::Permissions), Kind::Text(_)) => {
            Some(format!("write `{other} in {side}`"))
        }
        (Kind::Fact(Fact::ClientType), Kind::Number(number)) => {
            Some(format!("a client type is a string: write `'{number}'`"))
        }
        _ => None,
    };
    match &expr.kind {
        Kind::Text(_) => Some(format!(
            "compare it with a value, e.g. `clientType === {expr}`"
        )),
        Kind::Fact(Fact::Groups | Fact::Permissions | Fact::User) => Some(format!(
            "it is set for every caller: test for a name, e.g. `{expr}.admin`"
        )),
        Kind::Binary { left, right, .. } => help_for(left, right).or_else(|| help_for(right, left)),
        Kind::Or(operands) if operands.iter().all(is_inequality) => {
            Some("a value cannot equal both: write `&&`".to_owned())
        }
        Kind::And(operands) if operands.iter().all(is_equality) => {
            Some("a value cannot equal both: write `||`".to_owned())
        }
        _ => None,
    }
}

fn is_equality(expr: &Expr) -> bool {
    let Kind::Binary { operator, .. } = expr.kind else {
        return false;
    };
    matches!(operator, Operator::StrictEqual | Operator::LooseEqual)
}

fn is_inequality(expr: &Expr) -> bool {
    let Kind::Binary { operator, .. } = expr.kind else {
        return false;
    };
    matches!(operator, Operator::StrictUnequal | Operator::LooseUnequal)
}
