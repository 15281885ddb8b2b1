//! The demos that `make run` and `make demo-envoy` start: the commands that they print work.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{net::TcpListener, thread};

use rstest_reuse::apply;

use crate::support::example::program;
use crate::support::gateway::{ROOT, free_port};
use crate::support::nginx::{Version, each_nginx};
use crate::support::program::run_to_end;
use crate::support::report;

const PORTS: [&str; 8] = [
    "PORT",
    "RESOLVER_PORT",
    "AUTHORIZER_PORT",
    "RESOLVER_OPERATIONS_PORT",
    "AUTHORIZER_OPERATIONS_PORT",
    "BACKEND_PORT",
    "RESOLVER_GRPC_PORT",
    "AUTHORIZER_GRPC_PORT",
];

/// Returns the demo with nginx, on free ports.
fn demo(version: Version) -> Command {
    let mut command = script();
    command.env("NGINX", version.binary());
    command
}

/// Returns the demo with Envoy, on free ports.
fn demo_with_envoy() -> Command {
    let mut command = script();
    command.env("GATEWAY", "envoy");
    command.env("ENVOY", program("envoy/_bin/envoy"));
    command
}

fn script() -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_keygate")).parent().unwrap();
    // A shell cannot trap signals that it inherits as ignored, as SIGINT is for background processes.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT")
        .arg(Path::new(ROOT).join("deploy/demo/run.sh"))
        .env("DEMO_PROGRAMS", programs);
    for port in PORTS {
        command.env(port, free_port().to_string());
    }
    command.stdin(Stdio::null());
    command
}

/// Waits until the demo is up, and returns its output.
fn printed(child: &mut Child, output: &Path) -> String {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(output).unwrap();
        if text.contains("Press Ctrl-C to stop") {
            return text;
        }
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none() && started.elapsed() < Duration::from_secs(20),
            "{text}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[apply(each_nginx)]
fn the_demos_curl_lines_work_and_it_can_be_started_again(version: Version) {
    check_twice(demo(version));
    report::passed(&version.number(), "demo: curl lines");
}

#[test]
fn envoys_curl_lines_work_and_it_can_be_started_again() {
    check_twice(demo_with_envoy());
    report::passed_at("envoy-demo", "demo: curl lines");
}

/// Runs the demo and the commands that it prints, stops it, and does the same again.
fn check_twice(mut command: Command) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    command.env("TMPDIR", folder.path());
    for _ in 0..2 {
        let file = File::create(&output).unwrap();
        let mut child = command
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let text = printed(&mut child, &output);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let curls: Vec<_> = lines
            .windows(2)
            .filter(|pair| pair[0].starts_with("curl "))
            .collect();
        assert_eq!(curls.len(), 3, "{text}");
        for pair in curls {
            let (status, _) = pair[1].split_once(':').unwrap();
            let Output { stdout, .. } =
                Command::new("bash").args(["-c", pair[0]]).output().unwrap();
            let response = String::from_utf8_lossy(&stdout).into_owned();
            assert!(
                response.starts_with(&format!("HTTP/1.1 {status} ")),
                "{}: {response}",
                pair[0]
            );
            let reason = pair[1]
                .rsplit_once("the reason is `")
                .map(|(_, r)| r.trim_end_matches('`'));
            if let Some(reason) = reason {
                assert!(
                    response.contains(&format!("\"detail\":\"{reason}\"")),
                    "{response}"
                );
            } else {
                assert!(response.contains("\"client-type\": \"A\""), "{response}");
                assert!(!response.contains("demo-key"), "{response}");
            }
        }
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(
            child.wait().unwrap().success(),
            "{}",
            fs::read_to_string(&output).unwrap()
        );
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "files remain: {left:?}");
    }
}

#[test]
fn a_port_in_use_is_named_with_its_variable() {
    for name in PORTS {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let of_grpc = name.contains("GRPC");
        let demos = [
            (demo(Version::Packaged), "run", !of_grpc),
            (demo_with_envoy(), "demo-envoy", true),
        ];
        for (mut demo, target, _) in demos.into_iter().filter(|(_, _, uses_it)| *uses_it) {
            let output = run_to_end(demo.env(name, port.to_string()));
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success());
            assert!(text.contains(&format!("port {port} is in use")), "{text}");
            assert!(text.contains(&format!("make {target} {name}=")), "{text}");
        }
    }
}

#[test]
fn the_demo_does_not_start_without_nginx() {
    let folder = tempfile::tempdir().unwrap();
    let failing = folder.path().join("apt-get");
    fs::write(&failing, "#!/bin/sh\nexit 100\n").unwrap();
    fs::set_permissions(&failing, fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = OsString::from(folder.path());
    path.push(":");
    path.push(env::var_os("PATH").unwrap());
    let output = run_to_end(
        demo(Version::Packaged)
            .env("NGINX", "nginx-that-nobody-has")
            .env("PATH", path),
    );
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(!text.contains("started"), "{text}");
}
