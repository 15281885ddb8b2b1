#!/usr/bin/env python3
"""Instructions of one request, counted by callgrind: `make instructions`.

The number of instructions does not depend on the machine's load, so it shows every change in the cost of
a request. It covers user space, from the bytes of an authorization request to those of its response.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXPECTED = Path(__file__).with_suffix(".json")
REQUESTS = ["resolve", "auth", "check"]
MARGIN = 0.05
# The difference of two counts excludes the start.
FEW, MANY = 1000, 3000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path, help="the built example `hot_path`")
    parser.add_argument("--update", action="store_true", help=f"update {EXPECTED.name}")
    parser.add_argument("--functions", action="store_true", help="also print the instructions by function")
    arguments = parser.parse_args()
    counts = {}
    for request in REQUESTS:
        few, many = (collect(arguments.program, request, count) for count in (FEW, MANY))
        counts[request] = round((many["total"] - few["total"]) / (MANY - FEW))
        if arguments.functions:
            functions(request, few, many)
    if arguments.update:
        EXPECTED.write_text(json.dumps(counts, indent=1) + "\n")
    sys.exit(compare(counts, json.loads(EXPECTED.read_text())))


def collect(program, request, count):
    """Returns the instructions of a run: the total, and those of each function."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "callgrind"
        run("valgrind", "--tool=callgrind", f"--callgrind-out-file={file}", program, request, count)
        lines = run("callgrind_annotate", "--auto=no", "--threshold=100", file).splitlines()
    found = {"total": 0}
    for line in lines:
        if one := re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+(.*)", line):
            name = re.sub(r" \[[^]]*\]$", "", one[2]).split(":", 1)[-1]
            name = "total" if "PROGRAM TOTALS" in one[2] else name
            found[name] = found.get(name, 0) + int(one[1].replace(",", ""))
    return found


def functions(request, few, many):
    each = {name: (many[name] - few.get(name, 0)) / (MANY - FEW) for name in many if name != "total"}
    print(f"\n{request}")
    for name, count in sorted(each.items(), key=lambda one: -one[1])[:25]:
        print(f"{count:8.0f}  {name[:110]}")


def compare(counts, expected):
    """Prints the table, and returns whether a count differs by more than the margin."""
    print(f"{'request':10} {'instructions':>12} {'expected':>9}")
    worse = better = False
    for request, count in counts.items():
        of = expected[request]
        worse |= count > of * (1 + MARGIN)
        better |= count < of * (1 - MARGIN)
        print(f"{request:10} {count:12} {of:9} {count / of - 1:+7.1%}")
    if worse or better:
        what = "more expensive" if worse else "cheaper"
        print(f"error: a request became {what} by more than {MARGIN:.0%}: fix it, or explain it in the commit "
              "and run `make instructions INSTRUCTIONS=--update`", file=sys.stderr)  # fmt: skip
    return worse or better


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"error: {words[0]}: {done.stderr.strip()[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
