//! Settings: defaults, then a settings file, then the environment, then flags.

mod file;
mod in_force;
mod mia;
mod number;
#[cfg(test)]
mod tests;

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    error::Kind,
    providers::Serialized,
    value::{Dict, Value},
};
use http::HeaderName;
use keygate_authorizer::{AnswerWith, HeaderNames};
use keygate_documents::{diagnostic::nearest, source::SourceError};
use keygate_gateways::{Choice, NamesError};
use keygate_headers::ExpectedNames;
use keygate_keys::Pepper;
use keygate_keys::pepper::{self, PepperError, PepperText};
use keygate_resolver::{CredentialNames, Guessing, service::RejectedKeyStatus};
use keygate_telemetry::{
    decisions::Retention,
    limit::Share,
    logs::{LogFormat, LogLevel},
    role::Role,
};
use keygate_web::hosts::Hosts;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    addresses, descriptors,
    listener::{Address, SocketMode},
    operations_listener::Limits,
    server,
};

use file::FileLayer;
pub use in_force::InForce;
use in_force::{Origin, Origins};

const PREFIX: &str = "KEYGATE_";

/// The default of `max-connections`: nginx keeps 128 idle ones for each worker, so this is enough for
/// 128 workers.
const MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::new(16_384).unwrap();

/// The default of `head-timeout-seconds`: a gateway sends a head at once.
const HEAD_TIMEOUT_SECONDS: NonZeroU16 = NonZeroU16::new(10).unwrap();

/// Everything that can be set, in one flat list: a setting `log-level` is `log-level` in a file,
/// `KEYGATE_LOG_LEVEL` in the environment, and `--log-level` where there is a flag.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The keys file.
    pub keys: Option<PathBuf>,
    /// The policy file.
    pub policy: Option<PathBuf>,
    /// A policy file that is tried on every request and never enforced.
    pub shadow_policy: Option<PathBuf>,
    /// The file that holds the pepper of `hmac-sha256:` digests.
    pub pepper_file: Option<PathBuf>,
    /// The pepper itself: in the environment alone, and no setting like others, for whatever is
    /// wrong with a setting is shown.
    #[serde(skip)]
    pub pepper: Option<PepperText>,
    /// The data listener, which the gateway asks.
    pub listen: Option<Address>,
    /// The operations listener, for probes and people.
    pub operations: Option<Address>,
    /// Names by which operators reach the operations listener, besides `localhost` and IP addresses.
    pub operations_hosts: HostNames,
    /// How many connections the operations listener keeps open; over it, the oldest are closed.
    #[serde(deserialize_with = "number::positive")]
    pub operations_max_connections: NonZeroU16,
    /// How long a connection to the operations listener may take, with its response.
    #[serde(deserialize_with = "number::positive")]
    pub operations_timeout_seconds: NonZeroU16,
    /// The permission bits of Unix sockets.
    pub socket_mode: SocketMode,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How many of the allowances are logged, from 0 to 1.
    pub decision_log_allow_sample: Share,
    /// How many denials a second are logged at most.
    #[serde(deserialize_with = "number::count")]
    pub decision_log_deny_limit: u16,
    /// How many of the last denials, and of the last allowances, are kept for people to see.
    #[serde(deserialize_with = "number::count")]
    pub recent_decisions: u16,
    /// Headers that carry a key.
    pub key_headers: Names,
    /// Cookies that carry a key.
    pub key_cookies: Names,
    /// The status of the answer to a key that is not good: 401 or 403.
    #[serde(with = "rejected_key_status")]
    pub rejected_key_status: RejectedKeyStatus,
    /// The header in which the gateway tells the caller's address.
    pub client_address_header: Option<Name>,
    /// How many failed keys an address may present in a minute; without it, any number.
    #[serde(deserialize_with = "number::at_least_one")]
    pub failed_keys_per_minute: Option<NonZeroU32>,
    /// The header in which the gateway tells the client type.
    pub client_type_header: Name,
    /// The header in which the gateway tells that the request comes by the back office.
    pub backoffice_header: Name,
    /// How the authorizer tells a denial.
    #[serde(with = "answer_with")]
    pub answer_with: AnswerWith,
    /// How many connections the data listener has open at most.
    #[serde(deserialize_with = "number::large")]
    pub max_connections: NonZeroU32,
    /// How long a request head may take after its first byte.
    #[serde(deserialize_with = "number::positive")]
    pub head_timeout_seconds: NonZeroU16,
    /// How long requests in flight may take at shutdown.
    #[serde(deserialize_with = "number::count")]
    pub drain_seconds: u16,
    /// How long to go on serving, not ready, before the listeners close at shutdown.
    #[serde(deserialize_with = "number::count")]
    pub shutdown_delay_seconds: u16,
    /// The version of what you deploy, shown by the status routes beside Keygate's own.
    pub service_version: Option<String>,
    /// Where each setting that is no default comes from.
    #[serde(skip)]
    origins: Origins,
}

impl Default for Settings {
    fn default() -> Self {
        let (credentials, gateway) = (CredentialNames::default(), HeaderNames::default());
        let names = credentials.headers.iter().map(ToString::to_string);
        Self {
            keys: None,
            policy: None,
            shadow_policy: None,
            pepper_file: None,
            pepper: None,
            listen: None,
            operations: None,
            operations_hosts: HostNames::default(),
            operations_max_connections: const { NonZeroU16::new(32).unwrap() },
            operations_timeout_seconds: const { NonZeroU16::new(30).unwrap() },
            socket_mode: SocketMode::default(),
            log_format: LogFormat::default(),
            log_level: LogLevel::default(),
            decision_log_allow_sample: Share::default(),
            decision_log_deny_limit: 1000,
            recent_decisions: 200,
            key_headers: Names(names.collect()),
            key_cookies: Names(credentials.cookies),
            rejected_key_status: RejectedKeyStatus::default(),
            client_address_header: None,
            failed_keys_per_minute: None,
            client_type_header: Name(gateway.client_type),
            backoffice_header: Name(gateway.backoffice),
            answer_with: AnswerWith::default(),
            max_connections: MAX_CONNECTIONS,
            head_timeout_seconds: HEAD_TIMEOUT_SECONDS,
            drain_seconds: 10,
            shutdown_delay_seconds: 0,
            service_version: None,
            origins: Origins::default(),
        }
    }
}

/// A header's name.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(HeaderName);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is not a header name"))
    }
}

/// Names: a list, or one text with commas, since an environment variable is a text.
#[derive(Debug, Clone, Serialize)]
pub struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = list(deserializer)?;
        // RFC 6265, section 4.1.1: a cookie's name is a token, as a header's is.
        if let Some(odd) = names
            .iter()
            .find(|name| name.parse::<HeaderName>().is_err())
        {
            return Err(de::Error::custom(format!("`{odd}` is not a name")));
        }
        Ok(Self(names))
    }
}

/// Host names: a list, or one text with commas.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HostNames(Vec<String>);

impl<'de> Deserialize<'de> for HostNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = list(deserializer)?;
        let is_name = |name: &str| {
            let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            name.split('.')
                .all(|label| !label.is_empty() && label.bytes().all(is_label))
        };
        match names.iter().find(|name| !is_name(name)) {
            Some(odd) => Err(de::Error::custom(format_args!(
                "`{odd}` is not a host name: write a whole name without a port, such as \
                 `keygate-resolver.shop.svc`"
            ))),
            None => Ok(Self(names)),
        }
    }
}

/// A list, or one text with commas, since an environment variable is a text.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::List(names) => names,
        Written::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
    })
}

/// [`RejectedKeyStatus`] as it is set: a number.
mod rejected_key_status {
    use super::{Deserialize, Deserializer, RejectedKeyStatus, Serializer, de};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<RejectedKeyStatus, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        let status = match Written::deserialize(from)? {
            Written::Number(status) => status.to_string(),
            Written::Text(status) => status,
        };
        match status.as_str() {
            "401" => Ok(RejectedKeyStatus::Unauthorized),
            "403" => Ok(RejectedKeyStatus::Forbidden),
            other => Err(de::Error::custom(format!(
                "`{other}` is not one of 401, 403"
            ))),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        it: &RejectedKeyStatus,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u16(match it {
            RejectedKeyStatus::Unauthorized => 401,
            RejectedKeyStatus::Forbidden => 403,
        })
    }
}

/// [`AnswerWith`] as it is set: a word.
mod answer_with {
    use super::{AnswerWith, Deserialize, Deserializer, Serializer, de};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<AnswerWith, D::Error> {
        match String::deserialize(from)?.as_str() {
            "status" => Ok(AnswerWith::Status),
            "header" => Ok(AnswerWith::Header),
            other => Err(de::Error::custom(format!(
                "`{other}` is not one of status, header"
            ))),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(it: &AnswerWith, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match it {
            AnswerWith::Status => "status",
            AnswerWith::Header => "header",
        })
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings file is not good.
    #[error(transparent)]
    File(SourceError),
    /// A setting is unknown or has a bad value.
    #[error("{0}")]
    Setting(String),
    /// The pepper cannot be used.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// Mia-Platform's name of a file, without the folder that it is in.
    #[error(
        "`{}` is set and `{}` is not: set the folder of the policy file, or `KEYGATE_POLICY` to its path",
        mia::FILE,
        mia::FOLDER
    )]
    NoConfigurationPath,
    /// A flag that the role would ignore.
    #[error(
        "`keygate {}` does not read `--{flag}`: leave it out, or give it to `keygate {}` or `keygate \
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
    /// Both listeners have one address.
    #[error(
        "{listen} and {operations} are both `{address}`: the gateway and operators need an address each, \
         such as `--operations {example}`"
    )]
    SameAddress {
        /// The data listener's setting, and where it was set.
        listen: String,
        /// The operations listener's.
        operations: String,
        /// What both are set to.
        address: String,
        /// An address for the operations listener.
        example: Address,
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

impl Settings {
    /// Layers the settings of `role`.
    ///
    /// # Errors
    /// One of the layers has an unknown setting or a bad value.
    pub fn layered(
        role: Role,
        file: Option<&Path>,
        flags: Dict,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let (mut layered, mut origins) = (Dict::new(), Origins::default());
        let mut set = |name: &str, value, origin| {
            layered.insert(name.to_owned(), value);
            origins.record(name, origin);
        };
        if let Some(path) = file {
            let FileLayer { settings, lines } = file::read(path)?;
            for (name, value) in settings {
                let (path, line) = (path.to_owned(), lines.get(&name).copied());
                set(&name, value, Origin::File { path, line });
            }
        }
        if role == Role::Authorizer {
            for mia::Set {
                variable,
                setting,
                value,
            } in mia::settings(&environment)?
            {
                set(setting, value, Origin::MiaEnvironment { variable });
            }
        }
        let own = environment
            .iter()
            .filter_map(|(name, value)| own_setting(name, value));
        for (name, value) in own {
            set(&name, value, Origin::Environment);
        }
        for (name, value) in flags {
            set(&name, value, Origin::Flag);
        }
        let settings: Self = Figment::from(Serialized::globals(layered))
            .extract()
            .map_err(|error| SettingsError::Setting(explain(&error, &origins)))?;
        let folder_is_missing = role == Role::Authorizer && settings.policy.is_none();
        if folder_is_missing && mia::variable(&environment, mia::FILE).is_some() {
            return Err(SettingsError::NoConfigurationPath);
        }
        Ok(Self {
            pepper: pepper_in(&environment),
            origins,
            ..settings
        })
    }

    /// The names of the settings that a file may have.
    fn names() -> Vec<String> {
        let defaults = Value::serialize(Self::default());
        let names = defaults.ok().and_then(Value::into_dict);
        names.unwrap_or_default().into_keys().collect()
    }

    /// The pepper of `hmac-sha256:` digests, if one is set.
    ///
    /// # Errors
    /// It cannot be read, is too short, or is set twice.
    pub fn pepper(&self) -> Result<Option<Pepper>, PepperError> {
        pepper::find(self.pepper_file.as_deref(), self.pepper.as_ref())
    }

    /// The data listener of a role.
    #[must_use]
    pub fn listen(&self, role: Role) -> Address {
        self.listen.clone().unwrap_or_else(|| addresses::data(role))
    }

    /// The operations listener of a role.
    #[must_use]
    pub fn operations(&self, role: Role) -> Address {
        self.operations
            .clone()
            .unwrap_or_else(|| addresses::operations(role))
    }

    /// The `Host` values that the operations listener takes.
    #[must_use]
    pub fn operations_hosts(&self, role: Role) -> Hosts {
        let HostNames(names) = &self.operations_hosts;
        Hosts::new(self.operations(role).host(), names)
    }

    /// What operators may use.
    #[must_use]
    pub fn operations_limits(&self) -> Limits {
        Limits {
            connections: self.operations_max_connections.get().into(),
            time: Duration::from_secs(self.operations_timeout_seconds.get().into()),
        }
    }

    /// Makes sure that a role's listeners have an address each.
    ///
    /// # Errors
    /// They have the same one.
    pub fn with_two_listeners(self, role: Role) -> Result<Self, SettingsError> {
        let (data, operations) = (self.listen(role), self.operations(role));
        if data.may_be_shared() || data != operations {
            return Ok(self);
        }
        Err(self.same_address(role))
    }

    /// The error that both listeners have one address.
    #[must_use]
    pub fn same_address(&self, role: Role) -> SettingsError {
        let is_taken = |address: &Address| address.port() == self.listen(role).port();
        let (first, second) = (addresses::operations(role), addresses::data(role));
        let example = if is_taken(&first) { second } else { first };
        SettingsError::SameAddress {
            listen: self.origins.named("listen"),
            operations: self.origins.named("operations"),
            address: self.operations(role).to_string(),
            example,
        }
    }

    /// Where requests carry their key.
    #[must_use]
    pub fn credential_names(&self) -> CredentialNames {
        let Names(headers) = &self.key_headers;
        let Names(cookies) = &self.key_cookies;
        CredentialNames {
            headers: headers
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            cookies: cookies.clone(),
        }
    }

    /// What the resolver does about guesses.
    #[must_use]
    pub fn guessing(&self) -> Guessing {
        let guessing = match &self.client_address_header {
            Some(Name(header)) => Guessing::by(header.clone()),
            None => Guessing::default(),
        };
        guessing.limited(self.failed_keys_per_minute)
    }

    /// The names of the headers in which the gateway describes a request.
    #[must_use]
    pub fn header_names(&self) -> HeaderNames {
        HeaderNames {
            client_type: self.client_type_header.0.clone(),
            backoffice: self.backoffice_header.0.clone(),
        }
    }

    /// The names of headers and cookies that a gateway must follow, each with one meaning.
    ///
    /// # Errors
    /// A header would have two: a caller's own could be believed, or a key passed on.
    pub fn gateway_names(&self) -> Result<keygate_gateways::Names, SettingsError> {
        keygate_gateways::Names::new(self.choice_of_names()).map_err(|error| {
            let named = self.origins.named(error.setting());
            SettingsError::Names { named, error }
        })
    }

    /// What a role expects of the nginx includes.
    ///
    /// In a pair a process may have only the settings that it reads itself: it compares the others
    /// where they are set.
    ///
    /// # Errors
    /// See [`Settings::gateway_names`].
    pub fn expected_names(&self, role: Role) -> Result<ExpectedNames, SettingsError> {
        let (names, default) = (self.gateway_names()?, keygate_gateways::Names::default());
        let part = |part: String, default: String, is_read: bool| {
            let is_compared = is_read || part != default;
            if is_compared { part } else { String::new() }
        };
        Ok(ExpectedNames::new(
            part(
                names.stated_of_keys(),
                default.stated_of_keys(),
                role != Role::Authorizer,
            ),
            part(
                names.stated_of_identity(),
                default.stated_of_identity(),
                role != Role::Resolver,
            ),
            names.stated() != default.stated(),
        ))
    }

    /// These names as the settings choose them.
    #[must_use]
    pub fn choice_of_names(&self) -> Choice {
        let CredentialNames { headers, cookies } = self.credential_names();
        let default = Choice::default().client_address;
        let address = self.client_address_header.as_ref();
        Choice {
            key_headers: headers,
            key_cookies: cookies,
            client_address: address.map_or(default, |Name(header)| header.clone()),
            client_type: self.client_type_header.0.clone(),
            backoffice: self.backoffice_header.0.clone(),
        }
    }

    /// What is written and kept of the decisions.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            allow_sample: self.decision_log_allow_sample,
            deny_limit: self.decision_log_deny_limit,
            recent: self.recent_decisions,
        }
    }

    /// Logs what an operator may not have meant.
    pub fn warn(&self, role: Role, environment: &[(String, String)]) {
        if role == Role::Authorizer {
            for name in mia::without_effect(environment) {
                tracing::warn!("`{name}` is set and has no effect: Keygate knows no users yet");
            }
        }
        if role != Role::Resolver && self.answer_with == AnswerWith::Header {
            tracing::warn!(
                "{} has denials answered by 200 and `mia-allowed: 0`: a gateway that does not read \
                 `mia-allowed` lets every request pass. Requests of Keygate's nginx includes get 401 and \
                 403 all the same",
                self.origins.named("answer-with")
            );
        }
        let listen = self.listen(role);
        if self.origins.is_mia("listen") && !listen.is_local() {
            tracing::warn!(
                "{} makes the data listener reachable on every address of this machine: let only the \
                 gateway reach it, or set `KEYGATE_LISTEN` to one address",
                self.origins.named("listen")
            );
        }
        let operations = self.operations(role);
        if !operations.is_local() {
            tracing::warn!(
                "{}, `{operations}`, is not a loopback address: whoever reaches the operations listener \
                 sees key ids, client types and the policy, so let only probes and operators reach it",
                self.origins.named("operations")
            );
        }
    }

    /// The limits on connections of the data listener: some descriptors always remain for the rest of
    /// the process.
    #[must_use]
    pub fn data_limits(&self) -> server::Limits {
        let connections = usize::try_from(self.max_connections.get()).unwrap_or(usize::MAX);
        server::Limits {
            connections: connections.min(descriptors::for_connections()),
            head_timeout: Duration::from_secs(self.head_timeout_seconds.get().into()),
        }
    }

    /// How long requests in flight may take at shutdown.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// How long to go on serving, not ready, before the listeners close at shutdown.
    #[must_use]
    pub fn shutdown_delay(&self) -> Duration {
        Duration::from_secs(self.shutdown_delay_seconds.into())
    }
}

fn pepper_in(environment: &[(String, String)]) -> Option<PepperText> {
    let mut variables = environment.iter();
    let (_, text) = variables.find(|(name, _)| name == pepper::VARIABLE)?;
    Some(PepperText::from(text.clone()))
}

/// The setting that a variable of the environment stands for, if it is one of ours.
fn own_setting(name: &str, value: &str) -> Option<(String, Value)> {
    let setting = name.strip_prefix(PREFIX)?;
    (!is_service_link(setting) && name != pepper::VARIABLE)
        .then(|| (kebab(setting), Value::from(value)))
}

/// Kubernetes puts the address of every Service of the namespace into the environment, as
/// `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT…` and `NAME_PORT…` (Kubernetes, "Discovering
/// services"): a Service named `keygate-…` must not look like an unknown setting.
fn is_service_link(setting: &str) -> bool {
    setting.ends_with("_SERVICE_HOST")
        || setting.contains("_SERVICE_PORT")
        || setting.ends_with("_PORT")
        || setting.contains("_PORT_")
}

fn kebab(setting: &str) -> String {
    setting.to_lowercase().replace('_', "-")
}

fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_uppercase().replace('-', "_"))
}

/// One sentence for an error, with the name that was set and the nearest known one.
fn explain(error: &figment::Error, origins: &Origins) -> String {
    let setting = error.path.join(".");
    let named = origins.named(&setting);
    match &error.kind {
        Kind::UnknownField(name, known) => {
            let meant = nearest(name, known.iter().copied());
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}` ({})?", variable(meant)),
                None => format!("known settings: {}", known.join(", ")),
            };
            format!("unknown setting `{name}` ({}): {help}", variable(name))
        }
        Kind::UnknownVariant(found, known) => {
            format!("{named}: `{found}` is not one of {}", known.join(", "))
        }
        kind => format!("{named}: {kind}"),
    }
}
