//! A real OpenID provider: `tests/openid/provider.mjs` with oauth2-mock-server, run by Node.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::support::gateway::{ROOT, free_port};

/// A running provider; it ends with this value.
pub(crate) struct Provider {
    process: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    port: u16,
    /// What its tokens have as `iss`.
    pub(crate) issuer: String,
}

impl Provider {
    /// Starts a provider whose only key has this algorithm and this id.
    pub(crate) fn start(algorithm: &str, key_id: &str) -> Self {
        let port = free_port();
        let mut process = Command::new("node")
            .arg(Path::new(ROOT).join("tests/openid/provider.mjs"))
            .arg(packages())
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("node: {error}: `make node` installs it"));
        let stdin = process.stdin.take().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let issuer = value(&mut stdout).as_str().unwrap().to_owned();
        let provider = Self {
            process,
            pipes: Mutex::new((stdin, stdout)),
            port,
            issuer,
        };
        provider.add_key(algorithm, key_id);
        provider
    }

    /// The address of its key set.
    pub(crate) fn jwks_url(&self) -> String {
        format!("http://127.0.0.1:{}/jwks", self.port)
    }

    /// Publishes one more key.
    pub(crate) fn add_key(&self, algorithm: &str, key_id: &str) {
        self.run(&json!({"do": "key", "alg": algorithm, "kid": key_id}));
    }

    /// Stops publishing all keys but one.
    pub(crate) fn keep_only_key(&self, key_id: &str) {
        self.run(&json!({"do": "only", "kid": key_id}));
    }

    /// Issues a token, which expires in an hour, with these claims besides its own.
    pub(crate) fn token(&self, key_id: &str, claims: &Value) -> String {
        self.text(&json!({"do": "token", "kid": key_id, "claims": claims}))
    }

    /// Closes its listener. It can still issue tokens, which nobody can fetch the keys for.
    pub(crate) fn stop_listening(&self) {
        self.run(&json!({"do": "stop"}));
    }

    /// Listens again on the same port.
    pub(crate) fn listen_again(&self) {
        self.run(&json!({"do": "start"}));
    }

    fn text(&self, command: &Value) -> String {
        self.run(command).as_str().unwrap().to_owned()
    }

    fn run(&self, command: &Value) -> Value {
        let (stdin, stdout) = &mut *self.pipes.lock().unwrap();
        writeln!(stdin, "{command}").unwrap();
        value(stdout)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the result of a command.
fn value(stdout: &mut impl BufRead) -> Value {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let mut result: Value =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
    assert!(result.get("error").is_none(), "{result}");
    result["value"].take()
}

/// Where `make tools` has installed the provider's packages.
fn packages() -> PathBuf {
    let folder = Path::new(ROOT).join("target/tools/openid");
    let is_installed = folder.join("node_modules/oauth2-mock-server").is_dir();
    assert!(is_installed, "no OpenID provider: `make tools` installs it");
    folder
}
