//! What is allowed, and is probably not what was meant.

use std::ops::Range;

use keygate_documents::diagnostic::{Diagnostic, nearest};

use super::{
    Expression,
    mentions::compared,
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
    /// A comparison with a string that no key can have as its client type.
    #[error("no key can have the client type `{}`", client_type.escape_debug())]
    ImpossibleClientType {
        /// What was written.
        client_type: String,
        /// Where the string stands.
        span: Range<usize>,
    },
    /// `a === ['x', 'y']`, which compares with the list as a whole.
    #[error("a list is compared as a whole, not element by element")]
    ComparedList {
        /// What was probably meant.
        instead: String,
        /// Where the whole stands.
        span: Range<usize>,
    },
    /// `a === ('x' || 'y')`, which is `a === 'x'`.
    #[error("`{part}` is `{value}`, whoever asks")]
    Settled {
        /// The part in its canonical form.
        part: String,
        /// What it always is.
        value: String,
        /// Where it stands.
        span: Range<usize>,
    },
    /// `groups.length`, which asks for a group of that name.
    #[error("`{part}` asks for a name called `{name}`, not for how many there are")]
    Counted {
        /// The part in its canonical form.
        part: String,
        /// The name.
        name: String,
        /// Where it stands.
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
            | Self::ImpossibleClientType { span, .. }
            | Self::ComparedList { span, .. }
            | Self::Settled { span, .. }
            | Self::Counted { span, .. } => span.clone(),
        }
    }

    /// Whether the part lets more requests pass than it seems to.
    ///
    /// `clientType === 'A' || 'B'` is true for everybody. Files are rejected for these; a part that
    /// denies more than it seems to is a warning alone.
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

    /// The warning for people.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = Diagnostic::warning(self.to_string()).at(self.span());
        diagnostic.help = match self {
            Self::UnknownClientType { instead, .. } => Some(instead.clone()),
            Self::AlwaysTrue { instead, .. }
            | Self::NeverTrue { instead, .. }
            | Self::AlwaysFails { instead, .. } => instead.clone(),
            Self::ImpossibleClientType { .. } => Some(
                "client types are 1 to 128 characters of visible ASCII, without blanks; \
                 without a key it is `null`"
                    .to_owned(),
            ),
            Self::Settled { .. } => {
                Some("write `['A', 'B'].includes(…)` to compare with each".to_owned())
            }
            Self::Counted { .. } => Some("ask for a name, e.g. `groups.admin`".to_owned()),
            Self::NegatedOperand { instead, .. } | Self::ComparedList { instead, .. } => {
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
        self.check_client_types(expr);
        in_doubt |= self.check_list(expr) || self.check_container(expr);
        in_doubt |= !is_condition && self.check_settled(expr);
        in_doubt || self.check_answers(expr, is_condition)
    }

    fn check_client_types(&mut self, expr: &Expr) {
        for (text, place) in compared(expr) {
            let (client_type, span) = (text.to_owned(), place.range());
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

    /// An equality with a list that is written out.
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

    /// `groups.length` and the like.
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

    /// A chain whose value is compared, and of which one literal is always the value.
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

    fn check_answers(&mut self, expr: &Expr, is_condition: bool) -> bool {
        let is_question = match &expr.kind {
            // People write these on purpose.
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => false,
            Kind::Binary { .. } | Kind::Includes { .. } => true,
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

/// Whether a key may have this client type: 1 to 128 characters of visible ASCII.
#[must_use]
pub fn can_be_client_type(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
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
