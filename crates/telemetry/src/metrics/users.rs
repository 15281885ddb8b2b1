//! Metrics of user lookups and of the keys of issuers.

use jiff::Timestamp;
use keygate_user_sources::{Sources, keys::Status};

use super::exposition::{Exposition, Kind};
use crate::look_ups::LookUps;

/// Writes the metrics of a process that looks users up.
pub(super) fn write(text: &mut Exposition, look_ups: &LookUps, sources: &Sources) {
    let mut family = text.family(
        Kind::Counter,
        "keygate_user_look_ups",
        "User lookups, by outcome; unavailable means that the source of users did not respond.",
    );
    for (outcome, count) in look_ups.outcomes() {
        family.sample(&[("outcome", outcome)], count);
    }
    let mut family = text.family(
        Kind::Histogram,
        "keygate_user_look_up_duration_seconds",
        "Duration of user lookups.",
    );
    look_ups.durations().write(&mut family, None);
    issuers(text, sources);
}

fn issuers(text: &mut Exposition, sources: &Sources) {
    let issuers: Vec<_> = sources
        .tokens
        .issuers()
        .map(|(name, keys)| (name, keys.status()))
        .collect();
    if issuers.is_empty() {
        return;
    }
    let mut write = |kind, name, help, value: &dyn Fn(&Status) -> Option<u64>| {
        let mut family = text.family(kind, name, help);
        for (issuer, status) in &issuers {
            if let Some(value) = value(status) {
                family.sample(&[("issuer", issuer)], value);
            }
        }
    };
    write(
        Kind::Gauge,
        "keygate_issuer_keys",
        "Usable keys of an issuer; 0 means that no keys have been fetched yet, so requests with \
         its tokens get 503.",
        &|status| {
            Some(
                status
                    .keys
                    .and_then(|it| u64::try_from(it).ok())
                    .unwrap_or(0),
            )
        },
    );
    write(
        Kind::Gauge,
        "keygate_issuer_keys_timestamp_seconds",
        "Time at which the keys of an issuer were last loaded or fetched.",
        &|status| {
            let seconds = status.updated.map(Timestamp::as_second)?;
            u64::try_from(seconds).ok()
        },
    );
    write(
        Kind::Counter,
        "keygate_issuer_key_fetches",
        "Attempts to fetch the keys of an issuer.",
        &|status| Some(status.tries),
    );
    write(
        Kind::Counter,
        "keygate_issuer_key_fetch_failures",
        "Failed attempts to fetch the keys of an issuer; the last keys stay in use.",
        &|status| Some(status.failed_tries),
    );
}
