"""The systemd units: their users, and who can read the keys and connect to the sockets."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from manifests import ROOT
from pods import KEYGATE, in_user_namespace, libraries

SYSTEMD = ROOT / "deploy/systemd"
INSTALLED = {
    "keygate@.service": "usr/lib/systemd/system/keygate@.service",
    "sysusers.conf": "usr/lib/sysusers.d/keygate.conf",
    "tmpfiles.conf": "usr/lib/tmpfiles.d/keygate.conf",
}
ROLES = ["resolver", "authorizer", "serve"]


def unit(role):
    """Returns the settings of the unit, each as a list, because a line may be repeated."""
    settings = {}
    for line in (SYSTEMD / "keygate@.service").read_text().replace("%i", role).splitlines():
        name, assigned, value = line.partition("=")
        if assigned and not line.startswith("#"):
            settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture
def machine():
    """The root directory of a machine with the program, its units and the demo's files."""
    # Not in pytest's folder: each of its workers makes that folder inaccessible to other users again.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder) / "machine"
        fill(root)
        yield root


def fill(root):
    for name, place in INSTALLED.items():
        (root / place).parent.mkdir(parents=True)
        shutil.copy(SYSTEMD / name, root / place)
    for program in [KEYGATE, *map(Path, libraries(KEYGATE))]:
        place = root / ("usr/bin/keygate" if program == KEYGATE else str(program).lstrip("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program, place)
    (root / "etc/keygate").mkdir(parents=True)
    for name in ("keys.yaml", "policy.yaml"):
        shutil.copy(ROOT / "deploy/demo" / name, root / "etc/keygate")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nwww-data:x:33:\n")


def test_systemd_understands_the_units(machine):
    # The units that this one depends on.
    shutil.copytree("/usr/lib/systemd/system", machine / "usr/lib/systemd/system", dirs_exist_ok=True, symlinks=True)
    (machine / "bin").mkdir()
    shutil.copy("/bin/kill", machine / "bin/kill")
    for role in ROLES:
        verified = subprocess.run(
            ["systemd-analyze", "verify", f"--root={machine}", "--recursive-errors=no", "--man=no", f"keygate@{role}.service"],
            capture_output=True, text=True,
        )
        assert (verified.returncode, verified.stderr) == (0, "")


def test_the_units_are_hardened():
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", SYSTEMD / "keygate@.service"],
        capture_output=True, text=True,
    )
    assert rated.returncode == 0, rated.stdout.splitlines()[-1]


def ids(machine, user):
    """Returns the user's id, its primary group and all its groups."""
    passwd = {line.split(":")[0]: line.split(":") for line in (machine / "etc/passwd").read_text().splitlines()}
    groups = [line.split(":") for line in (machine / "etc/group").read_text().splitlines()]
    number, own = int(passwd[user][2]), int(passwd[user][3])
    return number, own, [own] + [int(group[2]) for group in groups if user in group[3].split(",")]


def may(machine, user, act, *arguments):
    """Returns whether an action of a user of the machine succeeds."""
    number, own, groups = ids(machine, user)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(own)
            os.setuid(number)
            act(*arguments)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.skipif(in_user_namespace(), reason="only root may become the users of the units")
def test_each_role_runs_as_its_user_and_reads_only_its_files(machine):
    for tool in ["systemd-sysusers"], ["systemd-tmpfiles", "--create", "--prefix=/etc/keygate", "--prefix=/run/keygate"]:
        subprocess.run([*tool, f"--root={machine}"], check=True, capture_output=True)
    running = [start(machine, role) for role in ROLES]
    try:
        for role, process in zip(ROLES, running):
            path = machine / f"run/keygate/{role}.sock"
            wait_for(path, process)
            assert may(machine, "www-data", connect, path), f"nginx cannot connect to the {role}"
        keys = machine / "etc/keygate/keys.yaml"
        readers = {role: may(machine, f"keygate-{role}", keys.read_text) for role in ROLES}
        assert readers == {"resolver": True, "authorizer": False, "serve": True}
        assert not may(machine, "www-data", keys.read_text)
        assert not may(machine, "www-data", (machine / "run/keygate/resolver.sock").unlink)
    finally:
        for process in running:
            process.kill()
            process.wait()


def start(machine, role):
    settings = unit(role)
    number, own, groups = ids(machine, settings["User"][0])
    environment = dict(entry.split("=", 1) for entry in settings["Environment"])
    spec = f"--userspec={number}:{own}", f"--groups={','.join(map(str, groups))}"
    return subprocess.Popen(
        ["chroot", *spec, machine, *settings["ExecStart"][0].split()],
        env=environment | {"PATH": os.environ["PATH"]}, umask=int(settings["UMask"][0], 8),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def wait_for(path, process):
    # Without /proc, a new file is loaded once it has not changed for ten seconds.
    for _ in range(2000):
        try:
            return connect(path)
        except OSError:
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.01)
    raise AssertionError(f"no process listens on {path}")
