//! The file of a Unix socket may be removed or replaced while a service runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::caller;
use crate::support::gateway::corpus_file;
use crate::support::operations::until;
use crate::support::program::{Service, keygate};

struct Resolver {
    service: Service,
    data: PathBuf,
    operations: PathBuf,
    folder: tempfile::TempDir,
}

impl Resolver {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("run")).unwrap();
        let path = |name: &str| folder.path().join("run").join(name);
        // The test's requests use the operations listener; nothing else does.
        let (data, operations) = (path("data.sock"), path("pages.sock"));
        let address = |path: &Path| format!("unix:{}", path.display());
        let mut command = keygate();
        command
            .args(["resolver", "--listen", &address(&data)])
            .args(["--operations", &address(&operations), "--keys"])
            .arg(corpus_file("keys.yaml"))
            .env("KEYGATE_SOCKET_MODE", "0640");
        let service = Service::start(command, &address(&data), &folder.path().join("log"));
        until("it has started", || service.output().contains("started"));
        Self {
            service,
            data,
            operations,
            folder,
        }
    }

    /// Returns the status of the check-up and the state of the data listener's socket.
    fn check_up(&self) -> (u16, String) {
        let page = caller::get_unix(&self.operations, "/-/check-up");
        let condition: Value = serde_json::from_slice(&page.body).unwrap();
        let sockets = condition["sockets"].as_array().unwrap();
        let path = self.data.display().to_string();
        let socket = sockets.iter().find(|it| it["path"] == path).unwrap();
        (page.status(), socket["state"].as_str().unwrap().to_owned())
    }
}

fn replace(path: &Path) -> UnixListener {
    let other = path.with_extension("other");
    let listener = UnixListener::bind(&other).unwrap();
    fs::rename(other, path).unwrap();
    listener
}

#[test]
fn a_socket_of_another_process_survives_the_shutdown() {
    let mut resolver = Resolver::start();
    let _others = [replace(&resolver.data), replace(&resolver.operations)];
    resolver.service.signal("TERM");
    assert!(resolver.service.wait(Duration::from_secs(5)).success());
    assert!(resolver.data.exists() && resolver.operations.exists());
}

#[test]
fn a_services_own_sockets_are_removed_at_shutdown() {
    let mut resolver = Resolver::start();
    resolver.service.signal("TERM");
    assert!(resolver.service.wait(Duration::from_secs(5)).success());
    assert!(!resolver.data.exists() && !resolver.operations.exists());
}

#[test]
fn a_removed_socket_file_is_bound_again() {
    let mut resolver = Resolver::start();
    for path in [&resolver.data, &resolver.operations] {
        fs::remove_file(path).unwrap();
        until("it is there again", || path.exists());
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
    }
    assert_eq!(caller::get_unix(&resolver.data, "/resolve").status(), 200);
    assert_eq!(resolver.check_up(), (200, "listening".to_owned()));
    until("the log says so", || {
        resolver
            .service
            .output()
            .matches("has been created again")
            .count()
            == 2
    });
    resolver.service.signal("TERM");
    assert!(resolver.service.wait(Duration::from_secs(5)).success());
    assert!(!resolver.data.exists() && !resolver.operations.exists());
}

#[test]
fn a_replaced_socket_file_is_reported_until_it_is_removed() {
    let resolver = Resolver::start();
    assert_eq!(resolver.check_up(), (200, "listening".to_owned()));
    let other = replace(&resolver.data);
    until("it is reported", || {
        resolver.check_up() == (503, "replaced".to_owned())
    });
    let log = resolver.service.output();
    assert_eq!(
        log.matches("another file has replaced the socket").count(),
        1,
        "{log}"
    );
    drop(other);
    fs::remove_file(&resolver.data).unwrap();
    until("it is bound again", || {
        resolver.check_up() == (200, "listening".to_owned())
    });
    assert_eq!(caller::get_unix(&resolver.data, "/resolve").status(), 200);
}

#[test]
fn a_socket_is_bound_again_when_its_removed_folder_is_back() {
    let resolver = Resolver::start();
    let (run, away) = (
        resolver.folder.path().join("run"),
        resolver.folder.path().join("away"),
    );
    fs::rename(&run, &away).unwrap();
    until("it is reported", || {
        resolver
            .service
            .output()
            .contains("cannot be created again")
    });
    let away = caller::get_unix(&away.join("pages.sock"), "/-/check-up");
    assert_eq!(away.status(), 503);
    assert!(away.text().contains("\"missing\""));
    fs::create_dir(&run).unwrap();
    until("both are bound again", || {
        resolver.data.exists() && resolver.operations.exists()
    });
    assert_eq!(resolver.check_up(), (200, "listening".to_owned()));
}
