//! The data of each rule of the policy: its label for headers, and its counters.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;
use keygate_policy::{Policy, Reason};

use crate::Verdict;

/// A rule's label, and how often the rule decided.
#[derive(Debug, Clone)]
pub struct Endpoint {
    label: Box<str>,
    header: Option<HeaderValue>,
    has_shadow: bool,
    counters: Arc<Counters>,
}

/// How often each reason was given, and how often a shadow agreed. Counting is one addition
/// without order or lock.
#[derive(Debug, Default)]
pub struct Counters {
    reasons: [AtomicU64; Reason::ALL.len()],
    verdicts: [AtomicU64; Verdict::ALL.len()],
}

impl Endpoint {
    /// One for each rule, in the order of [`keygate_policy::Rule::index`].
    ///
    /// A rule that was there before, by its label, goes on counting where it was; so a reload does
    /// not look like a restart. Rules of one label share their counters.
    pub(crate) fn for_rules_of(policy: &Policy, former: &[Self]) -> Vec<Self> {
        let mut known: HashMap<&str, Arc<Counters>> = former
            .iter()
            .map(|endpoint| (endpoint.label(), Arc::clone(&endpoint.counters)))
            .collect();
        let rules = policy.rules().iter();
        rules
            .map(|rule| Self {
                label: rule.label().into(),
                header: HeaderValue::from_str(rule.label()).ok(),
                has_shadow: rule.shadow_expression(false).is_some(),
                counters: Arc::clone(known.entry(rule.label()).or_default()),
            })
            .collect()
    }

    /// The rule's label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the rule has a shadow expression.
    #[must_use]
    pub fn has_shadow(&self) -> bool {
        self.has_shadow
    }

    /// How often the rule decided.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The label for a response header: a copy counts a reference.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        self.header.clone()
    }
}

impl Counters {
    /// Counts a decision.
    pub(crate) fn count(&self, reason: Reason) {
        if let Some(counter) = self.reasons.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what a shadow made of a request.
    pub(crate) fn count_shadow(&self, verdict: Verdict) {
        if let Some(counter) = self.verdicts.get(verdict as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often this reason was given.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.reasons
            .get(reason as usize)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// How often a shadow came to this.
    #[must_use]
    pub fn of_shadow(&self, verdict: Verdict) -> u64 {
        self.verdicts
            .get(verdict as usize)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(paths: &[&str]) -> Policy {
        let endpoints: Vec<_> = paths
            .iter()
            .map(|path| format!("{{ path: {path} }}"))
            .collect();
        let text = format!("version: 1\nendpoints: [{}]", endpoints.join(", "));
        Policy::from_yaml(&text).unwrap().policy
    }

    #[test]
    fn an_unchanged_rule_keeps_its_counts_when_rules_move() {
        let before = Endpoint::for_rules_of(&policy(&["/a", "/b"]), &[]);
        before[1].counters.count(Reason::Ok);
        let after = Endpoint::for_rules_of(&policy(&["/b", "/c"]), &before);
        let counts: Vec<_> = after
            .iter()
            .map(|endpoint| (endpoint.label(), endpoint.counters.of(Reason::Ok)))
            .collect();
        assert_eq!(counts, [("/b", 1), ("/c", 0)]);
    }

    #[test]
    fn every_reason_is_counted_by_itself() {
        let counters = Counters::default();
        for (times, reason) in Reason::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counters.count(reason));
        }
        let counts = Reason::ALL.map(|reason| counters.of(reason));
        assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }
}
