//! Prints a tree in its canonical form, which parses to the same tree.

use std::fmt::{self, Display, Formatter, Write as _};

use super::tree::{Expr, Kind, Operator};
use crate::characters::is_name;

/// The precedence of the outermost operator; an operand that binds weaker gets parentheses.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binding {
    Or,
    And,
    Equality,
    Relation,
    Unary,
    Member,
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Bool(bool) => Display::fmt(bool, f),
            Kind::Number(number) => f.write_str(ryu_js::Buffer::new().format_finite(*number)),
            Kind::Text(text) => quoted(text, f),
            Kind::Fact(fact) => f.write_str(fact.as_str()),
            Kind::List { items, .. } => {
                f.write_char('[')?;
                joined(items, ", ", Binding::Or, f)?;
                f.write_char(']')
            }
            Kind::Member { base, name } => {
                operand(base, Binding::Member, f)?;
                if is_name(name) {
                    write!(f, ".{name}")
                } else {
                    f.write_char('[')?;
                    quoted(name, f)?;
                    f.write_char(']')
                }
            }
            Kind::Index { base, index } => {
                operand(base, Binding::Member, f)?;
                write!(f, "[{index}]")
            }
            Kind::Not(inner) => {
                f.write_char('!')?;
                operand(inner, Binding::Unary, f)
            }
            Kind::Includes { list, item } => {
                operand(list, Binding::Member, f)?;
                write!(f, ".includes({item})")
            }
            Kind::Binary {
                operator,
                left,
                right,
            } => {
                let (own, tighter) = if is_relation(*operator) {
                    (Binding::Relation, Binding::Unary)
                } else {
                    (Binding::Equality, Binding::Relation)
                };
                operand(left, own, f)?;
                write!(f, " {} ", operator.as_str())?;
                operand(right, tighter, f)
            }
            Kind::And(operands) => joined(operands, " && ", Binding::Equality, f),
            Kind::Or(operands) => joined(operands, " || ", Binding::And, f),
        }
    }
}

fn joined(
    operands: &[Expr],
    between: &str,
    weakest: Binding,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    for (index, expr) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        operand(expr, weakest, f)?;
    }
    Ok(())
}

fn operand(expr: &Expr, weakest: Binding, f: &mut Formatter<'_>) -> fmt::Result {
    if binding(&expr.kind) < weakest {
        write!(f, "({expr})")
    } else {
        Display::fmt(expr, f)
    }
}

fn binding(kind: &Kind) -> Binding {
    match kind {
        Kind::Or(_) => Binding::Or,
        Kind::And(_) => Binding::And,
        Kind::Binary { operator, .. } if is_relation(*operator) => Binding::Relation,
        Kind::Binary { .. } => Binding::Equality,
        // A dot after a number would be part of it, and a sign before it binds as `!` does.
        Kind::Not(_) | Kind::Number(_) => Binding::Unary,
        _ => Binding::Member,
    }
}

const fn is_relation(operator: Operator) -> bool {
    !operator.is_equality()
}

/// A string literal.
pub(super) fn in_quotes(text: &str) -> String {
    struct Quoted<'t>(&'t str);
    impl Display for Quoted<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            quoted(self.0, f)
        }
    }
    Quoted(text).to_string()
}

/// In single quotes, as in Mia-Platform's documents; invisible characters are escaped.
fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('\'')?;
    for character in text.chars() {
        match character {
            '"' => f.write_char('"')?,
            // Rust's `\0` would combine with a following digit.
            '\0' => f.write_str("\\u{0}")?,
            // Rust's other escapes are JavaScript's.
            character => Display::fmt(&character.escape_debug(), f)?,
        }
    }
    f.write_char('\'')
}
