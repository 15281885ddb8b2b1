//! What is allowed, and is probably not what was meant.

use std::ops::Range;

use keygate_documents::diagnostic::{Diagnostic, nearest};

use super::{
    Expression,
    tree::{Expr, Fact, Kind, Operator},
    truth::{Answers, BUDGET},
};

/// A likely mistake. Spans are bytes of the expression's own text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A comparison with a client type that no key has.
    #[error("no key has the client type `{client_type}`")]
    UnknownClientType {
        /// What was written.
        client_type: String,
        /// What to write instead.
        instead: String,
        /// Where the string stands.
        span: Range<usize>,
    },
    /// A part that is true for everybody.
    #[error("`{part}` is always true")]
    AlwaysTrue {
        /// The part in its canonical form.
        part: String,
        /// What to write instead, where that can be told.
        instead: Option<String>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A part that is true for nobody.
    #[error("`{part}` is never true")]
    NeverTrue {
        /// The part in its canonical form.
        part: String,
        /// What to write instead, where that can be told.
        instead: Option<String>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// A part that fails for everybody.
    #[error("`{part}` fails for every request, and so denies it")]
    AlwaysFails {
        /// The part in its canonical form.
        part: String,
        /// What to write instead, where that can be told.
        instead: Option<String>,
        /// Where it stands.
        span: Range<usize>,
    },
    /// `!a in b`, which negates `a` alone.
    #[error("`!` negates `{operand}` alone, before `{operator}`")]
    NegatedOperand {
        /// What is negated.
        operand: String,
        /// The operator that comes after.
        operator: &'static str,
        /// What was probably meant.
        instead: String,
        /// Where the whole stands.
        span: Range<usize>,
    },
    /// `a in ['x', 'y']`, which asks for the places of a list, not for its elements.
    #[error("`in` does not look among the elements of a list, but among their places")]
    InList {
        /// What was probably meant.
        instead: String,
        /// Where the whole stands.
        span: Range<usize>,
    },
}

impl Warning {
    /// Where it is, in bytes of the expression's text.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        match self {
            Self::UnknownClientType { span, .. }
            | Self::AlwaysTrue { span, .. }
            | Self::NeverTrue { span, .. }
            | Self::AlwaysFails { span, .. }
            | Self::NegatedOperand { span, .. }
            | Self::InList { span, .. } => span.clone(),
        }
    }

    /// The warning for people.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::warning(self.to_string()).at(self.span());
        diagnostic.help = match self {
            Self::UnknownClientType { instead, .. } => Some(instead.clone()),
            Self::AlwaysTrue { instead, .. }
            | Self::NeverTrue { instead, .. }
            | Self::AlwaysFails { instead, .. } => instead.clone(),
            Self::NegatedOperand { instead, .. } | Self::InList { instead, .. } => {
                Some(format!("write `{instead}`"))
            }
        };
        diagnostic
    }
}

impl Expression {
    /// The likely mistakes in it, in the order of the text. `known_client_types` are those that
    /// keys have, where the keys are known.
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
    /// Looks at a part, its own parts first: the smallest part that is wrong is the one to name.
    /// `is_condition` is whether its truth is what counts. Answers whether its meaning is in doubt.
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
        let mut in_doubt = false;
        for child in expr.children() {
            in_doubt |= self.check(child, conditions);
        }
        if let Kind::Binary {
            operator,
            left,
            right,
        } = &expr.kind
        {
            self.check_client_type(*operator, left, right);
            in_doubt |= *operator == Operator::In && self.check_list(expr, left, right);
        }
        in_doubt || self.check_answers(expr, is_condition)
    }

    fn check_client_type(&mut self, operator: Operator, left: &Expr, right: &Expr) {
        let Some(known) = self.known_client_types else {
            return;
        };
        let (text, place) = match (&left.kind, &right.kind) {
            (Kind::Fact(Fact::ClientType), Kind::Text(text)) => (text, right.span),
            (Kind::Text(text), Kind::Fact(Fact::ClientType)) => (text, left.span),
            _ => return,
        };
        if operator.is_equality() && !known.contains(&&**text) {
            self.warnings.push(Warning::UnknownClientType {
                client_type: text.to_string(),
                instead: help_for_client_type(text, known),
                span: place.range(),
            });
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

    fn check_list(&mut self, expr: &Expr, left: &Expr, right: &Expr) -> bool {
        let Kind::List { items, .. } = &right.kind else {
            return false;
        };
        let equal: Vec<_> = items
            .iter()
            .map(|item| format!("{left} === {item}"))
            .collect();
        let instead = if equal.is_empty() {
            "false".to_owned()
        } else {
            equal.join(" || ")
        };
        self.warnings.push(Warning::InList {
            instead,
            span: expr.span.range(),
        });
        true
    }

    fn check_answers(&mut self, expr: &Expr, is_condition: bool) -> bool {
        let is_question = match &expr.kind {
            // People write these on purpose.
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => false,
            Kind::Binary { .. } => true,
            _ => is_condition,
        };
        let Some(answers) = is_question
            .then(|| Answers::of(expr, &mut self.budget))
            .flatten()
        else {
            return false;
        };
        let (part, instead, span) = (expr.to_string(), instead_of(expr), expr.span.range());
        let warning = match (answers.truthy, answers.falsy, answers.error) {
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

fn help_for_client_type(text: &str, known: &[&str]) -> String {
    match nearest(text, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "no key has any".to_owned(),
        None => {
            let shown: Vec<_> = known
                .iter()
                .take(8)
                .map(|known| format!("`{known}`"))
                .collect();
            let more = if known.len() > 8 { ", …" } else { "" };
            format!("keys have {}{more}", shown.join(", "))
        }
    }
}

/// What was probably meant by a part that has always the same answer.
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
            "compare it with something, e.g. `clientType === {expr}`"
        )),
        Kind::Fact(Fact::Groups | Fact::Permissions | Fact::User) => Some(format!(
            "everybody has it: ask for one, e.g. `{expr}.admin`"
        )),
        Kind::Binary { left, right, .. } => help_for(left, right).or_else(|| help_for(right, left)),
        Kind::Or(operands) if operands.iter().all(is_inequality) => {
            Some("nothing equals both: write `&&`".to_owned())
        }
        Kind::And(operands) if operands.iter().all(is_equality) => {
            Some("nothing equals both: write `||`".to_owned())
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
