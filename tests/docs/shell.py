"""A shell for a page, in namespaces of its own, and the comparison of its output with the page."""

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from page import ROOT, Command, NotRun, Write

HERE = Path(__file__).parent
DEBUG = ROOT / "target/debug"
PATIENCE = 30
# `curl` is repeated for so long: files are reloaded within a second, plus time for a busy machine.
RELOAD = 5
SERVICE = re.compile(r"^(?:\w+=\S*\s+)*keygate\s+(?:resolver|authorizer|serve)\b(?!.*(?:--help|&\s*$))", re.S)
KEY = re.compile(r"\bkg_(\w*)…")


def network_of(pid):
    """The network namespace of a process; None if it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


class Mismatch(Exception):
    """The page is wrong: what it shows is not what happens."""


class Shell:
    """Bash in a folder of its own; variables stay from one command to the next."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = {}
        self.settings = []
        self.configurations = set()
        self.check_flags = "--deny-warnings"
        programs = folder / "bin"
        programs.mkdir()
        (programs / "keygate").symlink_to(DEBUG / "keygate")
        (programs / "demo_backend").symlink_to(DEBUG / "examples/demo_backend")
        (programs / "nginx").symlink_to(HERE / "nginx.sh")
        (programs / "docker").symlink_to(HERE / "docker.py")
        page = folder / "page"
        for name in ("nginx", "deploy"):
            shutil.copytree(ROOT / name, page / name)
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        self.status, status = os.pipe()
        user = [] if os.getuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
        self.bash = subprocess.Popen(
            # Not `--pid`: in such a namespace, Keygate cannot see all writers of a file, and waits ten seconds.
            ["unshare", *user, "--net", "--mount", "bash", HERE / "enter.sh", folder, f"/proc/self/fd/{status}"],
            stdin=subprocess.PIPE,
            stdout=(folder / "shell.log").open("w"),
            stderr=subprocess.STDOUT,
            pass_fds=[status],
            cwd=page,
            env={
                "PATH": f"{programs}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": str(folder),
                "LC_ALL": "C.UTF-8",
                # For `docker`, which is a script of the tests.
                "PYTHONPATH": str(ROOT / "target/tools/docs"),
            },
        )
        os.close(status)
        # Of the shell, since it has run a command.
        self.run("true")
        self.network = network_of(self.bash.pid)

    def close(self):
        """Kills every process of the page: all that are in its network."""
        assert self.network not in (None, network_of(os.getpid()))
        while found := [pid for pid in filter(str.isdecimal, os.listdir("/proc")) if network_of(pid) == self.network]:
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.01)
        self.bash.wait()
        os.close(self.status)

    def take(self, step):
        """Does one step of the page; raises `Mismatch` where the page is wrong."""
        if isinstance(step, Write):
            self.write(step)
        elif isinstance(step, NotRun):
            self.check_flags = "" if step.warnings else self.check_flags
        else:
            self.serve(step) if SERVICE.match(step.text) else self.command(step)

    def write(self, step):
        text = self.with_keys(step.text)
        if step.name.endswith("nginx.conf") and not re.search(r"^\s*events\b", text, re.M) and not step.append:
            text = "events {}\n" + text
        if "keygate" in text and step.name.startswith(("/etc/nginx/conf.d/", "/etc/nginx/sites-enabled/")):
            self.configurations.add("/etc/nginx/nginx.conf")
        elif "keygate" in text and step.name.endswith("nginx.conf"):
            self.configurations.add(step.name)
        name, arrow = shlex.quote(step.name), ">>" if step.append else ">"
        status, output = self.run(f'mkdir -p "$(dirname {name})" && printf %s {shlex.quote(text)} {arrow} {name}')
        if status:
            raise Mismatch(f"the file `{step.name}` cannot be written: {output}")

    def check_configurations(self):
        """`keygate check` finds nothing in the nginx configurations of the page, as they are at its end."""
        for name in sorted(self.configurations):
            settings = " ".join(self.settings)
            status, output = self.run(f"keygate check --nginx {shlex.quote(name)} {settings} {self.check_flags}")
            if status:
                raise Mismatch(f"at the end of the page, `keygate check` finds:\n{output}")

    def command(self, step):
        text = self.with_keys(step.text)
        if text.startswith("keygate nginx-includes "):
            # The configuration is checked with the settings that its includes were written for.
            self.settings = re.findall(r"--config \S+", text)
        until = time.monotonic() + RELOAD
        while True:
            status, output = self.run(text)
            matches = self.matches(step.expected, output) if step.expected else status == 0
            if matches or not text.startswith("curl ") or time.monotonic() > until:
                break
            time.sleep(0.1)
        if not matches:
            raise Mismatch(report(text, step.expected, status, output))

    def serve(self, step):
        """Starts a service, or starts it again, and waits until it listens."""
        text = self.with_keys(step.text)
        name = re.sub(r"\W+", "-", text)
        # A service with the same addresses is the same one: it stops first.
        addresses = re.findall(r"(?:listen|operations)\s+\S+", text)
        service = re.search(r"keygate\s+(\w+)", text)[1]
        variable = "service_" + re.sub(r"\W+", "_", " ".join([service, *addresses]))
        log = shlex.quote(str(self.folder / f"{name[:100]}.log"))
        status, output = self.run(
            f"[ -z ${{{variable}-}} ] || kill -- -${variable}\n"
            f"while [ ${variable} ] && kill -0 -- -${variable} 2>/dev/null; do sleep 0.05; done\n"
            f": >{log}\n"  # the loop below must not see the log of the former process
            f"set -m\n{{ {text}\n}} >>{log} 2>&1 & {variable}=$!\nset +m\n"
            f"for _ in {{1..200}}; do grep -qw started {log} && break; "
            f"kill -0 ${variable} 2>/dev/null || break; sleep 0.05; done; cat {log}; grep -qw started {log}"
        )
        if status != 0 and not step.expected or step.expected and not self.matches(step.expected, output):
            raise Mismatch(report(text, step.expected, status, output))

    def run(self, text):
        """Runs a command in the shell: its exit code, and what it wrote."""
        output = self.folder / "output"
        try:
            self.bash.stdin.write(text.encode() + b"\0")
            self.bash.stdin.flush()
        except BrokenPipeError:
            raise Mismatch(f"the shell has ended:\n{(self.folder / 'shell.log').read_text()}") from None
        ready, _, _ = select.select([self.status], [], [], PATIENCE)
        status = os.read(self.status, 16) if ready else b""
        text = output.read_text(errors="replace").replace("\r\n", "\n") if output.exists() else ""
        if not status:
            problem = f"not finished after {PATIENCE} seconds" if not ready else "the shell has ended"
            raise Mismatch(f"{problem}:\n{text}{(self.folder / 'shell.log').read_text()}")
        return int(status), text

    def with_keys(self, text):
        """Puts the keys that commands have printed in the place of `kg_…`."""

        def key(match):
            if match[1] not in self.keys:
                raise Mismatch(f"no command before this one has printed the key `{match[0]}`:\n{text}")
            return self.keys[match[1]]

        return KEY.sub(key, text)

    def matches(self, expected, output):
        names, pattern = [], ""
        for line in expected:
            if line.strip() == "…":
                pattern += r"(?:.*\n)*?"
                continue
            names += KEY.findall(line)
            parts = [re.escape(part) for part in re.split("(…)", line.rstrip())]
            line = "".join(parts).replace("…", ".*")
            line = re.sub(r"kg_\w*\.\*", r"(kg_[0-9A-Za-z]+)", line)
            # Not compared: times of day, and the width of columns.
            line = re.sub(r"T\d\d:\d\d:\d\dZ", r"T\\d\\d:\\d\\d:\\d\\dZ", line)
            line = re.sub(r"(\\ ){2,}", "  +", line)
            pattern += line + r"[ \t]*\n"
        found = re.fullmatch(pattern, output if output.endswith("\n") else output + "\n")
        if found:
            self.keys |= dict(zip(names, found.groups()))
        return bool(found)


def report(text, expected, status, output):
    wanted = "\n".join(expected) if expected else "(exit code 0)"
    return f"$ {text}\n--- the page ---\n{wanted}\n--- the output (exit code {status}) ---\n{output}"
