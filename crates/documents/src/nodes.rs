//! The nodes of a YAML text in order, and the YAML features that are not plain data.

use std::{borrow::Cow, ops::Range};

use granit_parser::{
    ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle,
};

use crate::diagnostic::offset_of;

/// The role of a node in its collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The document itself.
    Document,
    /// The name of a field.
    Name,
    /// The value of a field.
    Value,
    /// An item of a list.
    Item,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind<'t> {
    Scalar { text: Cow<'t, str>, is_plain: bool },
    List,
    Mapping,
    Alias,
}

/// One node, without what is inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node<'t> {
    pub(crate) role: Role,
    pub(crate) kind: Kind<'t>,
    /// In how many collections it is.
    pub(crate) depth: usize,
    pub(crate) at: Range<usize>,
    /// The feature that is not plain data, and its location.
    pub(crate) feature: Option<(Feature, Range<usize>)>,
    /// Whether it is inside brackets or braces.
    pub(crate) is_in_flow: bool,
}

/// A YAML feature that is not plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    Tag,
    Anchor,
    Alias,
    MergeKey,
    /// An empty value.
    NoValue,
}

/// The parser failed before the end of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) kind: ErrorKind,
    pub(crate) at: usize,
}

/// Iterates over the nodes of a text; the last item is an error if the text is not YAML.
pub(crate) struct Nodes<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    open: Vec<Collection>,
    is_over: bool,
}

/// A collection that has not ended yet.
#[derive(Debug, Clone, Copy)]
struct Collection {
    is_flow: bool,
    next: Role,
}

impl<'t> Nodes<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let options = granit_parser::options! {
            disallow_directives: true,
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
        };
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            text,
            open: Vec::new(),
            is_over: false,
        }
    }

    fn node(&mut self, kind: Kind<'t>, span: &Span) -> Node<'t> {
        let (role, is_in_flow) = match self.open.last_mut() {
            None => (Role::Document, false),
            Some(collection) => {
                let role = collection.next;
                collection.next = match role {
                    Role::Name => Role::Value,
                    Role::Value => Role::Name,
                    other => other,
                };
                (role, collection.is_flow)
            }
        };
        let at = self.range(span);
        let has_tag = span.tag_start().is_some();
        let feature = match &kind {
            _ if has_tag => {
                let tag = span.tag_span().map(|tag| self.range(&tag));
                Some((Feature::Tag, tag.unwrap_or_else(|| at.clone())))
            }
            Kind::Alias => Some((Feature::Alias, at.clone())),
            Kind::Scalar { text, is_plain } if *is_plain => match (role, text.as_ref()) {
                (Role::Name, "<<") => Some((Feature::MergeKey, at.clone())),
                // The parser reports an absent value as `~`.
                (Role::Value | Role::Item, _) if at.is_empty() => {
                    Some((Feature::NoValue, at.clone()))
                }
                _ => None,
            },
            _ => None,
        };
        Node {
            role,
            kind,
            depth: self.open.len(),
            at,
            feature,
            is_in_flow,
        }
    }

    /// Adds the location of the anchor, which the parser reports after the node.
    fn anchored(&mut self, id: usize, mut node: Node<'t>) -> Node<'t> {
        if id == 0 {
            return node;
        }
        let at = match self.parser.next_event() {
            Some(Ok((Event::Anchor(..), span))) => self.range(&span),
            _ => node.at.clone(),
        };
        let tag_is_first =
            matches!(&node.feature, Some((Feature::Tag, tag)) if tag.start < at.start);
        if !tag_is_first {
            node.feature = Some((Feature::Anchor, at));
        }
        node
    }

    fn collection(&mut self, kind: Kind<'t>, style: StructureStyle, span: &Span) -> Node<'t> {
        let next = match kind {
            Kind::Mapping => Role::Name,
            _ => Role::Item,
        };
        let node = self.node(kind, span);
        let is_flow = style == StructureStyle::Flow;
        self.open.push(Collection { is_flow, next });
        node
    }

    fn range(&self, span: &Span) -> Range<usize> {
        span.byte_range()
            .unwrap_or(self.text.len()..self.text.len())
    }

    fn error(&self, error: &ScanError) -> SyntaxError {
        let marker = error.marker();
        let by_column = || offset_of(self.text, marker.line(), marker.col() + 1);
        SyntaxError {
            kind: error.kind().clone(),
            at: marker.byte_offset().unwrap_or_else(by_column),
        }
    }
}

impl<'t> Iterator for Nodes<'t> {
    type Item = Result<Node<'t>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            let (event, span) = match self.parser.next_event()? {
                Ok(event) => event,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(self.error(&error)));
                }
            };
            let node = match event {
                Event::Scalar(text, style, anchor, _) => {
                    let is_plain = style == ScalarStyle::Plain;
                    let node = self.node(Kind::Scalar { text, is_plain }, &span);
                    self.anchored(anchor, node)
                }
                Event::SequenceStart(style, anchor, _) => {
                    let node = self.collection(Kind::List, style, &span);
                    self.anchored(anchor, node)
                }
                Event::MappingStart(style, anchor, _) => {
                    let node = self.collection(Kind::Mapping, style, &span);
                    self.anchored(anchor, node)
                }
                Event::Alias(_) | Event::UnresolvedAlias(_) => self.node(Kind::Alias, &span),
                Event::SequenceEnd | Event::MappingEnd => {
                    self.open.pop();
                    continue;
                }
                _ => continue,
            };
            return Some(Ok(node));
        }
        None
    }
}
