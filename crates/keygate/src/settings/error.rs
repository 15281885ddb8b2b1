//! Why settings cannot be used.

use keygate_documents::source::SourceError;
use keygate_gateways::NamesError;
use keygate_headers::Gateway;
use keygate_keys::pepper::PepperError;
use keygate_telemetry::role::Role;

use super::{layers::variable, mia};
use crate::listener::Address;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings file is invalid.
    #[error(transparent)]
    File(SourceError),
    /// A setting is unknown or has an invalid value.
    #[error("{0}")]
    Setting(String),
    /// The pepper cannot be used.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// Mia-Platform's name of a file, without the folder that it is in.
    #[error(
        "`{}` is set, but `{}` is not: set it to the directory of the policy file, or set \
         `KEYGATE_POLICY` to the path of the file",
        mia::FILE,
        mia::FOLDER
    )]
    NoConfigurationPath,
    /// A flag that the role would ignore.
    #[error(
        "`keygate {}` does not use `--{flag}`: remove it, or pass it to `keygate {}` or `keygate \
         serve`",
        role.name(),
        reader.name()
    )]
    IgnoredFlag {
        /// The role that it was given to.
        role: Role,
        /// The flag.
        flag: &'static str,
        /// The role that reads it.
        reader: Role,
    },
    /// A header would have two meanings.
    #[error("{named}: {error}")]
    Names {
        /// The setting, and where it was set.
        named: String,
        /// What is wrong with it.
        error: NamesError,
    },
    /// The gateway decides by status, and every status would be 200.
    #[error(
        "{named} turns every denial into status 200, but `gateway: {gateway}` decides by the \
         status, so it would allow every request: remove `answer-with`"
    )]
    AllowsAll {
        /// The setting, and where it was set.
        named: String,
        /// The gateway.
        gateway: Gateway,
    },
    /// The limit has no address to count by.
    #[error(
        "with `gateway: {gateway}`, {named} requires `client-address-header`: set it to a header \
         that contains only the caller's address and that only the gateway can set"
    )]
    NoClientAddress {
        /// The setting, and where it was set.
        named: String,
        /// The gateway.
        gateway: Gateway,
    },
    /// Two listeners have one address.
    #[error(
        "{first} and {second} are both `{address}`: each listener needs its own address{}",
        example.as_ref().map(|it| format!(", such as `--{flag} {it}`")).unwrap_or_default()
    )]
    SameAddress {
        /// The setting of the first listener, and where it was set.
        first: String,
        /// That of the second one.
        second: String,
        /// The flag of the second one.
        flag: &'static str,
        /// What both are set to.
        address: String,
        /// An address for the second one.
        example: Option<Address>,
    },
    /// The role cannot do without this setting.
    #[error(
        "the setting `{setting}` is missing: set `--{setting} FILE`, `{}` or `{setting}:` in a \
         settings file",
        variable(setting)
    )]
    Missing {
        /// The setting.
        setting: &'static str,
    },
}
