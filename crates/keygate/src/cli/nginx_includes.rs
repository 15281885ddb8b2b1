//! `keygate nginx-includes`: the includes for other names and addresses.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{self, ExitCode},
};

use clap::Args;
use figment::value::Dict;
use keygate_gateways::{
    Choice, Names, NamesError,
    nginx::includes::{
        Include, IncludesError, Options, Server, ServerError, Servers, dropped_by_default, includes,
    },
};
use keygate_headers::Gateway;
use keygate_telemetry::role::Role;

use super::{complain, terminal};
use crate::settings::{Settings, SettingsError};

pub(super) const EXAMPLE: &str = "Examples:
  keygate nginx-includes --config keygate.yaml --out /etc/nginx
  keygate nginx-includes --config resolver.yaml --config authorizer.yaml --out /etc/nginx
  keygate nginx-includes --resolver 10.0.0.1:7081 --resolver 10.0.0.2:7081 --out /etc/nginx";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Path to a service's settings file; environment variables override its values. If the
    /// resolver and the authorizer have separate settings files, repeat this flag
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Directory to write to; existing files with the same names are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Address at which nginx reaches the resolver, `HOST:PORT` or `unix:/path`; repeat this flag
    /// for each replica
    #[arg(long, value_name = "ADDRESS")]
    resolver: Vec<Server>,
    /// Address at which nginx reaches the authorizer; repeat this flag for each replica
    #[arg(long, value_name = "ADDRESS")]
    authorizer: Vec<Server>,
    /// Address at which nginx reaches `keygate serve`; repeat this flag for each replica
    #[arg(long, value_name = "ADDRESS")]
    serve: Vec<Server>,
    /// Let nginx follow `X-Accel-Redirect` headers from backends, even to locations that other
    /// rules protect
    #[arg(long)]
    keep_x_accel_redirect: bool,
}

/// Why there are no includes.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("invalid setting `{}`", _0.setting())]
    Names(#[from] NamesError),
    #[error(transparent)]
    Includes(#[from] IncludesError),
    #[error("the setting `gateway` is `{0}`, but the includes are for `gateway: nginx`")]
    OtherGateway(Gateway),
    #[error(
        "the setting `{0}` differs between the settings files: use the same value for both \
         services"
    )]
    Conflict(&'static str),
    #[error(
        "invalid setting `listen` of the {role}: {error}; alternatively, set the address with \
         `--{role}`"
    )]
    Listen {
        role: &'static str,
        error: ServerError,
    },
    #[error(
        "the {role} listens on all addresses (`{listen}`): set the one that nginx connects to with \
         `--{role} HOST:PORT`"
    )]
    EveryAddress { role: &'static str, listen: String },
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match write(arguments) {
        Ok(names) => {
            for header in dropped_by_default(&names) {
                terminal::say(format!(
                    "warning: nginx drops the header `{header}` unless `underscores_in_headers` is on"
                ));
            }
            let out = arguments.out.display();
            terminal::print(format_args!(
                "wrote the includes to {out}: test them with `nginx -t`, and then reload nginx\n"
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            match error {
                Error::Write { .. } => ExitCode::FAILURE,
                _ => ExitCode::from(2),
            }
        }
    }
}

fn write(arguments: &Arguments) -> Result<Names, Error> {
    let settings = settings(&arguments.config)?;
    if let Some(other) = settings.iter().find(|it| it.gateway != Gateway::Nginx) {
        return Err(Error::OtherGateway(other.gateway));
    }
    let names = Names::new(choice(&settings)?)?;
    let (look_ups, identities) = (
        settings.iter().map(Settings::longest_user_lookup),
        settings.iter().map(Settings::longest_identity),
    );
    let options = Options {
        keep_accel_redirect: arguments.keep_x_accel_redirect,
        user_lookup: look_ups.max().unwrap_or_default(),
        identity_bytes: identities.max().unwrap_or_default(),
    };
    let includes = includes(&names, &servers(arguments, &settings)?, options)?;
    let failed = |path: &Path, error| Error::Write {
        path: path.to_owned(),
        error,
    };
    fs::create_dir_all(&arguments.out).map_err(|error| failed(&arguments.out, error))?;
    for include in includes {
        let path = arguments.out.join(include.name);
        replace(&arguments.out, &include).map_err(|error| failed(&path, error))?;
    }
    Ok(names)
}

/// The settings of each file, or of the environment alone.
fn settings(files: &[PathBuf]) -> Result<Vec<Settings>, SettingsError> {
    let environment: Vec<_> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // The role that takes Mia-Platform's names of the environment too.
    let read = |file| Settings::layered(Role::Authorizer, file, Dict::new(), environment.clone());
    if files.is_empty() {
        return Ok(vec![read(None)?]);
    }
    files.iter().map(|file| read(Some(file))).collect()
}

/// The names of all the files: in a pair, each sets those that its service reads.
fn choice(settings: &[Settings]) -> Result<Choice, Error> {
    let mut all = Choice::default();
    for settings in settings {
        let (one, default) = (settings.choice_of_names(), Choice::default());
        merge(
            "key-headers",
            &mut all.key_headers,
            one.key_headers,
            &default.key_headers,
        )?;
        merge(
            "key-cookies",
            &mut all.key_cookies,
            one.key_cookies,
            &default.key_cookies,
        )?;
        merge(
            "client-address-header",
            &mut all.client_address,
            one.client_address,
            &default.client_address,
        )?;
        merge(
            "client-type-header",
            &mut all.client_type,
            one.client_type,
            &default.client_type,
        )?;
        merge(
            "backoffice-header",
            &mut all.backoffice,
            one.backoffice,
            &default.backoffice,
        )?;
        merge(
            "users.trusted-headers",
            &mut all.user,
            one.user,
            &default.user,
        )?;
    }
    Ok(all)
}

fn merge<T: PartialEq>(
    setting: &'static str,
    all: &mut T,
    one: T,
    default: &T,
) -> Result<(), Error> {
    if one == *default || one == *all {
        return Ok(());
    }
    if *all != *default {
        return Err(Error::Conflict(setting));
    }
    *all = one;
    Ok(())
}

/// The addresses of the command line, and of a file that says which service it is for.
fn servers(arguments: &Arguments, settings: &[Settings]) -> Result<Servers, Error> {
    let mut servers = Servers {
        resolver: arguments.resolver.clone(),
        authorizer: arguments.authorizer.clone(),
        serve: arguments.serve.clone(),
    };
    for settings in settings {
        let (role, of_role) = match (&settings.keys, &settings.policy) {
            (Some(_), Some(_)) => (Role::Serve, &mut servers.serve),
            (Some(_), None) => (Role::Resolver, &mut servers.resolver),
            (None, Some(_)) => (Role::Authorizer, &mut servers.authorizer),
            (None, None) => continue,
        };
        let Some(listen) = &settings.listen else {
            continue;
        };
        if !of_role.is_empty() {
            continue;
        }
        let (role, listen) = (role.name(), listen.to_string());
        let is_every = ["0.0.0.0:", "[::]:"]
            .iter()
            .any(|it| listen.starts_with(it));
        if is_every {
            return Err(Error::EveryAddress { role, listen });
        }
        let server = listen.parse();
        of_role.push(server.map_err(|error| Error::Listen { role, error })?);
    }
    Ok(servers)
}

/// Replaces a file at once: nginx reads the old one or the new one.
fn replace(folder: &Path, include: &Include) -> io::Result<()> {
    let temporary = folder.join(format!(".{}.{}", include.name, process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(include.text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(include.name))
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}
