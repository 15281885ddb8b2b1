"""The commands and files of docs/kubernetes.md work."""

import base64
import os
import re
import subprocess

import yaml

import schemas
from manifests import KUBECTL, ROOT, TOOLS, Manifests, build
from pods import KEYGATE, playing
from test_running import send, with_user_files

TEXT = (ROOT / "docs/kubernetes.md").read_text()
YAML, SH = (re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.M | re.S) for kind in ("yaml", "sh"))
ENVIRONMENT = os.environ | {"PYTHONPATH": str(TOOLS), "KUBECONFIG": "/dev/null"}


def test_a_kustomization_of_yours_builds(tmp_path):
    (tmp_path / "keygate").symlink_to(ROOT)
    (tmp_path / "kustomization.yaml").write_text("".join(YAML))
    (tmp_path / "policy.yaml").write_text((ROOT / "deploy/demo/policy.yaml").read_text())
    (tmp_path / "gateway.conf").write_text("# yours\n")
    yours = build(tmp_path)
    assert list(schemas.problems(yours, schemas.VERSIONS[0])) == []
    assert yours.find("ConfigMap", "keygate-policy")["data"]["policy.yaml"].count("/orders") == 1
    assert yours.starting_with("ConfigMap", "keygate-gateway")["data"]["gateway.conf"] == "# yours\n"
    images = {container["image"].split(":")[0] for pod in yours.pods for container in pod.containers}
    assert images == {"registry.example.com/keygate", "docker.io/library/nginx"}
    authorizer = yours.find("Deployment", "keygate-authorizer")["spec"]["template"]["metadata"]
    assert authorizer["annotations"]["policy"].startswith("2026")


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
