//! A running gateway: nginx with the includes, the services and the backend.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::support::backend::Backend;
use crate::support::caller;
use crate::support::http_message::Message;
use crate::support::nginx::{Nginx, Version};
use crate::support::problem::is_problem;
use crate::support::program::{Service, keygate, run_to_end};

/// The repository's root.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A role of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Resolver,
    Authorizer,
    Serve,
}

impl Role {
    const ALL: [Self; 3] = [Self::Resolver, Self::Authorizer, Self::Serve];

    fn name(self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::Authorizer => "authorizer",
            Self::Serve => "serve",
        }
    }

    /// The port of its data listener by default.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Resolver => 7081,
            Self::Authorizer => 7082,
            Self::Serve => 7080,
        }
    }

    /// The addresses in the `server` lines of the includes.
    fn included_addresses(self) -> [String; 2] {
        [
            format!("127.0.0.1:{}", self.port()),
            format!("unix:/run/keygate/{}.sock", self.name()),
        ]
    }

    /// The socket of its operations listener.
    pub(crate) fn operations(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}-operations.sock", self.name()))
    }

    /// The port of its listener for gRPC in the examples.
    pub(crate) fn grpc_port(self) -> u16 {
        match self {
            Self::Resolver | Self::Serve => 7084,
            Self::Authorizer => 7085,
        }
    }

    /// Starts it with the policy and the keys of a folder.
    pub(crate) fn start(self, listen: &str, folder: &Path, settings: &[(&str, &str)]) -> Service {
        let command = self.command(listen, folder, settings);
        Service::start(command, listen, &self.log(folder))
    }

    /// Starts it with a listener for gRPC too.
    pub(crate) fn start_with_grpc(
        self,
        grpc: &str,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> Service {
        let data = format!("unix:{}/{}-data.sock", folder.display(), self.name());
        let mut command = self.command(&data, folder, settings);
        command.args(["--grpc-listen", grpc]);
        Service::start(command, grpc, &self.log(folder))
    }

    fn log(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.log", self.name()))
    }

    fn command(self, listen: &str, folder: &Path, settings: &[(&str, &str)]) -> Command {
        let name = self.name();
        let mut command = keygate();
        command.envs(settings.iter().copied());
        command.env("KEYGATE_LOG_FORMAT", "json");
        command.arg(name).args(["--listen", listen, "--operations"]);
        command.arg(format!("unix:{}", self.operations(folder).display()));
        let settings_file = folder.join("settings.yaml");
        if settings_file.exists() {
            command.arg("--config").arg(settings_file);
        }
        if self != Self::Authorizer {
            command.arg("--keys").arg(folder.join("keys.yaml"));
        }
        if self != Self::Resolver {
            command.arg("--policy").arg(folder.join("policy.yaml"));
        }
        command
    }
}

/// How the services run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Services {
    /// Resolver and authorizer, over TCP.
    PairOverTcp,
    /// Resolver and authorizer, over Unix sockets.
    PairOverUnix,
    /// `keygate serve`, over TCP.
    Single,
    /// The test's own servers, at the addresses of the pair.
    ImpostorsOfPair,
    /// The test's own server, at the address of `keygate serve`.
    ImpostorOfSingle,
}

impl Services {
    fn are_single(self) -> bool {
        matches!(self, Self::Single | Self::ImpostorOfSingle)
    }

    fn roles(self) -> &'static [Role] {
        match self {
            Self::PairOverTcp | Self::PairOverUnix => &[Role::Resolver, Role::Authorizer],
            Self::Single => &[Role::Serve],
            Self::ImpostorsOfPair | Self::ImpostorOfSingle => &[],
        }
    }
}

/// A configuration of nginx around the includes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) services: Services,
    /// The parameters of `listen`.
    pub(crate) listen: &'static str,
    /// Lines at http level.
    pub(crate) http: &'static str,
    /// Lines at server level.
    pub(crate) server: &'static str,
    /// Lines in each location that leads to the backend.
    pub(crate) location: &'static str,
    /// The URI of `proxy_pass`, after the backend's name.
    pub(crate) proxy_pass_uri: &'static str,
}

impl Setup {
    /// The pair over TCP, without other directives.
    pub(crate) const PLAIN: Self = Self {
        name: "plain",
        services: Services::PairOverTcp,
        listen: "",
        http: "",
        server: "",
        location: "",
        proxy_pass_uri: "",
    };
}

/// A running gateway with its services and its backend.
pub(crate) struct Gateway {
    // The fields are dropped in this order.
    pub(crate) nginx: Nginx,
    /// In the order of [`Services::roles`].
    pub(crate) services: Vec<Service>,
    roles: &'static [Role],
    pub(crate) backend: Backend,
    /// The address for callers.
    pub(crate) address: String,
    /// The addresses in the upstreams of resolver, authorizer and `serve`.
    pub(crate) service_addresses: [String; 3],
    folder: TempDir,
}

impl Gateway {
    /// Starts everything with the corpus' policy and keys.
    pub(crate) fn start(version: Version, setup: &Setup) -> Self {
        Self::start_with(version, setup, &[])
    }

    /// Starts everything with settings for the services.
    pub(crate) fn start_with(version: Version, setup: &Setup, settings: &[(&str, &str)]) -> Self {
        Self::start_on(version, setup, settings, &Path::new(ROOT).join("nginx"))
    }

    /// Starts everything with settings, and with includes that are generated for them.
    pub(crate) fn start_followed(
        version: Version,
        setup: &Setup,
        settings: &[(&str, &str)],
    ) -> Self {
        let written = tempfile::tempdir().unwrap();
        let mut command = keygate();
        command
            .arg("nginx-includes")
            .arg("--out")
            .arg(written.path());
        let output = run_to_end(command.envs(settings.iter().copied()));
        assert!(output.status.success(), "{output:?}");
        Self::start_on(version, setup, settings, written.path())
    }

    /// Starts everything with settings and the includes of a folder.
    fn start_on(
        version: Version,
        setup: &Setup,
        settings: &[(&str, &str)],
        includes: &Path,
    ) -> Self {
        Self::start_in(corpus_folder(), version, setup, settings, includes)
    }

    /// The same, in a folder that has the files of the services.
    pub(crate) fn start_in(
        folder: TempDir,
        version: Version,
        setup: &Setup,
        settings: &[(&str, &str)],
        includes: &Path,
    ) -> Self {
        let path = folder.path();
        let backend = Backend::start();
        let addresses = write_configuration_with(setup, &backend.address, path, includes);
        let Addresses {
            nginx: address,
            services: service_addresses,
        } = addresses;
        let services = setup
            .services
            .roles()
            .iter()
            .map(|role| role.start(&service_addresses[*role as usize], path, settings))
            .collect();
        let nginx = Nginx::start(version, path, &address);
        Self {
            nginx,
            services,
            roles: setup.services.roles(),
            backend,
            address,
            service_addresses,
            folder,
        }
    }

    /// Kills a service and starts it again at the same address.
    pub(crate) fn restart(&mut self, n: usize) {
        let role = self.roles[n];
        self.services[n].kill();
        self.services[n] = role.start(
            &self.service_addresses[role as usize],
            self.folder.path(),
            &[],
        );
    }

    /// Returns the path of a file in the services' folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a request that must be denied as stated, and must not reach the backend.
    pub(crate) fn assert_denied(&self, target: &str, headers: &[&str], status: u16, reason: &str) {
        let response = caller::get(&self.address, target, headers);
        is_problem(&response, status, reason)
            .unwrap_or_else(|wrong| panic!("{target}: {wrong}, received {response:?}"));
        let received = self.backend.take();
        assert!(received.is_empty(), "{target}: {received:?}");
    }

    /// Sends a request that must be allowed, and returns what the backend receives.
    pub(crate) fn assert_allowed(&self, target: &str, headers: &[&str]) -> Message {
        let response = caller::get(&self.address, target, headers);
        assert_eq!(
            response.status(),
            200,
            "{target}: {response:?}, {}",
            self.logs()
        );
        self.backend.take_one()
    }

    /// Returns the logs of the services and of nginx.
    pub(crate) fn logs(&self) -> String {
        let services: String = self.services.iter().map(Service::output).collect();
        services + &self.nginx.log()
    }
}

/// Returns the path of a file of the corpus.
pub(crate) fn corpus_file(name: &str) -> PathBuf {
    Path::new(ROOT).join("tests/corpus").join(name)
}

/// Returns a folder with the corpus' policy and keys.
pub(crate) fn corpus_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["keys.yaml", "policy.yaml"] {
        fs::copy(corpus_file(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// The listeners of nginx and of the services.
pub(crate) struct Addresses {
    nginx: String,
    services: [String; 3],
}

/// Writes `nginx.conf` and the includes into a folder, for free ports or sockets there.
pub(crate) fn write_configuration(setup: &Setup, backend: &str, folder: &Path) -> Addresses {
    write_configuration_with(setup, backend, folder, &Path::new(ROOT).join("nginx"))
}

fn write_configuration_with(
    setup: &Setup,
    backend: &str,
    folder: &Path,
    includes: &Path,
) -> Addresses {
    let nginx = format!("127.0.0.1:{}", free_port());
    let services = Role::ALL.map(|role| {
        if setup.services == Services::PairOverUnix {
            format!("unix:{}/{}.sock", folder.display(), role.name())
        } else {
            format!("127.0.0.1:{}", free_port())
        }
    });
    copy_includes(setup, &services, includes, folder);
    fs::write(folder.join("nginx.conf"), config(setup, &nginx, backend)).unwrap();
    Addresses { nginx, services }
}

/// Copies the includes as a user would, with other addresses in their `server` lines.
fn copy_includes(setup: &Setup, service_addresses: &[String; 3], includes: &Path, folder: &Path) {
    for entry in fs::read_dir(includes).unwrap().flatten() {
        if !entry.file_type().unwrap().is_file() {
            continue;
        }
        let mut text = fs::read_to_string(entry.path()).unwrap();
        for (role, address) in Role::ALL.iter().zip(service_addresses) {
            for included in role.included_addresses() {
                text = text.replace(
                    &format!("server {included} max_fails=0;"),
                    &format!("server {address} max_fails=0;"),
                );
            }
        }
        let name = entry.file_name().into_string().unwrap();
        // The variants stand in for the files that they are named after.
        let unix = setup.services == Services::PairOverUnix;
        let single = setup.services.are_single();
        let name = match name.as_str() {
            "keygate-unix.conf" if unix => "keygate.conf",
            "keygate-server-single.conf" if single => "keygate-server.conf",
            "keygate.conf" if unix => continue,
            "keygate-server.conf" if single => continue,
            name => name,
        };
        fs::write(folder.join(name), text).unwrap();
    }
}

pub(crate) fn config(setup: &Setup, address: &str, backend: &str) -> String {
    // Workers of a master that runs as root would be `nobody`, who may not enter the folder.
    let user = if fs::metadata("/proc/self").unwrap().uid() == 0 {
        "user root root;"
    } else {
        ""
    };
    let Setup {
        listen,
        http,
        server,
        location,
        proxy_pass_uri: uri,
        ..
    } = setup;
    format!(
        r"
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr info;
events {{ worker_connections 256; }}
http {{
    include keygate.conf;
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {http}
    upstream backend {{ server {backend}; }}
    map $http_upgrade $upgrade {{ default ''; '~*^websocket$' websocket; }}
    map $upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen {address} {listen};
        include keygate-server.conf;
        {server}
        location / {{
            include keygate-authorize.conf;
            proxy_pass http://backend{uri};
            proxy_http_version 1.1;
            proxy_set_header upgrade $upgrade;
            proxy_set_header connection $connection_upgrade;
            client_max_body_size 0;
            {location}
        }}
        location /key-only/ {{
            include keygate-require-key.conf;
            proxy_pass http://backend;
            {location}
        }}
        location /backoffice/ {{
            set $keygate_backoffice 1;
            include keygate-authorize.conf;
            proxy_pass http://backend;
            {location}
        }}
        # Without Keygate, beside protected paths.
        location /unprotected/ {{
            proxy_pass http://backend;
            {location}
        }}
    }}
}}
"
    )
}

/// Returns a free port below the kernel's range for outgoing connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 1000).unwrap() * 10;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
