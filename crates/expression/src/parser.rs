//! Parses tokens into the tree, by recursive descent with JavaScript's precedence.

use super::{
    error::{ExpressionError, Foreign, MAX_LENGTH},
    lexer::{Lexer, Token, TokenKind},
    tree::{Expr, Fact, Kind, MAX_DEPTH, MAX_ELEMENTS, Operator, Span},
};
use crate::characters::is_name_part;

type Parsed = Result<Expr, ExpressionError>;

/// Returns the tree of a whole text.
pub(super) fn parse(source: &str) -> Parsed {
    if source.len() > MAX_LENGTH {
        return Err(ExpressionError::TooLong {
            length: source.len(),
        });
    }
    let mut lexer = Lexer::new(source);
    let next = lexer.next_token()?;
    if next.kind == TokenKind::End {
        return Err(ExpressionError::Empty);
    }
    let mut parser = Parser {
        source,
        lexer,
        next,
        depth: 0,
    };
    let mut root = parser.expression()?;
    match parser.next.kind {
        TokenKind::End => {}
        TokenKind::Sign(",") => return Err(parser.foreign(Foreign::Sequence)),
        _ => return Err(parser.unexpected("an operator or the end")),
    }
    if root.assign_slots(0) > MAX_ELEMENTS {
        return Err(ExpressionError::TooManyElements {
            span: root.span.range(),
        });
    }
    Ok(root)
}

struct Parser<'s> {
    source: &'s str,
    lexer: Lexer<'s>,
    /// The next token.
    next: Token<'s>,
    /// The number of open brackets and signs; bounds the parser's recursion, as [`Expr::new`] bounds
    /// recursion over the tree.
    depth: u8,
}

/// Operators of one precedence, which associate to the left.
type Level = fn(&TokenKind<'_>) -> Option<Operator>;

fn equality(token: &TokenKind<'_>) -> Option<Operator> {
    Some(match token {
        TokenKind::Sign("===") => Operator::StrictEqual,
        TokenKind::Sign("!==") => Operator::StrictUnequal,
        TokenKind::Sign("==") => Operator::LooseEqual,
        TokenKind::Sign("!=") => Operator::LooseUnequal,
        _ => return None,
    })
}

fn relation(token: &TokenKind<'_>) -> Option<Operator> {
    Some(match token {
        TokenKind::Sign("<") => Operator::Less,
        TokenKind::Sign("<=") => Operator::LessOrEqual,
        TokenKind::Sign(">") => Operator::Greater,
        TokenKind::Sign(">=") => Operator::GreaterOrEqual,
        TokenKind::Name("in") => Operator::In,
        _ => return None,
    })
}

impl<'s> Parser<'s> {
    fn expression(&mut self) -> Parsed {
        self.chain(
            "||",
            |parser| parser.chain("&&", Self::equality, Kind::And),
            Kind::Or,
        )
    }

    fn equality(&mut self) -> Parsed {
        self.binary(equality, |parser| parser.binary(relation, Self::unary))
    }

    fn chain(
        &mut self,
        sign: &'static str,
        operand: fn(&mut Self) -> Parsed,
        kind: fn(Box<[Expr]>) -> Kind,
    ) -> Parsed {
        let first = operand(self)?;
        let mut span = first.span;
        let mut operands = vec![first];
        while self.take(sign)?.is_some() {
            let operand = operand(self)?;
            span = span.to(operand.span);
            operands.push(operand);
        }
        match operands.pop() {
            Some(only) if operands.is_empty() => Ok(only),
            last => {
                operands.extend(last);
                node(kind(operands.into_boxed_slice()), span)
            }
        }
    }

    fn binary(&mut self, level: Level, operand: fn(&mut Self) -> Parsed) -> Parsed {
        let mut left = operand(self)?;
        while let Some(operator) = level(&self.next.kind) {
            self.advance()?;
            let right = operand(self)?;
            let span = left.span.to(right.span);
            if operator == Operator::In && matches!(right.kind, Kind::List { .. }) {
                let instead = instead_of_in_list(&left, &right);
                let span = span.range();
                return Err(ExpressionError::InList { instead, span });
            }
            let (left_box, right) = (Box::new(left), Box::new(right));
            left = node(
                Kind::Binary {
                    operator,
                    left: left_box,
                    right,
                },
                span,
            )?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        if let Some(sign) = self.take("!")? {
            let operand = self.nested(sign, Self::unary)?;
            let span = sign.to(operand.span);
            return node(Kind::Not(Box::new(operand)), span);
        }
        if let TokenKind::Sign("-") = self.next.kind {
            return self.negative_number();
        }
        let mut expr = self.primary()?;
        loop {
            expr = match self.next.kind {
                TokenKind::Sign(".") => self.dot(expr)?,
                TokenKind::Sign("[") => self.brackets(expr)?,
                TokenKind::Sign("(") => self.call(expr)?,
                TokenKind::Foreign(foreign) => return Err(self.foreign(foreign)),
                TokenKind::Sign("-") => return Err(self.foreign(Foreign::Arithmetic)),
                _ => return Ok(expr),
            };
        }
    }

    /// `-` is part of a number, since there is no arithmetic. In JavaScript it binds weaker than a
    /// property of the number, so such properties are rejected.
    fn negative_number(&mut self) -> Parsed {
        let sign = self.next.span;
        let foreign = self.foreign(Foreign::Arithmetic);
        self.advance()?;
        let TokenKind::Number(number) = self.next.kind else {
            return Err(foreign);
        };
        let span = sign.to(self.next.span);
        self.advance()?;
        match self.next.kind {
            TokenKind::Sign("." | "[" | "(") => Err(foreign),
            TokenKind::Sign("-") => Err(self.foreign(Foreign::Arithmetic)),
            TokenKind::Foreign(foreign) => Err(self.foreign(foreign)),
            _ => node(Kind::Number(-number), span),
        }
    }

    fn primary(&mut self) -> Parsed {
        let (source, span) = (self.source, self.next.span);
        let kind = match &mut self.next.kind {
            TokenKind::Name(name) => {
                meaning(name).ok_or_else(|| unknown_name(source, name, span))?
            }
            TokenKind::Text(text) => Kind::Text(std::mem::take(text)),
            TokenKind::Number(number) => Kind::Number(*number),
            TokenKind::Sign("(") => return self.parentheses(),
            TokenKind::Sign("[") => return self.list(),
            TokenKind::Foreign(foreign) => {
                let foreign = *foreign;
                return Err(self.foreign(foreign));
            }
            TokenKind::Sign(_) | TokenKind::End => {
                return Err(self.unexpected("a name, a string, a number, `!`, `(` or `[`"));
            }
        };
        self.advance()?;
        node(kind, span)
    }

    fn parentheses(&mut self) -> Parsed {
        let open = self.next.span;
        self.advance()?;
        let mut inner = self.nested(open, Self::expression)?;
        let close = self.close("(", ")", open)?;
        inner.span = open.to(close);
        Ok(inner)
    }

    fn list(&mut self) -> Parsed {
        let open = self.next.span;
        self.advance()?;
        let mut items = Vec::new();
        let close = loop {
            if let Some(close) = self.take("]")? {
                break close;
            }
            items.push(self.nested(open, Self::expression)?);
            if self.take(",")?.is_none() {
                break self.close("[", "]", open)?;
            }
        };
        node(
            Kind::List {
                items: items.into_boxed_slice(),
                first_slot: 0,
            },
            open.to(close),
        )
    }

    fn dot(&mut self, base: Expr) -> Parsed {
        self.advance()?;
        let TokenKind::Name(name) = self.next.kind else {
            return Err(self.unexpected("the name of a property"));
        };
        let span = base.span.to(self.next.span);
        self.advance()?;
        node(
            Kind::Member {
                base: Box::new(base),
                name: name.into(),
            },
            span,
        )
    }

    fn brackets(&mut self, base: Expr) -> Parsed {
        let open = self.next.span;
        self.advance()?;
        let index = self.nested(open, Self::expression)?;
        let close = self.close("[", "]", open)?;
        let span = base.span.to(close);
        let base = Box::new(base);
        match index.kind {
            Kind::Text(name) => node(Kind::Member { base, name }, span),
            _ => node(
                Kind::Index {
                    base,
                    index: Box::new(index),
                },
                span,
            ),
        }
    }

    /// Parses one level deeper.
    fn nested(&mut self, opened_at: Span, inner: fn(&mut Self) -> Parsed) -> Parsed {
        if self.depth == MAX_DEPTH {
            return Err(ExpressionError::TooDeep {
                span: opened_at.range(),
            });
        }
        self.depth += 1;
        let inner = inner(self);
        self.depth -= 1;
        inner
    }

    fn advance(&mut self) -> Result<(), ExpressionError> {
        self.next = self.lexer.next_token()?;
        Ok(())
    }

    /// Consumes `sign` if it is next, and returns its span.
    fn take(&mut self, sign: &str) -> Result<Option<Span>, ExpressionError> {
        match self.next.kind {
            TokenKind::Sign(found) if found == sign => {
                let span = self.next.span;
                self.advance()?;
                Ok(Some(span))
            }
            _ => Ok(None),
        }
    }

    fn close(
        &mut self,
        open: &'static str,
        close: &str,
        opened_at: Span,
    ) -> Result<Span, ExpressionError> {
        let found_span = self.next.span.range();
        match self.take(close)? {
            Some(span) => Ok(span),
            None if self.next.kind == TokenKind::Sign(",") => Err(self.foreign(Foreign::Sequence)),
            None => Err(ExpressionError::Unclosed {
                bracket: open,
                span: opened_at.range(),
                found: self.found(),
                found_span,
            }),
        }
    }

    /// Describes the next token for messages.
    fn found(&self) -> String {
        match self.next.kind {
            TokenKind::End => "the end".to_owned(),
            _ => format!("`{}`", self.text(self.next.span)),
        }
    }

    fn text(&self, span: Span) -> &'s str {
        self.source.get(span.range()).unwrap_or_default()
    }

    fn unexpected(&self, expected: &'static str) -> ExpressionError {
        let instead = match self.next.kind {
            TokenKind::Name("and" | "AND") => Some("write `&&`"),
            TokenKind::Name("or" | "OR") => Some("write `||`"),
            TokenKind::Name("is" | "eq") => Some("write `===`"),
            TokenKind::Name("not" | "ne") => Some("write `!==`, or `!` before the negated part"),
            _ => None,
        };
        let span = self.next.span.range();
        match self.next.kind {
            TokenKind::Foreign(foreign) => self.foreign(foreign),
            _ => ExpressionError::Unexpected {
                found: self.found(),
                expected,
                instead,
                span,
            },
        }
    }

    /// `list.includes(item)`, the only supported call.
    fn call(&mut self, callee: Expr) -> Parsed {
        let error = self.not_a_call(&callee);
        let list = match callee.kind {
            Kind::Member { base, name } if *name == *"includes" && may_be_list(&base) => base,
            _ => return Err(error),
        };
        let open = self.next.span;
        self.advance()?;
        if self.take(")")?.is_some() {
            return Err(error);
        }
        let item = Box::new(self.nested(open, Self::expression)?);
        if self.take(",")?.is_some() && self.next.kind != TokenKind::Sign(")") {
            return Err(error);
        }
        let close = self.close("(", ")", open)?;
        node(Kind::Includes { list, item }, callee.span.to(close))
    }

    fn not_a_call(&self, callee: &Expr) -> ExpressionError {
        let instead = match &callee.kind {
            Kind::Member { base, name } if is_membership_test(name) => {
                let container = self.text(base.span);
                Some(match &base.kind {
                    Kind::Fact(Fact::ClientType) => {
                        "write `clientType === 'A'`, or `['A', 'B'].includes(clientType)`"
                            .to_owned()
                    }
                    Kind::Text(_) => "a string has no elements: write a list, as in `['A', \
                         'B'].includes(clientType)`"
                        .to_owned(),
                    _ if may_be_list(base) => {
                        format!("write `{container}.includes(value)`, with one value")
                    }
                    _ => format!("write `\"name\" in {container}`"),
                })
            }
            _ => None,
        };
        ExpressionError::Foreign {
            foreign: Foreign::Call,
            found: format!("{}(", self.text(callee.span)),
            instead,
            span: callee.span.to(self.next.span).range(),
        }
    }

    /// Returns the error for the next token, which is foreign.
    fn foreign(&self, foreign: Foreign) -> ExpressionError {
        let found = self.text(self.next.span);
        let instead = match found {
            "&" => Some("write `&&`".to_owned()),
            "|" => Some("write `||`".to_owned()),
            "-" => self.hyphenated_property(),
            _ => None,
        };
        let (found, span) = (found.to_owned(), self.next.span.range());
        ExpressionError::Foreign {
            foreign,
            found,
            instead,
            span,
        }
    }

    /// The hint for `groups.team-a`: `groups["team-a"]` was meant.
    fn hyphenated_property(&self) -> Option<String> {
        let is_part = |c: char| is_name_part(c) || c == '-' || c == ':';
        let hyphen = self.next.span.range().start;
        let (before, after) = self.source.split_at_checked(hyphen)?;
        let name_start = before.trim_end_matches(is_part).len();
        let name_end = hyphen + (after.len() - after.trim_start_matches(is_part).len());
        let base = before.get(..name_start)?.strip_suffix('.')?;
        let base = base.get(base.trim_end_matches(|c| is_name_part(c) || c == '.').len()..)?;
        let name = self.source.get(name_start..name_end)?;
        Some(format!("write `{base}[\"{name}\"]`"))
    }
}

fn node(kind: Kind, span: Span) -> Parsed {
    Expr::new(kind, span).ok_or_else(|| ExpressionError::TooDeep { span: span.range() })
}

fn meaning(name: &str) -> Option<Kind> {
    match name {
        "true" => Some(Kind::Bool(true)),
        "false" => Some(Kind::Bool(false)),
        "null" => Some(Kind::Null),
        name => Fact::named(name).map(Kind::Fact),
    }
}

/// Whether the method is one of JavaScript's membership tests.
fn is_membership_test(method: &str) -> bool {
    matches!(
        method,
        "includes" | "has" | "contains" | "indexOf" | "hasOwnProperty" | "some"
    )
}

/// Whether the part may be a list: a literal, or a property of the user.
fn may_be_list(expr: &Expr) -> bool {
    !matches!(
        expr.kind,
        Kind::Fact(_) | Kind::Text(_) | Kind::Null | Kind::Bool(_) | Kind::Number(_)
    )
}

/// The hint for `left in […]`.
fn instead_of_in_list(left: &Expr, list: &Expr) -> String {
    let Kind::List { items, .. } = &list.kind else {
        return String::new();
    };
    match &left.kind {
        Kind::Fact(Fact::Groups | Fact::Permissions) => format!("write `{list} in {left}`"),
        Kind::Fact(Fact::ClientType) if !items.is_empty() => {
            let names: Option<Vec<_>> = items.iter().map(plain_text).collect();
            let field = names.map(|names| {
                format!(
                    "; if this is the whole condition, use the field `clientTypes: [{}]`",
                    names.join(", ")
                )
            });
            format!(
                "write `{list}.includes(clientType)`{}",
                field.unwrap_or_default()
            )
        }
        _ => format!("write `{list}.includes({left})`"),
    }
}

/// A string that YAML parses without quotes.
fn plain_text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        Kind::Text(text)
            if text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) =>
        {
            Some(text)
        }
        _ => None,
    }
}

fn unknown_name(source: &str, name: &str, span: Span) -> ExpressionError {
    let instead = match name {
        "undefined" => Some("compare with `null`: `x == null` is also true if `x` is `undefined`"),
        "typeof" | "instanceof" | "void" | "delete" | "new" | "await" | "yield" | "function"
        | "class" | "this" | "super" | "import" | "NaN" | "Infinity" | "let" | "const" | "var"
        | "return" | "if" => None,
        _ => {
            return ExpressionError::UnknownName {
                name: name.to_owned(),
                is_object: source
                    .get(span.range().end..)
                    .is_some_and(|rest| rest.trim_start().starts_with(['.', '['])),
                span: span.range(),
            };
        }
    };
    ExpressionError::Foreign {
        foreign: Foreign::Word,
        found: name.to_owned(),
        instead: instead.map(str::to_owned),
        span: span.range(),
    }
}
