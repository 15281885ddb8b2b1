"""The checks find an error in any of the files; the table says which one finds it.

Each row inserts one error into a copy of the files. Without errors the same checks find nothing, as
test_overlays and test_running show.
"""

import shutil
import subprocess

import pytest

import monitoring
import policies
import references
import schemas
from manifests import ROOT, TOOLS, build
from pods import Failed, playing
from test_running import KEYS, send, with_user_files, wrong_responses

BASE = "deploy/kubernetes"
ROLE, GATEWAY = f"{BASE}/role", f"{BASE}/gateway"
RESOLVER = f"{BASE}/base/resolver/resolver.yaml"
AUTHORIZER = f"{BASE}/base/authorizer/authorizer.yaml"
SERVE = f"{BASE}/overlays/single/serve"
SIDECARS = f"{BASE}/overlays/sidecar/sidecars.yaml"
MONITORING = f"{BASE}/overlays/monitoring"
USERS = f"{BASE}/overlays/users"
BACKEND = f"{BASE}/overlays/demo/backend.yaml"

# Overlay, file, correct text, wrong text, the check that finds it, and words of its message.
ERRORS = [
    # The image.
    ("nginx", "deploy/Dockerfile", "USER 65532:65532", "USER 65533:65532", "references", "the image's user"),
    ("nginx", "deploy/Dockerfile", "/keygate /keygate\n", "/keygate /bin/keygate\n", "running", "/keygate"),
    ("nginx", "deploy/Dockerfile", "FROM scratch", "FROM scratch:latest", "hadolint", "DL3007"),
    # The configuration of every Pod.
    ("nginx", f"{BASE}/configuration/kustomization.yaml", "- policy.yaml", "- polices.yaml", "kustomize", "polices.yaml"),
    ("nginx", f"{BASE}/configuration/kustomization.yaml", "name: keygate-policy", "name: keygate-rules", "references", "`keygate-policy`"),
    ("nginx", f"{BASE}/configuration/kustomization.yaml", "disableNameSuffixHash: true", "disableNameSuffixHash: false", "references", "not be reloaded"),
    ("nginx", f"{BASE}/configuration/namespace.yaml", "enforce: restricted", "enforce: privileged", "references", "restricted"),
    ("nginx", f"{BASE}/configuration/namespace.yaml", "kind: Namespace", "kind: NameSpace", "schema", "NameSpace"),
    ("nginx", f"{BASE}/configuration/settings.yaml", "drain-seconds", "drain-second", "running", "drain-second"),
    ("nginx", f"{BASE}/configuration/settings.yaml", "log-format: json", "log-format: jsn", "running", "jsn"),
    ("nginx", f"{BASE}/configuration/settings.yaml", "drain-seconds: 10", "drain-seconds: 30", "references", "terminationGracePeriodSeconds"),
    ("nginx", f"{BASE}/configuration/policy.yaml", "endpoints: []", "endpoint: []", "closed", "endpoint"),
    ("nginx", f"{BASE}/configuration/policy.yaml", "endpoints: []", "endpoints: [{path: /, apiKeyRequired: false}]", "closed", "allowed"),
    # A role.
    ("nginx", f"{ROLE}/kustomization.yaml", "includeSelectors: true", "includeSelectors: false", "references", "PodDisruptionBudget"),
    ("nginx", f"{ROLE}/kustomization.yaml", "  - availability.yaml\n", "", "references", "sets the number of Pods"),
    ("nginx", f"{ROLE}/deployment.yaml", "serviceAccountName: keygate", "serviceAccountName: keygte", "references", "`keygte`"),
    ("nginx", f"{ROLE}/deployment.yaml", "serviceAccountName", "serviceAcountName", "schema", "serviceAcountName"),
    ("nginx", f"{ROLE}/deployment.yaml", "path: /-/healthz", "path: /healthz", "running", "livenessProbe gets 404"),
    ("nginx", f"{ROLE}/deployment.yaml", "path: /-/ready", "path: /-/redy", "running", "readinessProbe gets 404"),
    ("nginx", f"{ROLE}/deployment.yaml", "port: operations", "port: operation", "references", "not a port of"),
    ("nginx", f"{ROLE}/deployment.yaml", "mountPath: /etc/keygate/settings", "mountPath: /etc/keygate/setting", "running", "settings.yaml"),
    ("nginx", f"{ROLE}/deployment.yaml", "name: keygate-settings", "name: keygate-setting", "references", "`keygate-setting`"),
    ("nginx", f"{ROLE}/deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "references", "runAsNonRoot"),
    ("nginx", f"{ROLE}/deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "policies", "CKV_K8S_22"),
    ("nginx", f"{ROLE}/deployment.yaml", "drop: [ALL]", "drop: [NET_RAW]", "policies", "CKV_K8S_37"),
    ("nginx", f"{ROLE}/deployment.yaml", "type: RuntimeDefault", "type: Unconfined", "policies", "CKV_K8S_31"),
    ("nginx", f"{ROLE}/deployment.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "policies", "CKV_K8S_38"),
    ("nginx", f"{ROLE}/deployment.yaml", "        fsGroup: 65532\n", "", "references", "no fsGroup"),
    ("nginx", f"{ROLE}/deployment.yaml", "              memory: 64Mi", "              memory: 64mi", "references", "64mi"),
    ("nginx", f"{ROLE}/deployment.yaml", "CKV_K8S_15=a tag", "CKV_K8S_16=a tag", "policies", "CKV_K8S_15"),
    ("nginx", f"{ROLE}/service.yaml", "kind: ServiceAccount", "kind: ServiceAcount", "schema", "ServiceAcount"),
    ("nginx", f"{ROLE}/service.yaml", "automountServiceAccountToken: false", "automountServiceAccountTokens: false", "schema", "automountServiceAccountTokens"),
    ("nginx", f"{ROLE}/availability.yaml", "  selector:\n    matchLabels:\n      app.kubernetes.io/name: keygate\n", "", "references", "PodDisruptionBudget"),
    ("nginx", f"{ROLE}/availability.yaml", "app.kubernetes.io/name: keygate", "app.kubernetes.io/names: keygate", "references", "PodDisruptionBudget"),
    ("nginx", f"{ROLE}/availability.yaml", "    name: keygate\n", "    name: keygte\n", "references", "autoscaler"),
    ("nginx", f"{BASE}/base/kustomization.yaml", "  - network-policies.yaml\n", "", "references", "no NetworkPolicy selects"),
    ("nginx", f"{BASE}/base/resolver/kustomization.yaml", "component: resolver", "component: resolve", "references", "selects no Pod"),
    ("nginx", f"{BASE}/base/authorizer/kustomization.yaml", "nameSuffix: -authorizer", "nameSuffix: -authoriser", "running", "keygate-authorizer"),
    ("nginx", RESOLVER, "containerPort: 7081", "containerPort: 7082", "references", "declares the ports"),
    ("nginx", RESOLVER, "containerPort: 7091", "containerPort: 7093", "references", "declares the ports"),
    ("nginx", RESOLVER, "      port: 7081", "      port: 7080", "running", "no Pod listens at keygate-resolver:7081"),
    ("nginx", RESOLVER, "targetPort: data", "targetPort: dta", "references", "dta"),
    ("nginx", RESOLVER, "secretName: keygate-keys", "secretName: keygate-key", "references", "`keygate-key`"),
    ("nginx", RESOLVER, "--keys=/etc/keygate/keys/keys.yaml", "--keys=/etc/keygate/keys/key.yaml", "running", "key.yaml"),
    ("nginx", RESOLVER, "--keys=", "--key=", "running", "--key"),
    ("nginx", RESOLVER, "mountPath: /etc/keygate/keys\n", "mountPath: /etc/keygate/keys/keys.yaml\n              subPath: keys.yaml\n", "references", "subPath"),
    ("nginx", RESOLVER, "- name: keys\n          secret:", "- name: key\n          secret:", "references", "not a volume"),
    ("nginx", RESOLVER, "defaultMode: 0440", "defaultMode: 0400", "references", "group only"),
    ("nginx", RESOLVER, "--listen=0.0.0.0:7081", "--listen=127.0.0.1:7081", "references", "other Pods cannot reach"),
    ("nginx", AUTHORIZER, "- authorizer\n", "- authoriser\n", "running", "authoriser"),
    ("nginx", AUTHORIZER, "mountPath: /etc/keygate/policy", "mountPath: /etc/keygate/policies", "running", "policy.yaml"),
    ("nginx", AUTHORIZER, "name: keygate-policy", "name: keygate-polcy", "references", "`keygate-polcy`"),
    ("nginx", AUTHORIZER, "--operations=0.0.0.0:7092", "--operations=0.0.0.0:7091", "references", "declares the ports"),
    ("nginx", f"{BASE}/base/network-policies.yaml", "component: gateway", "component: gatway", "references", "allows Pods that do not exist"),
    ("nginx", f"{BASE}/base/network-policies.yaml", "component: resolver", "component: resolvr", "references", "selects no Pod"),
    ("nginx", f"{BASE}/base/network-policies.yaml", "port: operations", "port: ops", "references", "ops"),
    # The gateway.
    ("nginx", f"{GATEWAY}/kustomization.yaml", "- ../../../nginx", "- ../../nginx", "kustomize", "nginx"),
    ("nginx", f"{GATEWAY}/kustomization.yaml", "      - nginx.conf\n", "", "running", "nginx.conf"),
    ("nginx", f"{GATEWAY}/nginx.conf", "include services.conf;", "include service.conf;", "running", "service.conf"),
    ("nginx", f"{GATEWAY}/nginx.conf", "pid /tmp/nginx.pid;", "pid /run/nginx.pid;", "running", "/run/nginx.pid"),
    ("nginx", f"{GATEWAY}/nginx.conf", "listen 8081;", "listen 8082;", "references", "declares the ports"),
    ("nginx", f"{GATEWAY}/nginx.conf", "worker_processes 2;", "worker_processes 2", "running", "invalid number of arguments"),
    ("nginx", f"{GATEWAY}/gateway.conf", "        include keygate-authorize.conf;\n", "", "running", "/orders/7?x=1"),
    ("nginx", f"{GATEWAY}/gateway.conf", "    include keygate-server.conf;\n", "", "running", "keygate_server"),
    ("nginx", f"{GATEWAY}/gateway.conf", "listen 8080;", "listen 80;", "references", "declares the ports"),
    ("nginx", f"{GATEWAY}/gateway.conf", "server backend:8080;", "server backends:8080;", "running", 'not found in upstream "backends"'),
    ("nginx", f"{GATEWAY}/deployment.yaml", "mountPath: /tmp", "mountPath: /var/tmp", "running", "/tmp"),
    ("nginx", f"{GATEWAY}/deployment.yaml", "nginx/nginx.conf, -e", "nginx/ngnx.conf, -e", "running", "ngnx.conf"),
    ("nginx", f"{GATEWAY}/deployment.yaml", "path: /-/healthz", "path: /-/health", "running", "gets 404"),
    ("nginx", f"{GATEWAY}/deployment.yaml", "nginx:1.31.3", "nginx:1.31.2", "references", "tested"),
    ("nginx", f"{GATEWAY}/deployment.yaml", "        app.kubernetes.io/component: gateway\n    spec", "        app.kubernetes.io/component: gatewy\n    spec", "references", "gateway"),
    ("nginx", f"{GATEWAY}/deployment.yaml", "                  name: keygate-nginx\n", "                  name: keygate-ngnx\n", "references", "`keygate-ngnx`"),
    ("nginx", f"{GATEWAY}/service.yaml", "component: gateway", "component: gatway", "references", "selects no Pod"),
    ("nginx", f"{GATEWAY}/service.yaml", "targetPort: http", "targetPort: htp", "references", "htp"),
    ("nginx", f"{GATEWAY}/availability.yaml", "    name: keygate-gateway\n", "    name: keygate-gatewy\n", "references", "keygate-gatewy"),
    ("nginx", f"{GATEWAY}/availability.yaml", "component: gateway", "component: resolver", "references", "PodDisruptionBudget"),
    ("nginx", f"{GATEWAY}/network-policy.yaml", "port: http", "port: https", "references", "https"),
    ("nginx", "nginx/kustomization.yaml", "keygate-maps.conf\n", "keygate-map.conf\n", "kustomize", "keygate-map.conf"),
    ("nginx", "nginx/kustomization.yaml", "      - keygate-authorize.conf\n", "", "running", "keygate-authorize.conf"),
    ("nginx", "nginx/kustomization.yaml", "      - keygate-require-key.conf\n", "", "references", "keygate-require-key.conf"),
    ("nginx", "nginx/keygate-server.conf", "proxy_pass http://keygate_resolver/resolve;", "proxy_pass http://keygate_resolver/resolv;", "running", "503"),
    ("nginx", "nginx/keygate-maps.conf", "volatile;", "volatil;", "running", "keygate-maps.conf"),
    ("nginx", "nginx/keygate-authorize.conf", "proxy_set_header client-key \"\";", "", "running", "client-key"),
    # The overlays.
    ("nginx", f"{BASE}/overlays/nginx/kustomization.yaml", "      - services.conf\n", "      - service.conf\n", "kustomize", "service.conf"),
    ("nginx", f"{BASE}/overlays/nginx/kustomization.yaml", "  - ../../base\n", "", "references", "`keygate-"),
    ("nginx", f"{BASE}/overlays/nginx/services.conf", "keygate-resolver:7081", "keygate-resolve:7081", "running", "keygate-resolve"),
    ("nginx", f"{BASE}/overlays/nginx/services.conf", "keygate-authorizer:7082", "keygate-authorizer:7092", "running", "503"),
    ("nginx", f"{BASE}/overlays/nginx/services.conf", "include keygate-maps.conf;", "", "running", "unknown"),
    ("single", f"{BASE}/overlays/single/kustomization.yaml", "  - network-policies.yaml\n", "", "references", "no NetworkPolicy selects"),
    ("single", f"{BASE}/overlays/single/services.conf", "keygate-serve:7080", "keygate-serv:7080", "running", "keygate-serv"),
    ("single", f"{BASE}/overlays/single/gateway.conf", "keygate-server-single.conf", "keygate-server.conf", "running", "keygate_resolver"),
    ("single", f"{BASE}/overlays/single/network-policies.yaml", "component: serve\n", "component: server\n", "references", "selects no Pod"),
    ("single", f"{SERVE}/kustomization.yaml", "component: serve", "component: server", "references", "selects no Pod"),
    ("single", f"{SERVE}/serve.yaml", "            - --policy=/etc/keygate/policy/policy.yaml\n", "", "running", "policy"),
    ("single", f"{SERVE}/serve.yaml", "      port: 7080", "      port: 7081", "running", "no Pod listens at keygate-serve:7080"),
    ("single", "nginx/keygate-server-single.conf", "http://keygate_serve/check", "http://keygate_serve/chek", "running", "503"),
    ("sidecar", f"{BASE}/overlays/sidecar/kustomization.yaml", "  - path: sidecars.yaml\n", "  - path: sidecar.yaml\n", "kustomize", "sidecar.yaml"),
    ("sidecar", f"{BASE}/overlays/sidecar/services.conf", "keygate-unix.conf", "keygate-unx.conf", "running", "keygate-unx.conf"),
    ("sidecar", SIDECARS, "unix:/run/keygate/resolver.sock", "unix:/run/keygate/resolvr.sock", "running", "503"),
    ("sidecar", SIDECARS, "        - name: nginx\n          volumeMounts:\n            - name: sockets\n              mountPath: /run/keygate\n", "        - name: nginx\n", "running", "503"),
    ("sidecar", SIDECARS, "          restartPolicy: Always\n", "", "references", "not a sidecar"),
    ("sidecar", SIDECARS, "            medium: Memory", "            medium: memory", "references", "memory"),
    ("sidecar", SIDECARS, "        - name: sockets\n          emptyDir", "        - name: socket\n          emptyDir", "references", "not a volume"),
    ("sidecar", SIDECARS, "--operations=0.0.0.0:7091", "--operations=127.0.0.1:7091", "references", "other Pods cannot reach"),
    ("sidecar", SIDECARS, "secretName: keygate-keys", "secretName: keygate-ky", "references", "`keygate-ky`"),
    ("sidecar", f"{BASE}/overlays/sidecar/operations.yaml", "targetPort: 7091", "targetPort: 7081", "references", "7081"),
    ("sidecar", f"{BASE}/overlays/sidecar/operations.yaml", "        - port: 7092\n", "        - port: 7082\n", "references", "7082"),
    ("sidecar", "nginx/keygate-unix.conf", "unix:/run/keygate/authorizer.sock", "unix:/run/keygate/authoriser.sock", "running", "503"),
    ("nginx", f"{MONITORING}/kustomization.yaml", "  - service-monitor.yaml\n", "", "monitoring", "no ServiceMonitor"),
    ("nginx", f"{MONITORING}/service-monitor.yaml", "endpoints:", "endpoint:", "monitoring", "endpoint"),
    ("single", f"{MONITORING}/service-monitor.yaml", "port: operations", "port: metrics", "monitoring", "no ServiceMonitor scrapes the port 7090"),
    ("sidecar", f"{MONITORING}/service-monitor.yaml", "part-of: keygate", "part-of: keygte", "monitoring", "no ServiceMonitor scrapes"),
    ("nginx", f"{MONITORING}/alerts.yaml", "for: 2m", "for: 3m", "monitoring", "make alerts"),
    ("nginx", f"{BASE}/base/network-policies.yaml", "name: monitoring\n      ports:\n        - port: operations", "name: monitoring\n      ports:\n        - port: data", "monitoring", "to monitoring"),
    ("users", f"{USERS}/kustomization.yaml", "  - network-policy.yaml\n", "  - network-polices.yaml\n", "kustomize", "network-polices.yaml"),
    ("nginx", f"{USERS}/network-policy.yaml", "[authorizer, serve]", "[authoriser, serve]", "users", "`keygate-user-sources` selects no Pod"),
    ("single", f"{USERS}/network-policy.yaml", "[authorizer, serve]", "[authorizer, server]", "users", "`keygate-user-sources` selects no Pod"),
    ("nginx", f"{USERS}/network-policy.yaml", "- port: 443", "- port: 8443", "users", "cannot connect to TCP 443"),
    ("nginx", f"{USERS}/network-policy.yaml", "protocol: UDP", "protocol: SCTP", "users", "cannot connect to UDP 53"),
    ("nginx", "deploy/grafana/kustomization.yaml", "grafana_dashboard:", "grafana_dashbord:", "monitoring", "does not see the dashboard"),
    ("monitoring", "deploy/grafana/kustomization.yaml", "=dashboard.json", "=dashbord.json", "kustomize", "dashbord.json"),
    ("demo", f"{BASE}/overlays/demo/kustomization.yaml", "  - ../../../demo\n", "  - ../../../demos\n", "kustomize", "demos"),
    ("demo", f"{BASE}/overlays/demo/kustomization.yaml", "components:\n  - ../../../demo\n", "", "references", "`keygate-keys`"),
    ("demo", f"{BASE}/overlays/demo/nginx.conf", "listen 9000;", "listen 9001;", "references", "declares the ports"),
    ("demo", BACKEND, "containerPort: 9000", "containerPort: 9001", "references", "declares the ports"),
    ("demo", BACKEND, "      port: 8080\n", "      port: 9000\n", "running", "no Pod listens at backend:8080"),
    ("demo", BACKEND, "component: gateway", "component: gatway", "references", "do not exist"),
    ("demo", "deploy/demo/kustomization.yaml", "behavior: replace", "behavior: create", "kustomize", "keygate-policy"),
    ("demo", "deploy/demo/kustomization.yaml", "name: keygate-keys", "name: keygate-key", "references", "`keygate-keys`"),
    ("demo", "deploy/demo/keys.yaml", "clientType: A", "clientTyp: A", "running", "clientTyp"),
    ("demo", "deploy/demo/policy.yaml", "clientType === 'A' ||", "clientType == 'A' |", "running", "policy.yaml"),
]


def hadolint(root):
    linted = subprocess.run([TOOLS / "bin/hadolint", root / "deploy/Dockerfile"], capture_output=True, text=True)
    yield from linted.stdout.splitlines()


def kustomize(overlay, root):
    try:
        build(f"overlays/{overlay}", root)
    except ValueError as error:
        yield str(error)


def running(manifests, folder, root):
    try:
        with playing(manifests, folder, KEYS, root):
            yield from wrong_responses()
    except (Failed, OSError) as error:
        yield str(error)


def closed(manifests, folder, root):
    try:
        with playing(manifests, folder, KEYS, root):
            if send(None, "/orders")[0] == 200:
                yield "a request without a key is allowed"
    except (Failed, OSError) as error:
        yield str(error)


def users(manifests):
    yield from references.problems(manifests)
    yield from references.user_sources(manifests)


def problems(finder, overlay, root, folder):
    """Returns the findings of a check in an overlay of a checkout."""
    match finder:
        case "hadolint":
            return hadolint(root)
        case "kustomize":
            return kustomize(overlay, root)
        case "schema":
            return schemas.problems(build(f"overlays/{overlay}", root), schemas.VERSIONS[-1])
        case "references":
            left = set() if overlay == "demo" else references.LEFT_TO_THE_USER
            return references.problems(build(f"overlays/{overlay}", root), left, root)
        case "users":
            return users(build(f"overlays/{overlay}", root).with_users(root))
        case "policies":
            return policies.results(build(f"overlays/{overlay}", root), folder)[0]
        case "monitoring":
            return monitoring.problems(build("overlays/monitoring", root), build(f"overlays/{overlay}", root), root)
        case "running":
            return running(with_user_files(overlay, root), folder, root)
        case "closed":
            return closed(with_user_files(overlay, root, policy=None), folder, root)


@pytest.fixture
def copy(tmp_path):
    root = tmp_path / "checkout"
    for name in ("deploy", "nginx"):
        shutil.copytree(ROOT / name, root / name)
    return root


@pytest.mark.parametrize(
    ("overlay", "file", "right", "wrong", "finder", "words"),
    ERRORS,
    ids=[f"{file.rsplit('/', 1)[-1]}: {wrong.strip()[:40] or 'removed'}" for _, file, _, wrong, _, _ in ERRORS],
)
def test_an_error_is_found(overlay, file, right, wrong, finder, words, copy, tmp_path):
    path = copy / file
    text = path.read_text()
    assert right in text, "the table does not match the file"
    path.write_text(text.replace(right, wrong, 1))
    found = list(problems(finder, overlay, copy, tmp_path / "played"))
    assert any(words in problem for problem in found), found


def test_every_file_has_an_error_in_the_table():
    folders = [ROOT / BASE, ROOT / "deploy/demo", ROOT / "deploy/grafana", ROOT / "nginx"]
    files = {str(file.relative_to(ROOT)) for folder in folders for file in folder.rglob("*") if file.is_file()}
    files -= {"deploy/grafana/dashboard.json"}  # the system tests check its queries
    # Only `make run` or a user's own gateway.conf uses these; the system tests check them.
    files -= {"deploy/demo/run.sh", "deploy/demo/install.sh", "nginx/nginx.conf", "nginx/keygate.conf"}
    files -= {"nginx/keygate-require-key.conf", "nginx/keygate-limit-failures.conf", "nginx/keygate-users.conf"}
    files -= {"nginx/keygate-identity-token.conf", "nginx/keygate-grpc.conf"}
    files -= {f"{BASE}/without-namespace/kustomization.yaml"}  # test_overlays builds with it
    # test_gateways has tables of its own.
    files = {file for file in files if not file.startswith(f"{BASE}/gateways/")}
    assert files - {error[1] for error in ERRORS} == set()
