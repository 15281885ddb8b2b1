//! `keygate keys hash`

use std::path::PathBuf;

use keygate_keys::keys_file::store::LockedFile;

use super::{KeysError, change, new_key::DigestArguments, say};

pub(super) const EXAMPLES: &str = "Examples:
  keygate keys hash --keys keys.yaml
  keygate keys hash --keys keys.yaml --scheme hmac-sha256 --pepper-file pepper";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the keys file
    #[arg(long, env = "KEYGATE_KEYS", value_name = "FILE")]
    keys: PathBuf,
    #[command(flatten)]
    digest: DigestArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), KeysError> {
    let digest = arguments.digest.maker()?;
    let file = LockedFile::open(&arguments.keys)?;
    let hashed = change(&arguments.keys, &file, |edit| Ok(edit.hash_keys(digest)?))?;
    match hashed {
        0 => say("the file contains no plaintext keys"),
        1 => say("hashed 1 plaintext key"),
        _ => say(format_args!("hashed {hashed} plaintext keys")),
    }
    Ok(())
}
