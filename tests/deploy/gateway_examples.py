"""The examples for gateways, and checks of them that no schema covers.

Each check yields a sentence for every error.
"""

import re

import yaml

import references
from manifests import ROOT, Manifests, build

FOLDER = "gateways"
EXAMPLES = [
    "traefik",
    "envoy-gateway/http",
    "envoy-gateway/grpc",
    "gateway-api",
    "nginx-gateway-fabric",
    "istio/http",
    "istio/grpc",
    "ingress-nginx",
]
# The user's backend, in the namespace of the example.
LEFT_TO_THE_USER = references.LEFT_TO_THE_USER | {("Service", "backend")}

NAMESPACE = "keygate"
ADDRESS = re.compile(rf"\b([a-z-]+)\.{NAMESPACE}\.svc\.cluster\.local(?::(\d+))?")
# Envoy Gateway's name for the filter of a SecurityPolicy.
PATCHED = re.compile(rf"ext_authz/securitypolicy/{NAMESPACE}/([a-z-]+)")


class Example:
    """What kustomize builds from an example, and the Helm values beside it."""

    def __init__(self, name, root=ROOT):
        self.name, self.root = name, root
        self.manifests: Manifests = build(f"{FOLDER}/{name}", root)
        self.folder = root / "deploy/kubernetes" / FOLDER / name
        values = self.folder / "mesh-config.yaml"
        self.values = yaml.safe_load(values.read_text()) if values.exists() else None

    def named(self, kind, name="keygate"):
        return self.manifests.find(kind, name)

    @property
    def providers(self):
        """Istio's providers."""
        return self.values["meshConfig"]["extensionProviders"] if self.values else []

    @property
    def uses_grpc(self):
        [pod] = self.manifests.pods
        return pod.port_number("grpc") is not None


def problems(example):
    for check in (objects, services, network, protected, closed, headers):
        yield from check(example)


def walk(value):
    """Yields every object inside a value."""
    if isinstance(value, dict):
        yield value
    for content in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from walk(content)


def objects(example):
    """Checks that every object that another one names exists."""
    for kind, name in objects_named_by(example):
        if example.named(kind, name) is None:
            yield f"the {kind} `{name}` does not exist"


def objects_named_by(example):
    for entry in example.manifests.objects:
        for part in walk(entry):
            for reference in [*part.get("targetRefs", []), *filter(None, [part.get("targetRef")])]:
                yield reference["kind"], reference["name"]
            for reference in part.get("parentRefs", []):
                yield "Gateway", reference["name"]
            for reference in part.get("middlewares", []):
                yield "Middleware", reference["name"]
            if "extensionRef" in part:
                yield part["extensionRef"]["kind"], part["extensionRef"]["name"]
        for patch in entry["spec"].get("jsonPatches", []) if entry["kind"] == "EnvoyPatchPolicy" else []:
            if patch["name"] not in listeners(example):
                yield "listener", patch["name"]
            yield "SecurityPolicy", PATCHED.search(patch["operation"]["jsonPath"]).group(1)
        headers = entry["metadata"].get("annotations", {}).get("nginx.ingress.kubernetes.io/auth-proxy-set-headers")
        if headers:
            yield "ConfigMap", headers.removeprefix(f"{NAMESPACE}/")
    for policy in example.manifests.of_kind("AuthorizationPolicy"):
        if policy["spec"]["provider"]["name"] not in [provider["name"] for provider in example.providers]:
            yield "provider", policy["spec"]["provider"]["name"]


def listeners(example):
    """Returns both names that Envoy Gateway may give the listeners."""
    return {
        name
        for gateway in example.manifests.of_kind("Gateway")
        for listener in gateway["spec"]["listeners"]
        for name in (f"{NAMESPACE}/{gateway['metadata']['name']}/{listener['name']}", f"tcp-{listener['port']}")
    }


def addresses(example):
    """Yields the name and port of each Service that a gateway is configured to use."""
    for entry in example.manifests.objects:
        if entry["kind"] in ("Deployment", "Service"):
            continue
        for part in walk(entry):
            for reference in [*part.get("backendRefs", []), *part.get("services", []), *filter(None, [part.get("backendRef")])]:
                yield reference["name"], reference["port"]
            if entry["kind"] == "Ingress" and "service" in part:
                yield part["service"]["name"], part["service"]["port"]["number"]
            for text in part.values():
                for name, port in ADDRESS.findall(text) if isinstance(text, str) else []:
                    yield name, int(port)
    for provider in example.providers:
        [service] = [value for key, value in provider.items() if key != "name"]
        yield ADDRESS.fullmatch(service["service"]).group(1), service["port"]


def services(example):
    for name, port in addresses(example):
        found = example.named("Service", name)
        if found is None:
            if ("Service", name) not in LEFT_TO_THE_USER:
                yield f"the Service `{name}` does not exist"
        elif port not in [entry["port"] for entry in found["spec"]["ports"]]:
            yield f"the Service `{name}` has no port {port}"


def network(example):
    """Checks that the gateway can reach exactly the port that it is configured to use."""
    [pod] = example.manifests.pods
    used = {port for name, port in addresses(example) if name == "keygate-serve"}
    allowed = set()
    for policy in example.manifests.of_kind("NetworkPolicy"):
        if policy["metadata"]["name"].startswith("keygate-from-"):
            for rule in policy["spec"]["ingress"]:
                allowed |= {pod.port_number(port["port"]) for port in rule["ports"]}
    if used != allowed:
        yield f"the gateway uses the ports {sorted(used)}, and a NetworkPolicy allows {sorted(map(str, allowed))}"


def protected(example):
    """Checks that every route is authorized."""
    policies = example.manifests.of_kind("SecurityPolicy") + example.manifests.of_kind("AuthorizationPolicy")
    gateways = {
        reference["name"]
        for policy in policies
        if "extAuth" in policy["spec"] or policy["spec"].get("action") == "CUSTOM"
        for reference in policy["spec"]["targetRefs"]
    }
    for route in example.manifests.of_kind("HTTPRoute"):
        parents = {reference["name"] for reference in route["spec"]["parentRefs"]}
        for rule in route["spec"]["rules"]:
            filters = [entry.get("extensionRef", {}).get("name", entry["type"]) for entry in rule["filters"]]
            if not (parents <= gateways or {"keygate", "ExternalAuth"} & set(filters)):
                yield f"nothing authorizes the requests of the HTTPRoute `{route['metadata']['name']}`"
    for route in example.manifests.of_kind("IngressRoute"):
        for rule in route["spec"]["routes"]:
            if {"name": "keygate"} not in rule.get("middlewares", []):
                yield f"nothing authorizes the requests of the IngressRoute `{route['metadata']['name']}`"
    for ingress in example.manifests.of_kind("Ingress"):
        if "nginx.ingress.kubernetes.io/auth-url" not in ingress["metadata"].get("annotations", {}):
            yield f"nothing authorizes the requests of the Ingress `{ingress['metadata']['name']}`"


def closed(example):
    """Checks that errors deny, and that the authorization request has a time limit, wherever that can be set."""
    configurations = [
        part["extAuth"] for entry in example.manifests.of_kind("SecurityPolicy") for part in walk(entry) if "extAuth" in part
    ]
    for provider in example.providers:
        configurations += [value for key, value in provider.items() if key != "name"]
    for configuration in configurations:
        if configuration.get("failOpen") is not False:
            yield "an error of Keygate may allow a request: `failOpen` is not false"
        if "timeout" not in configuration:
            yield "the authorization request has no `timeout`"
    for policy in example.manifests.of_kind("AuthorizationPolicy"):
        if policy["spec"].get("action") != "CUSTOM" or policy["spec"].get("rules") != [{}]:
            yield "the AuthorizationPolicy does not authorize every request"
    for middleware in example.manifests.of_kind("Middleware"):
        if middleware["spec"].get("forwardAuth", {}).get("trustForwardHeader", False):
            yield "Traefik would trust the client's `x-forwarded-*`"


def headers(example):
    """Checks that the client's identity headers and the key never reach the backend."""
    removed = set(headers_removed_by(example))
    for name in sorted(key_headers() - removed):
        yield f"the key header `{name}` reaches the backend"
    # By gRPC, Keygate's response removes them.
    for name in sorted(identity_headers() - removed) if not example.uses_grpc else []:
        yield f"the client's `{name}` reaches the backend"


def include():
    text = (ROOT / "nginx/keygate-authorize.conf").read_text()
    return set(re.findall(r"^proxy_set_header ([a-z-]+) ", text, re.M))


def key_headers():
    return {"client-key", "secret"} & include()


def identity_headers():
    return include() - key_headers() - {"cookie"}


def headers_removed_by(example):
    for entry in example.manifests.objects:
        for part in walk(entry):
            yield from [name for name, value in part.get("customRequestHeaders", {}).items() if value == ""]
            yield from part["remove"] if isinstance(part.get("remove"), list) else []
            if isinstance(part.get("remove"), str):
                yield part["remove"]
            # A response of Keygate never has key headers, and nginx removes what it does not have.
            yield from part.get("nginx.ingress.kubernetes.io/auth-response-headers", "").split(",")
            # Replaced where the endpoint requires a key, as the example says.
            yield from part.get("allowedResponseHeaders", [])
            if part.get("context") == "http.server.location":
                yield from re.findall(r"^proxy_set_header ([a-z-]+) ", part["value"], re.M)
