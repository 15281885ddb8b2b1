"""The manifests that kustomize builds from an overlay."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "target/tools/deploy"
KUBECTL = TOOLS / "bin/kubectl"

# The overlays that run Pods; monitoring is applied on top of one of them.
OVERLAYS = ["nginx", "sidecar", "single", "demo"]


@dataclass(frozen=True)
class Pod:
    """The Pod of a workload."""

    workload: str
    labels: dict
    spec: dict

    @property
    def containers(self):
        return self.spec.get("initContainers", []) + self.spec["containers"]

    def port_number(self, port):
        """Returns the number of a port, given by name or number; None if no container has it."""
        for container in self.containers:
            for declared in container.get("ports", []):
                if port in (declared.get("name"), declared["containerPort"]):
                    return declared["containerPort"]
        return None


class Manifests:
    """The objects of one overlay."""

    def __init__(self, text):
        self.text = text
        self.objects = [entry for entry in yaml.safe_load_all(text) if entry]

    def of_kind(self, kind):
        return [entry for entry in self.objects if entry["kind"] == kind]

    def find(self, kind, name):
        return next((entry for entry in self.of_kind(kind) if entry["metadata"]["name"] == name), None)

    def starting_with(self, kind, name):
        """Returns an object whose name may end with a hash of its content."""
        return next(entry for entry in self.of_kind(kind) if entry["metadata"]["name"].startswith(name))

    @property
    def pods(self):
        return [
            Pod(entry["metadata"]["name"], template["metadata"]["labels"], template["spec"])
            for entry in self.of_kind("Deployment")
            for template in [entry["spec"]["template"]]
        ]

    def selected(self, labels):
        return [pod for pod in self.pods if labels.items() <= pod.labels.items()]

    def selected_by(self, selector):
        """The Pods of a label selector, which may have expressions."""
        pods = self.selected(selector.get("matchLabels", {}))
        for expression in selector.get("matchExpressions", []):
            assert expression["operator"] == "In", expression
            pods = [pod for pod in pods if pod.labels.get(expression["key"]) in expression["values"]]
        return pods

    def without(self, excluded):
        """These objects, without those that a function selects."""
        rest = Manifests(self.text)
        rest.objects = [entry for entry in self.objects if not excluded(entry)]
        return rest

    def with_users(self, root=ROOT):
        """These objects, with those of the overlay `users` on top."""
        return Manifests(f"{self.text}---\n{build('overlays/users', root).text}")


def build(overlay, root=ROOT):
    """Builds an overlay of a checkout, or of a copy of one."""
    command = [KUBECTL, "kustomize", root / "deploy/kubernetes" / overlay]
    environment = os.environ | {"PYTHONPATH": str(TOOLS)}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment)
    if outcome.returncode != 0:
        raise ValueError(f"kustomize cannot build {overlay}: {outcome.stderr}")
    return Manifests(outcome.stdout)
