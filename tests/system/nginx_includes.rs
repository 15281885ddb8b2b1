//! `keygate nginx-includes`: its input, its output, and that nginx accepts the output.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;

use crate::support::nginx::Version;
use crate::support::program::{keygate, run_to_end};

/// Writes includes into `out` below a folder, for these settings files and arguments.
fn write(folder: &Path, files: &[&str], arguments: &[&str]) -> Output {
    let mut command = keygate();
    command
        .arg("nginx-includes")
        .arg("--out")
        .arg(folder.join("out"));
    for (n, text) in files.iter().enumerate() {
        let file = folder.join(format!("{n}.yaml"));
        fs::write(&file, text).unwrap();
        command.arg("--config").arg(file);
    }
    run_to_end(command.args(arguments))
}

fn written(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join("out").join(name)).unwrap()
}

#[test]
fn the_settings_of_a_pair_are_read_from_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = "keys: k\nlisten: unix:/run/r.sock\nkey-headers: [x-api-key]\n";
    let authorizer = "policy: p\nlisten: 10.0.0.2:7082\nclient-type-header: x-client-type\n";
    let output = write(
        folder.path(),
        &[resolver, authorizer],
        &["--serve", "[::1]:7080"],
    );
    assert!(output.status.success(), "{output:?}");
    let http = written(folder.path(), "keygate.conf");
    for server in ["unix:/run/r.sock", "10.0.0.2:7082", "[::1]:7080"] {
        assert!(
            http.contains(&format!("    server {server} max_fails=0;\n")),
            "{http}"
        );
    }
    let location = written(folder.path(), "keygate-authorize.conf");
    assert!(
        location.contains("proxy_set_header x-api-key \"\";"),
        "{location}"
    );
    assert!(location.contains("proxy_set_header x-client-type $keygate_client_type;"));
    assert!(location.contains("proxy_ignore_headers X-Accel-Redirect;"));
}

#[rstest]
#[case::conflict(&["key-headers: [a]\n", "key-headers: [b]\n"], &[], "`key-headers` differs")]
#[case::every_address(&["keys: k\nlisten: 0.0.0.0:7081\n"], &[], "with `--resolver HOST:PORT`")]
#[case::break_out(&[], &["--resolver", "a:1; } server { listen 80; #:1"], "is not an address")]
#[case::header(&["key-headers: [x.key]\n"], &[], "cannot remove the header")]
fn settings_without_safe_includes_write_none(
    #[case] files: &[&str],
    #[case] arguments: &[&str],
    #[case] expected: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let output = write(folder.path(), files, arguments);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(expected), "{text}");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn files_are_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let inode = || {
        fs::metadata(folder.path().join("out/keygate.conf"))
            .unwrap()
            .ino()
    };
    assert!(write(folder.path(), &[], &[]).status.success());
    let kept = fs::File::open(folder.path().join("out/keygate.conf")).unwrap();
    let first = inode();
    assert!(
        write(folder.path(), &[], &["--keep-x-accel-redirect"])
            .status
            .success()
    );
    assert_ne!(inode(), first);
    drop(kept);
    let location = written(folder.path(), "keygate-authorize.conf");
    assert!(!location.contains("proxy_ignore_headers X-Accel-Redirect;"));
    let left = fs::read_dir(folder.path().join("out")).unwrap().count();
    assert_eq!(left, 11, "a temporary file remains");
}

/// nginx has no setting for longer names: it does not start with them.
#[rstest]
fn nginx_accepts_the_include_for_grpc(
    #[values(Version::Packaged, Version::Mainline)] version: Version,
    #[values(46, 60)] length: usize,
) {
    let folder = tempfile::tempdir().unwrap();
    let name = "x".repeat(length);
    let settings = format!("key-headers: [{name}, x-api-key, authorization]\n");
    assert!(write(folder.path(), &[&settings], &[]).status.success());
    let out = folder.path().join("out");
    let conf = "pid nginx.pid; error_log stderr; events {} http { access_log off; include keygate.conf;
         server { listen 127.0.0.1:1; include keygate-server.conf;
         location / { include keygate-authorize.conf; include keygate-grpc.conf; grpc_pass 127.0.0.1:9; } } }";
    fs::write(out.join("nginx.conf"), conf).unwrap();
    let mut test = Command::new(version.binary());
    let test = test.args(["-t", "-p"]).arg(&out).args(["-c", "nginx.conf"]);
    assert_eq!(run_to_end(test).status.success(), length <= 46);
}

#[rstest]
fn nginx_accepts_includes_for_unusual_names(
    #[values(Version::Packaged, Version::Mainline)] version: Version,
    #[values("keygate-server.conf", "keygate-server-single.conf")] server: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(100);
    let settings = format!(
        "key-headers: [{long}, x-a-b-c-d-e, authorization]\nkey-cookies: [\"__Host-a\", \"a$b'|c\", \"$1\"]\n\
         client-type-header: x-a-client-type\nbackoffice-header: x-{long}\n"
    );
    let too_long = write(folder.path(), &[&settings], &[]);
    assert_eq!(too_long.status.code(), Some(2), "{too_long:?}");
    let settings = settings.replace(&format!("x-{long}"), "x-back_office");
    let output = write(folder.path(), &[&settings], &[]);
    assert!(output.status.success(), "{output:?}");
    let out = folder.path().join("out");
    let conf = format!(
        "pid nginx.pid; error_log stderr; events {{}} http {{ access_log off; include keygate.conf;
         server {{ listen 127.0.0.1:1; include {server};
         location / {{ include keygate-authorize.conf; include keygate-users.conf; proxy_pass http://127.0.0.1:9; }}
         location /k {{ include keygate-require-key.conf; proxy_pass http://127.0.0.1:9; }} }} }}"
    );
    fs::write(out.join("nginx.conf"), conf).unwrap();
    let mut test = Command::new(version.binary());
    let output = test
        .arg("-t")
        .arg("-p")
        .arg(&out)
        .args(["-c", "nginx.conf"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    // Current nginx logs this for its own variables and a few more; it then uses a larger table.
    let mut warnings = text.lines().filter(|line| line.contains("[warn]"));
    assert!(
        warnings.all(|line| line.contains("variables_hash")),
        "{text}"
    );
}
