//! Sums up how the decisions of shadows differ, over the kept decisions.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map},
    sync::Arc,
};

use jiff::Timestamp;
use keygate_authorizer::Verdict;
use serde::Serialize;

use crate::entry::{Entry, Step};

/// How shadows would change the kept decisions, which are not all decisions.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Differences {
    /// The number of kept decisions, with or without a difference.
    pub kept: usize,
    /// The differences, the most frequent first.
    pub differences: Vec<Difference>,
}

/// How often a shadow differs for one client type at one endpoint.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The rule that decided; `null` if none matched.
    pub endpoint: Option<String>,
    /// The client type of the callers; `null` for callers without a key.
    pub client_type: Option<String>,
    /// The number of denials that the shadow would allow.
    pub would_allow: usize,
    /// The number of allowed requests that the shadow would deny.
    pub would_deny: usize,
    /// The time of the newest one.
    pub last: Timestamp,
}

impl Differences {
    /// Sums up the entries; those of the resolver, which has no shadow, are not counted.
    #[must_use]
    pub fn of(entries: &[Arc<Entry>]) -> Self {
        let mut kept = 0;
        let mut found = BTreeMap::new();
        for entry in entries.iter().filter(|it| it.step == Step::Authorize) {
            kept += 1;
            let Some(shadow) = &entry.shadow else {
                continue;
            };
            let key = (entry.endpoint.as_deref(), entry.client_type.as_deref());
            let difference = match found.entry(key) {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(free) => free.insert(Difference::none_at(entry)),
            };
            difference.last = difference.last.max(entry.time);
            if shadow.verdict == Verdict::WouldAllow.as_str() {
                difference.would_allow += 1;
            } else {
                difference.would_deny += 1;
            }
        }
        let mut differences: Vec<_> = found.into_values().collect();
        differences.sort_by_key(|it| Reverse(it.would_allow + it.would_deny));
        Self { kept, differences }
    }
}

impl Difference {
    fn none_at(entry: &Entry) -> Self {
        Self {
            endpoint: entry.endpoint.clone(),
            client_type: entry.client_type.clone(),
            would_allow: 0,
            would_deny: 0,
            last: entry.time,
        }
    }
}
