//! Compiles the rules of a document and checks them against each other.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use keygate_expression::Expression;

use super::{
    HostPattern, Match, Method, Policy, PolicyError, Rule,
    matcher::{ByMethod, Matcher},
    rule::{ExpressionLocations, Requirements, or_all},
    witness::{Filling, witnesses},
};
use crate::path::{Pattern, TrailingSlash};

/// The location of a rule in its text.
pub type Span = Range<usize>;

/// One endpoint or route with all values filled in.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The endpoint's path.
    pub base: Pattern,
    /// The path below it; `None` for the endpoint itself.
    pub route: Option<Pattern>,
    /// The hosts that it applies to; none means all.
    pub hosts: Vec<HostPattern>,
    /// The methods that it applies to; `None` means all.
    pub methods: Option<Vec<Method>>,
    /// The requirements.
    pub requirements: Requirements,
    /// The locations of its expressions in the text.
    pub expression_locations: ExpressionLocations,
    /// Its location in the text.
    pub span: Span,
}

impl Policy {
    /// Compiles the rules of one document.
    ///
    /// # Errors
    /// Rules with the same path, hosts and method, and rules that can never match.
    pub fn build(
        drafts: Vec<Draft>,
        trailing_slash: TrailingSlash,
    ) -> Result<Self, Vec<PolicyError>> {
        let mut matcher = Matcher {
            trailing_slash,
            ..Matcher::default()
        };
        let mut collisions = BTreeSet::new();
        for (id, draft) in drafts.iter().enumerate() {
            matcher.names_hosts |= !draft.hosts.is_empty();
            for host in or_all(&draft.hosts) {
                for method in or_all(draft.methods.as_deref().unwrap_or_default()) {
                    let taken = matcher.slot(draft, host).insert(method, id);
                    collisions.extend(taken.map(|first| (first, id)));
                }
            }
        }
        let spans: Vec<_> = drafts.iter().map(|draft| draft.span.clone()).collect();
        let mut known = Interned::default();
        let rules = drafts.into_iter().enumerate().map(|(index, mut draft)| {
            known.share(&mut draft.requirements.group_expression);
            if let Some(expression) = &mut draft.requirements.backoffice_expression {
                known.share(expression);
            }
            draft.compile(index)
        });
        let policy = Self {
            rules: rules.collect(),
            matcher,
        };
        let errors = if collisions.is_empty() {
            policy.unreachable_rules(&spans)
        } else {
            let error = |(first, second)| policy.indistinguishable(&spans, first, second);
            collisions.into_iter().filter_map(error).collect()
        };
        if errors.is_empty() {
            Ok(policy)
        } else {
            Err(errors)
        }
    }

    fn indistinguishable(
        &self,
        spans: &[Span],
        first: usize,
        second: usize,
    ) -> Option<PolicyError> {
        Some(PolicyError::Indistinguishable {
            label: self.rules.get(second)?.label().to_owned(),
            at: spans.get(second)?.clone(),
            first: spans.get(first)?.clone(),
        })
    }

    /// Returns the errors for rules that no request can reach.
    fn unreachable_rules(&self, spans: &[Span]) -> Vec<PolicyError> {
        let deepest = self.deepest();
        let unreachable = self.rules.iter().zip(spans).filter_map(|(rule, at)| {
            let mut winner = None;
            for witness in witnesses(rule, deepest, Filling::UNWRITTEN) {
                match self.find(&witness.request(), &witness.path) {
                    Match::Rule(found) if found.index == rule.index => return None,
                    other => winner = winner.or(other.rule()),
                }
            }
            let hiding = winner.and_then(|winner| spans.get(winner.index)).cloned();
            let label = rule.label().to_owned();
            Some(PolicyError::Unreachable {
                label,
                at: at.clone(),
                hiding,
            })
        });
        unreachable.collect()
    }

    /// Returns the length of the longest pattern.
    pub(super) fn deepest(&self) -> usize {
        let lengths = self.rules.iter().map(|rule| rule.path().segments().len());
        lengths.max().unwrap_or(0)
    }
}

/// Expressions by their text, so that equal ones share memory.
#[derive(Default)]
struct Interned(HashMap<String, Expression>);

impl Interned {
    /// Replaces an expression by the first one with the same text.
    fn share(&mut self, expression: &mut Expression) {
        let source = expression.source().to_owned();
        let first = self.0.entry(source).or_insert_with(|| expression.clone());
        *expression = first.clone();
    }
}

impl Matcher {
    fn slot(&mut self, draft: &Draft, host: Option<&HostPattern>) -> &mut ByMethod {
        let area = self.bases.entry(draft.base.segments()).entry(host);
        match &draft.route {
            Some(route) => area.routes.entry(route.segments()),
            None => &mut area.endpoints,
        }
    }
}

impl Draft {
    fn compile(self, index: usize) -> Rule {
        let path = self
            .route
            .as_ref()
            .map_or_else(|| self.base.clone(), |route| self.base.join(route));
        let mut rule = Rule {
            index,
            label: label(self.methods.as_deref(), &self.hosts, &path),
            path,
            is_route: self.route.is_some(),
            hosts: self.hosts,
            methods: self.methods,
            requirements: self.requirements,
            needs_user: [false; 2],
            shadow_needs_user: [false; 2],
            locations: self.expression_locations,
        };
        rule.needs_user = [false, true].map(|is_backoffice| rule.mentions_user(is_backoffice));
        rule.shadow_needs_user =
            [false, true].map(|is_backoffice| rule.shadow_mentions_user(is_backoffice));
        rule
    }
}

/// Returns the rule's name for people: its methods, its first host and its path. All three are
/// visible ASCII.
fn label(methods: Option<&[Method]>, hosts: &[HostPattern], path: &Pattern) -> String {
    let methods: Vec<_> = methods
        .unwrap_or_default()
        .iter()
        .map(Method::as_str)
        .collect();
    let space = if methods.is_empty() { "" } else { " " };
    let host = hosts.first().map(ToString::to_string).unwrap_or_default();
    format!("{}{space}{host}{path}", methods.join(","))
}
