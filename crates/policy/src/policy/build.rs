//! Rules as a document gives them, checked against each other and compiled.

use std::{collections::BTreeSet, ops::Range};

use super::{
    HostPattern, Method, Policy, PolicyError, Rule,
    matcher::{ByMethod, Matcher, RuleId},
    rule::{Demands, ExpressionPlaces},
};
use crate::path::{Pattern, Segment, TrailingSlash};

/// Where a rule stands in its text.
pub(crate) type Place = Range<usize>;

/// One endpoint or route, complete: what it left out has been filled in.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) base: Pattern,
    /// Absent for the endpoint itself.
    pub(crate) route: Option<Pattern>,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) methods: Option<Vec<Method>>,
    pub(crate) demands: Demands,
    pub(crate) expression_places: ExpressionPlaces,
    pub(crate) place: Place,
}

/// Why a rule can never match.
enum Hidden {
    /// Another rule takes all its requests.
    By(RuleId),
    /// It is for the root without a slash, and the path `/` always has one.
    RootWithoutSlash,
}

impl Policy {
    /// Compiles the rules of one document.
    ///
    /// # Errors
    /// Two rules that nothing tells apart, and rules that can never match.
    pub(crate) fn build(
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
            for host in draft.host_keys() {
                for method in draft.method_keys() {
                    let taken = matcher.slot(draft, host).insert(method, id);
                    collisions.extend(taken.map(|first| (first, id)));
                }
            }
        }
        let place = |id: RuleId| drafts.get(id).map_or(0..0, |draft| draft.place.clone());
        let indistinguishable = collisions.into_iter().map(|(first, second)| {
            let label = drafts.get(second).map(Draft::label).unwrap_or_default();
            PolicyError::Indistinguishable {
                label,
                at: place(second),
                first: place(first),
            }
        });
        let mut errors: Vec<_> = indistinguishable.collect();
        if errors.is_empty() {
            errors.extend(drafts.iter().enumerate().filter_map(|(id, draft)| {
                let hiding = match matcher.hidden(id, draft)? {
                    Hidden::By(rule) => Some(place(rule)),
                    Hidden::RootWithoutSlash => None,
                };
                let (label, at) = (draft.label(), draft.place.clone());
                Some(PolicyError::Unreachable { label, at, hiding })
            }));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let rules = drafts
            .into_iter()
            .enumerate()
            .map(|(index, draft)| draft.compile(index));
        Ok(Self {
            rules: rules.collect(),
            matcher,
        })
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

    /// Why the rule can never match, if it cannot on any of its hosts.
    fn hidden(&self, id: RuleId, draft: &Draft) -> Option<Hidden> {
        let mut hidden = None;
        for host in draft.host_keys() {
            hidden = Some(match &draft.route {
                Some(route) => self.hidden_route(draft, route, host)?,
                None => Hidden::By(self.hiding_endpoint(id, draft, host)?),
            });
        }
        hidden
    }

    fn hidden_route(
        &self,
        draft: &Draft,
        route: &Pattern,
        host: Option<&HostPattern>,
    ) -> Option<Hidden> {
        let path = draft.base.join(route);
        if self.trailing_slash == TrailingSlash::Strict && path.segments().is_empty() {
            return Some(Hidden::RootWithoutSlash);
        }
        let own_depth = draft.base.segments().len();
        let mut longer = None;
        self.bases
            .visit_covering(path.segments(), 0, &mut |depth, base| {
                if depth > own_depth {
                    longer = longer.or(base.covering(host).and_then(|area| area.any_rule()));
                }
            });
        longer.map(Hidden::By)
    }

    /// An endpoint never decides itself where its routes take its own path and all below it.
    fn hiding_endpoint(
        &self,
        id: RuleId,
        draft: &Draft,
        host: Option<&HostPattern>,
    ) -> Option<RuleId> {
        let area = self.bases.get(draft.base.segments())?.covering(host)?;
        let own_path = area.routes.get(&[]);
        let with_slash = match self.trailing_slash {
            TrailingSlash::Ignore => own_path,
            TrailingSlash::Strict => area.routes.get(&[Segment::Literal(Box::default())]),
        };
        let everything_below = area.routes.get(&[Segment::Rest(Box::default())]);
        let mut hiding = None;
        for method in draft.method_keys() {
            for place in [own_path, with_slash, everything_below] {
                let taken = method.map_or_else(
                    || place.and_then(ByMethod::all),
                    |method| place.and_then(|by_method| by_method.get(method.as_str())),
                );
                hiding = Some(taken.filter(|taken| *taken != id)?);
            }
        }
        hiding
    }
}

impl Draft {
    /// The hosts to be found under; `None` stands for all.
    fn host_keys(&self) -> impl Iterator<Item = Option<&HostPattern>> {
        let all = self.hosts.is_empty().then_some(None);
        self.hosts.iter().map(Some).chain(all)
    }

    /// The methods to be found under; `None` stands for all.
    fn method_keys(&self) -> impl Iterator<Item = Option<&Method>> {
        let all = self.methods.is_none().then_some(None);
        self.methods.iter().flatten().map(Some).chain(all)
    }

    /// The rule's name for people.
    pub(crate) fn label(&self) -> String {
        let mut label = String::new();
        if let Some(methods) = &self.methods {
            label = methods
                .iter()
                .map(Method::as_str)
                .collect::<Vec<_>>()
                .join(",");
            label.push(' ');
        }
        if let Some(host) = self.hosts.first() {
            label.push_str(&host.to_string());
        }
        label.push_str(&self.path().to_string());
        label
    }

    fn path(&self) -> Pattern {
        self.route
            .as_ref()
            .map_or_else(|| self.base.clone(), |route| self.base.join(route))
    }

    fn compile(self, index: usize) -> Rule {
        Rule {
            index,
            label: self.label(),
            path: self.path(),
            is_route: self.route.is_some(),
            hosts: self.hosts,
            methods: self.methods,
            demands: self.demands,
            places: self.expression_places,
        }
    }
}
