"""The examples for gateways run: Keygate's Pod, and in front of it the proxy of each gateway."""

import json
import shutil
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway_examples import EXAMPLES, Example, identity_headers
from manifests import ROOT
from pods import playing
from proxies import BACKEND, PORT, NotStarted, proxy

DEMO = ROOT / "deploy/demo"
KEYS = (DEMO / "keys.yaml").read_bytes()
A = ("client-key", "demo-key-of-client-a")

# Gateways whose denials are nginx's own error page.
WITHOUT_REASON = {"ingress-nginx"}
# Envoy joins repeated headers, so that two keys are one that does not exist.
JOINS_REPEATED = {"envoy-gateway/http", "istio/http", "gateway-api"}
OF_ENVOY = {name for name in EXAMPLES if name.startswith(("envoy-gateway", "istio"))}
# The filter has no field for cookies that would also remove them.
COOKIES_ARE_NOT_READ = {"gateway-api"}
# docs/gateways.md says so.
COOKIES_ARE_NOT_REMOVED = {"ingress-nginx"}
# The example is for policies in which every endpoint requires a key.
EVERY_ENDPOINT_NEEDS_A_KEY = {"gateway-api"}
# The filter has no field for header names that many backends read as another one.
ALIASES_REMAIN = {"gateway-api"}
# The status where Keygate does not respond.
UNAVAILABLE = {
    "traefik": 500,
    "envoy-gateway/http": 403,
    "envoy-gateway/grpc": 403,
    "gateway-api": 403,
    "nginx-gateway-fabric": 503,
    "istio/http": 503,
    "istio/grpc": 503,
    "ingress-nginx": 500,
}


class Echo(BaseHTTPRequestHandler):
    """Responds with the request that arrived."""

    def do_GET(self):
        body = json.dumps({"target": self.path, "headers": [[name.lower(), value] for name, value in self.headers.items()]})
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *_):
        pass


@contextmanager
def running(example, folder):
    """Runs Keygate's Pod, the proxy and an echoing backend, and yields the Pod's container."""
    example.named("ConfigMap", "keygate-policy")["data"]["policy.yaml"] = (DEMO / "policy.yaml").read_text()
    backend = ThreadingHTTPServer(("127.0.0.1", BACKEND), Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    try:
        with playing(example.manifests, folder / "pods", KEYS) as containers, proxy(example, folder):
            yield containers["keygate-serve"]
    finally:
        backend.shutdown()
        backend.server_close()


def send(target, *headers, method="GET"):
    """Returns the status, and what the backend got or the reason of a denial."""
    connection = HTTPConnection("127.0.0.1", PORT, timeout=10)
    connection.putrequest(method, target, skip_host=True)
    for name, value in [("host", "api.example.com"), *headers]:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read().decode()
    if not body.startswith("{"):
        return response.status, body
    content = json.loads(body)
    return response.status, content.get("detail", content)


def values(received, name):
    return [value for header, value in received["headers"] if header == name]


# Method, target, headers, status and reason.
DENIED = [
    ("POST", "/orders/7/refund", [("client-key", "demo-key-of-client-b")], 403, "expression-false"),
    ("GET", "/orders", [("client-key", "demo-key-of-client-c")], 403, "expression-false"),
    ("GET", "/elsewhere", [A], 403, "no-endpoint"),
    ("GET", "/orders", [("client-key", "wrong")], 401, "unknown-key"),
    ("GET", "/orders", [], 401, "missing-key"),
    ("GET", "/orders", [A, ("client-key", "demo-key-of-client-b")], 401, "ambiguous-key"),
    ("GET", "/orders", [A, ("secret", "demo-key-of-client-b")], 401, "ambiguous-key"),
    ("POST", "/status", [A], 403, "method-not-allowed"),
]
# Some proxies normalize them before they authorize.
AMBIGUOUS = ["/status/../orders", "/status/%2e%2e/orders", "/status%2F..%2Forders", "//orders", "/orders;x"]
# Many backends read them as `client-type`. Envoy has no setting for the second one.
ALIASES = ["client_type", "client.type"]
SPOOFED = [(name, "spoofed") for name in sorted(identity_headers())]
OF_OTHER_GATEWAYS = [
    ("original-request-uri", "/status"),
    ("original-request-method", "GET"),
    ("original-request-host", "x"),
    ("x-forwarded-uri", "/status"),
    ("x-forwarded-method", "GET"),
    ("x-original-uri", "/status"),
    ("path", "/status"),
    ("method", "GET"),
    ("x-keygate-next", "/status"),
    ("x-envoy-original-path", "/status"),
]


def denied(name):
    for method, target, headers, status, reason in DENIED:
        got, detail = send(target, *headers, method=method)
        if name in JOINS_REPEATED and len(headers) > len(dict(headers)):
            reason = "unknown-key"
        if got != status or name not in WITHOUT_REASON and detail != reason:
            yield f"{method} {target} {headers} gets {got} {detail}"
    for target in AMBIGUOUS:
        if (got := send(target)[0]) not in (301, 307, 400, 401, 403):
            yield f"{target} gets {got}"


def allowed(name):
    status, received = send("/orders/7?x=1&y=%20", A, ("secret", A[1]))
    if status != 200:
        yield f"a request with a valid key gets {status} {received}"
        return
    if received["target"] != "/orders/7?x=1&y=%20":
        yield f"the backend gets {received['target']}"
    if A[1] in str(received):
        yield f"the backend gets the key: {received}"
    if name in COOKIES_ARE_NOT_READ:
        return
    cookie = f"mia_client_key={A[1]}"
    for sent, left in [(f"a=1; {cookie}; b=2", ["a=1; b=2"]), (cookie, [])]:
        status, received = send("/orders", ("cookie", sent))
        if status != 200:
            yield f"a request with a key in a cookie gets {status} {received}"
        elif name not in COOKIES_ARE_NOT_REMOVED and values(received, "cookie") != left:
            yield f"the backend gets {received}"


def spoofed(name):
    """Sends headers that only gateways may send."""
    for target, key in [("/orders", [A]), ("/status", [])]:
        if not key and name in EVERY_ENDPOINT_NEEDS_A_KEY:
            continue
        status, received = send(target, *key, *SPOOFED)
        if status != 200:
            yield f"{target} gets {status} {received}"
            continue
        identity = values(received, "client-type") + values(received, "x-keygate-key-id")
        if identity != (["A", "client-a"] if key else []) or "spoofed" in str(received):
            yield f"the backend of {target} gets {received}"
    # Names of headers in `connection` are removed with it.
    status, received = send("/orders", A, ("connection", "client-type"))
    if status != 200 or values(received, "client-type") != ["A"]:
        yield f"with `connection: client-type` the backend gets {status} {received}"
    for alias in ALIASES[: 0 if name in ALIASES_REMAIN else 1 if name in OF_ENVOY else 2]:
        status, received = send("/orders", A, (alias, "spoofed"))
        if status not in (200, 400) or "spoofed" in str(received):
            yield f"with `{alias}` the backend gets {received}"
    for key in [], [("client-key", "demo-key-of-client-c")]:
        if (got := send("/orders", *key, *OF_OTHER_GATEWAYS)[0]) not in (401, 403):
            yield f"a client that names another path gets {got}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_keygate_decides_behind(name, tmp_path):
    with running(Example(name), tmp_path) as keygate:
        assert [*denied(name), *allowed(name), *spoofed(name)] == []
        keygate.renew("keys", {"keys.yaml": b"version: 1\nkeys: []\n"})
        assert send("/orders", A)[0] == 401
        keygate.renew("keys", {"keys.yaml": KEYS})
        assert send("/orders", A)[0] == 200
        keygate.stop()
        assert send("/orders", A)[0] == UNAVAILABLE[name]


# Example, file, correct text, and wrong text that no schema rejects.
ERRORS = [
    ("traefik", "traefik/kustomization.yaml", "value: traefik", "value: nginx"),
    ("traefik", "traefik/middlewares.yaml", "      - name: keygate-check\n      - name: keygate-key\n", "      - name: keygate-key\n      - name: keygate-check\n"),
    ("traefik", "traefik/route.yaml", "aliasHeadersStrategy=delete", "aliasHeadersStrategy=keep"),
    ("envoy-gateway/http", "envoy-gateway/http/security-policy.yaml", "path: /check", "path: /chek"),
    ("envoy-gateway/http", "envoy-gateway/http/security-policy.yaml", "        - client-type\n", "        - client-typ\n"),
    ("envoy-gateway/http", "envoy-gateway/gateway/client-traffic-policy.yaml", "withUnderscoresAction: RejectRequest", "withUnderscoresAction: Allow"),
    ("envoy-gateway/grpc", "envoy-gateway/grpc/kustomization.yaml", "  - raw-headers.yaml\n", ""),
    ("gateway-api", "gateway-api/kustomization.yaml", "value: envoy", "value: traefik"),
    ("gateway-api", "gateway-api/route.yaml", "allowedHeaders: [client-key", "allowedHeaders: [client-keys"),
    ("nginx-gateway-fabric", "nginx-gateway-fabric/kustomization.yaml", "keygate-server-single\\.conf", "keygate-server\\.conf"),
    ("envoy-gateway/grpc", "envoy-gateway/grpc/raw-headers.yaml", "value: true", "value: false"),
    ("istio/grpc", "istio/grpc/raw-headers.yaml", "encode_raw_headers: true", "encode_raw_headers: false"),
    ("istio/grpc", "grpc/kustomization.yaml", "--grpc-listen=0.0.0.0:7084", "--grpc-listen=127.0.0.2:7084"),
    ("istio/http", "istio/gateway/envoy-filter.yaml", "HttpConnectionManager\n", "HttpConnectionManagers\n"),
    ("istio/http", "istio/gateway/envoy-filter.yaml", "headers_with_underscores_action", "header_with_underscores_action"),
    ("istio/http", "istio/http/mesh-config.yaml", "          - cookie\n          - authorization", "          - cookies\n          - authorization"),
    ("ingress-nginx", "ingress-nginx/headers.yaml", "original-request-uri: $request_uri", "original-request-url: $request_uri"),
]


@pytest.mark.parametrize(("name", "file", "correct", "wrong"), ERRORS)
def test_an_error_that_no_schema_finds_is_found(name, file, correct, wrong, tmp_path):
    root = tmp_path / "checkout"
    for folder in ("deploy", "nginx"):
        shutil.copytree(ROOT / folder, root / folder)
    path = root / "deploy/kubernetes/gateways" / file
    assert correct in path.read_text()
    path.write_text(path.read_text().replace(correct, wrong))
    try:
        with running(Example(name, root), tmp_path):
            assert [*denied(name), *allowed(name), *spoofed(name)] != []
    except NotStarted:
        pass
