#!/usr/bin/env python3
"""`docker run` and `docker compose up`, as far as the pages use them: containers are processes with their mounts.

Their names lead to this machine, in the network of the page.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import yaml

PROGRAMS = {"keygate": ["keygate"], "docker.io/library/nginx": ["nginx", "-g", "daemon off;"]}


def started(image, command, volumes, **options):
    """Starts an image's program, with an own /run and the volumes in their places."""
    lines = ["set -e", "mount -t tmpfs tmpfs /run"]
    for volume in volumes:
        source, target, *_ = volume.split(":")
        if not target.startswith(("/etc/", "/run/")):
            sys.exit(f"{target}: only /etc and /run are the page's own")
        source, target = shlex.quote(str(Path(source).resolve(strict=True))), shlex.quote(target)
        lines.append(f"mkdir -p {target}; mount --bind {source} {target}")
    program = [*PROGRAMS[image.rpartition(":")[0]], *command]
    lines.append(f"exec {shlex.join(program)}")
    return subprocess.Popen(["unshare", "--mount", "sh", "-c", "\n".join(lines)], stdin=subprocess.DEVNULL, **options)


def run(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--volume", action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    return started(options.image, options.command, options.volume).wait()


def up():
    services = yaml.safe_load(Path("compose.yaml").read_text())["services"]
    with open("/etc/hosts", "a") as hosts:
        hosts.write("".join(f"127.0.0.1 {name}\n" for name in services))
    waiting = dict(services)
    running = set()
    while waiting:
        # KeyError: a service depends on one that does not exist.
        name = next(name for name, one in waiting.items() if running.issuperset(one.get("depends_on", {})))
        service = waiting.pop(name)
        log = open(f"/run/{name}.log", "w")
        process = started(service["image"], service.get("command", []), service["volumes"], stdout=log, stderr=log)
        if service["image"].startswith("keygate:"):
            until_healthy(name, process)
        running.add(name)
    return 0


def until_healthy(name, process):
    """Waits until the service has started; the image's health check does the same."""
    for _ in range(200):
        text = Path(f"/run/{name}.log").read_text()
        if " started " in text:
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"{name} is not healthy: {text}")


match sys.argv[1:]:
    case ["run", *arguments]:
        sys.exit(run(arguments))
    case ["compose", "up", "--detach", "--wait"]:
        sys.exit(up())
    case _:
        sys.exit(f"{os.path.basename(__file__)} does not know `{shlex.join(sys.argv[1:])}`")
