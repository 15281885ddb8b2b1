"""The schemas of gateways' custom resources, Helm values and annotations; an unknown field is an error."""

import json
import subprocess
from copy import deepcopy
from pathlib import Path

import jsonschema
import yaml

from manifests import ROOT

PACKAGES = ROOT / "target/tools/custom-resources"
FOLDER = Path(__file__).parent / "custom-resources"
OWN = yaml.safe_load((FOLDER / "own-schemas.yaml").read_text())


def is_custom(entry):
    """Returns whether Kubernetes itself has no schema of the object."""
    group = entry["apiVersion"].rpartition("/")[0]
    return group == "gateway.networking.k8s.io" or "." in group and not group.endswith(".k8s.io")


def problems(manifests):
    custom = [entry for entry in manifests.objects if is_custom(entry)]
    yield from published(entry for entry in custom if entry["kind"] not in OWN)
    for entry in custom:
        if entry["kind"] in OWN:
            yield from own(entry["kind"], entry, f"{entry['kind']} `{entry['metadata']['name']}`")
    for entry in manifests.of_kind("Ingress"):
        annotations = entry["metadata"].get("annotations", {})
        yield from own("annotations", annotations, f"Ingress `{entry['metadata']['name']}`")


def published(entries):
    """Validates against the schemas that npm has."""
    text = json.dumps([without_experiments(entry) for entry in entries])
    command = ["node", FOLDER / "validate.mjs", PACKAGES]
    return json.loads(subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout)


def without_experiments(entry):
    """Replaces a value of the Gateway API's experimental channel, which the schema of the standard one lacks."""
    entry = deepcopy(entry)
    for rule in entry["spec"].get("rules", []) if entry["kind"] == "HTTPRoute" else []:
        for entry_filter in rule.get("filters", []):
            if entry_filter["type"] == "ExternalAuth":
                entry_filter["type"] = "ExtensionRef"
    return entry


def own(name, value, title):
    """Validates against a schema of this repository."""
    for error in jsonschema.Draft202012Validator(OWN[name]).iter_errors(value):
        yield f"{title}: {'.'.join(map(str, error.path))}: {error.message}"
