//! The command line: one file per command.

mod check;
mod explain;
mod health;
mod import;
mod keys;
mod matrix;
mod nginx_includes;
mod nginx_settings;
mod probe;
mod schema;
mod settings_file;
mod terminal;
mod test;

use std::{env, path::PathBuf, process::ExitCode};

use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use figment::value::{Dict, Value};
use keygate_telemetry::{logs, role::Role, traces::Traces};
use serde::Serialize;

use crate::{
    descriptors,
    role::{self, StartError},
    settings::{Settings, SettingsError},
};

/// API key authentication and per-endpoint authorization for nginx, Envoy and other gateways.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  keygate resolver --keys keys.yaml
  keygate authorizer --policy policy.yaml
  keygate serve --keys keys.yaml --policy policy.yaml --listen unix:/run/keygate/serve.sock
  keygate check --keys keys.yaml --policy policy.yaml
  keygate explain --policy policy.yaml --method GET --uri /orders/7 --client-type A
  keygate matrix --policy policy.yaml --keys keys.yaml
  keygate test cases.yaml
  keygate keys create --keys keys.yaml --client-type A
  keygate import mia console.json --keys-out keys.yaml
  keygate nginx-includes --config keygate.yaml --out /etc/nginx
  keygate probe https://shop.example.com/orders/1
  keygate schema policy

Exit codes: 0 for success, 1 for failure, 2 for an invalid command line or setting.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the client-type resolver, which maps API keys to client types.
    #[command(
        mut_args = hidden(&["policy", "shadow_policy"]),
        after_help = "Example:\n  keygate resolver --keys keys.yaml --listen 127.0.0.1:7081"
    )]
    Resolver(RoleArguments),
    /// Run the authorization service, which checks requests against the policy.
    #[command(
        mut_args = hidden(&["keys", "pepper_file"]),
        after_help = "Example:\n  keygate authorizer --policy policy.yaml --listen 127.0.0.1:7082"
    )]
    Authorizer(RoleArguments),
    /// Run both services in one process, which saves one hop per request.
    #[command(after_help = "Example:\n  keygate serve --keys keys.yaml --policy policy.yaml")]
    Serve(RoleArguments),
    /// Validate keys, policy and settings files, and report likely problems in them and in the
    /// nginx configuration.
    #[command(
        after_help = "Examples:\n  keygate check --keys keys.yaml --policy policy.yaml\n  keygate check --config keygate.yaml --policy policy.yaml\n  keygate check --nginx /etc/nginx/nginx.conf\n  keygate check --nginx /etc/nginx/nginx.conf --config resolver.yaml --config authorizer.yaml"
    )]
    Check(check::Arguments),
    /// Explain why a request is allowed or denied.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Arguments),
    /// Show the decision for every client type at every endpoint.
    #[command(
        after_help = "Examples:\n  keygate matrix --policy policy.yaml\n  keygate matrix --policy policy.yaml --keys keys.yaml --groups staff --output json"
    )]
    Matrix(matrix::Arguments),
    /// Run the test cases in a file against a policy.
    #[command(after_help = test::EXAMPLE)]
    Test(test::Arguments),
    /// Check whether a running service is ready.
    #[command(
        after_help = "Examples:\n  keygate health\n  keygate health --operations 127.0.0.1:7091"
    )]
    Health(health::Arguments),
    /// Send test requests to a gateway, and check that it enforces Keygate's decisions.
    #[command(after_help = probe::EXAMPLES)]
    Probe(probe::Arguments),
    /// Manage the keys in a keys file.
    Keys(keys::Arguments),
    /// Convert the configuration of another gateway to Keygate's files.
    Import(import::Arguments),
    /// Write the nginx include files for your header names, cookie names and addresses.
    #[command(after_help = nginx_includes::EXAMPLE)]
    NginxIncludes(nginx_includes::Arguments),
    /// Print the JSON Schema of a file, for use in editors and CI pipelines.
    #[command(after_help = schema::EXAMPLE)]
    Schema(schema::Arguments),
}

/// The output format.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Output {
    /// Human-readable text
    #[default]
    Text,
    /// JSON
    Json,
}

impl Output {
    fn print(self, output: &(impl std::fmt::Display + Serialize)) {
        match self {
            Self::Text => terminal::print(format_args!("{output}\n")),
            Self::Json => terminal::print(format_args!("{}\n", serde_json::json!(output))),
        }
    }
}

/// The exit code of a command with a yes or no result.
fn exit(result: Result<bool, impl std::error::Error>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, Args)]
struct RoleArguments {
    /// Path to the settings file (YAML); environment variables and flags override its values
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Path to the keys file
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Path to the file with the pepper for `hmac-sha256:` digests
    #[arg(long, value_name = "FILE")]
    pepper_file: Option<PathBuf>,
    /// Path to the policy file: policy.yaml, or Mia-Platform's auth.json
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Path to a shadow policy file, which is evaluated for every request but never enforced
    #[arg(long, value_name = "FILE")]
    shadow_policy: Option<PathBuf>,
    /// Address of the data listener, which serves the gateway: `HOST:PORT` or `unix:/path`
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address of the gRPC listener for Envoy: `HOST:PORT` or `unix:/path` [default: no gRPC
    /// listener]
    #[arg(long, value_name = "ADDRESS")]
    grpc_listen: Option<String>,
    /// Address of the admin listener, which serves health checks and metrics: `HOST:PORT` or
    /// `unix:/path`
    #[arg(long, value_name = "ADDRESS")]
    operations: Option<String>,
    /// File mode of Unix sockets, in octal, such as `0660`
    #[arg(long, value_name = "MODE")]
    socket_mode: Option<String>,
}

impl Arguments {
    /// Runs the command.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Resolver(arguments) => serve(Role::Resolver, &arguments),
            Command::Authorizer(arguments) => serve(Role::Authorizer, &arguments),
            Command::Serve(arguments) => serve(Role::Serve, &arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Matrix(arguments) => matrix::run(&arguments),
            Command::Test(arguments) => test::run(&arguments),
            Command::Health(arguments) => health::run(&arguments),
            Command::Probe(arguments) => probe::run(&arguments),
            Command::Keys(arguments) => keys::run(&arguments),
            Command::Import(arguments) => import::run(&arguments),
            Command::NginxIncludes(arguments) => nginx_includes::run(&arguments),
            Command::Schema(arguments) => schema::run(&arguments),
        }
    }
}

impl RoleArguments {
    /// Rejects flags that the role would ignore.
    fn only_what_it_reads(&self, role: Role) -> Result<(), SettingsError> {
        let ignored = match role {
            Role::Resolver => {
                let policy = self.policy.as_ref().map(|_| "policy");
                let shadow = self.shadow_policy.as_ref().map(|_| "shadow-policy");
                policy.or(shadow).map(|flag| (flag, Role::Authorizer))
            }
            Role::Authorizer => {
                let keys = self.keys.as_ref().map(|_| "keys");
                let pepper = self.pepper_file.as_ref().map(|_| "pepper-file");
                keys.or(pepper).map(|flag| (flag, Role::Resolver))
            }
            Role::Serve => None,
        };
        match ignored {
            None => Ok(()),
            Some((flag, reader)) => Err(SettingsError::IgnoredFlag { role, flag, reader }),
        }
    }

    fn layer(&self) -> Dict {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|it| it.display().to_string());
        let flags = [
            ("keys", path(&self.keys)),
            ("pepper-file", path(&self.pepper_file)),
            ("policy", path(&self.policy)),
            ("shadow-policy", path(&self.shadow_policy)),
            ("listen", self.listen.clone()),
            ("grpc-listen", self.grpc_listen.clone()),
            ("operations", self.operations.clone()),
            ("socket-mode", self.socket_mode.clone()),
        ];
        let set = flags
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        set.map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect()
    }
}

/// Hides the flags of other roles from a role's help; using one is an error.
fn hidden(flags: &'static [&'static str]) -> impl Fn(Arg) -> Arg {
    move |argument| {
        let is_hidden = flags.contains(&argument.get_id().as_str());
        argument.hide(is_hidden)
    }
}

fn serve(role: Role, arguments: &RoleArguments) -> ExitCode {
    match start(role, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            match error {
                StartError::Settings(_) | StartError::Traces(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// How many host names are resolved at once. While DNS does not respond, each of them holds a thread for
/// seconds after the lookup has been given up.
const MOST_BLOCKING_THREADS: usize = 32;

/// One thread is enough for the services, and a second one would only add hand-overs between threads;
/// files are read on separate threads.
fn start(role: Role, arguments: &RoleArguments) -> Result<(), StartError> {
    // A variable that is not UTF-8 cannot be a setting of ours.
    let environment: Vec<_> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    arguments.only_what_it_reads(role)?;
    let config = arguments.config.as_deref();
    let settings = Settings::layered(role, config, arguments.layer(), environment.clone())?;
    let settings = settings
        .with_different_addresses(role)?
        .fitting_the_gateway(role)?;
    settings.gateway_names()?;
    let log = logs::start(settings.log_format, settings.log_level)?;
    descriptors::raise_limit();
    settings.warn(role, &environment);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_BLOCKING_THREADS)
        .build()?;
    let traces = Traces::start(role, &environment, runtime.handle())?;
    let ended = runtime.block_on(role::run(role, settings, traces, log.queue()));
    // A host name that is being resolved holds its thread for as long as the system's resolver waits.
    runtime.shutdown_background();
    ended
}

/// Reports an error with all its causes on standard error.
pub(super) fn complain(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    // An error in a file is already complete.
    if !text.starts_with("error: ") {
        text.insert_str(0, "error: ");
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    terminal::say(text);
}
