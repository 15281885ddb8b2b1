//! The files that the program reads as YAML, each with a valid text.

use std::{fs, path::Path, process::Output};

use crate::support::gateway::free_port;
use crate::support::program::{keygate, run_to_end};

/// A kind of file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum File {
    Policy,
    Keys,
    Settings,
    Cases,
    AuthJson,
    Console,
}

pub(crate) const FILES: [File; 6] = [
    File::Policy,
    File::Keys,
    File::Settings,
    File::Cases,
    File::AuthJson,
    File::Console,
];

pub(crate) const DIGEST: &str =
    "sha256:ecb7cecec25ae8e39dcd7ca6db652e5c73628781ce871c6944dbc3d936bd00e6";

impl File {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy.yaml",
            Self::Keys => "keys.yaml",
            Self::Settings => "settings.yaml",
            Self::Cases => "cases.yaml",
            Self::AuthJson => "auth.json",
            Self::Console => "console.json",
        }
    }

    /// Returns a valid text, in which bars enclose one `field: value` of a block mapping.
    fn text(self) -> String {
        match self {
            Self::Policy => {
                "version: 1\nendpoints:\n  - path: /a\n    |groupExpression: clientType === 'A'|\n\
                             \x20   methods: [GET]\n"
                    .to_owned()
            }
            Self::Keys => {
                format!("version: 1\nkeys:\n  - id: a\n    |clientType: A|\n    digest: {DIGEST}\n")
            }
            Self::Settings => {
                "drain-seconds: 3\n|client-type-header: client-type|\nkey-headers: [client-key]\n"
                    .to_owned()
            }
            Self::Cases => "version: 1\npolicy: policy.yaml\ncases:\n  - |name: one|\n    \
                            request: { uri: /a, client-type: A }\n    expect: allowed\n"
                .to_owned(),
            Self::AuthJson => {
                "\n/a:\n  GET:\n    authorization:\n      |expression: clientType === 'A'|\n      \
                               public: true\n"
                    .to_owned()
            }
            Self::Console => "endpoints: {}\nsecrets:\n  - secret: sample-key-of-a-console\n    \
                              |clientType: A|\n    active: true\n"
                .to_owned(),
        }
    }

    /// Returns the text with `field: value` rewritten.
    pub(crate) fn with(self, rewrite: impl Fn(&str, &str) -> String) -> String {
        let text = self.text();
        let parts: Vec<&str> = text.split('|').collect();
        let (field, value) = parts[1].split_once(": ").unwrap();
        format!("{}{}{}", parts[0], rewrite(field, value), parts[2])
    }

    pub(crate) fn plain(self) -> String {
        self.text().replace('|', "")
    }

    /// Loads a text, and returns the program's output.
    pub(crate) fn load(self, text: &str) -> (Output, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(self.name());
        let policy = folder.path().join("policy.yaml");
        fs::write(&policy, Self::Policy.plain()).unwrap();
        fs::write(&path, text).unwrap();
        let output = self.run(&path, folder.path());
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        (output, String::from_utf8_lossy(&said).into_owned())
    }

    fn run(self, path: &Path, folder: &Path) -> Output {
        let mut command = keygate();
        match self {
            Self::Policy | Self::AuthJson => command.args(["check", "--policy"]).arg(path),
            Self::Keys => command.args(["check", "--keys"]).arg(path),
            Self::Cases => command.arg("test").arg(path),
            Self::Console => command.args(["import", "mia"]).arg(path).args([
                "--policy-out".as_ref(),
                folder.join("imported.yaml").as_os_str(),
            ]),
            // The missing policy stops the start after the settings were read.
            Self::Settings => command
                .args(["authorizer", "--policy", "/no/such/policy", "--config"])
                .arg(path)
                .args(["--listen", &format!("127.0.0.1:{}", free_port())]),
        };
        run_to_end(&mut command)
    }

    pub(crate) fn is_accepted(self, text: &str) -> Result<(), String> {
        let (output, said) = self.load(text);
        match self {
            Self::Settings if said.contains("/no/such/policy") => Ok(()),
            Self::Settings => Err(said),
            _ if output.status.success() => Ok(()),
            _ => Err(said),
        }
    }
}
