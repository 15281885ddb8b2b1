"""The variants: different gateways and services in front of the same backend."""

import json
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import examples
import gateways
import traffic
import users
from processes import Failed, Lab, Process, free_port

HERE = Path(__file__).parent
INCLUDES = HERE.parent.parent / "nginx"
# nginx's worker is another user. Former builds support only the digits.
MODE = "0666 any-local-user"
# As in the systemd units.
BATCH = ["chrt", "--batch", "0"]


@dataclass
class Variant:
    name: str
    port: int
    processes: list[Process]
    checks_keys: bool = True
    sends_identity: bool = True
    # A file with one header line for each request, beside the key.
    credentials: Path | None = None
    # Whether each of these is sent once: the same one again would cost less.
    sent_once: bool = False
    # How many of them have been sent.
    sent: int = 0

    def check(self):
        """Checks that the variant allows a valid key with its client type, and denies an invalid one."""
        status, seen = self.request(traffic.key(1), 1)
        if status != 200 or (self.sends_identity and seen != traffic.client_type(1)):
            raise Failed(f"`{self.name}` responds to a valid key with {status}, client type {seen!r}")
        status, _ = self.request(traffic.WRONG_KEY, 1)
        if self.checks_keys and status not in (401, 403):
            raise Failed(f"`{self.name}` responds to an invalid key with {status}")
        status, _ = self.request(traffic.key(1), 7)
        if self.checks_keys and self.sends_identity and status not in (401, 403):
            raise Failed(f"`{self.name}` responds to a client type that is not allowed with {status}")

    def request(self, key, endpoint):
        headers = {"client-key": key, "host": "api.example.com", **self.credential()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{traffic.target(endpoint)}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status, response.headers.get("seen-client-type")
        except urllib.error.HTTPError as error:
            return error.code, None

    def credential(self):
        """The header that the first request has beside the key."""
        if self.credentials is None:
            return {}
        with self.credentials.open() as lines:
            return dict([next(lines).strip().split(": ", 1)])


class Builder:
    """Starts the backend and, on request, variants in front of it."""

    def __init__(self, lab: Lab, tools):
        self.lab, self.tools = lab, tools
        traffic.write_keygate_files(lab.folder)
        rules = {
            "keys": {traffic.key(n): traffic.client_type(n) for n in range(traffic.KEYS)},
            "endpoints": {traffic.prefix(n): traffic.allowed(n) for n in range(traffic.ENDPOINTS)},
        }
        (lab.folder / "rules.json").write_text(json.dumps(rules))
        self.backend_port = free_port()
        self.backend = self.nginx("backend", self.backend_port, gateways.BACKEND.format(port=self.backend_port))

    # Programs

    def nginx(self, part, listens, http, edits=(), includes=INCLUDES) -> Process:
        """Starts nginx with a copy of the includes, changed by `edits`: pairs of old and new text."""
        folder = self.lab.folder / f"nginx-{len(self.lab.running):02}"
        folder.mkdir()
        for include in includes.glob("keygate*.conf"):
            text = include.read_text()
            for old, new in edits:
                text = text.replace(old, new)
            (folder / include.name).write_text(text)
        configuration = folder / "nginx.conf"
        configuration.write_text(gateways.nginx(folder, http.replace("FOLDER", str(folder))))
        argv = [self.tools.nginx, "-p", folder, "-c", configuration, "-e", folder / "error.log"]
        return self.lab.start(part, argv, listens)

    def gateway(self, port, edits=(), includes=INCLUDES, **levels) -> Process:
        return self.nginx("gateway", port, gateways.proxy(port, self.backend_port, **levels), edits, includes)

    def keygate(self, role, address, before=(), program=None, policy="policy.yaml", config=None, extra=(),
                env=None) -> Process:  # fmt: skip
        files = {"resolver": ["--keys", "keys.yaml"], "authorizer": ["--policy", policy]}
        files["serve"] = files["resolver"] + files["authorizer"] + (["--config", config] if config else [])
        argv = [*before, program or self.tools.keygate, role, *files[role], "--operations", f"127.0.0.1:{free_port()}",
                *extra]  # fmt: skip
        # nginx's worker is another user if the benchmark runs as root.
        mode = {"KEYGATE_SOCKET_MODE": MODE if program is None else MODE.split()[0]}
        return self.lab.start("authorization", [*argv, "--listen", listen(address)], address, env=mode | (env or {}))

    def address(self, unix):
        return self.lab.folder / f"{len(self.lab.running):02}.sock" if unix else free_port()

    def trivial(self, address, headers) -> Process:
        where = f"unix:{address}" if isinstance(address, Path) else f"127.0.0.1:{address}"
        return self.nginx("authorization", address, gateways.fixed_response(where, headers))

    def variant(self, name, port, processes, **kinds) -> Variant:
        return Variant(name, port, [*processes, self.backend], **kinds)

    # Variants: nginx

    def bare(self):
        port = free_port()
        gateway = self.gateway(port, location="")
        return Variant("nginx, no authorization", port, [gateway, self.backend], False, False)

    def map(self):
        port = free_port()
        http, locations = gateways.nginx_map()
        gateway = self.gateway(port, location="", http=http, server=locations)
        return Variant("nginx map, in process", port, [gateway, self.backend])

    def one_hop(self, name, service, address, path="/auth", extra="", **kinds):
        """A typical `auth_request` with one service."""
        port = free_port()
        http = gateways.upstream("service", nginx_address(address))
        server = gateways.authorization_location("/_auth", f"http://service{path}", extra)
        gateway = self.gateway(port, location=gateways.AUTH_REQUEST_LOCATION, http=http, server=server)
        return Variant(name, port, [gateway, service, self.backend], **kinds)

    def trivial_one_hop(self, unix):
        address = self.address(unix)
        service = self.trivial(address, {"client-type": traffic.client_type(1)})
        return self.one_hop(f"trivial nginx, {over(unix)}", service, address, checks_keys=False)

    def two_hops(self, name, services, addresses, **kinds):
        """The same with two services: the first one redirects to the second."""
        port = free_port()
        http = "".join(gateways.upstream(*it) for it in zip(("first", "second"), map(nginx_address, addresses)))
        step = "set $resolved $upstream_http_client_type;\nproxy_set_header client-type $resolved;"
        server = gateways.authorization_location("/_auth", "http://first/resolve", "proxy_set_header x-keygate-next /_second;")
        server += gateways.authorization_location("/_second", "http://second/auth", step)
        gateway = self.gateway(port, location=gateways.AUTH_REQUEST_LOCATION, http=http, server=server)
        return Variant(name, port, [gateway, *services, self.backend], **kinds)

    def trivial_pair(self, unix):
        first = self.address(unix)
        resolver = self.trivial(first, {"client-type": traffic.client_type(1), "x-accel-redirect": "/_second"})
        second = self.address(unix)
        authorizer = self.trivial(second, {"client-type": traffic.client_type(1)})
        return self.two_hops(f"trivial nginx pair, {over(unix)}", [resolver, authorizer], [first, second],
                             checks_keys=False)  # fmt: skip

    def serve_without_includes(self, unix):
        address = self.address(unix)
        service = self.keygate("serve", address)
        return self.one_hop(f"Keygate serve, {over(unix)}, without includes", service, address, "/check")

    def pair_without_includes(self, unix):
        services, addresses = self.keygate_pair(unix)
        return self.two_hops(f"Keygate pair, {over(unix)}, without includes", services, addresses)

    def akas(self):
        port = free_port()
        service = self.tools.start_akas(self.lab, port)
        bearer = 'proxy_set_header authorization "Bearer $http_client_key";'
        return self.one_hop("AKAS, TCP", service, port, extra=bearer, sends_identity=False)

    def node(self):
        port = free_port()
        argv = ["node", HERE / "authorizers/node.mjs", port, self.lab.folder / "rules.json"]
        return self.one_hop("Node authorizer, TCP", self.lab.start("authorization", argv, port), port)

    def fastapi(self):
        port = free_port()
        argv = [self.tools.uvicorn, "fastapi_app:app", "--port", port, "--no-access-log", "--app-dir",
                HERE / "authorizers"]  # fmt: skip
        service = self.lab.start("authorization", argv, port, env={"RULES": self.lab.folder / "rules.json"})
        return self.one_hop("FastAPI authorizer, TCP", service, port)

    # Variants: Keygate, with the includes of this repository

    def trivial_serve_includes(self):
        address = self.address(unix=True)
        service = self.trivial(address, {"client-type": traffic.client_type(1)})
        return self.keygate_gateway("trivial nginx, Unix, our includes", {"serve": address}, [service],
                                    "keygate-server-single.conf", checks_keys=False)  # fmt: skip

    def trivial_pair_includes(self):
        first = self.address(unix=True)
        step = {"client-type": traffic.client_type(1), "x-accel-redirect": "/_keygate/authorizer"}
        resolver = self.trivial(first, step)
        second = self.address(unix=True)
        authorizer = self.trivial(second, {"client-type": traffic.client_type(1)})
        addresses = {"resolver": first, "authorizer": second}
        return self.keygate_gateway("trivial nginx pair, Unix, our includes", addresses, [resolver, authorizer],
                                    "keygate-server.conf", checks_keys=False)  # fmt: skip

    def keygate_pair(self, unix, **how):
        first = self.address(unix)
        services = [self.keygate("resolver", first, **how)]
        second = self.address(unix)
        services.append(self.keygate("authorizer", second, **how))
        return services, [first, second]

    def pair(self, unix, what="", includes=INCLUDES, **how):
        services, (resolver, authorizer) = self.keygate_pair(unix, **how)
        addresses = {"resolver": resolver, "authorizer": authorizer}
        return self.keygate_gateway(f"Keygate pair, {over(unix)}{what}", addresses, services, "keygate-server.conf",
                                    includes=includes)  # fmt: skip

    def serve(self, unix, what="", includes=INCLUDES, **how):
        address = self.address(unix)
        services = [self.keygate("serve", address, **how)]
        return self.keygate_gateway(f"Keygate serve, {over(unix)}{what}", {"serve": address}, services,
                                    "keygate-server-single.conf", includes=includes)  # fmt: skip

    # Variants: the tuning in docs/speed.md

    def tuned(self, what, edits=(), before=(), http=""):
        """`keygate serve` over a Unix socket, with one change."""
        address = self.address(unix=True)
        services = [self.keygate("serve", address, before)]
        return self.keygate_gateway(f"Keygate serve, Unix, {what}", {"serve": address}, services,
                                    "keygate-server-single.conf", edits, http)  # fmt: skip

    def needed_headers(self):
        return self.tuned("needed headers alone", [gateways.NEEDED_HEADERS])

    def small_pool(self):
        return self.tuned("8 connections kept", [("keepalive 128;", "keepalive 8;")])

    def decision_cache(self):
        # The cache contains keys, so it stays in memory.
        self.memory = tempfile.TemporaryDirectory(prefix="keygate-bench-", dir="/dev/shm")
        return self.tuned("decisions cached 1 s", [gateways.DECISION_CACHE],
                          http=gateways.cache_path(self.memory.name))  # fmt: skip

    def keygate_gateway(self, name, addresses, services, server, edits=(), http="", includes=INCLUDES, set_user="",
                        **kinds):  # fmt: skip
        port = free_port()
        # The includes with the services' addresses.
        conf = (includes / "keygate.conf").read_text()
        for old, new in edits:
            conf = conf.replace(old, new)
        for role, default in {"resolver": 7081, "authorizer": 7082, "serve": 7080}.items():
            conf = conf.replace(f"server 127.0.0.1:{default}", f"server {nginx_address(addresses.get(role, default))}")
        (self.lab.folder / f"keygate-{port}.conf").write_text(conf)
        gateway = self.gateway(
            port,
            edits=edits,
            includes=includes,
            http=f"    include {self.lab.folder}/keygate-{port}.conf;\n{http}",
            server=f"        include {server};\n{set_user}",
            location="            include keygate-authorize.conf;\n",
        )
        return Variant(name, port, [gateway, *services, self.backend], **kinds)

    # Variants: other gateways

    def haproxy(self):
        port = free_port()
        file = self.lab.folder / "haproxy.cfg"
        file.write_text(gateways.haproxy(self.lab.folder, port, self.backend_port))
        gateway = self.lab.start("gateway", ["haproxy", "-db", "-f", file], port)
        return Variant("HAProxy map, in process", port, [gateway, self.backend])

    def envoy(self, name, services=(), checks_keys=True, sends_identity=True, **parts):
        port = free_port()
        file = self.lab.folder / f"envoy-{port}.json"
        file.write_text(gateways.envoy(port, self.backend_port, **parts))
        argv = [self.tools.envoy, "--config-path", file, "--concurrency", 1, "--use-dynamic-base-id",
                "--log-level", "error"]  # fmt: skip
        gateway = self.lab.start("gateway", argv, port)
        return Variant(name, port, [gateway, *services, self.backend], checks_keys, sends_identity)

    def envoy_bare(self):
        return self.envoy("Envoy, no authorization", checks_keys=False, sends_identity=False)

    def envoy_own(self):
        filters, routes = gateways.envoy_keys_and_rules()
        return self.envoy("Envoy api_key_auth + RBAC", filters=filters, routes=routes)


def over(unix):
    return "Unix" if unix else "TCP"


def listen(address):
    return f"unix:{address}" if isinstance(address, Path) else f"127.0.0.1:{address}"


def nginx_address(address):
    return listen(address)


# In the order of the table; every other variant is compared with the first one.
ALL = {
    "bare": Builder.bare,
    "map": Builder.map,
    "haproxy": Builder.haproxy,
    "trivial-tcp": lambda builder: builder.trivial_one_hop(unix=False),
    "trivial-unix": lambda builder: builder.trivial_one_hop(unix=True),
    "trivial-unix-includes": Builder.trivial_serve_includes,
    "serve-tcp-plain": lambda builder: builder.serve_without_includes(unix=False),
    "serve-unix-plain": lambda builder: builder.serve_without_includes(unix=True),
    "serve-tcp": lambda builder: builder.serve(unix=False),
    "serve-unix": lambda builder: builder.serve(unix=True),
    "serve-unix-batch": lambda builder: builder.tuned("SCHED_BATCH", before=BATCH),
    "trivial-pair-tcp": lambda builder: builder.trivial_pair(unix=False),
    "trivial-pair-unix": lambda builder: builder.trivial_pair(unix=True),
    "trivial-pair-unix-includes": Builder.trivial_pair_includes,
    "pair-unix-plain": lambda builder: builder.pair_without_includes(unix=True),
    "pair-tcp": lambda builder: builder.pair(unix=False),
    "pair-unix": lambda builder: builder.pair(unix=True),
    "pair-unix-batch": lambda builder: builder.pair(unix=True, what=", SCHED_BATCH", before=BATCH),
    "akas": Builder.akas,
    "node": Builder.node,
    "fastapi": Builder.fastapi,
    "envoy": Builder.envoy_bare,
    "envoy-own": Builder.envoy_own,
    **examples.ALL,
    **users.ALL,
    "tuned-headers": Builder.needed_headers,
    "tuned-pool": Builder.small_pool,
    "tuned-cache": Builder.decision_cache,
}

# Another checkout with a release build, such as an earlier commit: FORMER=/path/to/checkout. Its program
# runs behind its own includes, and behind these.
FORMER = os.environ.get("FORMER")
if FORMER:
    former = {"what": ", former", "program": Path(FORMER, "target/release/keygate"), "includes": Path(FORMER, "nginx")}
    behind_these = former | {"what": ", former behind these includes", "includes": INCLUDES}
    ALL |= {
        "former-serve-tcp": lambda builder: builder.serve(unix=False, **former),
        "former-serve-unix": lambda builder: builder.serve(unix=True, **former),
        "former-pair-tcp": lambda builder: builder.pair(unix=False, **former),
        "former-pair-unix": lambda builder: builder.pair(unix=True, **former),
        "former-serve-unix-these-includes": lambda builder: builder.serve(unix=True, **behind_these),
        "former-pair-unix-these-includes": lambda builder: builder.pair(unix=True, **behind_these),
    }
