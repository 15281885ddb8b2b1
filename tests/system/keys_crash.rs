//! A crash during a write leaves the old keys file or the new one, never a part of one.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use crate::support::program::{keygate, run_to_end};

/// Enough keys for a write to take some time.
const KEYS: usize = 500;

const ROUNDS: u32 = 40;

/// Starts a command that enables or disables the first key.
fn start(path: &Path, command: &str) -> Child {
    let mut keygate = keygate();
    keygate.args(["keys", command, "key-0", "--keys"]).arg(path);
    keygate.stdout(Stdio::null()).stderr(Stdio::null());
    keygate.spawn().unwrap()
}

/// Kills a writer, and returns whether it was still running.
fn kill(mut writer: Child) -> bool {
    let at_work = writer.try_wait().unwrap().is_none();
    // This sends SIGKILL; it is no error if the process has already ended.
    writer.kill().unwrap();
    at_work && !writer.wait().unwrap().success()
}

#[test]
fn a_killed_writer_leaves_either_the_old_or_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.yaml");
    let fresh = folder.path().join(".keys.yaml.new");
    let mut text = "version: 1\nkeys:\n".to_owned();
    for n in 0..KEYS {
        let active = if n == 0 { "    active: true\n" } else { "" };
        writeln!(
            text,
            "  - id: key-{n} # {n}\n    clientType: A\n{active}    key: clear-{n}"
        )
        .unwrap();
    }
    let [on, off] = [text.clone(), text.replace("active: true", "active: false")];
    fs::write(&path, &on).unwrap();
    let started = Instant::now();
    assert!(start(&path, "disable").wait().unwrap().success());
    let whole = started.elapsed();
    assert!(fs::read_to_string(&path).unwrap() == off);

    let (mut killed, mut old, mut new, mut mid_write) = (0, 0, 0, 0);
    for round in 0..2 * ROUNDS {
        let (command, before, after) = match fs::read_to_string(&path).unwrap() {
            text if text == on => ("disable", &on, &off),
            text if text == off => ("enable", &off, &on),
            _ => panic!("a partial file before round {round}"),
        };
        let mut writer = start(&path, command);
        if round % 2 == 0 {
            // At a random moment.
            thread::sleep(whole * round / ROUNDS);
        } else {
            // After it has begun to write.
            while !fresh.exists() && writer.try_wait().unwrap().is_none() {}
        }
        let was_at_work = kill(writer);
        let now = fs::read_to_string(&path).unwrap();
        assert!(
            now == *before || now == *after,
            "half a file after round {round}"
        );
        killed += u32::from(was_at_work);
        mid_write += u32::from(was_at_work && fresh.exists());
        if now == *before { old += 1 } else { new += 1 }
    }
    println!(
        "{whole:?} for one write; {killed} killed at work, {mid_write} while writing; {old} old files, {new} new ones"
    );
    assert!(killed > ROUNDS / 2 && mid_write > 0 && old > 0 && new > 0);

    // Killed writers leave one file at most, which does not block other writers.
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert!(names <= 2, "{names} files");
    for command in ["disable", "enable"] {
        let mut keygate = keygate();
        keygate
            .args(["keys", command, "key-0", "--keys"])
            .arg(&path);
        assert!(run_to_end(&mut keygate).status.success());
    }
    assert!(fs::read_to_string(&path).unwrap() == on);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
