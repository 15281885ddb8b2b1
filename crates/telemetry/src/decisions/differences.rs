//! What shadows would change, summed up over the decisions that are kept.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map},
    sync::Arc,
};

use jiff::Timestamp;
use keygate_authorizer::Verdict;
use serde::Serialize;

use crate::entry::{Entry, Step};

/// What shadows would have changed of the decisions that are kept: not of all that were made.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Differences {
    /// How many decisions are kept, in which a shadow differs or not.
    pub kept: usize,
    /// Where shadows differ, most often first.
    pub differences: Vec<Difference>,
}

/// How often a shadow differs for one client type at one endpoint.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The rule that decided; `null` where none did.
    pub endpoint: Option<String>,
    /// Whose requests they are; `null` is callers without a key.
    pub client_type: Option<String>,
    /// Denials that the shadow would allow.
    pub would_allow: usize,
    /// Allowances that the shadow would deny.
    pub would_deny: usize,
    /// The newest of them.
    pub last: Timestamp,
}

impl Differences {
    /// The sum over these, of which those of the step that has no shadow do not count.
    #[must_use]
    pub fn of(entries: &[Arc<Entry>]) -> Self {
        let mut kept = 0;
        let mut found = BTreeMap::new();
        for entry in entries.iter().filter(|it| it.step == Step::Authorize) {
            kept += 1;
            let Some(shadow) = &entry.shadow else {
                continue;
            };
            let place = (entry.endpoint.as_deref(), entry.client_type.as_deref());
            let difference = match found.entry(place) {
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
