//! Each example, started as its README says, responds as its README says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use rstest_reuse::apply;

use crate::gateways::{each_example, examples};
use crate::support::backend::Backend;
use crate::support::example::{Example, Protocol, wait_for_routes};
use crate::support::gateway::{ROOT, free_port};
use crate::support::program::Service;
use crate::support::report;

/// A block of commands, and the text after it.
struct Block<'t> {
    commands: Vec<&'t str>,
    text: &'t str,
}

fn blocks(readme: &str) -> Vec<Block<'_>> {
    let parts = readme.split("```sh\n").skip(1);
    parts
        .map(|part| {
            let (commands, text) = part.split_once("\n```").unwrap();
            Block {
                commands: commands.lines().collect(),
                text: text.trim(),
            }
        })
        .collect()
}

/// Returns a command of a README, on the ports of the test.
fn shell(line: &str, folder: &Path, ports: &[(u16, u16)]) -> Command {
    let mut line = line.to_owned();
    for (port, free) in ports {
        line = line.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
    }
    let mut command = Command::new("bash");
    command
        .args(["-c", &line])
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

#[apply(each_example)]
fn the_commands_of_the_readme_do_what_it_says(example: Example) {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::start();
    let ports = example.ports(&backend);
    let copy = folder.path().join(example.folder);
    example.copy(&ports, &copy, |_, text| text);
    symlink(
        Path::new(ROOT).join("deploy/demo"),
        folder.path().join("demo"),
    )
    .unwrap();
    let readme = Path::new(ROOT)
        .join("deploy")
        .join(example.folder)
        .join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let blocks = blocks(&readme);
    let (curls, starts): (Vec<_>, Vec<_>) = blocks
        .iter()
        .partition(|block| block.commands[0].starts_with("curl "));
    // The README of several examples has a block for each.
    let names_file = |block: &&&Block<'_>| {
        let (file, _) = example.more[0];
        block
            .commands
            .last()
            .is_some_and(|line| line.ends_with(file))
    };
    let start = starts.iter().find(names_file).unwrap_or(&starts[0]);
    let (gateway, services) = start.commands.split_last().unwrap();
    assert_eq!(services.len(), example.services.len(), "{services:?}");

    let programs = folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let program = (example.command)();
    let name = Path::new(program.get_program()).file_name().unwrap();
    symlink(program.get_program(), programs.join(name)).unwrap();
    symlink(env!("CARGO_BIN_EXE_keygate"), programs.join("keygate")).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let started = |line: &str, listen: u16| {
        let mut command = shell(line, &copy, &ports);
        command.env("PATH", &path).env("HOME", &copy);
        // The ports that the README leaves out.
        command.env("KEYGATE_LISTEN", format!("127.0.0.1:{listen}"));
        command.env("KEYGATE_OPERATIONS", format!("127.0.0.1:{}", free_port()));
        let environment = program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        command.envs(environment);
        let log = folder.path().join(format!("{listen}.log"));
        Service::start(command, &format!("127.0.0.1:{listen}"), &log)
    };
    let listen = |n: usize| match example.protocol {
        Protocol::Http => ports[2 + n].1,
        Protocol::Grpc => free_port(),
    };
    let services = services.iter().enumerate();
    let _keygate: Vec<_> = services.map(|(n, line)| started(line, listen(n))).collect();
    let _gateway = started(gateway, ports[0].1);
    wait_for_routes(&format!("127.0.0.1:{}", ports[0].1));
    backend.take();

    let curls: Vec<_> = curls.iter().take(3).collect();
    assert_eq!(curls.len(), 3, "allowed, denied, unknown key");
    for block in curls {
        let [line] = block.commands.as_slice() else {
            panic!("one command: {:?}", block.commands);
        };
        let output = shell(line, &copy, &ports).output().unwrap();
        let response = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, said) = block.text.split_once(':').unwrap();
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {response}"
        );
        let reason = said
            .split("reason")
            .nth(1)
            .and_then(|rest| rest.split('`').nth(1));
        let received = backend.take();
        if let Some(reason) = reason {
            let detail = format!("\"detail\":\"{reason}\"");
            assert!(response.contains(&detail), "{line}: {response}");
            assert!(received.is_empty());
        } else {
            assert_eq!(received.len(), 1, "{line}: {response}");
            assert_eq!(received[0].header("client-type"), Some("A"));
            assert_eq!(received[0].header("client-key"), None);
        }
        report::passed_at(example.name, &format!("README: {line}"));
    }
}
