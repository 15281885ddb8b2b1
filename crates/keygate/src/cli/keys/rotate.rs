//! `keygate keys rotate`

use jiff::{SignedDuration, Timestamp};
use keygate_keys::keys_file::{Entry, store::LockedFile};
use keygate_keys::{KeyId, Scheme};

use super::{
    KeysError, Target, change,
    new_key::{Label, NewKeyArguments, free_id},
    period::Period,
    say,
};

pub(super) const EXAMPLES: &str = "Examples:
  keygate keys rotate --keys keys.yaml cms-2026-11-24 --overlap 7d   # same lifetime as the old key
  keygate keys rotate --keys keys.yaml cms-2026-11-24 --expires-in 90d
  keygate keys rotate --keys keys.yaml cms-2026-11-24 --overlap 0d   # the old key expires immediately";

/// The help of `--expires-in`, whose default differs from that of `keygate keys create`.
pub(super) const EXPIRES_IN: &str = "Time until the new key expires, such as `90d`, `12h` or `2w` [default: the lifetime of the old key]";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    old: Target,
    /// How long the old key stays valid after the rotation
    #[arg(long, value_name = "PERIOD", default_value = "7d")]
    overlap: Period,
    /// Id of the new key [default: the old id with today's date]
    #[arg(long, value_name = "ID")]
    new_id: Option<KeyId>,
    #[command(flatten)]
    new: NewKeyArguments,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), KeysError> {
    let key = arguments.new.key()?;
    let end = arguments.overlap.after(now).ok_or(KeysError::TooFar)?;
    let Target { keys, id } = &arguments.old;
    let file = LockedFile::open(keys)?;
    let (old, entry) = change(keys, &file, |edit| {
        let old = edit.entry(id)?.clone();
        if !old.key.active {
            return Err(KeysError::RotatesDisabled {
                id: old.key.id.clone(),
                client_type: old.key.client_type.clone(),
            });
        }
        // A rotation never lets a key live longer than it would have.
        if old.key.expires_at.is_none_or(|before| end < before) {
            edit.set_expiry(id, end)?;
        }
        let label = Label {
            id: match &arguments.new_id {
                Some(id) => id.clone(),
                None => free_id(id, now, edit.entries())?,
            },
            client_type: old.key.client_type.clone(),
            description: old.description.clone(),
        };
        let mut entry = arguments.new.entry(&key, label, now)?;
        let schemes = (old.key.digest.scheme(), entry.key.digest.scheme());
        if schemes == (Scheme::HmacSha256, Scheme::Sha256) && !arguments.new.names_scheme() {
            return Err(KeysError::LosesPepper(old.key.id));
        }
        if !arguments.new.has_expiry() {
            entry.key.expires_at = same_lifetime(&old, entry.key.not_before.unwrap_or(now))?;
        }
        edit.add(entry.clone());
        Ok((old, entry))
    })?;
    key.show(&entry)?;
    let end = old.key.expires_at.map_or(end, |before| before.min(end));
    if end < now {
        say(format_args!("the old key `{id}` expired at {end}"));
    } else {
        say(format_args!("the old key `{id}` expires at {end}"));
    }
    Ok(())
}

/// Returns the expiry of a key that lives as long as the old one; `None` if that never expires.
fn same_lifetime(old: &Entry, start: Timestamp) -> Result<Option<Timestamp>, KeysError> {
    let Some(expiry) = old.key.expires_at else {
        return Ok(None);
    };
    let began = old.key.not_before.or(old.created_at);
    let lifetime = began.map(|began| expiry.duration_since(began));
    let lifetime = lifetime.filter(SignedDuration::is_positive);
    let lifetime = lifetime.ok_or_else(|| KeysError::UnknownLifetime(old.key.id.clone()))?;
    let expiry = start.checked_add(lifetime).map_err(|_| KeysError::TooFar)?;
    Ok(Some(expiry))
}
