"""The overlays run: nginx and the program, with the files, arguments, users, mounts and probes of the
manifests."""

import json

import pytest

from manifests import OVERLAYS, ROOT, build
from pods import Failed, playing, request

GATEWAY = 8080
DEMO = ROOT / "deploy/demo"
OPEN = b"version: 1\nendpoints: [{path: /, apiKeyRequired: false}]\n"
KEYS = (DEMO / "keys.yaml").read_bytes()

# Key, target, and the expected status and text.
RESPONSES = [
    ("demo-key-of-client-a", "/orders/7?x=1", 200, "GET /orders/7?x=1\nclient-type: A\nclient-key: \n"),
    ("demo-key-of-client-c", "/orders", 403, "expression-false"),
    ("demo-key-of-client-a", "/elsewhere", 403, "no-endpoint"),
    ("demo-key-of-nobody", "/orders", 401, "unknown-key"),
    ("demo-key-of-nobody", "/status", 401, "unknown-key"),
    (None, "/orders", 401, "missing-key"),
    (None, "/status", 200, "GET /status\nclient-type: \nclient-key: \n"),
    (None, "/_keygate/authorize", 404, "404"),
]


def with_user_files(overlay, root=ROOT, policy="deploy/demo/policy.yaml"):
    """Builds an overlay and adds what users provide: a policy and a backend. The demo has both."""
    manifests, demo = build(f"overlays/{overlay}", root), build("overlays/demo", root)
    if policy is not None:
        manifests.find("ConfigMap", "keygate-policy")["data"]["policy.yaml"] = (root / policy).read_text()
    existing = {entry["metadata"]["name"] for entry in manifests.objects}
    manifests.objects += [
        entry
        for entry in demo.objects
        if entry["metadata"]["name"].startswith("backend") and entry["metadata"]["name"] not in existing
    ]
    return manifests


def send(key, target):
    headers = {"client_key": key} if key else {}
    status, body = request(GATEWAY, target, **headers)
    return status, body if status == 200 else json.loads(body)["detail"] if body.startswith("{") else body


def wrong_responses():
    """Yields the responses that differ from the expected ones."""
    for key, target, status, text in RESPONSES:
        got, body = send(key, target)
        if (got, text in body) != (status, True):
            yield f"{key} on {target} gets {got} {body}"


@pytest.fixture(params=OVERLAYS)
def running(request, tmp_path):
    with playing(with_user_files(request.param), tmp_path, KEYS) as containers:
        yield containers


def test_requests_are_allowed_and_denied(running):
    assert list(wrong_responses()) == []
    services = [container for name, container in running.items() if name not in ("nginx", "keygate-gateway", "backend")]
    [endpoint] = build("overlays/monitoring").find("ServiceMonitor", "keygate")["spec"]["endpoints"]
    for container in services:
        port = container.pod.port_number(container.spec["readinessProbe"]["httpGet"]["port"])
        assert "keygate_" in request(port, endpoint["path"])[1]
        # settings.yaml sets the JSON format.
        for line in container.output().splitlines():
            json.loads(line)


def test_a_policy_from_the_kubelet_is_active_within_one_second(running):
    assert send(None, "/orders")[0] == 401
    for container in running.values():
        if any(mount["name"] == "policy" for mount in container.spec["volumeMounts"]):
            container.renew("policy", {"policy.yaml": OPEN})
    assert send(None, "/orders")[0] == 200


@pytest.mark.parametrize("overlay", sorted(set(OVERLAYS) - {"demo"}))
def test_an_unmodified_overlay_denies_every_request(overlay, tmp_path):
    with playing(with_user_files(overlay, policy=None), tmp_path, KEYS):
        assert {send(key, target)[0] for key, target, _, _ in RESPONSES} == {401, 403, 404}


def test_missing_keys_stop_the_start(tmp_path):
    with pytest.raises(Failed, match="Secret `keygate-keys`"), playing(with_user_files("nginx"), tmp_path):
        pass
