//! A gateway other than nginx, with its configuration in `deploy/`, which users copy as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::backend::Backend;
use crate::support::caller;
use crate::support::gateway::{ROOT, Role, corpus_folder, free_port};
use crate::support::program::Service;
use crate::support::table::Place;

/// The port of the gateway in every example, and the one of its backend.
const PORT: u16 = 8080;
const BACKEND_PORT: u16 = 9000;

/// The line of an example after which a test adds its own lines.
const MARK: &str = "# More ";

/// What a gateway speaks to the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

/// An example, and how it is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Example {
    /// The name of the gateway, and of what distinguishes several examples of it: `envoy-grpc-pair`.
    pub(crate) name: &'static str,
    /// The folder in `deploy/`.
    pub(crate) folder: &'static str,
    /// What the gateway speaks.
    pub(crate) protocol: Protocol,
    /// The services, which have the ports that the example names.
    pub(crate) services: &'static [Role],
    /// The services' settings.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// The status if a service does not respond.
    pub(crate) unavailable: u16,
    /// Lines for the example, by file: after the line that begins with `# More `, with its indentation.
    pub(crate) more: &'static [(&'static str, &'static str)],
    /// The header with the caller's address, which the gateway sets.
    pub(crate) client_address: &'static str,
    /// What its README changes for keys in `authorization` and `x-api-key`: texts, and those in their place.
    pub(crate) other_keys: &'static [(&'static str, &'static str)],
    /// Returns the gateway's program, and the arguments that start it in its folder.
    pub(crate) command: fn() -> Command,
}

/// A running example, with services and backend.
pub(crate) struct Running {
    // The fields are dropped in this order.
    gateway: Service,
    /// In the order of [`Example::services`].
    pub(crate) services: Vec<Service>,
    pub(crate) backend: Backend,
    /// The address for callers.
    pub(crate) address: String,
    /// In the order of [`Example::services`].
    pub(crate) service_addresses: Vec<String>,
    example: Example,
    folder: TempDir,
}

impl Example {
    /// Starts everything with the corpus' policy and keys.
    pub(crate) fn start(&self) -> Running {
        self.start_changed(|_, text| text)
    }

    /// Starts everything, with a change to each of the example's files.
    pub(crate) fn start_changed(&self, change: impl Fn(&str, String) -> String) -> Running {
        self.start_in(corpus_folder(), change)
    }

    /// The same, in a folder that has the files of the services.
    pub(crate) fn start_in(
        &self,
        folder: TempDir,
        change: impl Fn(&str, String) -> String,
    ) -> Running {
        let path = folder.path();
        let backend = Backend::start();
        let ports = self.ports(&backend);
        let example = path.join("example");
        self.copy(&ports, &example, change);
        let service_addresses: Vec<_> = ports[2..]
            .iter()
            .map(|(_, port)| format!("127.0.0.1:{port}"))
            .collect();
        let services = self.services.iter().zip(&service_addresses);
        let services = services.map(|(role, address)| self.start_service(*role, address, path));
        let services = services.collect();
        let mut command = (self.command)();
        command.current_dir(&example).stdin(Stdio::null());
        // Where some gateways keep files.
        command.env("HOME", &example);
        let address = format!("127.0.0.1:{}", ports[0].1);
        let running = Running {
            gateway: Service::start(command, &address, &path.join("gateway.log")),
            services,
            backend,
            service_addresses,
            address,
            example: *self,
            folder,
        };
        wait_for_routes(&running.address);
        running
    }

    /// Returns the ports in the example, of gateway, backend and services, each with the one of the test.
    pub(crate) fn ports(&self, backend: &Backend) -> Vec<(u16, u16)> {
        let (_, of_backend) = backend.address.rsplit_once(':').unwrap();
        let mut ports = vec![
            (PORT, free_port()),
            (BACKEND_PORT, of_backend.parse().unwrap()),
        ];
        let services = self.services.iter();
        ports.extend(services.map(|role| (self.port_of(*role), free_port())));
        ports
    }

    fn port_of(&self, role: Role) -> u16 {
        match self.protocol {
            Protocol::Http => role.port(),
            Protocol::Grpc => role.grpc_port(),
        }
    }

    fn start_service(&self, role: Role, address: &str, folder: &Path) -> Service {
        match self.protocol {
            Protocol::Http => role.start(address, folder, self.settings),
            Protocol::Grpc => role.start_with_grpc(address, folder, self.settings),
        }
    }

    /// Copies the example, with the ports and the additional lines of the test.
    pub(crate) fn copy(
        &self,
        ports: &[(u16, u16)],
        to: &Path,
        change: impl Fn(&str, String) -> String,
    ) {
        fs::create_dir(to).unwrap();
        let mut found = vec![false; ports.len()];
        let folder = Path::new(ROOT).join("deploy").join(self.folder);
        for file in fs::read_dir(folder).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            let mut text = fs::read_to_string(file.path()).unwrap();
            let more = self.more.iter().find(|(file, _)| *file == name);
            if let Some((_, lines)) = more {
                text = with_lines(&text, lines);
            }
            for ((port, free), found) in ports.iter().zip(&mut found) {
                // `127.0.0.1:8080`, `:8080`, `port_value: 8080`.
                for before in [":", ": "] {
                    let (written, used) = (format!("{before}{port}"), format!("{before}{free}"));
                    *found |= text.contains(&written);
                    text = text.replace(&written, &used);
                }
            }
            fs::write(to.join(&name), change(&name, text)).unwrap();
        }
        assert!(
            found.iter().all(|found| *found),
            "deploy/{} does not name each of the ports {ports:?}",
            self.folder
        );
    }
}

impl Running {
    /// Starts a service again, at the same address.
    pub(crate) fn restart(&mut self, n: usize) {
        let role = self.example.services[n];
        let address = &self.service_addresses[n];
        self.services[n] = self
            .example
            .start_service(role, address, self.folder.path());
    }

    /// Returns where rows of the table are checked.
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            name: self.example.name,
            address: &self.address,
            backend: &self.backend,
            keeps_target: true,
        }
    }

    /// Returns the socket of a service's operations listener.
    pub(crate) fn operations(&self, n: usize) -> PathBuf {
        self.example.services[n].operations(self.folder.path())
    }

    /// Returns the logs of the services and of the gateway.
    pub(crate) fn logs(&self) -> String {
        let services: String = self.services.iter().map(Service::output).collect();
        services + &self.gateway.output()
    }
}

/// Waits until a gateway has read its routes: some listen before.
pub(crate) fn wait_for_routes(address: &str) {
    for _ in 0..2000 {
        if caller::get(address, "/any-key", &[]).status() != 404 {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the gateway at {address} has no routes");
}

/// Adds lines after the marked one, with its indentation.
pub(crate) fn with_lines(text: &str, lines: &str) -> String {
    let marked = |line: &&str| line.trim_start().starts_with(MARK);
    let line = text.lines().find(marked);
    let line = line.unwrap_or_else(|| panic!("no line begins with `{MARK}`: {text}"));
    let indent = line.split_once('#').unwrap().0;
    let added: String = lines
        .lines()
        .flat_map(|line| ["\n", indent, line])
        .collect();
    text.replacen(line, &format!("{line}{added}"), 1)
}

/// Returns the path of a gateway's program, which `make tools` installs.
pub(crate) fn program(path: &str) -> PathBuf {
    let program = Path::new(ROOT).join("target/tools/gateways").join(path);
    assert!(program.is_file(), "no {path}: `make tools` installs it");
    program
}
