//! A gateway whose services have a policy and a settings file of the test.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::gateway::{Gateway, ROOT, Setup, corpus_file};
use crate::support::nginx::Version;
use crate::support::program::{keygate, run_to_end};

/// The files of the services, besides the corpus' keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) policy: &'a str,
    pub(crate) settings: &'a str,
}

impl Files<'_> {
    fn write(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("settings.yaml"), self.settings).unwrap();
        fs::write(path("policy.yaml"), self.policy).unwrap();
        fs::copy(corpus_file("keys.yaml"), path("keys.yaml")).unwrap();
        folder
    }
}

impl Gateway {
    /// Starts all of it with these files and this environment, and with includes that follow both.
    pub(crate) fn start_configured(
        version: Version,
        setup: &Setup,
        files: &Files<'_>,
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = files.write();
        let includes = folder.path().join("includes");
        let mut command = keygate();
        command.arg("nginx-includes").arg("--out").arg(&includes);
        command
            .arg("--config")
            .arg(folder.path().join("settings.yaml"));
        let output = run_to_end(command.envs(environment.iter().copied()));
        assert!(output.status.success(), "{output:?}");
        Self::start_in(folder, version, setup, environment, &includes)
    }

    /// Starts all of it with these files, and with the includes for the default settings.
    pub(crate) fn start_with_default_includes(
        version: Version,
        setup: &Setup,
        files: &Files<'_>,
    ) -> Self {
        let includes = Path::new(ROOT).join("nginx");
        Self::start_in(files.write(), version, setup, &[], &includes)
    }
}
