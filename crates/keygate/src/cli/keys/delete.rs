//! `keygate keys delete`

use keygate_keys::keys_file::store::LockedFile;

use super::{KeysError, Target, change, say};

pub(super) fn run(target: &Target) -> Result<(), KeysError> {
    let Target { keys, id } = target;
    let file = LockedFile::open(keys)?;
    let entry = change(keys, &file, |edit| Ok(edit.remove(id)?))?;
    let client_type = &entry.key.client_type;
    say(format_args!(
        "deleted the key `{id}` of client type `{client_type}`"
    ));
    Ok(())
}
