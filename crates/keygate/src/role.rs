//! How each of the three roles is put together, run and ended.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::Router;
use futures_util::FutureExt;
use jiff::Timestamp;
use keygate_authorizer::Authorizer;
use keygate_documents::source::SourceError;
use keygate_envoy::{Checks, Names, Steps};
use keygate_keys::KeyTable;
use keygate_keys::keys_file;
use keygate_policy::Policy;
use keygate_resolver::Resolver;
use keygate_telemetry::{
    decisions::Decisions,
    health::Health,
    logs::Queue,
    operations::Operations,
    role::Role,
    traces::{Traces, TracesError},
};
use keygate_user_sources::{Sources, keys::Fetcher};
use keygate_users::settings::Users;
use keygate_web::router;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    check,
    listener::{BindError, Listener},
    operations_listener, policy_file,
    reload::{self, Watched},
    server::{self, Protocol},
    settings::{Settings, SettingsError},
    shutdown::Signals,
    signatures,
    users::{self, UsersError},
};

/// Why a role does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file is invalid.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Traces cannot be sent as the environment says.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The sources of users cannot be used.
    #[error("users")]
    Users(#[from] UsersError),
    /// The system refuses something that every process needs.
    #[error("the system does not provide a signal handler or a thread")]
    System(#[from] io::Error),
}

/// A role's services with their files loaded, ready to be served.
struct Services {
    resolver: Option<Arc<Resolver>>,
    authorizer: Option<Arc<Authorizer>>,
    users: Option<Arc<Sources>>,
    fetchers: Vec<Fetcher>,
    files: Vec<Watched>,
}

/// Runs a role until a signal ends it.
///
/// Files are loaded and every listener is bound before the first request is accepted: a role starts
/// completely or not at all.
///
/// # Errors
/// The role does not start.
pub async fn run(
    role: Role,
    settings: Settings,
    traces: Option<Traces>,
    log: Queue,
) -> Result<(), StartError> {
    let decisions = Arc::new(Decisions::new(settings.retention(), traces.clone()));
    let services = Services::load(role, &settings, &decisions)?;
    let passes_peer = users::needs_peer(settings.users.as_ref());
    let data = server::Service {
        router: services.router(),
        passes_peer,
        protocol: Protocol::Http1,
    };
    let checks = services.checks(&settings, &decisions)?;
    let Services {
        resolver,
        authorizer,
        users,
        fetchers,
        files,
    } = services;
    let health = Arc::new(Health::new(files.iter().map(Watched::status).collect()));
    // Once a listener is bound, a signal must not kill the process: its socket files would stay behind.
    let mut signals = Signals::install()?;
    reload_on_hangup(files)?;
    for fetcher in fetchers {
        tokio::spawn(fetcher.run());
    }
    let listener = Listener::bind(&settings.listen(role), settings.socket_mode).await?;
    let grpc = match &settings.grpc_listen {
        Some(_) => Some(bind_next(role, &settings, "grpc-listen").await?),
        None => None,
    };
    let watched_at = bind_next(role, &settings, "operations").await?;
    tracing::info!(
        role = role.name(),
        version = env!("CARGO_PKG_VERSION"),
        listen = listener.address(),
        grpc_listen = grpc.as_ref().map(Listener::address),
        operations = watched_at.address(),
        "started"
    );

    // Probes get responses until the data listener has drained.
    let router = router::router(Operations {
        role,
        health: Arc::clone(&health),
        decisions: Arc::clone(&decisions),
        resolver,
        authorizer,
        users,
        user_sources: settings
            .users
            .as_ref()
            .map(Users::sources)
            .unwrap_or_default(),
        identity_limit: settings.identity_header_limit.get().into(),
        started: Timestamp::now(),
        settings: serde_json::to_value(settings.effective(role)).unwrap_or_default(),
        service_version: settings.service_version.clone(),
        log,
        sockets: [Some(&listener), grpc.as_ref(), Some(&watched_at)]
            .into_iter()
            .flatten()
            .filter_map(Listener::status)
            .collect(),
    });
    let (hosts, limits) = (
        settings.operations_hosts(role),
        settings.operations_limits(),
    );
    let _file = operations_listener::start(watched_at, router, hosts, limits)?;
    let dropped = tokio::spawn(async move { decisions.report_dropped().await });
    let ready = Arc::clone(&health);
    let shutdown = async {
        let signal = signals.received().await;
        tracing::info!(signal, "stopping: no longer ready");
        health.start_draining();
        tokio::time::sleep(settings.shutdown_delay()).await;
    };
    let shutdown = shutdown.shared();
    let (limits, drain) = (settings.data_limits(), settings.drain());
    let data = server::run(listener, data, limits, shutdown.clone(), drain);
    let grpc = async {
        if let Some((listener, checks)) = grpc.zip(checks) {
            let is_ready = move || !ready.is_draining();
            let service = server::Service {
                router: keygate_envoy::router(checks, Arc::new(is_ready)),
                passes_peer,
                protocol: Protocol::Grpc,
            };
            server::run(listener, service, settings.grpc_limits(), shutdown, drain).await;
        }
    };
    tokio::join!(data, grpc);
    dropped.abort();
    if let Some(traces) = traces {
        traces.shutdown().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Binds the listener of a setting, once those before it are bound.
async fn bind_next(
    role: Role,
    settings: &Settings,
    setting: &'static str,
) -> Result<Listener, StartError> {
    let listeners = settings.listeners(role);
    let mut own = listeners.iter().filter(|(name, _)| *name == setting);
    let Some((_, address)) = own.next() else {
        return Err(SettingsError::Missing { setting }.into());
    };
    let bound = Listener::bind(address, settings.socket_mode).await;
    if matches!(bound, Err(BindError::InUse(_))) {
        // One port by two spellings, such as `0.0.0.0:7081` and `127.0.0.1:7081`.
        let mut before = listeners.iter().take_while(|(name, _)| *name != setting);
        let port = address.port().filter(|port| *port != 0);
        let taken = before.find(|(_, other)| port.is_some() && other.port() == port);
        if let Some((first, _)) = taken {
            return Err(settings.same_address(role, first, setting).into());
        }
    }
    Ok(bound?)
}

impl Services {
    fn load(
        role: Role,
        settings: &Settings,
        decisions: &Arc<Decisions>,
    ) -> Result<Self, StartError> {
        let mut services = Self {
            resolver: None,
            authorizer: None,
            users: None,
            fetchers: Vec::new(),
            files: Vec::new(),
        };
        if role != Role::Authorizer {
            let (resolver, keys) = resolver(role, settings, decisions)?;
            services.resolver = Some(resolver);
            services.files.push(keys);
        }
        if role != Role::Resolver {
            if let Some(users) = users::Loaded::new(settings)? {
                services.users = Some(users.sources);
                services.fetchers = users.fetchers;
                services.files.extend(users.files);
            }
            let users = services.users.clone();
            let (authorizer, policies) = authorizer(role, settings, decisions, users)?;
            services.authorizer = Some(authorizer);
            services.files.extend(policies);
        }
        let (resolver, authorizer) = (services.resolver.as_ref(), services.authorizer.as_ref());
        let signatures = signatures::watched(settings, resolver, authorizer)?;
        services.files.extend(signatures);
        Ok(services)
    }

    /// The responses to Envoy's gRPC.
    fn checks(
        &self,
        settings: &Settings,
        decisions: &Arc<Decisions>,
    ) -> Result<Option<Checks>, SettingsError> {
        let (resolver, authorizer) = (self.resolver.clone(), self.authorizer.clone());
        let steps = match (resolver, authorizer) {
            (Some(resolver), Some(authorizer)) => Steps::Both(resolver, authorizer),
            (Some(resolver), None) => Steps::Resolve(resolver),
            (None, Some(authorizer)) => Steps::Authorize(authorizer),
            (None, None) => return Ok(None),
        };
        let names = settings.gateway_names()?;
        let checks = Checks::new(steps, Names::from(&names));
        Ok(Some(checks.counted_by(Arc::clone(decisions))))
    }

    /// The routes of the data listener. Unknown paths get 404, so that a wrong gateway setting is not
    /// taken for a decision.
    fn router(&self) -> Router {
        let resolver = self.resolver.clone();
        let authorizer = self.authorizer.clone();
        let both = resolver.clone().zip(authorizer.clone());
        [
            resolver.map(keygate_resolver::router),
            authorizer.map(keygate_authorizer::router),
            both.map(|(resolver, authorizer)| check::router(resolver, authorizer)),
        ]
        .into_iter()
        .flatten()
        .fold(Router::new(), Router::merge)
    }
}

/// A resolver starts without keys, so that it rejects every key until the file is loaded.
fn resolver(
    role: Role,
    settings: &Settings,
    decisions: &Arc<Decisions>,
) -> Result<(Arc<Resolver>, Watched), StartError> {
    let path = settings
        .keys
        .clone()
        .ok_or(SettingsError::Missing { setting: "keys" })?;
    let resolver = Resolver::new(
        KeyTable::default(),
        settings.credential_names(),
        settings.rejected_key_status,
    );
    let observer: Arc<Decisions> = Arc::clone(decisions);
    let resolver = resolver
        .behind(settings.gateway)
        .with_failed_keys(settings.failed_keys())
        .expecting(settings.expected_names(role)?);
    let resolver = Arc::new(resolver.observed_by(observer));
    let pepper = settings.pepper().map_err(SettingsError::from)?;
    let target = Arc::clone(&resolver);
    let load = move |path: &Path, text: &str| {
        let loaded = keys_file::parse(path, text, pepper.clone())?;
        loaded
            .warnings
            .iter()
            .for_each(|warning| tracing::warn!("{warning}"));
        target.replace_keys(loaded.table);
        Ok(())
    };
    Ok((resolver, Watched::start("keys", path, Box::new(load))?))
}

/// An authorizer starts with an empty policy, so that it denies every request until the file is
/// loaded.
fn authorizer(
    role: Role,
    settings: &Settings,
    decisions: &Arc<Decisions>,
    users: Option<Arc<Sources>>,
) -> Result<(Arc<Authorizer>, Vec<Watched>), StartError> {
    let path = settings
        .policy
        .clone()
        .ok_or(SettingsError::Missing { setting: "policy" })?;
    let authorizer = Authorizer::new(
        Policy::default(),
        settings.header_names(),
        settings.answer_with,
    );
    let observer: Arc<Decisions> = Arc::clone(decisions);
    let authorizer = authorizer
        .behind(settings.gateway)
        .expecting(settings.expected_names(role)?);
    let authorizer = match users {
        Some(users) => authorizer.with_users(users, settings.identity_header_limit.get().into()),
        None => authorizer,
    };
    let authorizer = match settings.handoff_secret_file {
        Some(_) => authorizer.requiring_hand_off(),
        None => authorizer,
    };
    let authorizer = match settings.identity_token {
        Some(_) => authorizer.signing_identities(settings.identity_header_limit.get().into()),
        None => authorizer,
    };
    let authorizer = Arc::new(authorizer.observed_by(observer));
    let mut files = vec![policy(
        "policy",
        path,
        &authorizer,
        Authorizer::replace_policy,
    )?];
    if let Some(path) = settings.shadow_policy.clone() {
        files.push(policy(
            "shadow-policy",
            path,
            &authorizer,
            Authorizer::replace_shadow,
        )?);
    }
    Ok((authorizer, files))
}

/// Activates a policy file with `replace`.
fn policy(
    name: &'static str,
    path: PathBuf,
    authorizer: &Arc<Authorizer>,
    replace: fn(&Authorizer, Policy),
) -> Result<Watched, SourceError> {
    let target = Arc::clone(authorizer);
    let load = move |path: &Path, text: &str| {
        let loaded = policy_file::parse(path, text)?;
        loaded
            .warnings
            .iter()
            .for_each(|warning| tracing::warn!("{warning}"));
        let of_users = policy_file::of_users(&loaded.policy);
        if let Some(of_users) = of_users.filter(|_| !target.has_users()) {
            let file = path.display();
            tracing::warn!(%file, "{of_users}, but nobody is ever logged in, because the settings \
                                   have no section `users`");
        }
        replace(&target, loaded.policy);
        Ok(())
    };
    Watched::start(name, path, Box::new(load))
}

/// Reloads every file on SIGHUP, and whenever it changes.
fn reload_on_hangup(files: Vec<Watched>) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let sources = reload::watch(files)?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            for source in &sources {
                // The other threads go on when one has ended.
                let _ = source.send(());
            }
        }
    });
    Ok(())
}
