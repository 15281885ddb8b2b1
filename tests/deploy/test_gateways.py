"""The examples for gateways: what their custom resources' schemas reject, and what no schema covers."""

import re
import shutil
from functools import cache

import pytest
import yaml

import custom_resources
import gateway_examples
import monitoring
import policies
import references
import schemas
import test_gateways_running
from gateway_examples import EXAMPLES, FOLDER, LEFT_TO_THE_USER, Example
from manifests import ROOT, build

SERVE = "keygate-serve.keygate.svc.cluster.local"
BASE = f"deploy/kubernetes/{FOLDER}"


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request):
    return Example(request.param)


def all_problems(example):
    # The other checks rely on the fields that the schemas require.
    yield from list(schema_problems(example)) or further_problems(example)


def schema_problems(example):
    yield from schemas.problems(example.manifests.without(custom_resources.is_custom), schemas.VERSIONS[-1])
    yield from custom_resources.problems(example.manifests)
    if example.values:
        yield from custom_resources.own("mesh-config.yaml", example.values, "mesh-config.yaml")


def further_problems(example):
    yield from references.problems(example.manifests, LEFT_TO_THE_USER, example.root)
    yield from gateway_examples.problems(example)
    yield from monitoring.problems(watching(), example.manifests)


@cache
def watching():
    return build("overlays/monitoring")


def test_no_check_finds_an_error(example, tmp_path):
    assert list(all_problems(example)) == []
    assert policies.results(example.manifests, tmp_path)[0] == []


def test_every_folder_is_an_example():
    folders = {path.parent.relative_to(ROOT / BASE).as_posix() for path in (ROOT / BASE).rglob("kustomization.yaml")}
    assert folders - {"serve", "grpc", "envoy-gateway/gateway", "istio/gateway"} == set(EXAMPLES)


def test_the_docs_name_every_example():
    # The first table; others have a row for several of them.
    rows = re.findall(r"^\| `([a-z/-]+)` \|", (ROOT / "docs/gateways.md").read_text(), re.M)[: len(EXAMPLES)]
    assert rows == sorted(EXAMPLES, key=rows.index)


def test_traefik_gets_the_middlewares_of_the_tested_example():
    middlewares = {}
    for middleware in Example("traefik").manifests.of_kind("Middleware"):
        spec = middlewares[middleware["metadata"]["name"]] = middleware["spec"]
        if "chain" in spec:
            spec["chain"]["middlewares"] = [entry["name"] for entry in spec["chain"]["middlewares"]]
        if "forwardAuth" in spec:
            spec["forwardAuth"]["address"] = spec["forwardAuth"]["address"].replace(SERVE, "127.0.0.1")
    tested = yaml.safe_load((ROOT / "deploy/traefik/keygate.yaml").read_text())
    assert middlewares == tested["http"]["middlewares"]


ENVOY, ISTIO = f"{BASE}/envoy-gateway", f"{BASE}/istio"
# Example, file, correct text, wrong text, and words of the message.
ERRORS = [
    ("traefik", f"{BASE}/traefik/middlewares.yaml", "forwardAuth:", "forwardauth:", "unknown field spec.forwardauth"),
    ("traefik", f"{BASE}/traefik/middlewares.yaml", "authResponseHeaders:", "authResponseHeader:", "unknown field spec.forwardAuth.authResponseHeader"),
    ("traefik", f"{BASE}/traefik/middlewares.yaml", "trustForwardHeader: false", "trustForwardHeader: true", "x-forwarded-*"),
    ("traefik", f"{BASE}/traefik/middlewares.yaml", "      - name: keygate-check\n", "      - name: keygate-chek\n", "the Middleware `keygate-chek`"),
    ("traefik", f"{BASE}/traefik/middlewares.yaml", ":7080/check", ":7081/check", "no port 7081"),
    ("traefik", f"{BASE}/traefik/middlewares.yaml", '      miausergroups: ""\n', "", "`miausergroups` reaches the backend"),
    ("traefik", f"{BASE}/traefik/middlewares.yaml", '      secret: ""\n', "", "`secret` reaches the backend"),
    ("traefik", f"{BASE}/traefik/route.yaml", "kind: IngressRoute", "kind: IngressRout", "no kind `IngressRout`"),
    ("traefik", f"{BASE}/traefik/route.yaml", "kind: Rule", "kind: Rules", "allowed values"),
    ("traefik", f"{BASE}/traefik/network-policy.yaml", "port: data", "port: operations", "the gateway uses the ports [7080]"),
    ("envoy-gateway/http", f"{ENVOY}/http/security-policy.yaml", "failOpen: false", "failopen: false", "unknown field spec.extAuth.failopen"),
    ("envoy-gateway/http", f"{ENVOY}/http/security-policy.yaml", "failOpen: false", "failOpen: true", "may allow a request"),
    ("envoy-gateway/http", f"{ENVOY}/http/security-policy.yaml", "    timeout: 2s\n", "", "no `timeout`"),
    ("envoy-gateway/http", f"{ENVOY}/http/security-policy.yaml", "timeout: 2s", "timeout: 2 seconds", "timeout"),
    ("envoy-gateway/http", f"{ENVOY}/http/security-policy.yaml", "    headersToExtAuth:", "    headerToExtAuth:", "unknown field spec.extAuth.headerToExtAuth"),
    ("envoy-gateway/http", f"{ENVOY}/http/security-policy.yaml", "      headersToBackend:", "      headersToBackends:", "unknown field spec.extAuth.http.headersToBackends"),
    ("envoy-gateway/http", f"{ENVOY}/http/security-policy.yaml", "      kind: Gateway\n      name: keygate", "      kind: Gateway\n      name: keygte", "the Gateway `keygte`"),
    ("envoy-gateway/http", f"{ENVOY}/gateway/client-traffic-policy.yaml", "earlyRequestHeaders:", "earlyRequestHeader:", "unknown field spec.headers.earlyRequestHeader"),
    ("envoy-gateway/http", f"{ENVOY}/gateway/client-traffic-policy.yaml", "        - mia-groups\n", "", "`mia-groups` reaches the backend"),
    ("envoy-gateway/http", f"{ENVOY}/gateway/client-traffic-policy.yaml", "escapedSlashesAction: RejectRequest", "escapedSlashesAction: Reject", "allowed values"),
    ("envoy-gateway/http", f"{ENVOY}/gateway/route.yaml", "remove: [client-key, secret]", "removes: [client-key, secret]", "requestHeaderModifier.removes"),
    ("envoy-gateway/http", f"{ENVOY}/gateway/gateway.yaml", "from: All", "from: Everywhere", "allowed values"),
    ("envoy-gateway/grpc", f"{ENVOY}/grpc/security-policy.yaml", "    grpc:\n", "    gRPC:\n", "unknown field spec.extAuth.gRPC"),
    ("envoy-gateway/grpc", f"{ENVOY}/grpc/security-policy.yaml", "port: 7084", "port: 7080", "uses the ports [7080]"),
    ("envoy-gateway/grpc", f"{ENVOY}/grpc/raw-headers.yaml", "jsonPath:", "jsonpath:", "jsonpath"),
    ("envoy-gateway/grpc", f"{ENVOY}/grpc/raw-headers.yaml", "name: keygate/keygate/http", "name: keygate/keygate/https", "the listener `keygate/keygate/https`"),
    ("envoy-gateway/grpc", f"{ENVOY}/gateway/gateway.yaml", "port: 80", "port: 8080", "the listener `tcp-80`"),
    ("gateway-api", f"{BASE}/gateway-api/route.yaml", "type: ExternalAuth", "type: ExternlAuth", "allowed values"),
    ("gateway-api", f"{BASE}/gateway-api/route.yaml", "protocol: HTTP", "protocol: Http", "allowed values"),
    ("gateway-api", f"{BASE}/gateway-api/route.yaml", "            backendRef:", "            backendref:", "unknown field spec.rules[0].filters[0].externalAuth.backendref"),
    ("gateway-api", f"{BASE}/gateway-api/route.yaml", "name: keygate-serve", "name: keygate-serv", "`keygate-serv` does not exist"),
    ("gateway-api", f"{BASE}/gateway-api/route.yaml", "              - miagroups\n", "", "`miagroups` reaches the backend"),
    ("gateway-api", f"{BASE}/gateway-api/route.yaml", "[client-type, x-keygate-key-id]", "[client-type]", "`x-keygate-key-id` reaches the backend"),
    ("istio/grpc", f"{BASE}/grpc/kustomization.yaml", "containerPort: 7084", "containerPort: 7085", "declares the ports"),
    ("nginx-gateway-fabric", f"{BASE}/nginx-gateway-fabric/snippets.yaml", "  snippets:\n    - context: http\n      value: |", "  snippet:\n    - context: http\n      value: |", "snippet"),
    ("nginx-gateway-fabric", f"{BASE}/nginx-gateway-fabric/snippets.yaml", "keygate-serve.keygate.svc.cluster.local:7080", "keygate-serve.keygate.svc.cluster.local:7081", "no port 7081"),
    ("nginx-gateway-fabric", f"{BASE}/nginx-gateway-fabric/route.yaml", "name: keygate-upstream", "name: keygate-upstreams", "`keygate-upstreams`"),
    ("istio/http", f"{ISTIO}/http/mesh-config.yaml", "pathPrefix:", "pathprefix:", "pathprefix"),
    ("istio/http", f"{ISTIO}/http/mesh-config.yaml", "failOpen: false", "failOpen: true", "may allow a request"),
    ("istio/http", f"{ISTIO}/http/mesh-config.yaml", "- name: keygate", "- name: keygates", "the provider `keygate`"),
    ("istio/http", f"{ISTIO}/gateway/authorization-policy.yaml", "  action: CUSTOM", "  Action: CUSTOM", "unknown field spec.Action"),
    ("istio/http", f"{ISTIO}/gateway/authorization-policy.yaml", "    - {}\n", "    - to: [{operation: {paths: [/orders]}}]\n", "does not authorize every request"),
    ("istio/http", f"{ISTIO}/gateway/envoy-filter.yaml", "configPatches:", "configPatch:", "unknown field spec.configPatch"),
    ("istio/http", f"{ISTIO}/gateway/envoy-filter.yaml", "operation: MERGE", "operation: MERGED", "allowed values"),
    ("istio/http", f"{ISTIO}/gateway/envoy-filter.yaml", "                    - remove: isbackoffice\n", "", "`isbackoffice` reaches the backend"),
    ("istio/grpc", f"{ISTIO}/grpc/mesh-config.yaml", "service: keygate-serve", "service: keygate-authorizer", "`keygate-authorizer` does not exist"),
    ("istio/grpc", f"{ISTIO}/grpc/raw-headers.yaml", "applyTo: HTTP_FILTER", "applyTo: HTTP_FILTERS", "allowed values"),
    ("ingress-nginx", f"{BASE}/ingress-nginx/ingress.yaml", "io/auth-response-headers", "io/auth-response-header", "auth-response-header"),
    ("ingress-nginx", f"{BASE}/ingress-nginx/ingress.yaml", "x-keygate-endpoint,client-key,secret", "x-keygate-endpoint,client-key", "`secret` reaches the backend"),
    ("ingress-nginx", f"{BASE}/ingress-nginx/ingress.yaml", "ingressClassName", "ingressClass", "ingressClass"),
    ("ingress-nginx", f"{BASE}/ingress-nginx/headers.yaml", "name: keygate-authorization-request", "name: keygate-authorization", "the ConfigMap `keygate-authorization-request`"),
    ("envoy-gateway/http", f"{ENVOY}/http/kustomization.yaml", "security-policy.yaml", "security-polcy.yaml", "security-polcy.yaml"),
    ("envoy-gateway/http", f"{ENVOY}/http/kustomization.yaml", "  - security-policy.yaml\n", "", "nothing authorizes"),
    ("envoy-gateway/http", f"{ENVOY}/gateway/kustomization.yaml", "  - client-traffic-policy.yaml\n", "", "`miauserid` reaches the backend"),
    ("envoy-gateway/http", f"{ENVOY}/gateway/network-policy.yaml", "port: data", "port: http", "opens the port http"),
    ("gateway-api", f"{BASE}/gateway-api/gateway.yaml", "from: Same", "from: Namespace", "allowed values"),
    ("gateway-api", f"{BASE}/gateway-api/network-policy.yaml", "port: data", "port: operations", "uses the ports [7080]"),
    ("nginx-gateway-fabric", f"{BASE}/nginx-gateway-fabric/gateway.yaml", "gatewayClassName", "gatewayClass", "unknown field spec.gatewayClass"),
    ("nginx-gateway-fabric", f"{BASE}/nginx-gateway-fabric/network-policy.yaml", "gateway-name: keygate", "gateway-name: nginx", "allows Pods that do not exist"),
    ("nginx-gateway-fabric", f"{BASE}/nginx-gateway-fabric/route.yaml", "            name: keygate\n", "            name: keygate-upstream\n", "nothing authorizes"),
    ("traefik", f"{BASE}/traefik/route.yaml", "      middlewares:\n        - name: keygate\n", "", "nothing authorizes"),
    ("traefik", f"{BASE}/serve/kustomization.yaml", "  - network-policy.yaml\n", "", "to monitoring"),
    ("traefik", f"{BASE}/serve/network-policy.yaml", "port: operations", "port: ops", "opens the port ops"),
    ("istio/http", f"{ISTIO}/http/kustomization.yaml", "- ../gateway", "- ../gatewy", "gatewy"),
    ("istio/http", f"{ISTIO}/gateway/kustomization.yaml", "  - authorization-policy.yaml\n", "", "nothing authorizes"),
    ("istio/http", f"{ISTIO}/gateway/gateway.yaml", "name: keygate", "name: keygte", "the Gateway `keygate`"),
    ("istio/http", f"{ISTIO}/gateway/network-policy.yaml", "gateway-name: keygate", "gateway-name: keygte", "allows Pods that do not exist"),
    ("istio/http", f"{ISTIO}/gateway/route.yaml", "[client-key, secret]", "[client-key]", "`secret` reaches the backend"),
    ("istio/grpc", f"{ISTIO}/grpc/kustomization.yaml", "value: grpc", "value: data", "uses the ports [7084]"),
    ("ingress-nginx", f"{BASE}/ingress-nginx/kustomization.yaml", "  - headers.yaml\n", "", "the ConfigMap `keygate-authorization-request`"),
    ("ingress-nginx", f"{BASE}/ingress-nginx/network-policy.yaml", "component: serve", "component: server", "selects no Pod"),
    ("ingress-nginx", f"{BASE}/ingress-nginx/ingress.yaml", "    nginx.ingress.kubernetes.io/auth-url: http://keygate-serve.keygate.svc.cluster.local:7080/check\n", "", "nothing authorizes"),
]


@pytest.mark.parametrize(("name", "file", "correct", "wrong", "words"), ERRORS)
def test_an_error_is_found(name, file, correct, wrong, words, tmp_path):
    for folder in ("deploy", "nginx"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    text = (tmp_path / file).read_text()
    assert correct in text
    (tmp_path / file).write_text(text.replace(correct, wrong))
    try:
        found = list(all_problems(Example(name, tmp_path)))
    except ValueError as error:  # kustomize cannot build it
        found = [str(error)]
    assert any(words in problem for problem in found), found


def test_every_file_has_an_error_in_a_table():
    files = {str(path.relative_to(ROOT)) for path in (ROOT / BASE).rglob("*") if path.is_file()}
    running = {f"{BASE}/{error[1]}" for error in test_gateways_running.ERRORS}
    assert files - {error[1] for error in ERRORS} - running == set()
