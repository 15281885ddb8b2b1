//! Two replicas of each service: no allowed request fails if one is restarted, killed or hangs.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rstest_reuse::apply;

use crate::support::backend::Backend;
use crate::support::caller;
use crate::support::gateway::{Role, Services, Setup, config, corpus_file, free_port};
use crate::support::nginx::{Nginx, Version, each_nginx};
use crate::support::program::{Service, keygate, run_to_end};
use crate::support::report;

/// The number of callers that send requests during an incident.
const CALLERS: usize = 4;

/// A gateway before two replicas of each service.
struct Replicated {
    replicas: Vec<Replica>,
    address: String,
    // The fields are dropped in this order.
    _nginx: Nginx,
    _backend: Backend,
    _folder: tempfile::TempDir,
}

struct Replica {
    role: Role,
    listen: String,
    folder: std::path::PathBuf,
    service: Service,
}

impl Replica {
    fn start(role: Role, listen: String, folder: &Path) -> Self {
        let service = role.start(&listen, folder, &[]);
        let folder = folder.to_owned();
        Self {
            role,
            listen,
            folder,
            service,
        }
    }

    fn start_again(&mut self) {
        self.service = self.role.start(&self.listen, &self.folder, &[]);
    }
}

impl Replicated {
    fn start(version: Version, services: Services) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backend = Backend::start();
        let roles: &[(Role, &str)] = match services {
            Services::Single => &[(Role::Serve, "serve")],
            _ => &[
                (Role::Resolver, "resolver"),
                (Role::Authorizer, "authorizer"),
            ],
        };
        let mut command = keygate();
        command
            .arg("nginx-includes")
            .arg("--out")
            .arg(folder.path());
        let mut replicas = Vec::new();
        for (role, name) in roles {
            for n in 0..2 {
                let of_replica = folder.path().join(format!("{name}-{n}"));
                fs::create_dir(&of_replica).unwrap();
                for file in ["keys.yaml", "policy.yaml"] {
                    fs::copy(corpus_file(file), of_replica.join(file)).unwrap();
                }
                let listen = match services {
                    Services::PairOverUnix => format!("unix:{}/socket", of_replica.display()),
                    _ => format!("127.0.0.1:{}", free_port()),
                };
                command.args([&format!("--{name}"), &listen]);
                replicas.push(Replica::start(*role, listen, &of_replica));
            }
        }
        let output = run_to_end(&mut command);
        assert!(output.status.success(), "{output:?}");
        let setup = Setup {
            services,
            ..Setup::PLAIN
        };
        if services == Services::Single {
            let single = folder.path().join("keygate-server-single.conf");
            fs::rename(single, folder.path().join("keygate-server.conf")).unwrap();
        }
        let address = format!("127.0.0.1:{}", free_port());
        let text = config(&setup, &address, &backend.address);
        fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let nginx = Nginx::start(version, folder.path(), &address);
        Self {
            replicas,
            address,
            _nginx: nginx,
            _backend: backend,
            _folder: folder,
        }
    }

    /// Sends allowed requests during `incident`; returns their number, and the failed responses.
    fn during(&mut self, incident: impl FnOnce(&mut [Replica])) -> (usize, Vec<String>) {
        let (ended, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        let failed = Mutex::new(Vec::new());
        let (address, replicas) = (&self.address, &mut self.replicas);
        thread::scope(|scope| {
            for n in 0..CALLERS {
                let (ended, sent, failed) = (&ended, &sent, &failed);
                scope.spawn(move || {
                    let method = if n % 2 == 0 { "GET" } else { "POST" };
                    let request = format!(
                        "{method} /orders HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                         client-key: sample-key-of-client-a\r\ncontent-length: 0\r\n\r\n"
                    );
                    while !ended.load(Ordering::Relaxed) {
                        let response = caller::send(address, request.as_bytes());
                        sent.fetch_add(1, Ordering::Relaxed);
                        if response.status() != 200 {
                            failed.lock().unwrap().push(format!("{response:?}"));
                        }
                    }
                });
            }
            incident(replicas);
            ended.store(true, Ordering::Relaxed);
        });
        (sent.into_inner(), failed.into_inner().unwrap())
    }
}

fn pause() {
    thread::sleep(Duration::from_millis(300));
}

#[apply(each_nginx)]
fn losing_one_replica_fails_no_allowed_request(
    version: Version,
    #[values(Services::PairOverTcp, Services::PairOverUnix, Services::Single)] services: Services,
) {
    let mut gateway = Replicated::start(version, services);
    let (sent, failed) = gateway.during(|replicas| {
        pause();
        for replica in replicas.iter_mut() {
            replica.service.signal("TERM");
            replica.service.wait(Duration::from_secs(20));
            pause();
            replica.start_again();
            pause();
        }
        for replica in replicas {
            replica.service.kill();
            pause();
            replica.start_again();
            pause();
        }
    });
    assert!(sent > 20, "{sent} requests are too few");
    assert!(
        failed.is_empty(),
        "{} of {sent}: {}",
        failed.len(),
        failed[0]
    );
    report::passed(
        &version.number(),
        &format!("replicas: restarted, {services:?}"),
    );
}

#[apply(each_nginx)]
fn a_replica_that_hangs_delays_requests_and_fails_none(
    version: Version,
    #[values(Services::PairOverTcp, Services::PairOverUnix, Services::Single)] services: Services,
) {
    let mut gateway = Replicated::start(version, services);
    let started = Instant::now();
    let (sent, failed) = gateway.during(|replicas| {
        for replica in replicas.iter().step_by(2) {
            replica.service.signal("STOP");
            thread::sleep(Duration::from_secs(3));
            replica.service.signal("CONT");
            pause();
        }
    });
    assert!(
        sent > CALLERS,
        "{sent} requests in {:?} are too few",
        started.elapsed()
    );
    assert!(
        failed.is_empty(),
        "{} of {sent}: {}",
        failed.len(),
        failed[0]
    );
    report::passed(&version.number(), &format!("replicas: hung, {services:?}"));
}
