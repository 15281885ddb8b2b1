//! The syntax tree: the one form of an expression, read by evaluation, warnings, `explain` and the
//! printer.
//!
//! A tree is already compiled: names are resolved to facts, escapes and numbers are decoded, and
//! each list literal knows where its elements will stand during an evaluation.

use std::ops::Range;

/// The most levels that a tree may have, so that recursion over it is bounded.
pub(super) const MAX_DEPTH: u8 = 100;

/// The most elements that all list literals of an expression may have together; a list at the
/// left of `in` or `.includes` is not counted, for its elements need no place.
pub(super) const MAX_ELEMENTS: usize = 64;

/// A place in the expression's text, in bytes.
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

/// One node with its place. Equal trees mean the same, wherever they stand.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) span: Span,
    /// The levels from here down; at most [`MAX_DEPTH`].
    depth: u8,
    /// Whether there is a list literal here or below whose elements need places.
    needs_places: bool,
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
    /// A list literal; its elements stand at `first_place` and after during an evaluation.
    List {
        items: Box<[Expr]>,
        first_place: usize,
    },
    Fact(Fact),
    /// `base.name` and `base["name"]`, which mean the same.
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

/// The operators that take the values of both sides.
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

/// A name that expressions may use.
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
    /// A node over finished children; `None` where it would be deeper than [`MAX_DEPTH`].
    pub(super) fn new(kind: Kind, span: Span) -> Option<Self> {
        let below = kind.children().map(|child| child.depth).max().unwrap_or(0);
        let depth = below.checked_add(1).filter(|depth| *depth <= MAX_DEPTH)?;
        let needs_places =
            matches!(kind, Kind::List { .. }) || kind.evaluated().any(|child| child.needs_places);
        Some(Self {
            kind,
            span,
            depth,
            needs_places,
        })
    }

    /// A node without children, where nothing was written.
    pub(super) fn constant(value: bool) -> Self {
        let text = if value { "true" } else { "false" };
        Self {
            kind: Kind::Bool(value),
            span: Span::new(0, text.len()),
            depth: 1,
            needs_places: false,
        }
    }

    /// Whether an evaluation needs places for list elements.
    pub(super) const fn needs_places(&self) -> bool {
        self.needs_places
    }

    /// Whether it is written out: a string, a number, `true`, `false`, `null` or a list of these.
    pub(super) fn is_literal(&self) -> bool {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => true,
            Kind::List { items, .. } => items.iter().all(Self::is_literal),
            _ => false,
        }
    }

    /// The nodes right below, in the order of the text.
    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.kind.children()
    }

    /// Gives every list literal the place of its elements, from `next` on; answers the first place
    /// that is still free, which may be more than [`MAX_ELEMENTS`].
    ///
    /// A literal is evaluated at most once in an evaluation, so places are never shared.
    pub(super) fn assign_places(&mut self, next: usize) -> usize {
        match &mut self.kind {
            Kind::List { items, first_place } => {
                *first_place = next;
                // An empty list takes a place too: lists are told apart by it.
                let next = next.saturating_add(items.len().max(1));
                items
                    .iter_mut()
                    .fold(next, |next, item| item.assign_places(next))
            }
            kind => kind
                .evaluated_mut()
                .fold(next, |next, child| child.assign_places(next)),
        }
    }
}

/// The nodes right below another, by how many there may be of them.
type Children<'e> = (Option<&'e Expr>, Option<&'e Expr>, &'e [Expr]);

/// [`Children`], to be changed.
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

    /// The nodes whose values are asked for: of a list literal that is only looked through, at the
    /// left of `in` and of `.includes`, the elements.
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
