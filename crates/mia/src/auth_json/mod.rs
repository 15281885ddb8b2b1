//! Mia-Platform's `auth.json`, read as it is.
//!
//! Its shape is documented (Mia-Platform Documentation, Authorization Service, Configuration): paths
//! → methods or `ALL` → `authorization` and `backofficeAuthorization` → `expression` and `public`.
//! A path covers what is below it; a method that it does not name is that of the nearest path
//! above which covers it. `public: false` asks for a logged-in user; no API key is asked for but by
//! the expression.

mod read;
mod text;

use std::{cmp::Reverse, collections::BTreeMap, ops::Range};

use read::Reader;
use text::MethodText;
pub(super) use {
    read::{method, path, pattern},
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
    policy::{Demands, Draft, ExpressionPlaces, Loaded, Method, Policy, PolicyError},
};

use super::write::policy_yaml;

/// One `auth.json`, or two that were merged.
#[derive(Debug)]
pub struct AuthJson {
    paths: BTreeMap<Shape, Entry>,
    /// What is probably not what was meant.
    pub warnings: Vec<Diagnostic>,
}

/// A path without the names of its parameters: what tells two paths apart.
type Shape = Vec<Segment>;

/// What stands at one path.
#[derive(Debug, Clone)]
struct Entry {
    path: Pattern,
    place: Range<usize>,
    methods: ByMethod,
}

/// By method; `None` is `ALL`, and comes first.
type ByMethod = BTreeMap<Option<Method>, Authorizations>;

/// What stands at one method.
#[derive(Debug, Clone, Default)]
struct Authorizations {
    ordinary: Option<Authorization>,
    backoffice: Option<Authorization>,
}

/// What one gateway asks for.
#[derive(Debug, Clone)]
struct Authorization {
    expression: Expression,
    public: bool,
    /// Where the expression stands; absent where that is another file.
    place: Option<Scalar>,
}

impl AuthJson {
    /// How an `auth.json` is told from other files.
    pub const FILE_KIND: FileKind<'static> = FileKind {
        top: Top::Paths,
        inner: &["expression"],
    };

    /// Reads one file.
    ///
    /// # Errors
    /// Every mistake that was found; of mistakes in the JSON itself, the first.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
        if text.trim().is_empty() {
            let empty = Diagnostic::error("the file is empty").help("without paths it is `{}`");
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
            let place = yaml::span(name.defined, text);
            let path = reader.path(name);
            let methods = reader.methods(methods);
            let Some(path) = path else { continue };
            if let Some(first) = paths.get(&shape(&path)) {
                let (label, first) = (path.to_string(), first.place.clone());
                reader.errors.push(PolicyError::Indistinguishable {
                    label,
                    at: place,
                    first,
                });
                continue;
            }
            let entry = Entry {
                path,
                place,
                methods,
            };
            paths.insert(shape(&entry.path), entry);
        }
        if file.0.is_empty() {
            reader.warnings.push(Diagnostic::warning(
                "the file names no paths, so every request is denied",
            ));
        }
        if reader.errors.is_empty() {
            let warnings = reader.warnings;
            Ok(Self { paths, warnings })
        } else {
            Err(reader.errors)
        }
    }

    /// Puts another file over this one: what it says of a path, a method and a gateway wins.
    #[must_use]
    pub fn extended_by(mut self, extension: Self) -> Self {
        for (shape, over) in extension.paths {
            let under = self.paths.entry(shape).or_insert_with(|| Entry {
                // A place in the other file's text would mark the wrong line of this one.
                place: 0..0,
                methods: BTreeMap::new(),
                path: over.path.clone(),
            });
            for (method, over) in over.methods {
                let under = under.methods.entry(method).or_default();
                let elsewhere = |over: Authorization| Authorization {
                    place: None,
                    ..over
                };
                under.ordinary = over.ordinary.map(elsewhere).or(under.ordinary.take());
                under.backoffice = over.backoffice.map(elsewhere).or(under.backoffice.take());
            }
        }
        self
    }

    /// The policy that it says.
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

    /// The text of a `policy.yaml` that decides the same.
    #[must_use]
    pub fn to_policy_yaml(&self) -> String {
        policy_yaml(&self.endpoints())
    }

    /// An endpoint for each path and each group of its methods that ask for the same, its own and
    /// those of the paths above.
    fn endpoints(&self) -> Vec<Draft> {
        let mut effective: BTreeMap<&Shape, ByMethod> = BTreeMap::new();
        let mut order: Vec<_> = self.paths.keys().collect();
        // What covers another is shorter, or as long with fewer texts.
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

    /// The longest other path that covers all of this one; of equally long ones the more specific.
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

/// The methods of a path, with those of the path above that it does not speak of.
fn with_inherited(own: &ByMethod, above: Option<&ByMethod>) -> ByMethod {
    let names = |name: &str| own.keys().flatten().any(|method| method.as_str() == name);
    let mut methods = own.clone();
    if !own.contains_key(&None) {
        for (method, inherited) in above.into_iter().flatten() {
            // A path that names GET has spoken of HEAD: it follows GET.
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

/// The endpoints of one path: one for each set of methods that ask for the same.
fn drafts(entry: &Entry, methods: ByMethod) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for (method, authorizations) in methods {
        let draft = authorizations.draft(entry, method.clone());
        let same = drafts.iter_mut().find(|other| {
            other.methods.is_some() && asks_for(&other.demands) == asks_for(&draft.demands)
        });
        match (same.and_then(|same| same.methods.as_mut()), method) {
            (Some(methods), Some(method)) => methods.push(method),
            _ => drafts.push(draft),
        }
    }
    drafts
}

fn asks_for(demands: &Demands) -> (&str, Option<&str>, bool, bool) {
    (
        demands.group_expression.source(),
        demands
            .backoffice_expression
            .as_ref()
            .map(Expression::source),
        demands.authentication_required,
        demands.backoffice_authentication_required,
    )
}

impl Authorizations {
    fn draft(self, entry: &Entry, method: Option<Method>) -> Draft {
        // A gateway that a method does not speak of: the ordinary one is closed, and the
        // back office is as the ordinary one.
        let closed = Authorization {
            expression: Expression::never(),
            public: true,
            place: None,
        };
        let ordinary = self.ordinary.unwrap_or(closed);
        let is_public = self
            .backoffice
            .as_ref()
            .map_or(ordinary.public, |backoffice| backoffice.public);
        let (backoffice_expression, backoffice) = self
            .backoffice
            .map(|backoffice| (backoffice.expression, backoffice.place))
            .unzip();
        Draft {
            base: entry.path.clone(),
            route: None,
            hosts: Vec::new(),
            methods: method.map(|method| vec![method]),
            demands: Demands {
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
            expression_places: ExpressionPlaces::new(ordinary.place, backoffice.flatten(), None),
            place: entry.place.clone(),
        }
    }
}
