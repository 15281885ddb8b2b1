//! `keygate keys create`

use std::path::PathBuf;

use jiff::Timestamp;
use keygate_keys::keys_file::store::LockedFile;
use keygate_keys::{ClientType, KeyId};

use super::{
    KeysError, change,
    new_key::{Label, NewKeyArguments, free_id},
};

pub(super) const EXAMPLES: &str = "Examples:
  keygate keys create --keys keys.yaml --client-type A --expires-in 90d
  keygate keys create --keys keys.yaml --client-type A --id cms --description 'CMS front end'
  openssl rand -hex 32 | keygate keys create --keys keys.yaml --client-type A --key-stdin";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the keys file, which is created if it does not exist
    #[arg(long, env = "KEYGATE_KEYS", value_name = "FILE")]
    keys: PathBuf,
    /// Client type of callers that use the key
    #[arg(long, value_name = "TYPE")]
    client_type: ClientType,
    /// Id of the key [default: the client type and the date]
    #[arg(long)]
    id: Option<KeyId>,
    /// Description of the key, such as its owner or purpose
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    new: NewKeyArguments,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), KeysError> {
    let key = arguments.new.key()?;
    let file = LockedFile::open_or_new(&arguments.keys)?;
    let entry = change(&arguments.keys, &file, |edit| {
        let label = Label {
            id: match &arguments.id {
                Some(id) => id.clone(),
                None => free_id(arguments.client_type.as_str(), now, edit.entries())?,
            },
            client_type: arguments.client_type.clone(),
            description: arguments.description.clone(),
        };
        let entry = arguments.new.entry(&key, label, now)?;
        edit.add(entry.clone());
        Ok(entry)
    })?;
    key.show(&entry)
}
