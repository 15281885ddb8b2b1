"""The commands and files of docs/kubernetes.md work, and the kustomization of docs/gateways.md."""

import base64
import os
import re
import subprocess

import pytest
import yaml

import custom_resources
import schemas
from gateway_examples import EXAMPLES, FOLDER
from manifests import KUBECTL, ROOT, TOOLS, Manifests, build
from pods import KEYGATE, playing
from test_running import send, with_user_files

TEXT = (ROOT / "docs/kubernetes.md").read_text()
YAML, SH = (re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.M | re.S) for kind in ("yaml", "sh"))
FIELDS_WITH_A_NAMESPACE = {
    "address": r"address: http://keygate-serve\.keygate\.",
    "owning-gateway-namespace": r"owning-gateway-namespace: keygate\b",
    "raw-headers.yaml": r"name: keygate/keygate/http",
    "service": r"service: keygate-serve\.keygate\.",
    "server": r"server keygate-serve\.keygate\.",
    "auth-url": r"auth-url: http://keygate-serve\.keygate\.",
}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(TOOLS), "KUBECONFIG": "/dev/null"}


def built(folder, kustomization):
    (folder / "keygate").symlink_to(ROOT)
    (folder / "kustomization.yaml").write_text(kustomization)
    (folder / "policy.yaml").write_text((ROOT / "deploy/demo/policy.yaml").read_text())
    return build(folder)


def test_a_kustomization_of_yours_builds(tmp_path):
    first, *additions = [yaml.safe_load(text) for text in YAML]
    first["resources"].append("keygate/deploy/kubernetes/overlays/monitoring")
    first["labels"] = [entry for it in additions for entry in it.get("labels", [])]
    first["patches"] = [entry for it in additions for entry in it.get("patches", [])]
    first["configMapGenerator"] += [entry for it in additions for entry in it.get("configMapGenerator", [])]
    (tmp_path / "gateway.conf").write_text("# yours\n")
    (tmp_path / "settings.yaml").write_text("log-level: debug\n")
    yours = built(tmp_path, yaml.safe_dump(first))
    standard = yours.without(lambda entry: entry["apiVersion"].startswith("monitoring.coreos.com/"))
    assert list(schemas.problems(standard, schemas.VERSIONS[0])) == []
    assert yours.find("ConfigMap", "keygate-policy")["data"]["policy.yaml"].count("/orders") == 1
    assert yours.starting_with("ConfigMap", "keygate-gateway")["data"]["gateway.conf"] == "# yours\n"
    assert yours.starting_with("ConfigMap", "keygate-settings")["data"] == {"settings.yaml": "log-level: debug\n"}
    images = {container["image"].split(":")[0] for pod in yours.pods for container in pod.containers}
    assert images == {"registry.example.com/keygate", "docker.io/library/nginx"}
    authorizer = yours.find("Deployment", "keygate-authorizer")["spec"]["template"]["metadata"]
    assert authorizer["annotations"]["policy"].startswith("2026")
    assert yours.find("PrometheusRule", "keygate")["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    for role in ["resolver", "authorizer"]:
        ingress = yours.find("NetworkPolicy", f"keygate-{role}")["spec"]["ingress"]
        assert [rule["ports"][0]["port"] for rule in ingress] == ["data", "operations"]
        assert ingress[1]["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}


def test_a_kustomization_for_another_gateway_builds(tmp_path):
    page = (ROOT / "docs/gateways.md").read_text()
    [kustomization] = re.findall(r"^```yaml\n(apiVersion: kustomize.*?)^```", page, re.M | re.S)
    yours = built(tmp_path, kustomization)
    assert list(custom_resources.problems(yours)) == []
    kinds = {entry["kind"] for entry in yours.objects}
    assert "Middleware" in kinds and "IngressRoute" not in kinds
    assert "/orders" in yours.find("ConfigMap", "keygate-policy")["data"]["policy.yaml"]
    [source] = yours.find("NetworkPolicy", "keygate-from-traefik")["spec"]["ingress"][0]["from"]
    assert source["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert source["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "traefik"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_lists_each_namespace_that_kustomize_does_not_change(tmp_path, example):
    """Names of the namespace inside values, which a second environment has to patch."""
    (tmp_path / "keygate").symlink_to(ROOT)
    folder = f"keygate/deploy/kubernetes/{FOLDER}/{example}"
    resources = yaml.safe_dump({"namespace": "second", "resources": [folder]})
    (tmp_path / "kustomization.yaml").write_text(resources)
    values = ROOT / folder.removeprefix("keygate/") / "mesh-config.yaml"
    text = build(tmp_path).text + (values.read_text() if values.exists() else "")
    left = {field for field in FIELDS_WITH_A_NAMESPACE if re.search(FIELDS_WITH_A_NAMESPACE[field], text)}
    everywhere = re.findall(r"keygate-serve\.keygate|keygate/keygate|-namespace: keygate$", text, re.M)
    assert bool(left) == bool(everywhere)
    page = (ROOT / "docs/gateways.md").read_text().split("| folder | values with the namespace |")[1].split("\n\n")[0]
    row = next((row for row in page.splitlines() if f"| `{example.split('/')[0]}` |" in row), "")
    assert all(f"`{field}`" in row for field in left)


def command(words, folder, **names):
    """Runs a command of the page, without its comment and without the part that needs a cluster."""
    line = next(line for block in SH for line in block.replace("\\\n", "").splitlines() if words in line)
    line = line.split("  #")[0].removesuffix("|").strip()
    for name, value in names.items():
        line = line.replace(name.replace("_", "-"), value)
    programs = {"keygate ": f"{KEYGATE} ", "kubectl ": f"{KUBECTL} "}
    program = next(name for name in programs if line.startswith(name))
    line = programs[program] + line.removeprefix(program)
    done = subprocess.run(line, shell=True, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


def secret(folder):
    return yaml.safe_load(command("--dry-run=client", folder))


def files_of(secret):
    return {name: base64.b64decode(value) for name, value in secret["data"].items()}


def test_a_key_goes_into_the_secret_and_is_revoked_from_there(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    key = command("keygate keys create", files).strip()
    manifests = with_user_files("nginx")
    manifests.find("ConfigMap", "keygate-policy")["data"]["policy.yaml"] = "version: 1\nendpoints: [{path: /orders}]\n"
    manifests.objects.append(secret(files))
    assert manifests.find("Secret", "keygate-keys")["metadata"]["namespace"] == "keygate"
    identity = yaml.safe_load((files / "keys.yaml").read_text())["keys"][0]["id"]

    with playing(manifests, tmp_path / "played") as containers:
        assert send(key, "/orders")[0] == 200
        newer = command("keygate keys rotate", files, shop_2026_11_24=identity).strip()
        command("keygate keys disable", files, erp_2025_03_01=identity)
        containers["keygate-resolver"].renew("keys", files_of(secret(files)))
        assert send(key, "/orders") == (401, "unknown-key")
        assert send(newer, "/orders")[0] == 200
