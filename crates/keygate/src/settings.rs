//! Settings: defaults, then a settings file, then the environment, then flags.

mod denials;
mod effective;
mod error;
mod file;
mod gateway;
mod layers;
mod listeners;
mod mia;
mod names;
mod number;
#[cfg(test)]
mod tests;
mod users;
mod warnings;

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    time::Duration,
};

use keygate_authorizer::{AnswerWith, HeaderNames};
use keygate_headers::Gateway;
use keygate_keys::{
    Pepper,
    pepper::{self, PepperError, PepperText},
};
use keygate_resolver::{CredentialNames, service::RejectedKeyStatus};
use keygate_telemetry::{
    decisions::Retention,
    limit::Share,
    logs::{LogFormat, LogLevel},
    role::Role,
};
use keygate_users::{IdentityToken, settings::Users};
use keygate_web::hosts::Hosts;
use serde::{Deserialize, Serialize};

use crate::{
    descriptors,
    listener::{Address, SocketMode},
    operations_listener::Limits,
    server,
};

pub use effective::Effective;
use effective::Origins;
pub use error::SettingsError;
use names::{HostNames, Name, Names};

/// The default of `max-connections`: nginx keeps 128 idle ones for each worker, so this is enough for
/// 128 workers.
const MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::new(16_384).unwrap();

/// The default of `head-timeout-seconds`: a gateway sends a head at once.
const HEAD_TIMEOUT_SECONDS: NonZeroU16 = NonZeroU16::new(10).unwrap();

/// The most connections of the listener for gRPC: Envoy opens one per worker, and more only for hundreds of
/// requests at a time.
const MOST_GRPC_CONNECTIONS: usize = 256;

/// Everything that can be set, in one flat list: a setting `log-level` is `log-level` in a file,
/// `KEYGATE_LOG_LEVEL` in the environment, and `--log-level` where there is a flag.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The keys file.
    pub keys: Option<PathBuf>,
    /// The policy file.
    pub policy: Option<PathBuf>,
    /// The shadow policy file, which is evaluated for every request and never enforced.
    pub shadow_policy: Option<PathBuf>,
    /// The file that holds the pepper of `hmac-sha256:` digests.
    pub pepper_file: Option<PathBuf>,
    /// The pepper itself: only in the environment and separate from other settings, because errors show
    /// the values of settings.
    #[serde(skip)]
    pub pepper: Option<PepperText>,
    /// The data listener, for the gateway.
    pub listen: Option<Address>,
    /// The listener for Envoy's gRPC; none if not set.
    pub grpc_listen: Option<Address>,
    /// The admin listener, for probes and people.
    pub operations: Option<Address>,
    /// Host names of the admin listener, besides `localhost` and IP addresses.
    pub operations_hosts: HostNames,
    /// The most connections to the admin listener; above it, the oldest are closed.
    #[serde(deserialize_with = "number::positive")]
    pub operations_max_connections: NonZeroU16,
    /// How long a connection to the admin listener may take, including its response.
    #[serde(deserialize_with = "number::positive")]
    pub operations_timeout_seconds: NonZeroU16,
    /// The permission bits of Unix sockets.
    pub socket_mode: SocketMode,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
    /// The share of allowed requests that are logged, from 0 to 1.
    pub decision_log_allow_sample: Share,
    /// The most denials per second that are logged.
    #[serde(deserialize_with = "number::count")]
    pub decision_log_deny_limit: u16,
    /// How many of the last denials, and of the last allowed requests, are kept for the debug pages.
    #[serde(deserialize_with = "number::count")]
    pub recent_decisions: u16,
    /// The gateway that sends authorization requests.
    #[serde(with = "gateway::name")]
    pub gateway: Gateway,
    /// Headers that carry a key.
    pub key_headers: Names,
    /// Cookies that carry a key.
    pub key_cookies: Names,
    /// The status of the response to an invalid key: 401 or 403.
    #[serde(with = "denials::rejected_key_status")]
    pub rejected_key_status: RejectedKeyStatus,
    /// The header with the caller's address.
    pub client_address_header: Option<Name>,
    /// The most failed keys per address and minute; unlimited if not set.
    #[serde(deserialize_with = "number::at_least_one")]
    pub failed_keys_per_minute: Option<NonZeroU32>,
    /// The header with the client type.
    pub client_type_header: Name,
    /// The header that marks requests of the back-office gateway.
    pub backoffice_header: Name,
    /// How the authorizer reports a denial.
    #[serde(with = "denials::answer_with")]
    pub answer_with: AnswerWith,
    /// Where users come from; nobody is ever logged in if not set.
    #[serde(serialize_with = "users::not_here")]
    pub users: Option<Users>,
    /// The section `users` as it was written, to be shown.
    #[serde(skip)]
    users_written: Option<serde_json::Value>,
    /// The most bytes of a header with a part of a user's identity.
    #[serde(deserialize_with = "number::positive")]
    pub identity_header_limit: NonZeroU16,
    /// The signed identity for backends; none if not set.
    pub identity_token: Option<IdentityToken>,
    /// The file with the secret by which the resolver signs client types for the authorizer.
    pub handoff_secret_file: Option<PathBuf>,
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
        let (credentials, headers) = (CredentialNames::default(), HeaderNames::default());
        let names = credentials.headers.iter().map(ToString::to_string);
        Self {
            keys: None,
            policy: None,
            shadow_policy: None,
            pepper_file: None,
            pepper: None,
            listen: None,
            grpc_listen: None,
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
            gateway: Gateway::default(),
            key_headers: Names(names.collect()),
            key_cookies: Names(credentials.cookies),
            rejected_key_status: RejectedKeyStatus::default(),
            client_address_header: None,
            failed_keys_per_minute: None,
            client_type_header: Name(headers.client_type),
            backoffice_header: Name(headers.backoffice),
            answer_with: AnswerWith::default(),
            users: None,
            users_written: None,
            identity_header_limit: const { NonZeroU16::new(4096).unwrap() },
            identity_token: None,
            handoff_secret_file: None,
            max_connections: MAX_CONNECTIONS,
            head_timeout_seconds: HEAD_TIMEOUT_SECONDS,
            drain_seconds: 10,
            shutdown_delay_seconds: 0,
            service_version: None,
            origins: Origins::default(),
        }
    }
}

impl Settings {
    /// The pepper of `hmac-sha256:` digests, if one is set.
    ///
    /// # Errors
    /// It cannot be read, is too short, or is set twice.
    pub fn pepper(&self) -> Result<Option<Pepper>, PepperError> {
        pepper::find(self.pepper_file.as_deref(), self.pepper.as_ref())
    }

    /// Returns the `Host` values that the admin listener accepts.
    #[must_use]
    pub fn operations_hosts(&self, role: Role) -> Hosts {
        let HostNames(names) = &self.operations_hosts;
        Hosts::new(self.operations(role).host(), names)
    }

    /// Returns the limits of the admin listener.
    #[must_use]
    pub fn operations_limits(&self) -> Limits {
        Limits {
            connections: self.operations_max_connections.get().into(),
            time: Duration::from_secs(self.operations_timeout_seconds.get().into()),
        }
    }

    /// Returns the limits of logging and keeping decisions.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            allow_sample: self.decision_log_allow_sample,
            deny_limit: self.decision_log_deny_limit,
            recent: self.recent_decisions,
        }
    }

    /// The limits on connections of the data listener: some descriptors always remain for the rest of
    /// the process.
    #[must_use]
    pub fn data_limits(&self) -> server::Limits {
        let connections = usize::try_from(self.max_connections.get()).unwrap_or(usize::MAX);
        let reserved = self
            .grpc_listen
            .as_ref()
            .map_or(0, |_| MOST_GRPC_CONNECTIONS);
        server::Limits {
            connections: connections.min(descriptors::for_connections(reserved)),
            head_timeout: Duration::from_secs(self.head_timeout_seconds.get().into()),
        }
    }

    /// Returns the limits of the listener for gRPC: Envoy opens one connection per worker.
    #[must_use]
    pub fn grpc_limits(&self) -> server::Limits {
        let data = self.data_limits();
        server::Limits {
            connections: data.connections.min(MOST_GRPC_CONNECTIONS),
            head_timeout: data.head_timeout + self.longest_user_lookup(),
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
