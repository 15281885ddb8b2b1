//! Explains the result of an expression, part by part.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use serde_json::Value as Json;

use super::{
    Expression,
    evaluate::{Evaluator, slots},
    tree::{Expr, Kind},
    value::{Object, Value},
};
use crate::{Facts, NameSet};

/// Values nested deeper are shown as `…`: user properties can have any depth.
const MAX_SHOWN_DEPTH: usize = 8;

/// The longest value that the text form shows in full, in characters.
const MAX_SHOWN_LENGTH: usize = 60;

/// The evaluation of an expression over one caller's facts, part by part.
///
/// `Display` prints a small tree: `✓` marks truthy parts, `✗` falsy ones, `!` a part without a
/// value, `·` a part that was not evaluated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Whether the facts satisfy the expression; `None` if it has no value for them.
    pub satisfied: Option<bool>,
    /// The part for the whole expression.
    pub root: Part,
}

/// A part of an expression and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The canonical form of the part.
    pub part: String,
    #[serde(flatten)]
    /// Its value, or why it has none.
    pub outcome: Outcome,
    /// Whether it decided: whether it is the smallest part that settles the result alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub decided: bool,
    /// Its operands, except literals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Self>,
}

/// The outcome of evaluating a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It has a value.
    Value {
        /// The value as JSON.
        value: Json,
        /// Whether it is truthy.
        truthy: bool,
    },
    /// It is `undefined`: the property does not exist.
    Undefined,
    /// It has no value.
    Error {
        /// The fault, as text.
        error: String,
    },
    /// The result was settled before this part.
    NotEvaluated,
}

impl Expression {
    /// Evaluates the expression and returns the outcome of every part.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let slots = slots();
        let evaluator = Evaluator {
            facts,
            slots: &slots,
        };
        Explanation {
            satisfied: evaluator.value(&self.root).ok().map(Value::is_truthy),
            root: explain(evaluator, &self.root, true),
        }
    }
}

/// Explains a part. The language's rules are not repeated here: each part is evaluated alone.
fn explain<'v>(evaluator: Evaluator<'v>, expr: &'v Expr, decisive: bool) -> Part {
    let mut parts = Vec::new();
    let mut settled = false;
    let mut handed_down = false;
    for child in children(expr) {
        if settled {
            parts.push(not_evaluated(child));
            continue;
        }
        let value = evaluator.value(child);
        settled = match (&expr.kind, value) {
            (_, Err(_)) => true,
            (Kind::And(_), Ok(value)) => !value.is_truthy(),
            (Kind::Or(_), Ok(value)) => value.is_truthy(),
            _ => false,
        };
        let settles = decisive && (settled || matches!(expr.kind, Kind::Not(_)));
        handed_down |= settles;
        parts.push(explain(evaluator, child, settles));
    }
    Part {
        part: expr.to_string(),
        outcome: Outcome::of(evaluator, expr),
        decided: decisive && !handed_down,
        parts,
    }
}

/// The children that are shown, in the order of evaluation.
fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        Kind::And(operands) | Kind::Or(operands) => operands.iter().collect(),
        kind => kind.evaluated().filter(|part| !part.is_literal()).collect(),
    }
}

fn not_evaluated(expr: &Expr) -> Part {
    let part = expr.to_string();
    Part {
        part,
        outcome: Outcome::NotEvaluated,
        decided: false,
        parts: Vec::new(),
    }
}

impl Outcome {
    fn of<'v>(evaluator: Evaluator<'v>, expr: &'v Expr) -> Self {
        match evaluator.value(expr) {
            Ok(Value::Undefined) => Self::Undefined,
            Ok(value) => Self::Value {
                value: json(value, MAX_SHOWN_DEPTH),
                truthy: value.is_truthy(),
            },
            Err(error) => Self::Error {
                error: error.to_string(),
            },
        }
    }

    const fn mark(&self) -> char {
        match self {
            Self::Value { truthy: true, .. } => '✓',
            Self::Value { truthy: false, .. } | Self::Undefined => '✗',
            Self::Error { .. } => '!',
            Self::NotEvaluated => '·',
        }
    }
}

/// Returns a value as JSON, cut at `depth`; values without a JSON form become `null`.
fn json(value: Value<'_>, depth: usize) -> Json {
    let Some(below) = depth.checked_sub(1) else {
        return "…".into();
    };
    match value {
        Value::Undefined | Value::Null => Json::Null,
        Value::Bool(bool) => bool.into(),
        // JavaScript and JSON write numbers the same way.
        Value::Number(number) => {
            let mut buffer = ryu_js::Buffer::new();
            serde_json::from_str(buffer.format(number)).unwrap_or_default()
        }
        Value::Text(text) => text.into(),
        Value::List(list) => list.iter().map(|item| json(item, below)).collect(),
        Value::Object(Object::Groups(names) | Object::Permissions(names)) => {
            names.into_iter().flat_map(NameSet::iter).collect()
        }
        Value::Object(Object::Properties(properties)) => properties
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), json(value.into(), below)))
            .collect(),
    }
}

impl Explanation {
    /// Returns the explanation for an expression that was not needed: no part of it decided.
    #[must_use]
    pub fn settled_before(mut self) -> Self {
        self.root.decide_nothing();
        self
    }
}

impl Part {
    fn decide_nothing(&mut self) {
        self.decided = false;
        self.parts.iter_mut().for_each(Self::decide_nothing);
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_part(&self.root, "", f)
    }
}

fn write_part(part: &Part, indent: &str, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{} {}", part.outcome.mark(), part.part)?;
    match &part.outcome {
        // The mark shows the value.
        Outcome::Value {
            value: Json::Bool(_),
            ..
        }
        | Outcome::NotEvaluated => {}
        Outcome::Value { value, .. } => write!(f, " = {}", shortened(&value.to_string()))?,
        Outcome::Undefined => f.write_str(" = undefined")?,
        Outcome::Error { error } => write!(f, ": {error}")?,
    }
    if part.decided {
        f.write_str("  ← decided")?;
    }
    for (index, child) in part.parts.iter().enumerate() {
        let (branch, below) = if index + 1 < part.parts.len() {
            ("├─ ", "│  ")
        } else {
            ("└─ ", "   ")
        };
        write!(f, "\n{indent}{branch}")?;
        write_part(child, &format!("{indent}{below}"), f)?;
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_LENGTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
