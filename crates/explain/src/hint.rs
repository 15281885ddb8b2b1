//! What a described request lacks, and what looks wrong in it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use keygate_documents::diagnostic::nearest;
use keygate_expression::User;
use keygate_keys::{KeyTable, key::KeyState};
use keygate_policy::{
    Decision, Needs, Policy, Reason, Request, Rule,
    path::{Ambiguities, Ambiguity, CanonicalPath, TargetError},
};

use crate::{Context, RequestDescription, UserSettings};

/// Returns what a request lacks, and how to add it.
pub(crate) fn of(
    request: &Request<'_>,
    decision: &Decision<'_>,
    needs: Needs,
    context: &Context<'_>,
) -> Option<String> {
    let policy = context.policy;
    match decision.reason {
        Reason::MalformedRequest if is_path_without_slash(request.target) => {
            let target = String::from_utf8_lossy(request.target);
            Some(format!(
                "a request target starts with a slash: write `/{target}`"
            ))
        }
        Reason::MalformedRequest if request.host.is_none() && policy.needs_host() => {
            Some(of_hosts(policy))
        }
        Reason::MethodNotAllowed => {
            let path = CanonicalPath::parse(request.target).ok()?;
            let rules = policy.rules_for_any_method(request, path.as_bytes());
            let labels: Vec<_> = rules.iter().map(|rule| rule.label().to_owned()).collect();
            let method = request.method;
            Some(format!(
                "no rule for this path applies to `{method}`; its rules are {}",
                in_backticks(&labels)
            ))
        }
        Reason::AmbiguousPath => of_path(request, policy),
        Reason::MissingUser | Reason::ExpressionFalse | Reason::ExpressionError if needs.user => {
            of_users(request, decision.rule?, context.users)
        }
        _ => None,
    }
}

/// Returns why a path is ambiguous.
fn of_path(request: &Request<'_>, policy: &Policy) -> Option<String> {
    let path = match CanonicalPath::parse(request.target) {
        Ok(path) => path,
        Err(TargetError::Ambiguous(Ambiguity::ControlByte)) => {
            return Some(
                "the request target contains a space or a control character, which no rule can \
                 allow: percent-encode it"
                    .to_owned(),
            );
        }
        Err(TargetError::Ambiguous(class)) => {
            return Some(format!(
                "the path contains `{class}`, which no rule can allow"
            ));
        }
        Err(TargetError::NotAPath) => return None,
    };
    let names = |classes: Ambiguities| {
        let names: Vec<_> = classes.iter().map(|class| class.to_string()).collect();
        in_backticks(&names)
    };
    let found = path.ambiguities();
    let rule = policy.find(request, path.as_bytes()).rule();
    let allowed = rule.map(Rule::allowed_ambiguities).unwrap_or_default();
    let rejected = found.rejected_unless(allowed);
    Some(if rejected.is_empty() {
        format!(
            "the path contains {}, and not every interpretation of it is known to be allowed",
            names(found)
        )
    } else if rule.is_some() {
        format!(
            "the path contains {}, which a rule can allow with `allowAmbiguous`",
            names(rejected)
        )
    } else {
        format!(
            "the path contains {}, and no rule applies to it",
            names(rejected)
        )
    })
}

fn of_hosts(policy: &Policy) -> String {
    let hosts = policy.rules().iter().flat_map(Rule::hosts);
    let hosts: BTreeSet<_> = hosts.map(ToString::to_string).collect();
    let hosts: Vec<_> = hosts.into_iter().collect();
    let example = hosts.iter().find(|host| !host.starts_with('*'));
    let example = example.map_or("www.example.com", String::as_str).to_owned();
    let named = in_backticks(hosts.get(..8).unwrap_or(&hosts));
    format!(
        "the policy names hosts ({named}), but this request has none: add `--host {example}`, or \
         `host: {example}` in a file of test cases"
    )
}

/// Returns what is missing about the user, if another one could be allowed.
fn of_users(
    request: &Request<'_>,
    rule: &Rule,
    settings: Option<UserSettings<'_>>,
) -> Option<String> {
    let expression = rule.expression(request.facts.is_backoffice);
    if !expression.may_pass_logged_in(&request.with_user(None).facts) {
        return None;
    }
    let Some(user) = request.facts.user else {
        return Some(nobody(settings));
    };
    let has_id_alone = *user
        == User {
            id: user.id.clone(),
            ..User::default()
        };
    (has_id_alone && expression.mentions_user()).then(|| {
        "the user has no groups, permissions or properties: add the ones that the expression uses"
            .to_owned()
    })
}

fn nobody(settings: Option<UserSettings<'_>>) -> String {
    let hint = "the decision depends on the user, but nobody is logged in: add a user id, groups, \
                permissions or properties";
    match settings {
        None => hint.to_owned(),
        Some(UserSettings { sources: [], .. }) => format!("{hint}; {NO_SOURCES}"),
        Some(UserSettings { sources, .. }) => {
            format!("{hint}; users come from {}", sources.join(", then "))
        }
    }
}

const NO_SOURCES: &str = "the settings have no section `users`, so nobody is ever logged in";

fn in_backticks(names: &[String]) -> String {
    format!("`{}`", names.join("`, `"))
}

fn is_path_without_slash(target: &[u8]) -> bool {
    let is_absolute = target.windows(3).any(|part| part == b"://");
    !target.starts_with(b"/") && !is_absolute && target != b"*" && target.is_ascii()
}

/// Returns a warning about a described request, as far as keys and settings are known.
pub(crate) fn warning(
    description: &RequestDescription,
    has_user: bool,
    context: &Context<'_>,
) -> Option<String> {
    let client_type = description.client_type.as_deref();
    let of_client_type = context
        .keys
        .zip(client_type.filter(|it| !it.is_empty()))
        .and_then(|(keys, client_type)| of_client_type(client_type, keys));
    let is_without_sources = context.users.is_some_and(|users| users.sources.is_empty());
    of_client_type.or_else(|| (has_user && is_without_sources).then(|| NO_SOURCES.to_owned()))
}

/// Returns a warning if no valid key has the client type.
fn of_client_type(client_type: &str, keys: &KeyTable) -> Option<String> {
    let now = Timestamp::now();
    let its = || {
        let keys = keys.keys();
        keys.filter(|key| key.client_type().as_str() == client_type)
    };
    if its().any(|key| key.state(now) == KeyState::Valid) {
        return None;
    }
    let what = format!("no valid key has the client type `{client_type}`");
    Some(match its().next() {
        Some(key) => format!("{what}: the key `{}` is {}", key.id(), key.state(now)),
        None => match nearest(client_type, keys.client_types()) {
            Some(meant) => format!("{what}: did you mean `{meant}`?"),
            None => what,
        },
    })
}
