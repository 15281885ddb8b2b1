//! `keygate keys enable` and `keygate keys disable`

use jiff::Timestamp;
use keygate_keys::key::KeyState;
use keygate_keys::keys_file::store::LockedFile;

use super::{KeysError, Target, change, say};

pub(super) fn run(target: &Target, active: bool, now: Timestamp) -> Result<(), KeysError> {
    let Target { keys, id } = target;
    let file = LockedFile::open(keys)?;
    let (before, after) = change(keys, &file, |edit| {
        let before = edit.entry(id)?.key.active;
        if before != active {
            edit.set_active(id, active)?;
        }
        Ok((before, edit.entry(id)?.key.validity().state(now)))
    })?;
    let switched = if active { "enabled" } else { "disabled" };
    if before == active {
        say(format_args!("the key `{id}` is already {switched}"));
    } else {
        say(format_args!("{switched} the key `{id}`"));
    }
    if matches!(after, KeyState::Expired | KeyState::NotYetValid) {
        say(format_args!(
            "the key is still rejected, because it is {after}"
        ));
    }
    Ok(())
}
