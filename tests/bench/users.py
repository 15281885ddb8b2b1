"""Variants with users: `keygate serve` over a Unix socket, and rules that require a key and a group of the user."""

import json
import subprocess
from pathlib import Path

import gateways
import traffic
from processes import free_port

ISSUER = "https://id.example.com/"
# More than the services remember (16 MiB of tokens), and than they keep track of besides.
DISTINCT = 40_000


def jwt(algorithm, remembered):
    """A token in each request: the same ones again, or each only once."""

    def start(builder):
        folder = builder.lab.folder / f"{algorithm}-{remembered}"
        folder.mkdir()
        count = traffic.KEYS if remembered else DISTINCT
        argv = ["node", Path(__file__).parent / "authorizers/tokens.mjs", folder, algorithm, ISSUER, count]
        subprocess.run([str(word) for word in argv], check=True)
        settings = {"jwt": [{"issuer": ISSUER, "audience": ["bench"], "jwks-file": str(folder / "jwks.json"),
                             "algorithms": [algorithm]}]}  # fmt: skip
        what = "remembered" if remembered else "verified each time"
        return serve(builder, f"JWT {algorithm}, {what}", settings, credentials=folder / "tokens",
                     sent_once=not remembered)  # fmt: skip

    return start


def userinfo(cache_seconds):
    def start(builder):
        port = free_port()
        user = json.dumps({"sub": "ada", "groups": ["admin"]})
        http = f"    server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000; default_type application/json; " \
               f"location / {{ return 200 '{user}'; }} }}\n"  # fmt: skip
        service = builder.nginx("authorization", port, http)
        credentials = builder.lab.folder / f"sessions-{cache_seconds}"
        credentials.write_text("".join(f"authorization: Bearer session-{n}\n" for n in range(traffic.KEYS)))
        settings = {"userinfo": {"url": f"http://127.0.0.1:{port}/me", "headers": ["authorization"],
                                 "cache-seconds": cache_seconds}}  # fmt: skip
        what = f"userinfo, kept {cache_seconds} s" if cache_seconds else "userinfo"
        return serve(builder, what, settings, [service], credentials=credentials)

    return start


def trusted_headers(builder):
    settings = {"trusted-headers": {"peers": ["unix"]}}
    user = "        set $keygate_trusted_user_id ada;\n        set $keygate_trusted_user_groups admin;\n"
    return serve(builder, "trusted headers", settings, set_user=user)


def serve(builder, what, settings, others=(), **kinds):
    """`keygate serve` with these sources of users, and its includes."""
    number = len(builder.lab.running)
    config = builder.lab.folder / f"users-{number:02}.yaml"
    # JSON is YAML.
    config.write_text(json.dumps({"users": settings}))
    includes = builder.lab.folder / f"includes-{number:02}"
    argv = [builder.tools.keygate, "nginx-includes", "--config", config, "--out", includes]
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
    address = builder.address(unix=True)
    service = builder.keygate("serve", address, policy=policy(builder.lab.folder), config=config)
    return builder.keygate_gateway(f"Keygate serve, Unix, {what}", {"serve": address}, [service, *others],
                                   "keygate-server-single.conf", includes=includes, **kinds)  # fmt: skip


def policy(folder):
    lines = ["version: 1", "endpoints:"]
    for endpoint in range(traffic.ENDPOINTS):
        clients = " || ".join(f"clientType === '{name}'" for name in traffic.allowed(endpoint))
        lines.append(f"  - path: {traffic.prefix(endpoint)}\n    groupExpression: ({clients}) && groups.admin")
    file = folder / "policy-users.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


ALL = {
    "users-jwt-es256": jwt("ES256", remembered=True),
    "users-jwt-es256-new": jwt("ES256", remembered=False),
    "users-jwt-rs256": jwt("RS256", remembered=True),
    "users-jwt-rs256-new": jwt("RS256", remembered=False),
    "users-userinfo": userinfo(0),
    "users-userinfo-kept": userinfo(60),
    "users-trusted-headers": trusted_headers,
}
