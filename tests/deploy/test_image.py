"""The image, as far as it can be tested without a container engine."""

import json
import re
import signal
import subprocess
import time
import tomllib

from manifests import ROOT, TOOLS, Pod, build
from pods import Container

DOCKERFILE = ROOT / "deploy/Dockerfile"


def test_the_linter_reports_nothing():
    linted = subprocess.run([TOOLS / "bin/hadolint", DOCKERFILE], capture_output=True, text=True)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_versions_are_those_of_the_workspace():
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
    text = DOCKERFILE.read_text()
    assert re.search(r'image\.version="(.+)"', text).group(1) == package["version"]
    assert re.search(r"rust:([\d.]+)\.\d+-slim", text).group(1) == package["rust-version"]
    images = {container["image"] for pod in build("overlays/sidecar").pods for container in pod.containers}
    assert f"keygate:{package['version']}" in images


def test_all_sources_reach_the_builder():
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.M)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.M)
    assert {name for names in copied for name in names.split()} == set(allowed)
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_health_check_reports_readiness(tmp_path):
    """`docker run --volume policy.yaml:/policy.yaml keygate authorizer …`, with Docker's health check."""
    user, group = map(int, re.search(r"^USER (\d+):(\d+)$", DOCKERFILE.read_text(), re.M).groups())
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "policy.yaml").write_text("version: 1\nendpoints: []\n")
    for folder in policy, *tmp_path.parents[:2]:
        folder.chmod(0o755)
    check = json.loads(re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE.read_text(), re.M).group(1))
    pod = Pod("keygate", {}, {"securityContext": {"runAsUser": user, "runAsGroup": group}, "containers": []})
    spec = {
        "name": "keygate",
        "image": "keygate:tested",
        "args": ["authorizer", "--policy=/policy/policy.yaml", "--listen=0.0.0.0:7082"],
        "env": [{"name": "KEYGATE_SHUTDOWN_DELAY_SECONDS", "value": "60"}],
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "policy", "mountPath": "/policy", "readOnly": True}],
    }
    container = Container(pod, spec, tmp_path / "container", {"policy": policy}, ROOT)
    try:
        container.start()
        assert until(lambda: container.run(check), 0)
        container.signal(signal.SIGTERM)
        assert until(lambda: container.run(check), 1)
    finally:
        container.stop()


def until(probe, expected):
    # Without /proc, a new file is loaded once it has not changed for ten seconds.
    for _ in range(1000):
        if probe() == expected:
            return True
        time.sleep(0.02)
    return False
