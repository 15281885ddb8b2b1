//! The directives that apply to one location, as nginx inherits them.

use super::{Directive, OWN};

/// The blocks from the outside to one location.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'c>(Vec<&'c [Directive]>);

impl<'c> Scope<'c> {
    pub(super) fn inside(&self, block: &'c [Directive]) -> Self {
        let mut blocks = self.0.clone();
        blocks.push(block);
        Self(blocks)
    }

    /// Returns the directives of this name that apply: those of the innermost block that has any.
    pub(super) fn effective(&self, name: &str) -> Vec<&'c Directive> {
        self.0
            .iter()
            .rev()
            .map(|block| named(block, name).collect::<Vec<_>>())
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// Returns the last directive of this name that applies.
    pub(super) fn one_effective(&self, name: &str) -> Option<&'c Directive> {
        self.effective(name).pop()
    }

    /// Returns all directives of this name in any of the blocks.
    pub(super) fn everything(&self, name: &'c str) -> impl Iterator<Item = &'c Directive> {
        self.0.iter().flat_map(move |block| named(block, name))
    }

    /// Returns the scope without the innermost block.
    pub(super) fn outer(&self) -> Self {
        let outer = self.0.split_last().map(|(_, outer)| outer.to_vec());
        Self(outer.unwrap_or_default())
    }

    /// Returns whether the caller's own value of this header is replaced or removed by `proxy_set_header`.
    pub(super) fn replaces(&self, header: &str) -> bool {
        self.replaces_by("proxy_set_header", header)
    }

    /// Returns whether the caller's own value of this header is replaced or removed by a directive.
    pub(super) fn replaces_by(&self, directive: &str, header: &str) -> bool {
        let own = format!("http_{}", header.to_ascii_lowercase().replace('-', "_"));
        self.effective(directive).iter().any(|it| {
            it.argument(0).eq_ignore_ascii_case(header)
                && !variables(it.argument(1)).any(|name| name == own)
        })
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.one_effective("auth_request")
            .is_some_and(|it| it.argument(0).starts_with(OWN))
    }
}

pub(super) fn named<'c>(block: &'c [Directive], name: &str) -> impl Iterator<Item = &'c Directive> {
    block.iter().filter(move |directive| directive.name == name)
}

/// Returns the names of the variables in a text, in lower case.
pub(super) fn variables(text: &str) -> impl Iterator<Item = String> {
    text.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest
            .find(|it: char| !it.is_ascii_alphanumeric() && it != '_')
            .unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        // `$1x` is the first capture, followed by an `x`.
        let digit = name.get(..1).filter(|it| it.parse::<u8>().is_ok());
        digit.unwrap_or(name).to_ascii_lowercase()
    })
}

pub(super) fn visit<'c>(block: &'c [Directive], see: &mut impl FnMut(&'c Directive)) {
    for directive in block {
        see(directive);
        visit(directive.children(), see);
    }
}

/// Returns whether a variable's value comes from a header, a cookie or the query.
pub(super) fn is_from_caller(variable: &str) -> bool {
    ["arg_", "cookie_", "http_"]
        .iter()
        .any(|start| variable.starts_with(start))
        || matches!(variable, "args" | "query_string")
}
