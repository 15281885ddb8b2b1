"""The processes of a variant, and their use of CPU and memory."""

import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path


class Failed(Exception):
    """A requirement of the benchmark does not work."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Process:
    """A program and its children, in one of the parts `gateway`, `authorization`, `backend`."""

    part: str
    popen: subprocess.Popen
    pids: list = field(default_factory=list)

    def find_children(self):
        """Reads /proc once: no program starts a child later, and only one child ends by itself, nginx's
        cache loader, which does little."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rsplit(") ", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
        self.pids = [self.popen.pid]
        for pid in self.pids:
            self.pids += [child for child, parent in parents.items() if parent == pid]

    def cpu_seconds(self) -> float:
        """Returns the CPU time, user and system, from the scheduler's nanosecond counters."""
        nanoseconds = 0
        for pid in self.pids:
            for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                nanoseconds += int(schedstat.read_text().split()[0])
        return nanoseconds / 1e9

    def memory(self) -> int:
        """Returns the resident bytes, with shared pages counted proportionally (PSS)."""
        total = 0
        for pid in self.pids:
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except FileNotFoundError:
                continue
            total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total * 1024


class Lab:
    """Starts programs, and stops all of them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.running = []

    def start(self, part, argv, listens, env=None, cwd=None) -> Process:
        """Starts a program and waits until it listens: a port of loopback, or a socket's path."""
        log_path = self.folder / f"{len(self.running):02}-{Path(str(argv[0])).name}.log"
        with log_path.open("wb") as log:
            popen = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd or self.folder,
                env={**os.environ, **{name: str(value) for name, value in (env or {}).items()}},
            )  # fmt: skip
        process = Process(part, popen)
        self.running.append(process)
        deadline = time.monotonic() + 20
        while not accepts(listens):
            if popen.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"`{argv[0]}` does not start:\n{log_path.read_text()[-2000:]}")
            time.sleep(0.02)
        return process

    def stop(self):
        for process in reversed(self.running):
            process.popen.terminate()
        for process in self.running:
            try:
                process.popen.wait(5)
            except subprocess.TimeoutExpired:
                process.popen.kill()


def accepts(listens) -> bool:
    unix = isinstance(listens, Path)
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as caller:
        try:
            caller.connect(str(listens) if unix else ("127.0.0.1", listens))
        except OSError:
            return False
        return True
