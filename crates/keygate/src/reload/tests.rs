use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::symlink,
    sync::Mutex,
};

use super::*;

type Versions = Arc<Mutex<Vec<String>>>;

/// A watched file whose versions are recorded when they become active; a version that says `bad` is
/// rejected.
fn watched(path: &Path) -> (Watched, Versions) {
    let versions = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&versions);
    let load = move |_: &Path, text: &str| {
        if text.contains("bad") {
            return Err(SourceError::Rejected(vec!["bad".to_owned()]));
        }
        log.lock().unwrap().push(text.to_owned());
        Ok(())
    };
    (
        Watched::start("policy", path.to_owned(), Box::new(load)).unwrap(),
        versions,
    )
}

/// As in a container: other containers' processes cannot be seen.
fn blind(_: &File, _: &Stamp) -> Writers {
    Writers::Unknown
}

/// As on a network file system: neither processes nor events.
fn blind_and_deaf(file: &mut Watched) {
    file.find_writers = blind;
    file.events = Events::default();
}

/// As if the file had not changed for the quiet time.
fn quiet_time_passes(file: &mut Watched) {
    let quiet = file.quiet;
    let (_, since) = file.still.as_mut().unwrap();
    *since -= quiet;
}

/// Looks at a complete file until it is loaded.
///
/// A process that another test starts meanwhile holds the writer's descriptor for a moment, too.
fn look_until(file: &mut Watched, is_loaded: impl Fn() -> bool) {
    let started = Instant::now();
    file.look(false);
    while !is_loaded() && started.elapsed() < Duration::from_secs(5) {
        let still = file.still.as_ref().map(|(_, since)| since.elapsed());
        if still.is_some_and(|still| still < file.quiet) {
            quiet_time_passes(file);
        }
        thread::sleep(Duration::from_millis(1));
        file.look(false);
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).open(path).unwrap()
}

#[test]
fn every_way_of_replacing_a_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["v1", "v2"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("f"), name).unwrap();
    }
    // As the kubelet lays out a ConfigMap volume: f -> ..data/f, ..data -> v1.
    symlink("v1", at("..data")).unwrap();
    symlink("..data/f", at("f")).unwrap();
    for senses in ["all", "no processes"] {
        let (mut file, versions) = watched(&at("f"));
        if senses == "no processes" {
            file.find_writers = blind;
        }
        let mut look = |expected: &str| {
            file.look(false);
            let last = versions.lock().unwrap().last().unwrap().clone();
            assert_eq!(last, expected, "{senses}");
        };
        symlink("v2", at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
        look("v2");

        fs::write(at("edited"), "renamed over").unwrap();
        // More than a tick of the file system's clock: a link became a file, in another folder.
        thread::sleep(Duration::from_millis(20));
        fs::rename(at("edited"), at("f")).unwrap();
        look("renamed over");

        fs::write(at("f"), "in place\n").unwrap();
        look("in place\n");

        writeln!(append(&at("f")), "more").unwrap();
        look("in place\nmore\n");

        // As git checks a file out.
        fs::remove_file(at("f")).unwrap();
        fs::write(at("f"), "created\n").unwrap();
        look("created\n");

        fs::write(at("copy"), "copied\n").unwrap();
        fs::copy(at("copy"), at("f")).unwrap();
        look("copied\n");
        assert_eq!(file.status().detail().generation, 7);

        fs::remove_file(at("f")).unwrap();
        symlink("v1", at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
        symlink("..data/f", at("f")).unwrap();
    }
}

#[test]
fn a_rename_is_noticed_where_the_kernel_reports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "one\n").unwrap();
    let (mut file, versions) = watched(&path);
    blind_and_deaf(&mut file);
    let next = folder.path().join("next");
    fs::write(&next, "two").unwrap();
    // More than a tick of the file system's clock.
    thread::sleep(Duration::from_millis(20));
    fs::rename(&next, &path).unwrap();
    file.look(false);
    assert_eq!(*versions.lock().unwrap(), ["one\n", "two"]);
}

/// What a writer leaves open must never be loaded, at whatever byte it pauses.
fn cut_at_every_byte(before: &str, after: &str, replace: impl Fn(&mut Watched)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, before).unwrap();
    let (mut file, versions) = watched(&path);
    replace(&mut file);
    for cut in 0..=after.len() {
        versions.lock().unwrap().clear();
        // Every second version is written to a file that is new.
        if cut % 2 == 0 {
            fs::remove_file(&path).unwrap();
        }
        let mut writer = File::create(&path).unwrap();
        file.look(false);
        writer.write_all(&after.as_bytes()[..cut]).unwrap();
        file.look(false);
        file.look(true);
        assert_eq!(*versions.lock().unwrap(), [""; 0], "cut at {cut}");
        writer.write_all(&after.as_bytes()[cut..]).unwrap();
        file.look(false);
        drop(writer);
        look_until(&mut file, || versions.lock().unwrap().len() == 1);
        assert_eq!(*versions.lock().unwrap(), [after], "cut at {cut}");
        let next = path.with_extension("next");
        fs::write(&next, before).unwrap();
        fs::rename(&next, &path).unwrap();
        look_until(&mut file, || versions.lock().unwrap().len() == 2);
        assert_eq!(*versions.lock().unwrap(), [after, before]);
    }
}

/// The version before and after of a policy and of a keys file.
const FILES: [[&str; 2]; 2] = [
    [
        "version: 1\nendpoints:\n  - path: /orders\n    groupExpression: clientType === 'A'\n",
        "version: 1\nendpoints:\n  - path: /orders\n    groupExpression: clientType === 'B'\n    routes:\n\
         \x20     - path: /secret\n        groupExpression: 'false'\n",
    ],
    [
        "version: 1\nkeys: []\n",
        "version: 1\nkeys:\n  - id: off\n    digest: sha256:\
         7a0b5f1c0e3d4b6a8f9e2d1c3b5a79688776655443322110ffeeddccbbaa9988\n\
         \x20   clientType: A-off\n    active: false\n",
    ],
];

#[test]
fn no_part_of_a_file_becomes_active_while_it_is_written() {
    for [before, after] in FILES {
        cut_at_every_byte(before, after, |_| {});
        cut_at_every_byte(before, after, |file| file.find_writers = blind);
        cut_at_every_byte(before, after, |file| file.events = Events::default());
        cut_at_every_byte(before, after, blind_and_deaf);
    }
}

/// A writer that stops at the end of a line leaves a version that looks complete.
#[test]
fn a_file_that_is_cut_inside_a_line_never_becomes_active() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    for [before, after] in FILES {
        for make_blind in [|_: &mut Watched| {}, blind_and_deaf] {
            fs::write(&path, before).unwrap();
            let (mut file, versions) = watched(&path);
            make_blind(&mut file);
            for cut in 1..after.len() {
                let part = &after.as_bytes()[..cut];
                if part.ends_with(b"\n") {
                    continue;
                }
                fs::write(&path, part).unwrap();
                file.look(false);
                if file.still.is_some() {
                    quiet_time_passes(&mut file);
                }
                file.look(true);
                assert_eq!(*versions.lock().unwrap(), [before], "cut at {cut}");
            }
        }
    }
}

#[test]
fn a_file_without_a_final_line_break_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "one\n").unwrap();
    let (mut file, versions) = watched(&path);
    fs::write(&path, "two").unwrap();
    file.look(false);
    file.look(false);
    let detail = file.status().detail();
    let error = detail.last_error.unwrap();
    assert!(error.contains("does not end with a line break"), "{error}");
    assert!(error.contains("rename"), "{error}");
    assert_eq!(detail.failures, 1);
    writeln!(append(&path)).unwrap();
    file.look(false);
    assert_eq!(file.status().detail().last_error, None);
    assert_eq!(*versions.lock().unwrap(), ["one\n", "two\n"]);
}

#[test]
fn the_start_waits_for_the_writer_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let mut writer = File::create(&path).unwrap();
    writer.write_all(b"one\n").unwrap();
    let writing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        writer.write_all(b"two\n").unwrap();
    });
    let (_, versions) = watched(&path);
    writing.join().unwrap();
    assert_eq!(*versions.lock().unwrap(), ["one\ntwo\n"]);
}

#[test]
fn the_start_fails_where_a_young_file_has_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "one").unwrap();
    let (mut file, _) = {
        let other = folder.path().join("other");
        fs::write(&other, "one\n").unwrap();
        watched(&other)
    };
    (file.path, file.taken) = (path, None);
    let error = file.load_first(Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("line break"), "{error}");
}

#[test]
fn an_invalid_version_is_reported_and_the_last_valid_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "good\n").unwrap();
    let (mut file, versions) = watched(&path);

    fs::write(&path, "bad\n").unwrap();
    file.look(false);
    let detail = file.status().detail();
    assert_eq!((detail.generation, detail.failures), (1, 1));
    assert_eq!(detail.last_error.as_deref(), Some("bad"));

    fs::remove_file(&path).unwrap();
    file.look(false);
    file.look(false);
    let failures = file.status().detail().failures;
    assert_eq!(failures, 2, "counted once, not at every look");
    assert_eq!(*versions.lock().unwrap(), ["good\n"]);

    fs::write(&path, "better\n").unwrap();
    file.look(false);
    assert_eq!(file.status().detail().last_error, None);
    assert_eq!(*versions.lock().unwrap(), ["good\n", "better\n"]);
}

#[test]
fn a_file_that_could_not_be_read_is_read_once_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "one\n").unwrap();
    let (mut file, versions) = watched(&path);
    // Root can read every file, but no folder.
    let next = folder.path().join("next");
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::rename(&path, &next).unwrap();
    symlink("folder", &path).unwrap();
    file.look(false);
    file.look(false);
    let detail = file.status().detail();
    assert_eq!(detail.failures, 1);
    assert!(detail.last_error.unwrap().contains("is a directory"));
    // The same file, with the same stamp but for its change time, comes back.
    fs::remove_file(&path).unwrap();
    fs::rename(&next, &path).unwrap();
    file.look(false);
    assert_eq!(file.status().detail().last_error, None);
    assert_eq!(*versions.lock().unwrap(), ["one\n", "one\n"]);
}

#[test]
fn a_named_pipe_blocks_no_other_source() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut files = Vec::new();
    let mut all = Vec::new();
    for name in ["pipe", "file"] {
        fs::write(at(name), "one\n").unwrap();
        let (file, versions) = watched(&at(name));
        files.push(file);
        all.push(versions);
    }
    let status: Vec<_> = files.iter().map(Watched::status).collect();
    let _senders = watch(files).unwrap();
    fs::remove_file(at("pipe")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(at("pipe"))
        .status();
    assert!(made.unwrap().success());
    thread::sleep(2 * INTERVAL);
    fs::write(at("next"), "two\n").unwrap();
    fs::rename(at("next"), at("file")).unwrap();
    let started = Instant::now();
    while all[1].lock().unwrap().len() < 2 || status[0].detail().last_error.is_none() {
        assert!(started.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(5));
    }
    let error = status[0].detail().last_error.unwrap();
    assert!(
        error.contains("is a named pipe, not a regular file"),
        "{error}"
    );
    assert_eq!(status[1].detail().last_error, None);
}

#[test]
fn two_writes_in_one_tick_of_the_clock_are_both_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "one\n").unwrap();
    let (mut file, versions) = watched(&path);
    fs::write(&path, "two\n").unwrap();
    // As if the second write had left the stamp of the first.
    file.taken.as_mut().unwrap().stamp = Stamp::of(&path).unwrap();
    file.look(false);
    assert_eq!(*versions.lock().unwrap(), ["one\n", "two\n"]);
}

#[test]
fn concurrent_reload_requests_coalesce() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "one\n").unwrap();
    let (mut file, versions) = watched(&path);
    let (request, requests) = mpsc::channel();
    (0..100).for_each(|_| request.send(()).unwrap());
    drop(request);
    poll(&mut file, &requests);
    assert_eq!(*versions.lock().unwrap(), ["one\n", "one\n"]);
}
