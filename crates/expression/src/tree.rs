//! The syntax tree: the only form of an expression; evaluation, warnings, `explain` and the printer
//! use it.
//!
//! A tree is already compiled: names are resolved to facts, escapes and numbers are decoded, and
//! each list literal has the index of its slots, which hold its elements during an evaluation.

use std::ops::Range;

/// The most levels of a tree, so that recursion over it is bounded.
pub(super) const MAX_DEPTH: u8 = 100;

/// The most elements of all list literals of an expression together. A list on the left of `in` or
/// `.includes` is not counted, because its elements need no slots.
pub(super) const MAX_ELEMENTS: usize = 64;

/// A span of the expression's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: narrow(start),
            end: narrow(end),
        }
    }

    pub(super) fn to(self, last: Self) -> Self {
        Self {
            start: self.start,
            end: last.end,
        }
    }

    pub(super) fn range(self) -> Range<usize> {
        let widen = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        widen(self.start)..widen(self.end)
    }
}

/// A node and its span. Trees are equal if they mean the same, regardless of spans.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// The height of the tree below this node; at most [`MAX_DEPTH`].
    depth: u8,
    /// Whether a list literal at or below this node needs slots for its elements.
    needs_slots: bool,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
    /// A list literal; `first_slot` is the index of its first element during an evaluation.
    List {
        items: Box<[Expr]>,
        first_slot: usize,
    },
    Fact(Fact),
    /// `base.name` and `base["name"]`, which are equal.
    Member {
        base: Box<Expr>,
        name: Box<str>,
    },
    /// `base[index]` with an index that is not a string literal.
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    Not(Box<Expr>),
    /// `list.includes(item)`.
    Includes {
        list: Box<Expr>,
        item: Box<Expr>,
    },
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `a && b && c`: at least two operands, in order.
    And(Box<[Expr]>),
    /// `a || b || c`: at least two operands, in order.
    Or(Box<[Expr]>),
}

/// The operators that use the values of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    StrictEqual,
    StrictUnequal,
    LooseEqual,
    LooseUnequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Operator {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::StrictEqual => "===",
            Self::StrictUnequal => "!==",
            Self::LooseEqual => "==",
            Self::LooseUnequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }

    pub(super) const fn is_equality(self) -> bool {
        matches!(
            self,
            Self::StrictEqual | Self::StrictUnequal | Self::LooseEqual | Self::LooseUnequal
        )
    }
}

/// A name that expressions can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    ClientType,
    IsBackoffice,
    Groups,
    Permissions,
    User,
}

impl Fact {
    pub(super) const ALL: [Self; 5] = [
        Self::ClientType,
        Self::Groups,
        Self::Permissions,
        Self::User,
        Self::IsBackoffice,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ClientType => "clientType",
            Self::IsBackoffice => "isBackoffice",
            Self::Groups => "groups",
            Self::Permissions => "permissions",
            Self::User => "user",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.as_str() == name)
    }
}

impl Expr {
    /// Returns a node over finished children; `None` if it would be deeper than [`MAX_DEPTH`].
    pub(super) fn new(kind: Kind, span: Span) -> Option<Self> {
        let below = kind.children().map(|child| child.depth).max().unwrap_or(0);
        let depth = below.checked_add(1).filter(|depth| *depth <= MAX_DEPTH)?;
        let needs_slots =
            matches!(kind, Kind::List { .. }) || kind.evaluated().any(|child| child.needs_slots);
        Some(Self {
            kind,
            span,
            depth,
            needs_slots,
        })
    }

    /// Returns a node without children that has no source text.
    pub(super) fn constant(value: bool) -> Self {
        let text = if value { "true" } else { "false" };
        Self {
            kind: Kind::Bool(value),
            span: Span::new(0, text.len()),
            depth: 1,
            needs_slots: false,
        }
    }

    /// Whether an evaluation needs slots for list elements.
    pub(super) const fn needs_slots(&self) -> bool {
        self.needs_slots
    }

    /// Whether it is a literal: a string, a number, `true`, `false`, `null` or a list of these.
    pub(super) fn is_literal(&self) -> bool {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => true,
            Kind::List { items, .. } => items.iter().all(Self::is_literal),
            _ => false,
        }
    }

    /// The direct children, in the order of the text.
    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.kind.children()
    }

    /// Assigns slots, from `next` on, to the elements of every list literal; returns the first free
    /// slot, which may exceed [`MAX_ELEMENTS`].
    ///
    /// A literal is evaluated at most once per evaluation, so slots are never shared.
    pub(super) fn assign_slots(&mut self, next: usize) -> usize {
        match &mut self.kind {
            Kind::List { items, first_slot } => {
                *first_slot = next;
                // An empty list takes a slot too, because slots identify lists.
                let next = next.saturating_add(items.len().max(1));
                items
                    .iter_mut()
                    .fold(next, |next, item| item.assign_slots(next))
            }
            kind => kind
                .evaluated_mut()
                .fold(next, |next, child| child.assign_slots(next)),
        }
    }
}

/// The direct children of a node, by how many there may be of them.
type Children<'e> = (Option<&'e Expr>, Option<&'e Expr>, &'e [Expr]);

/// Mutable [`Children`].
type ChildrenMut<'e> = (Option<&'e mut Expr>, Option<&'e mut Expr>, &'e mut [Expr]);

impl Kind {
    fn children(&self) -> impl Iterator<Item = &Expr> {
        let (one, two, many): Children<'_> = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Fact(_) => {
                (None, None, &[])
            }
            Self::Member { base, .. } => (Some(base), None, &[]),
            Self::Not(operand) => (Some(operand), None, &[]),
            Self::Index { base, index } => (Some(base), Some(index), &[]),
            Self::Includes { list, item } => (Some(list), Some(item), &[]),
            Self::Binary { left, right, .. } => (Some(left), Some(right), &[]),
            Self::List { items, .. } => (None, None, items),
            Self::And(operands) | Self::Or(operands) => (None, None, operands),
        };
        one.into_iter().chain(two).chain(many)
    }

    /// The nodes that are evaluated: for a list literal on the left of `in` and of `.includes`, its
    /// elements.
    pub(super) fn evaluated(&self) -> impl Iterator<Item = &Expr> {
        let through = match self {
            Self::Includes { list, item: other }
            | Self::Binary {
                operator: Operator::In,
                left: list,
                right: other,
            } => match &list.kind {
                Self::List { items, .. } => Some((&**other, &**items)),
                _ => None,
            },
            _ => None,
        };
        let (other, items) = through.unzip();
        let all = through.is_none().then(|| self.children());
        let items = items.into_iter().flatten();
        other
            .into_iter()
            .chain(items)
            .chain(all.into_iter().flatten())
    }

    fn evaluated_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let (one, two, many): ChildrenMut<'_> = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Fact(_) => {
                (None, None, &mut [])
            }
            Self::Member { base, .. } => (Some(base), None, &mut []),
            Self::Not(operand) => (Some(operand), None, &mut []),
            Self::Index { base, index } => (Some(base), Some(index), &mut []),
            Self::Includes { list, item: other }
            | Self::Binary {
                operator: Operator::In,
                left: list,
                right: other,
            } => looked_through(list, other),
            Self::Binary { left, right, .. } => (Some(left), Some(right), &mut []),
            Self::List { items, .. } => (None, None, items),
            Self::And(operands) | Self::Or(operands) => (None, None, operands),
        };
        one.into_iter().chain(two).chain(many)
    }
}

fn looked_through<'e>(list: &'e mut Expr, other: &'e mut Expr) -> ChildrenMut<'e> {
    if matches!(list.kind, Kind::List { .. }) {
        match &mut list.kind {
            Kind::List { items, .. } => (Some(other), None, items),
            _ => (Some(other), None, &mut []),
        }
    } else {
        (Some(other), Some(list), &mut [])
    }
}
