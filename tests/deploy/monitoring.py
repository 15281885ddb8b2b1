"""Checks the monitoring overlay against the operator's models and against another overlay."""

import json

import pydantic
import yaml
from cloudcoil.models.prometheus_operator import v1

from manifests import ROOT


def problems(monitoring, watched, root=ROOT):
    unreadable = list(models(monitoring))
    if unreadable:
        yield from unreadable
        return
    yield from alerts(monitoring, root)
    yield from scraped(monitoring, watched)
    for dashboard in monitoring.of_kind("ConfigMap"):
        if dashboard["metadata"].get("labels", {}).get("grafana_dashboard") != "1":
            yield "Grafana's sidecar does not see the dashboard"
        json.loads(dashboard["data"]["keygate.json"])


def models(monitoring):
    """Validates the operator's own kinds, which Kubernetes' schemas lack, and rejects unknown fields."""
    for kind in ("ServiceMonitor", "PrometheusRule"):
        entries = monitoring.of_kind(kind)
        if not entries:
            yield f"no {kind} in the overlay"
        for entry in entries:
            try:
                getattr(v1, kind).model_validate(entry, extra="forbid")
            except pydantic.ValidationError as error:
                yield f"{kind}: {error}"


def alerts(monitoring, root):
    source = yaml.safe_load((root / "deploy/prometheus/alerts.yaml").read_text())
    if any(entry["spec"] != source for entry in monitoring.of_kind("PrometheusRule")):
        yield "the alerts differ from deploy/prometheus/alerts.yaml: run `make alerts`"


def scraped(monitoring, watched):
    """Checks that every operations port of the other overlay is scraped, and open in its NetworkPolicies."""
    found = set()
    for monitor in monitoring.of_kind("ServiceMonitor"):
        wanted = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
        labels = monitor["spec"]["selector"]["matchLabels"]
        for service in watched.of_kind("Service"):
            if not labels.items() <= service["metadata"].get("labels", {}).items():
                continue
            for port in service["spec"]["ports"]:
                if port["name"] in wanted:
                    found |= {pod.port_number(port["targetPort"]) for pod in watched.selected(service["spec"]["selector"])}
    for number in operations_ports(watched) - found:
        yield f"no ServiceMonitor scrapes the port {number}"
    for number in operations_ports(watched) - open_to_monitoring(watched):
        yield f"no NetworkPolicy opens the port {number} to monitoring"


def operations_ports(watched):
    arguments = [argument for pod in watched.pods for container in pod.containers for argument in container["args"]]
    return {int(argument.rpartition(":")[2]) for argument in arguments if argument.startswith("--operations=")}


def open_to_monitoring(watched):
    numbers = set()
    for policy in watched.of_kind("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            if any("namespaceSelector" in peer for peer in rule.get("from", [])):
                for pod in watched.selected(policy["spec"]["podSelector"]["matchLabels"]):
                    numbers |= {pod.port_number(port["port"]) for port in rule["ports"]}
    return numbers
