//! `keygate keys set`

use jiff::Timestamp;
use keygate_keys::keys_file::store::LockedFile;

use super::{KeysError, Target, change, period::Period, say};

pub(super) const EXAMPLES: &str = "Examples:
  keygate keys set --keys keys.yaml cms-2026-11-24 --expires-in 90d
  keygate keys set --keys keys.yaml cms-2026-11-24 --description 'CMS front end'";

#[derive(Debug, clap::Args)]
#[group(id = "changes", required = true, multiple = true)]
struct Changes {
    /// Time until the key expires, such as `90d`, `12h` or `2w`
    #[arg(long, value_name = "PERIOD", conflicts_with = "expires_at")]
    expires_in: Option<Period>,
    /// Time at which the key expires, such as `2027-11-24T00:00:00Z`; if it is in the past, the key
    /// expires immediately
    #[arg(long, value_name = "MOMENT")]
    expires_at: Option<Timestamp>,
    /// Description of the key, such as its owner or purpose
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    changes: Changes,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), KeysError> {
    let Arguments { target, changes } = arguments;
    let Target { keys, id } = target;
    let expiry = match &changes.expires_in {
        Some(period) => Some(period.after(now).ok_or(KeysError::TooFar)?),
        None => changes.expires_at,
    };
    let file = LockedFile::open(keys)?;
    change(keys, &file, |edit| {
        if let Some(expiry) = expiry {
            edit.set_expiry(id, expiry)?;
        }
        if let Some(description) = &changes.description {
            edit.set_description(id, description)?;
        }
        Ok(())
    })?;
    match expiry {
        Some(expiry) if expiry <= now => say(format_args!("the key `{id}` expired at {expiry}")),
        Some(expiry) => say(format_args!("the key `{id}` expires at {expiry}")),
        None => say(format_args!("changed the key `{id}`")),
    }
    Ok(())
}
