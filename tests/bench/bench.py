#!/usr/bin/env python3
"""Compares the cost of authorization: `make bench`.

All variants run at the same time, and each round measures them in turn (A B C … A B C …), so that other
load on the machine affects all of them. The result is the ratio to bare nginx in the same round; times
and rates depend on the machine.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import load
import report
import traffic
import variants
from processes import Failed, Lab
from tools import ROOT, Tools


def main():
    arguments = parse()
    tools = Tools()
    crates = {"oha": arguments.rate > 0, "akas": "akas" in arguments.variants}
    tools.install([name for name, is_needed in crates.items() if is_needed])
    with tempfile.TemporaryDirectory(prefix="keygate-bench-") as folder:
        # nginx's worker is another user if the benchmark runs as root.
        os.chmod(folder, 0o755)
        lab = Lab(Path(folder))
        try:
            results = measure(lab, tools, arguments)
        finally:
            lab.stop()
    results["versions"] = tools.versions()
    results["settings"] = {
        "rounds": arguments.rounds, "seconds": arguments.seconds, "rate": arguments.rate,
        "connections": load.CONNECTIONS, "keys": traffic.KEYS, "endpoints": traffic.ENDPOINTS,
        "processors": os.cpu_count(),
    }  # fmt: skip
    print(report.table(results))
    if arguments.out:
        report.write(results, arguments.out)
    if arguments.page:
        report.write_page(results, ROOT / "docs")


def measure(lab, tools, arguments):
    builder = variants.Builder(lab, tools)
    started = {}
    for name in arguments.variants:
        started[name] = variants.ALL[name](builder)
        started[name].check()
    for process in lab.running:
        process.find_children()
    sets = arguments.headers
    scripts = {headers: traffic.write_wrk_script(lab.folder, headers) for headers in sets}
    results = {name: {"title": variant.name, **{headers: [] for headers in sets}, "paced": []}
               for name, variant in started.items()}  # fmt: skip
    for number in range(arguments.rounds):
        say(f"round {number + 1} of {arguments.rounds}, load average {os.getloadavg()[0]:.1f}")
        for headers in sets:
            for name, variant in started.items():
                one = load.saturate(variant, scripts[headers], arguments.seconds)
                results[name][headers].append({"per_second": one.per_second, "cpu": one.cpu})
        for name, variant in started.items() if arguments.rate else ():
            # A paced load sends the same headers again and again.
            if variant.sent_once:
                continue
            one = load.pace(variant, tools.oha, arguments.rate, arguments.seconds)
            results[name]["paced"].append({"p50": one.p50, "p99": one.p99})
    for name, variant in started.items():
        memory = {}
        for process in variant.processes:
            memory[process.part] = memory.get(process.part, 0) + process.memory()
        results[name]["memory"] = memory
    return {"measured": time.strftime("%Y-%m-%d"), "variants": results}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=4, help="rounds (default 4)")
    parser.add_argument("--seconds", type=int, default=1, help="of each measurement (default 1)")
    parser.add_argument("--rate", type=int, default=2000,
                        help="requests per second for the latencies; 0 leaves them out (default 2000)")  # fmt: skip
    parser.add_argument("--headers", action="append", choices=traffic.HEADERS,
                        help="default: all")
    parser.add_argument("--out", type=Path, help="folder for all numbers and tables")
    parser.add_argument("--page", action="store_true", help="update docs/speed.md and its chart")
    parser.add_argument("variants", nargs="*", metavar="VARIANT",
                        help=f"default: all of {', '.join(variants.ALL)}")  # fmt: skip
    arguments = parser.parse_args()
    unknown = set(arguments.variants) - set(variants.ALL)
    if unknown:
        parser.error(f"no such variant: {', '.join(sorted(unknown))}")
    missing = set(report.PAGE) - set(arguments.variants or variants.ALL)
    if arguments.page and (missing or not arguments.rate):
        parser.error(f"--page needs latencies and all variants of the page; missing: {sorted(missing)}")
    arguments.headers = arguments.headers or list(traffic.HEADERS)
    arguments.variants = arguments.variants or list(variants.ALL)
    if "bare" not in arguments.variants:
        arguments.variants.insert(0, "bare")
    return arguments


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main()
    except Failed as failed:
        sys.exit(f"error: {failed}")
