//! Metrics: values are counted where they occur, and rendered on each scrape.
//!
//! Names follow Prometheus's "Metric and label naming". Every set of labels is bounded: by the
//! rules of the policy, the states of a key, or a constant in this file.

pub mod exposition;
mod users;

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use keygate_authorizer::{Authorizer, Counters, Verdict};
use keygate_keys::{KeyRef, KeyTable, key::KeyState};
use keygate_policy::Reason;

use crate::{decisions::Decisions, entry::Step, health::Health, operations::Operations};
use exposition::{Exposition, Family, Format, Kind};

/// The most keys with an expiry sample: those that expire next. With more keys in one month, alert on
/// the soonest expiry instead of using a series for each key.
const KEYS_SHOWN: usize = 100;

/// Returns the text of all metrics.
#[must_use]
pub fn render(operations: &Operations, format: Format) -> String {
    let mut text = Exposition::new(format);
    text.family(
        Kind::Gauge,
        "keygate_build_info",
        "Version and role of the process; always 1.",
    )
    .sample(
        &[
            ("version", env!("CARGO_PKG_VERSION")),
            ("role", operations.role.name()),
        ],
        1,
    );
    decisions(&mut text, operations);
    if let Some(resolver) = &operations.resolver {
        keys(&mut text, &resolver.keys());
    }
    if let Some(sources) = &operations.users {
        users::write(&mut text, operations.decisions.look_ups(), sources);
    }
    reloads(&mut text, &operations.health);
    text.family(
        Kind::Counter,
        "keygate_log_lines_dropped",
        "Log lines dropped because standard error was not read fast enough.",
    )
    .sample(&[], operations.log.output().dropped_lines);
    text.finish()
}

fn decisions(text: &mut Exposition, operations: &Operations) {
    let decisions = &operations.decisions;
    let mut family = text.family(
        Kind::Counter,
        "keygate_decisions",
        "Decisions, by step, outcome, reason, and the endpoint of the rule that decided.",
    );
    if operations.resolver.is_some() {
        for (reason, count) in decisions.resolutions() {
            let outcome = outcome(reason.is_success());
            let step = ("step", Step::Resolve.as_str());
            family.sample(&[step, outcome, ("reason", reason.as_str())], count);
        }
    }
    if let Some(authorizer) = &operations.authorizer {
        by_endpoint(&mut family, authorizer);
    }
    if let Some(authorizer) = &operations.authorizer {
        shadows(text, authorizer);
    }
    if operations.resolver.is_some() {
        refused_keys(text, decisions);
    }
    let mut family = text.family(
        Kind::Counter,
        "keygate_gateway_errors",
        "Authorization requests denied because the gateway is misconfigured.",
    );
    for step in operations.steps() {
        let count = decisions.gateway_errors(step);
        family.sample(&[("step", step.as_str())], count);
    }
    let mut family = text.family(
        Kind::Histogram,
        "keygate_decision_duration_seconds",
        "Duration of decisions, without HTTP processing.",
    );
    for step in operations.steps() {
        decisions
            .durations(step)
            .write(&mut family, Some(("step", step.as_str())));
    }
    let mut family = text.family(
        Kind::Counter,
        "keygate_decision_log_dropped",
        "Decisions that were neither logged nor kept because there were too many in one second.",
    );
    let dropped = decisions.dropped();
    family.sample(&[("kind", "denial")], dropped.denials);
    family.sample(&[("kind", "shadow-difference")], dropped.shadow_differences);
}

/// Writes the shadow decisions of the endpoints that have or had a shadow.
fn shadows(text: &mut Exposition, authorizer: &Authorizer) {
    let mut family = text.family(
        Kind::Counter,
        "keygate_shadow_decisions",
        "Shadow decisions, by how they compare with the actual decision.",
    );
    let everywhere = authorizer.has_shadow_policy();
    each_endpoint(authorizer, |endpoint, has_shadow, counters| {
        let counts = Verdict::ALL.map(|verdict| (verdict, counters.of_shadow(verdict)));
        if everywhere || has_shadow || counts.iter().any(|(_, count)| *count > 0) {
            for (verdict, count) in counts {
                let labels = [("endpoint", endpoint), ("verdict", verdict.as_str())];
                family.sample(&labels, count);
            }
        }
    });
}

/// Writes every reason of a rule from the start, so that a rate includes the first occurrence.
fn by_endpoint(family: &mut Family<'_>, authorizer: &Authorizer) {
    each_endpoint(authorizer, |endpoint, _, counters| {
        for reason in Reason::ALL {
            let count = counters.of(reason);
            let may_occur = authorizer.has_users() || !is_of_look_up(reason);
            if count > 0 || may_occur && is_of_a_rule(reason) != endpoint.is_empty() {
                family.sample(
                    &[
                        ("step", Step::Authorize.as_str()),
                        outcome(reason == Reason::Ok),
                        ("reason", reason.as_str()),
                        ("endpoint", endpoint),
                    ],
                    count,
                );
            }
        }
    });
}

/// Calls `write` for each endpoint once, and for requests without a rule with an empty name.
fn each_endpoint(authorizer: &Authorizer, mut write: impl FnMut(&str, bool, &Counters)) {
    write("", false, authorizer.without_rule());
    let mut written = HashSet::new();
    for endpoint in &authorizer.endpoints() {
        if written.insert(endpoint.label()) {
            write(endpoint.label(), endpoint.has_shadow(), endpoint.counters());
        }
    }
}

fn is_of_a_rule(reason: Reason) -> bool {
    match reason {
        Reason::Ok
        | Reason::MissingKey
        | Reason::MissingUser
        | Reason::InvalidToken
        | Reason::UserUnavailable
        | Reason::IdentityTooLarge
        | Reason::ExpressionFalse
        | Reason::ExpressionError => true,
        Reason::NoEndpoint
        | Reason::MethodNotAllowed
        | Reason::AmbiguousPath
        | Reason::MalformedRequest => false,
    }
}

/// Whether the reason occurs only where users are looked up.
fn is_of_look_up(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::InvalidToken | Reason::UserUnavailable | Reason::IdentityTooLarge
    )
}

fn outcome(allowed: bool) -> (&'static str, &'static str) {
    ("outcome", if allowed { "allowed" } else { "denied" })
}

fn refused_keys(text: &mut Exposition, decisions: &Decisions) {
    let mut family = text.family(
        Kind::Counter,
        "keygate_refused_keys",
        "Rejected keys, by cause; callers do not get the cause.",
    );
    for (cause, count) in decisions.refused_keys() {
        family.sample(&[("cause", cause)], count);
    }
}

fn keys(text: &mut Exposition, table: &KeyTable) {
    let now = Timestamp::now();
    let mut family = text.family(Kind::Gauge, "keygate_keys", "Known keys, by state.");
    let found: Vec<_> = table.keys().map(|key| key.state(now)).collect();
    for state in KeyState::ALL {
        let count = found.iter().filter(|it| **it == state).count();
        family.sample(&[("state", state.as_str())], count);
    }
    let mut family = text.family(
        Kind::Gauge,
        "keygate_key_expiry_timestamp_seconds",
        "Time at which a key expires, for the valid and future keys that expire next.",
    );
    for ((expires_at, id), key) in expiring_next(table, now) {
        family.sample(
            &[("key_id", id), ("client_type", key.client_type().as_str())],
            expires_at.as_second(),
        );
    }
}

/// The keys that expire next, by expiry and id; holds only [`KEYS_SHOWN`] of them at a time.
fn expiring_next(table: &KeyTable, now: Timestamp) -> BTreeMap<(Timestamp, &str), KeyRef<'_>> {
    let mut next = BTreeMap::new();
    for key in table.keys() {
        let validity = key.validity();
        let Some(end) = validity.expires_at else {
            continue;
        };
        let rank = (end, key.id());
        let is_next =
            next.len() < KEYS_SHOWN || next.last_key_value().is_some_and(|(last, _)| rank < *last);
        if is_next && matches!(validity.state(now), KeyState::Valid | KeyState::NotYetValid) {
            next.insert(rank, key);
            if next.len() > KEYS_SHOWN {
                next.pop_last();
            }
        }
    }
    next
}

fn reloads(text: &mut Exposition, health: &Health) {
    let sources = health.sources();
    let mut write = |kind, name, help, value: &dyn Fn(&crate::health::SourceDetail) -> u64| {
        let mut family = text.family(kind, name, help);
        for source in &sources {
            family.sample(&[("source", &source.name)], value(source));
        }
    };
    write(
        Kind::Gauge,
        "keygate_reload_generation",
        "Number of versions of a file that were loaded; 1 after startup.",
        &|source| source.generation,
    );
    write(
        Kind::Gauge,
        "keygate_reload_last_success_timestamp_seconds",
        "Time at which the active version was loaded.",
        &|source| u64::try_from(source.loaded_at.as_second()).unwrap_or_default(),
    );
    write(
        Kind::Gauge,
        "keygate_reload_last_successful",
        "Whether the newest version of a file is active; 0 means that it was rejected and the last \
         valid version is active.",
        &|source| u64::from(source.last_error.is_none()),
    );
    write(
        Kind::Counter,
        "keygate_reload_failures",
        "Number of versions of a file that were rejected.",
        &|source| source.failures,
    );
}
