"""The results as a table, as JSON and as a picture."""

import json
from statistics import median

import chart

PARTS = ["gateway", "authorization", "backend"]


def table(results) -> str:
    variants = results["variants"]
    sets = [headers for headers in ("small", "browser") if variants["bare"].get(headers)]
    lines = []
    for headers in sets:
        lines += [f"{headers} headers", "", *rows(variants, headers), ""]
    return "\n".join(lines)


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
        parts = [f"{one[part]:.1f}" if part in one else "–" for part in PARTS]
        cells = [variant["title"], spread(one["ratio"], 2), spread(one["total"], 1), *parts,
                 f"{one['per_second']:.0f}"]  # fmt: skip
        if paced:
            cells += [spread(percentile(variant, which), 2) for which in ("p50", "p99")]
        cells.append(memory(variant))
        yield "| " + " | ".join(cells) + " |"


def summary(variants, name, headers):
    """Of one variant: the ratio of every round, total of every round, medians of the parts."""
    measured, bare = variants[name][headers], variants["bare"][headers]
    totals = [sum(one["cpu"].values()) for one in measured]
    base = [sum(one["cpu"].values()) for one in bare]
    parts = {part: median(one["cpu"][part] for one in measured)
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
    """Median, with minimum and maximum."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def memory(variant) -> str:
    """Of gateway and authorization together."""
    used = sum(size for part, size in variant["memory"].items() if part != "backend")
    return f"{used / 2**20:.0f}"


def write(results, folder):
    (folder / "speed.json").write_text(json.dumps(results, indent=1) + "\n")
    bars = [
        (variant["title"], summary(results["variants"], name, "small"))
        for name, variant in results["variants"].items()
    ]
    (folder / "speed.svg").write_text(chart.stacked(bars, PARTS))
