"""Load, and its measurements."""

import json
import re
import subprocess
from dataclasses import dataclass

import traffic
from processes import Failed

CONNECTIONS = 32
WARM_UP = 0.4
# Requests of a warm-up, which is ended before it counts them: at least as many as there can be.
MOST_IN_WARM_UP = 20_000


@dataclass
class Saturated:
    """The throughput of 32 connections without a pause."""

    requests: int
    per_second: float
    cpu: dict  # part -> microseconds per request, for each of its processes


@dataclass
class Paced:
    """The latency of requests at a fixed rate, measured from their scheduled time."""

    p50: float  # milliseconds
    p99: float


def saturate(variant, script, seconds) -> Saturated:
    wrk(variant, script, WARM_UP)
    before = [(process, process.cpu_seconds()) for process in variant.processes]
    requests, per_second = wrk(variant, script, seconds)
    cpu = {}
    for process, start in before:
        spent = (process.cpu_seconds() - start) / requests * 1e6
        cpu.setdefault(process.part, []).append(spent)
    return Saturated(requests, per_second, cpu)


def wrk(variant, script, seconds):
    # wrk only supports whole seconds; a timeout ends a shorter warm-up.
    whole = seconds >= 1
    arguments = ["--", variant.credentials, variant.sent] if variant.credentials else []
    argv = ["wrk", "--threads", "1", "--connections", CONNECTIONS, "--duration", f"{max(1, round(seconds))}s",
            "--script", script, f"http://127.0.0.1:{variant.port}", *arguments]  # fmt: skip
    try:
        run = subprocess.run([str(word) for word in argv], capture_output=True, text=True,
                             timeout=None if whole else seconds)  # fmt: skip
    except subprocess.TimeoutExpired:
        variant.sent += MOST_IN_WARM_UP
        return 0, 0.0
    failed = re.search(r"(Non-2xx or 3xx responses|Socket errors).*", run.stdout)
    requests = re.search(r"(\d+) requests in", run.stdout)
    if failed or not requests or int(requests[1]) == 0:
        raise Failed(f"`{variant.name}` did not respond to every request with 200:\n{run.stdout}{run.stderr}")
    variant.sent += int(requests[1]) + CONNECTIONS
    return int(requests[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)[1])


def pace(variant, oha, rate, seconds) -> Paced:
    headers = {**traffic.HEADERS["small"], "client-key": traffic.key(1), **variant.credential()}
    argv = [oha, "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-c", CONNECTIONS, "-q", rate,
            "--latency-correction", "--wait-ongoing-requests-after-deadline"]  # fmt: skip
    for name, value in headers.items():
        argv += ["-H", f"{name}: {value}"]
    argv.append(f"http://127.0.0.1:{variant.port}{traffic.target(1)}")
    run = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    if run.returncode != 0:
        raise Failed(f"oha: {run.stderr}")
    report = json.loads(run.stdout)
    percentiles = report["latencyPercentiles"]
    if set(report["statusCodeDistribution"]) != {"200"}:
        raise Failed(f"`{variant.name}` did not respond to every request with 200: {report['statusCodeDistribution']}")
    return Paced(percentiles["p50"] * 1e3, percentiles["p99"] * 1e3)
