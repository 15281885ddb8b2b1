#!/usr/bin/env python3
"""The cost of many keys and many endpoints: `make bench-scale`.

The benches of the crates measure lookups and decisions in their process; `keygate check` measures
loading, and `keygate serve` under a steady load measures reloading. The measurements alternate, and the
result is the ratio within one run.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from processes import Failed, Lab, free_port
from tools import ROOT, Tools

CLIENT_TYPES = 100
CONNECTIONS = 16


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000, help="number of keys to load")
    parser.add_argument("--rounds", type=int, default=9, help="rounds (default 9)")
    parser.add_argument("--seconds", type=int, default=6, help="of load in each round (default 6)")
    parser.add_argument("--rate", type=int, default=500, help="requests per second (default 500)")
    parser.add_argument("--out", type=Path, help="folder for scale.json")
    arguments = parser.parse_args()
    tools = Tools()
    tools.install_keygate()
    tools.install_crate("oha")
    results = {
        "measured": time.strftime("%Y-%m-%d"),
        "processors": os.cpu_count(),
        "lookup": lookups(),
        "endpoints": endpoints(),
    }
    with tempfile.TemporaryDirectory(prefix="keygate-scale-") as folder:
        lab = Lab(Path(folder))
        try:
            write_files(lab.folder, arguments.keys)
            results["keys"] = arguments.keys
            results["load"] = loads(lab.folder, tools, arguments.rounds)
            results["reload"] = reloads(lab, tools, arguments)
        finally:
            lab.stop()
    print(table(results))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "scale.json").write_text(json.dumps(results, indent=1) + "\n")


# In the process


def lookups():
    """Returns nanoseconds and bytes by the number of keys."""
    return [json.loads(line) for line in bench("keygate-keys", "scale") if line.startswith("{")]


def endpoints():
    """Returns nanoseconds per decision by the number of endpoints, for requests to ten and to all of them."""
    rows = [line.split() for line in bench("keygate-policy", "matching")]
    rows = [row for row in rows if len(row) == 3 and all(re.fullmatch(r"\d+", cell) for cell in row)]
    return [{"endpoints": int(n), "ten_asked": int(ten), "all_asked": int(all_)} for n, ten, all_ in rows]


def bench(package, name):
    argv = ["cargo", "bench", "--quiet", "--package", package, "--bench", name]
    run = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)
    if not run.stdout:
        raise Failed(f"`{' '.join(argv)}`:\n{run.stderr}")
    return run.stdout.splitlines()


# A million keys


def secret(number):
    return "kg_" + hashlib.sha256(f"key {number}".encode()).hexdigest()[:43]


def entries(count):
    for number in range(count):
        digest = hashlib.sha256(secret(number).encode()).hexdigest()
        yield {"id": f"key-{number:08}", "clientType": f"client-{number % CLIENT_TYPES:02}",
               "digest": f"sha256:{digest}", "expiresAt": "2099-01-01T00:00:00Z"}  # fmt: skip


def write_files(folder, count):
    """Writes the same keys as JSON and as YAML, JSON with one more key, and a policy."""
    for name, number in {"keys": count, "more": count + 1}.items():
        with (folder / f"{name}.json").open("w") as file:
            file.write('{"version": 1, "keys": [\n')
            file.writelines(",\n" * bool(n) + json.dumps(key) for n, key in enumerate(entries(number)))
            file.write("\n]}\n")
    with (folder / "keys.yaml").open("w") as file:
        file.write("version: 1\nkeys:\n")
        for key in entries(count):
            fields = (f"{name}: {value}" for name, value in key.items())
            file.write("  - " + "\n    ".join(fields) + "\n")
    (folder / "policy.yaml").write_text(
        "version: 1\nendpoints:\n  - path: /\n    groupExpression: clientType === 'client-01'\n"
    )


def loads(folder, tools, rounds):
    """Returns the time and memory of a process that reads the file into a table."""
    found = {"json": [], "yaml": []}
    for number in range(rounds):
        say(f"loading, round {number + 1} of {rounds}, load average {os.getloadavg()[0]:.1f}")
        for kind, runs in found.items():
            # Reading YAML takes long and varies little.
            if kind == "json" or number < 2:
                runs.append(load(tools.keygate, folder / f"keys.{kind}"))
    return {
        kind: {"seconds": spread([seconds for seconds, _ in runs]), "peak_bytes": max(peak for _, peak in runs),
               "file_bytes": (folder / f"keys.{kind}").stat().st_size}
        for kind, runs in found.items()
    }  # fmt: skip


def load(keygate, file):
    start = time.monotonic()
    child = subprocess.Popen([keygate, "check", "--keys", file], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failed(f"`keygate check --keys {file}` failed")
    return seconds, usage.ru_maxrss * 1024


def reloads(lab, tools, arguments):
    """Returns latencies at a steady rate, without and with continuous reloads."""
    port, operations = free_port(), free_port()
    file = lab.folder / "served.json"
    os.link(lab.folder / "keys.json", file)
    argv = [tools.keygate, "serve", "--keys", file, "--policy", "policy.yaml",
            "--listen", f"127.0.0.1:{port}", "--operations", f"127.0.0.1:{operations}"]  # fmt: skip
    process = lab.start("authorization", argv, port)
    process.find_children()
    found = {"quiet": [], "reloading": []}
    resident = process.memory()
    scrapes = [scrape(operations) for _ in range(5)]
    send_load(tools.oha, port, arguments.rate, 2)
    count = 0
    for number in range(arguments.rounds):
        say(f"reloading, round {number + 1} of {arguments.rounds}, load average {os.getloadavg()[0]:.1f}")
        found["quiet"].append(send_load(tools.oha, port, arguments.rate, arguments.seconds))
        with Reloading(process.popen, file, operations) as reloading:
            found["reloading"].append(send_load(tools.oha, port, arguments.rate, arguments.seconds))
        count += reloading.count
    pairs = list(zip(found["quiet"], found["reloading"]))
    return {
        "rate": arguments.rate, "reloads": count, "resident_bytes": resident, "scrape_milliseconds": spread(scrapes),
        "milliseconds_each": count and arguments.rounds * arguments.seconds * 1000 // count,
        **{kind: {name: spread([run[name] for run in runs]) for name in ("p50", "p99")}
           for kind, runs in found.items()},
        "ratio": {name: spread([busy[name] / quiet[name] for quiet, busy in pairs]) for name in ("p50", "p99")},
    }  # fmt: skip


def scrape(operations):
    """Returns the milliseconds of a scrape, which counts every key."""
    start = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{operations}/metrics") as response:
        response.read()
    return (time.monotonic() - start) * 1e3


class Reloading:
    """Replaces the file before each reload is done, so that reloads run continuously. Meanwhile it sends no
    requests to the operations listener, which would delay others."""

    def __init__(self, popen, file, operations):
        self.popen, self.file, self.operations = popen, file, operations
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.before = self.generation()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()
        last, now = None, self.generation()
        self.count = now - self.before
        while now != last:  # wait for the last reload before the next measurement
            time.sleep(2)
            last, now = now, self.generation()

    def run(self):
        versions = [self.file.with_name(f"{name}.json") for name in ("more", "keys")]
        while not self.ending.wait(0.25):
            fresh = self.file.with_name("fresh.json")
            os.link(next(it for it in versions if not it.samefile(self.file)), fresh)
            os.rename(fresh, self.file)
            self.popen.send_signal(signal.SIGHUP)

    def generation(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.operations}/-/ready") as response:
            sources = json.load(response)["sources"]
        return next(source["generation"] for source in sources if source["name"] == "keys")


def send_load(oha, port, rate, seconds):
    argv = [oha, "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-c", CONNECTIONS, "-q", rate,
            "--latency-correction", "--wait-ongoing-requests-after-deadline",
            "-H", f"client-key: {secret(1)}", "-H", "original-request-uri: /orders/1",
            "-H", "original-request-method: GET", f"http://127.0.0.1:{port}/check"]  # fmt: skip
    run = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    if run.returncode != 0:
        raise Failed(f"oha: {run.stderr}")
    report = json.loads(run.stdout)
    if set(report["statusCodeDistribution"]) != {"200"}:
        raise Failed(f"not every response has status 200: {report['statusCodeDistribution']}")
    return {name: report["latencyPercentiles"][name] * 1e3 for name in ("p50", "p99")}


# Output


def spread(values):
    """Returns minimum, median and maximum."""
    return [min(values), statistics.median(values), max(values)]


def table(results):
    show = lambda values, digits: "{1:.{d}f} ({0:.{d}f}–{2:.{d}f})".format(*values, d=digits)  # noqa: E731
    lines = ["     keys   bytes each   ns per lookup of 100 keys    ratio              of all keys       ratio"]
    for row in results["lookup"]:
        cells = (f"{show(row[kind]['nanoseconds'], 0):<16}  {show(row[kind]['ratio'], 2):<17}"
                 for kind in ("hundred_asked", "all_asked"))  # fmt: skip
        lines.append(f"{row['keys']:>9,}   {row['bytes_per_key']:>10.1f}   {'  '.join(cells)}")
    lines += ["", "endpoints   ns per decision: ten requested  all requested"]
    for row in results["endpoints"]:
        lines.append(f"{row['endpoints']:>9,}   {row['ten_asked']:>30}  {row['all_asked']:>13}")
    lines += ["", f"{results['keys']:,} keys      seconds to load       peak MB, file MB"]
    for kind, row in results["load"].items():
        lines.append(f"{kind:>14}      {show(row['seconds'], 2):<20}  {row['peak_bytes'] / 1e6:.0f}, "
                     f"{row['file_bytes'] / 1e6:.0f}")  # fmt: skip
    reload = results["reload"]
    lines += ["", f"{reload['rate']} requests per second; {reload['reloads']} consecutive reloads"]
    lines.append(f"        memory      {reload['resident_bytes'] / 1e6:.0f} MB; metrics {show(reload['scrape_milliseconds'], 0)} ms")
    for kind in ("quiet", "reloading", "ratio"):
        unit = "" if kind == "ratio" else " ms"
        lines.append(f"{kind:>14}      p50 {show(reload[kind]['p50'], 2)}{unit}, p99 {show(reload[kind]['p99'], 2)}{unit}")
    return "\n".join(lines)


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main()
    except Failed as failed:
        sys.exit(f"error: {failed}")
