"""What no schema says: that the objects of an overlay mean one another.

Each function yields a sentence for every thing that is wrong.
"""

# What an overlay leaves to whoever applies it: the keys, and what is behind the gateway.
LEFT_TO_THE_USER = {("Secret", "keygate-keys")}


def problems(manifests, brought_by_user=LEFT_TO_THE_USER):
    for check in (volumes, mounts, accounts, services, probes, disruptions, scaling, network, spread, names):
        for problem in check(manifests):
            if not any(f"{kind} `{name}`" in problem for kind, name in brought_by_user):
                yield problem


def sources(volume):
    """The kind and name of everything that a volume is made of."""
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
                    yield f"{pod.workload} mounts the {kind} `{name}`, which is not there"


def mounts(manifests):
    for pod in manifests.pods:
        there = {volume["name"] for volume in pod.spec.get("volumes", [])}
        used = set()
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                used.add(mount["name"])
                if mount["name"] not in there:
                    yield f"{pod.workload}: {container['name']} mounts `{mount['name']}`, which is no volume"
                if "subPath" in mount:
                    yield f"{pod.workload}: `{mount['name']}` is mounted by subPath, and would never change"
        for name in there - used:
            yield f"{pod.workload}: nobody mounts the volume `{name}`"


def accounts(manifests):
    for pod in manifests.pods:
        name = pod.spec.get("serviceAccountName")
        if manifests.find("ServiceAccount", name) is None:
            yield f"{pod.workload} runs as the ServiceAccount `{name}`, which is not there"


def services(manifests):
    for service in manifests.of_kind("Service"):
        name, spec = service["metadata"]["name"], service["spec"]
        pods = manifests.selected(spec["selector"])
        if not pods:
            yield f"the Service `{name}` selects no Pod"
        for pod in pods:
            for port in spec["ports"]:
                if pod.port_number(port["targetPort"]) is None:
                    yield f"the Service `{name}` leads to the port {port['targetPort']}, which {pod.workload} has not"


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
                    yield f"{pod.workload}: the {kind} asks {probe['httpGet']['port']}, which is no port of {container['name']}"


def disruptions(manifests):
    for budget in manifests.of_kind("PodDisruptionBudget"):
        labels = budget["spec"].get("selector", {}).get("matchLabels")
        # No selector is no Pod, an empty one is every Pod of the namespace.
        if not labels or len(manifests.selected(labels)) != 1:
            yield f"the PodDisruptionBudget `{budget['metadata']['name']}` does not select one workload's Pods"


def scaling(manifests):
    scaled = set()
    for scaler in manifests.of_kind("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        scaled.add(target["name"])
        workload = manifests.find(target["kind"], target["name"])
        if workload is None:
            yield f"the autoscaler `{scaler['metadata']['name']}` scales `{target['name']}`, which is not there"
        elif "replicas" in workload["spec"]:
            yield f"`{target['name']}` says how many it is, and would be set back whenever it is applied"
    for workload in manifests.of_kind("Deployment"):
        name, spec = workload["metadata"]["name"], workload["spec"]
        if name not in scaled and "replicas" not in spec:
            yield f"nobody says how many Pods `{name}` has"


def network(manifests):
    """Every Pod is behind a policy, every policy is before a Pod, and names one that is there."""
    guarded = set()
    for policy in manifests.of_kind("NetworkPolicy"):
        name, spec = policy["metadata"]["name"], policy["spec"]
        pods = manifests.selected(spec["podSelector"].get("matchLabels", {}))
        if not pods:
            yield f"the NetworkPolicy `{name}` guards no Pod"
        guarded |= {pod.workload for pod in pods}
        for rule in spec.get("ingress", []):
            for peer in rule.get("from", []):
                labels = peer.get("podSelector", {}).get("matchLabels")
                if labels is not None and not manifests.selected(labels):
                    yield f"the NetworkPolicy `{name}` lets in Pods that are not there: {labels}"
            for port in rule.get("ports", []):
                for pod in pods:
                    if pod.port_number(port["port"]) is None:
                        yield f"the NetworkPolicy `{name}` opens the port {port['port']}, which {pod.workload} has not"
    for pod in manifests.pods:
        if pod.workload not in guarded:
            yield f"no NetworkPolicy guards {pod.workload}"


def spread(manifests):
    for pod in manifests.pods:
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            labels = constraint["labelSelector"]["matchLabels"]
            if [other.workload for other in manifests.selected(labels)] != [pod.workload]:
                yield f"{pod.workload} is spread by labels that are not its own alone: {labels}"


def names(manifests):
    """One namespace, and workloads whose selectors find their own Pods and nobody else's."""
    namespace = manifests.of_kind("Namespace")[0]["metadata"]["name"]
    for entry in manifests.objects:
        if entry["kind"] != "Namespace" and entry["metadata"].get("namespace") != namespace:
            yield f"the {entry['kind']} `{entry['metadata']['name']}` is not in the namespace `{namespace}`"
    for workload in manifests.of_kind("Deployment"):
        name = workload["metadata"]["name"]
        found = manifests.selected(workload["spec"]["selector"]["matchLabels"])
        if [pod.workload for pod in found] != [name]:
            yield f"the Deployment `{name}` does not select its own Pods alone"
