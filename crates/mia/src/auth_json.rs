//! Reads Mia-Platform's `auth.json`.
//!
//! Its format is documented (Mia-Platform Documentation, Authorization Service, Configuration): paths
//! → methods or `ALL` → `authorization` and `backofficeAuthorization` → `expression` and `public`.
//! A path covers everything below it; a method that it does not list is inherited from the nearest
//! path above that lists it. `public: false` requires a logged-in user; only an expression can
//! require an API key.

mod read;
mod text;

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use read::Reader;
use text::MethodText;
pub(super) use {
    read::{exact_path, method, path, pattern},
    text::Object,
};

use keygate_documents::{
    content::{FileKind, Top},
    diagnostic::{Content, Diagnostic},
    scalar::Scalar,
    yaml,
};
use keygate_expression::Expression;
use keygate_policy::{
    path::{Ambiguities, Pattern, Segment, TrailingSlash},
    policy::{Draft, ExpressionLocations, Loaded, Method, Policy, PolicyError, Requirements},
};

use super::write::policy_yaml;

/// One `auth.json`, or two that were merged.
#[derive(Debug)]
pub struct AuthJson {
    paths: BTreeMap<Shape, Entry>,
    /// The likely errors.
    pub warnings: Vec<Diagnostic>,
}

/// A path without the names of its parameters, which do not distinguish paths.
type Shape = Vec<Segment>;

/// The content of one path.
#[derive(Debug, Clone)]
struct Entry {
    path: Pattern,
    span: Range<usize>,
    methods: ByMethod,
}

/// The content of a path by method; `None` is `ALL` and comes first.
type ByMethod = BTreeMap<Option<Method>, Authorizations>;

/// The content of one method.
#[derive(Debug, Clone, Default)]
struct Authorizations {
    ordinary: Option<Authorization>,
    backoffice: Option<Authorization>,
}

/// The requirements for one gateway.
#[derive(Debug, Clone)]
struct Authorization {
    expression: Expression,
    public: bool,
    /// The location of the expression; `None` if it is in another file.
    location: Option<Scalar>,
}

impl AuthJson {
    /// The fields that distinguish an `auth.json` from other files.
    pub const FILE_KIND: FileKind<'static> = FileKind {
        top: Top::Paths,
        inner: &["expression"],
    };

    /// Parses one file.
    ///
    /// # Errors
    /// Every error in the file, but only the first error in the JSON syntax.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
        if text.trim().is_empty() {
            let empty = Diagnostic::error("the file is empty").help(
                "if there are no paths, write \
                                                                     `{}`",
            );
            return Err(vec![PolicyError::Text(Box::new(empty))]);
        }
        let content = Content::of(text, &Self::FILE_KIND);
        let file: Object<Object<MethodText>> = yaml::from_str(text, content)
            .map_err(|diagnostic| vec![PolicyError::Text(Box::new(diagnostic))])?;
        let mut reader = Reader {
            text,
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        let mut paths: BTreeMap<Shape, Entry> = BTreeMap::new();
        for (name, methods) in &file.0 {
            let span = yaml::span(name.defined, text);
            let path = reader.path(name);
            let methods = reader.methods(methods);
            let Some(path) = path else { continue };
            if let Some(first) = paths.get(&shape(&path)) {
                let (label, first) = (path.to_string(), first.span.clone());
                reader.errors.push(PolicyError::Indistinguishable {
                    label,
                    at: span,
                    first,
                });
                continue;
            }
            let entry = Entry {
                path,
                span,
                methods,
            };
            paths.insert(shape(&entry.path), entry);
        }
        if file.0.is_empty() {
            reader.warnings.push(Diagnostic::warning(
                "the file has no paths, so every request is denied",
            ));
        }
        if reader.errors.is_empty() {
            let warnings = reader.warnings;
            Ok(Self { paths, warnings })
        } else {
            Err(reader.errors)
        }
    }

    /// Merges another file into this one: it replaces each path, method and gateway that it sets.
    #[must_use]
    pub fn extended_by(mut self, extension: Self) -> Self {
        for (shape, over) in extension.paths {
            let under = self.paths.entry(shape).or_insert_with(|| Entry {
                // A span of the other file would mark the wrong line of this one.
                span: 0..0,
                methods: BTreeMap::new(),
                path: over.path.clone(),
            });
            for (method, over) in over.methods {
                let under = under.methods.entry(method).or_default();
                let elsewhere = |over: Authorization| Authorization {
                    location: None,
                    ..over
                };
                under.ordinary = over.ordinary.map(elsewhere).or(under.ordinary.take());
                under.backoffice = over.backoffice.map(elsewhere).or(under.backoffice.take());
            }
        }
        self
    }

    /// Returns the policy.
    ///
    /// # Errors
    /// None that [`AuthJson::parse`] would not have found.
    pub fn load(self) -> Result<Loaded, Vec<PolicyError>> {
        let policy = Policy::build(self.endpoints(), TrailingSlash::Ignore)?;
        Ok(Loaded {
            policy,
            warnings: self.warnings,
        })
    }

    /// Returns the text of an equivalent `policy.yaml`.
    #[must_use]
    pub fn to_policy_yaml(&self) -> String {
        policy_yaml(&self.endpoints())
    }

    /// Returns an endpoint for each path and each group of its methods with the same requirements.
    /// Inherited methods are included.
    fn endpoints(&self) -> Vec<Draft> {
        let mut effective: BTreeMap<&Shape, ByMethod> = BTreeMap::new();
        let mut order: Vec<_> = self.paths.keys().collect();
        // A path that covers another is shorter, or as long with fewer literal segments.
        order.sort_by_key(|shape| {
            let texts = shape.iter().filter(|segment| is_text(segment)).count();
            (shape.len(), texts)
        });
        let with_parameters: Vec<_> = order
            .iter()
            .copied()
            .filter(|shape| !shape.iter().all(is_text))
            .collect();
        for shape in order {
            let Some(entry) = self.paths.get(shape) else {
                continue;
            };
            let above = self
                .nearest_above(shape, &with_parameters)
                .and_then(|above| effective.get(above));
            let methods = with_inherited(&entry.methods, above);
            effective.insert(shape, methods);
        }
        let drafts = self.paths.iter().flat_map(|(shape, entry)| {
            let methods = effective.remove(shape).unwrap_or_default();
            drafts(entry, methods)
        });
        drafts.collect()
    }

    /// Returns the longest other path that covers all of this one; of equal lengths the more specific.
    fn nearest_above<'a>(
        &'a self,
        shape: &Shape,
        with_parameters: &[&'a Shape],
    ) -> Option<&'a Shape> {
        let prefixes = (0..shape.len())
            .filter_map(|length| self.paths.get_key_value(shape.get(..length)?))
            .map(|(above, _)| above);
        let others = with_parameters.iter().copied();
        let others = others.filter(|other| *other != shape && covers(other, shape));
        prefixes
            .chain(others)
            .min_by_key(|above| (Reverse(above.len()), *above))
    }
}

fn is_text(segment: &Segment) -> bool {
    matches!(segment, Segment::Literal(_))
}

fn covers(above: &Shape, below: &Shape) -> bool {
    let mut pairs = above.iter().zip(below);
    above.len() <= below.len() && pairs.all(|(above, below)| !is_text(above) || above == below)
}

fn shape(path: &Pattern) -> Shape {
    let nameless = |segment: &Segment| match segment {
        Segment::Literal(text) => Segment::Literal(text.clone()),
        Segment::Parameter(_) | Segment::Rest(_) => Segment::Parameter(Box::default()),
    };
    path.segments().iter().map(nameless).collect()
}

/// Returns the methods of a path and those that it inherits.
fn with_inherited(own: &ByMethod, above: Option<&ByMethod>) -> ByMethod {
    let names = |name: &str| own.keys().flatten().any(|method| method.as_str() == name);
    let mut methods = own.clone();
    if !own.contains_key(&None) {
        for (method, inherited) in above.into_iter().flatten() {
            // A path that lists GET also sets HEAD, which follows GET.
            let follows = |method: &Method| method.as_str() == "HEAD" && names("GET");
            if !method.as_ref().is_some_and(follows) {
                methods
                    .entry(method.clone())
                    .or_insert_with(|| inherited.clone());
            }
        }
    }
    methods
}

/// Returns the endpoints of one path: one for each set of methods with the same requirements.
fn drafts(entry: &Entry, methods: ByMethod) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for (method, authorizations) in methods {
        let draft = authorizations.draft(entry, method.clone());
        let same = drafts.iter_mut().find(|other| {
            other.methods.is_some()
                && comparable(&other.requirements) == comparable(&draft.requirements)
        });
        match (same.and_then(|same| same.methods.as_mut()), method) {
            (Some(methods), Some(method)) => methods.push(method),
            _ => drafts.push(draft),
        }
    }
    drafts
}

fn comparable(requirements: &Requirements) -> (&str, Option<&str>, bool, bool) {
    (
        requirements.group_expression.source(),
        requirements
            .backoffice_expression
            .as_ref()
            .map(Expression::source),
        requirements.authentication_required,
        requirements.backoffice_authentication_required,
    )
}

impl Authorizations {
    fn draft(self, entry: &Entry, method: Option<Method>) -> Draft {
        // Without `authorization` the ordinary gateway is denied; without `backofficeAuthorization` the
        // back-office gateway has the ordinary requirements.
        let closed = Authorization {
            expression: Expression::never(),
            public: true,
            location: None,
        };
        let ordinary = self.ordinary.unwrap_or(closed);
        let is_public = self
            .backoffice
            .as_ref()
            .map_or(ordinary.public, |backoffice| backoffice.public);
        let (backoffice_expression, backoffice) = self
            .backoffice
            .map(|backoffice| (backoffice.expression, backoffice.location))
            .unzip();
        Draft {
            base: entry.path.clone(),
            route: None,
            hosts: Vec::new(),
            methods: method.map(|method| vec![method]),
            requirements: Requirements {
                description: None,
                api_key_required: false,
                authentication_required: !ordinary.public,
                backoffice_authentication_required: !is_public,
                group_expression: ordinary.expression,
                backoffice_expression,
                shadow: None,
                allows_preflight: false,
                allowed_ambiguities: Ambiguities::default(),
            },
            expression_locations: ExpressionLocations::new(
                ordinary.location,
                backoffice.flatten(),
                None,
            ),
            span: entry.span.clone(),
        }
    }
}
