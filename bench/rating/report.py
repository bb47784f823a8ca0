"""From results.json to a table, to docs/speed.md and to its plot.

python -m bench.rating.report page|plot     prints what belongs into docs/
"""

from __future__ import annotations

import dataclasses
import html
import json
import math
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
RESULTS = HERE / "results.json"
LABELS = {
    "sqlite": "Undercroft, SQLite",
    "postgresql": "Undercroft, PostgreSQL",
    "mariadb": "Undercroft, MariaDB",
    "influxdb": "CloudKitty, InfluxDB",
    "v1": "CloudKitty, v1 SQL on PostgreSQL",
}
PEERS = ("influxdb", "v1")
ASKED = {
    "project and type": "total by project and type",
    "type": "total by type",
    "ungrouped": "total, ungrouped",
    "time": "total by hour",
    "time-d": "total by day",
    "project": "cost of one project",
    "resource": "cost of one resource",
    "page first": "first page of 100 points",
    "page middle": "middle page",
    "page last": "last page",
}
METHOD = """\
500 projects, 14,000 resources, 5 types, hourly. Everybody is driven through the interface that CloudKitty gives its storage
drivers, frames in and frames out, each in a process of its own, slice by slice in turns. Making the frames is not counted.
Questions are about one month; the best of several. The peers are run at sizes they load in about five minutes. The raw floor is
the engine's client library writing the same rows, already encoded, into an identical table with identical indexes, 10,000 to a
durable transaction.
"""
MONTH = "project and type"
Figure = Callable[[dict[str, Any]], float]


@dataclasses.dataclass(frozen=True)
class Target:
    """A bar that was set, and where we are."""

    what: str
    bar: str
    got: str
    met: bool


# -- numbers -----------------------------------------------------------------------------------------------------------------


def at(subject: dict[str, Any], size: str | None = None) -> dict[str, Any]:
    """A subject's figures at a size, or at its largest."""
    sizes: dict[str, Any] = subject["sizes"]
    return sizes[size or max(sizes, key=int)]  # type: ignore[no-any-return]


def common(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The largest size that both were measured at."""
    size: str = max(one["sizes"].keys() & other["sizes"].keys(), key=int)
    return size


def milliseconds(seconds: float) -> str:
    """A duration in milliseconds, three digits."""
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def targets(run: dict[str, Any]) -> Iterator[Target]:
    """Every bar that the run can be held against."""
    subjects = run["subjects"]

    def ratio(what: str, bar: float, name: str, peer: str, figure: Figure) -> Iterator[Target]:
        if peer in subjects:
            size = common(subjects[name], subjects[peer])
            got = figure(at(subjects[name], size)) / figure(at(subjects[peer], size))
            yield Target(f"{LABELS[name]}: {what}", f"≥ {bar:g} times {LABELS[peer]}", f"{got:.3g} times", got >= bar)

    for name, subject in subjects.items():
        if name in PEERS:
            continue
        yield from ratio("push, calls of 40", 4 if name == "sqlite" else 1.5, name, "influxdb", lambda s: s["push 40"])
        yield from ratio("push, calls of 40", 20, name, "v1", lambda s: s["push 40"])
        yield from ratio("push, calls of 10,000", 5, name, "influxdb", lambda s: s["push 10,000"])
        if "floor" in subject:
            share = at(subject, subject["floor"]["size"])["push 10,000"] / subject["floor"]["rows"]
            yield Target(f"{LABELS[name]}: push, calls of 10,000", "≥ 15 % of the raw floor", f"{share:.1%}", share >= 0.15)
        yield from ratio("months by project and type a second", 50, name, "influxdb", lambda s: 1 / s["ask"][MONTH]["seconds"])
        if {"1000000", "10000000"} <= subject["sizes"].keys():
            small, large = (at(subject, size)["ask"][MONTH]["seconds"] for size in ("1000000", "10000000"))
            what = f"{LABELS[name]}: month by project and type, 10 million points"
            yield Target(what, "≤ 1.3 times 1 million", f"{large / small:.3g} times", large / small <= 1.3)
        most = {"sqlite": 60, "postgresql": 120}.get(name)
        if most:
            size = at(subject)["bytes"]
            yield Target(f"{LABELS[name]}: bytes a point", f"≤ {most}", f"{size:.0f}", size <= most)


# -- text --------------------------------------------------------------------------------------------------------------------


def rows(run: dict[str, Any]) -> list[list[str]]:
    """The figures of a run: a row per measure and size, a column per subject."""
    names = [name for name in LABELS if name in run["subjects"]]
    subjects = run["subjects"]
    sizes = sorted({size for subject in subjects.values() for size in subject["sizes"]}, key=int)
    table = [["", "points", *(LABELS[name] for name in names)]]

    def row(what: str, size: str, figure: Callable[[dict[str, Any]], str]) -> None:
        cells = []
        for name in names:
            found = subjects[name]["sizes"].get(size)
            try:
                cells.append(figure(found) if found else "")
            except KeyError:
                cells.append("-")
        table.append([what, f"{int(size):,}", *cells])

    for what in ("push 40", "push 10,000"):
        for size in sizes:
            row(f"{what.replace('push', 'push, calls of')}, points/s", size, lambda s, what=what: f"{s[what]:,}")  # type: ignore[misc]
    if any("floor" in subject for subject in subjects.values()):
        floors = [subjects[name].get("floor") for name in names]
        table.append(["raw floor, rows/s", "", *(f"{floor['rows']:,}" if floor else "" for floor in floors)])
    for name, what in ASKED.items():
        for size in sizes:
            row(f"{what}, ms", size, lambda s, name=name: milliseconds(s["ask"][name]["seconds"]))  # type: ignore[misc]
    for size in sizes:
        row("bytes a point", size, lambda s: f"{s['bytes']:.0f}")
    for phase, what in (("push", "peak memory of the client, pushing, MiB"), ("ask", "peak memory of the client, asking, MiB")):
        row(what, sizes[-1], lambda s, phase=phase: f"{s['memory'][phase]}")  # type: ignore[misc]
    cells = [at(subjects[name]).get("delete a day") for name in names]
    table.append(["delete of the first day, points/s", "", *(f"{c['rows'] / c['seconds']:,.0f}" if c else "-" for c in cells)])
    return table


def text(results: dict[str, Any]) -> str:
    """The results for a terminal."""
    parts = []
    for run in results["runs"]:
        lines = rows(run)
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        parts.append(f"\n{run['data']}\n")
        for line in lines:
            cells = [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
            parts.append("  ".join(cells).rstrip())
        parts.append("")
        parts += [f"{'met   ' if t.met else 'MISSED'}  {t.what}: {t.got} (target {t.bar})" for t in targets(run)]
    return "\n".join(parts)


def markdown(lines: list[list[str]], numbers: int) -> str:
    """A Markdown table whose last `numbers` columns are set to the right."""
    left = len(lines[0]) - numbers
    ruled = [lines[0], ["---"] * left + ["---:"] * numbers, *lines[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in ruled)


def page(results: dict[str, Any]) -> str:
    """docs/speed.md."""
    machine = results["machine"]
    versions = {name: s["version"] for name, s in results["runs"][0]["subjects"].items()}
    loads = [load[0] for load in results["load"]]
    busy = "busy with other work: what waits for the disk is slower than on a quiet one" if max(loads) > 2.5 else "quiet"
    durable = "Durable settings: every answered push is on disk." if results["durable"] else "Not durable, so not to be quoted."
    parts = [
        "# Speed\n",
        "<!-- Generated from bench/rating/results.json (make bench-rating, make docs). -->\n",
        f"""\
One run on {results["began"]} UTC: {machine["processors"]} processors ({machine["processor"]}), {machine["memory_gib"]} GiB, \
Python {machine["python"]}; {", ".join(f"{LABELS[n]}: {v}" for n, v in versions.items())}. {durable} \
Load average {min(loads):.1f} to {max(loads):.1f}; the machine was {busy}.
""",
        METHOD,
        "![Speed beside the peers](images/rating-speed.svg)\n",
    ]
    for run in results["runs"]:
        parts.append(f"## {run['data'][0].upper()}{run['data'][1:]}\n")
        parts.append(markdown(rows(run), len(run["subjects"]) + 1))
        found = [[t.what, t.bar, t.got, "met" if t.met else "**missed**"] for t in targets(run)]
        if found:
            parts.append("Against the targets:\n")
            parts.append(markdown([["", "target", "measured", ""], *found], 0))
    parts.append("`-`: the driver cannot do it. Empty: not measured at that size.\n")
    return "\n".join(parts)


# -- plot --------------------------------------------------------------------------------------------------------------------

COLOURS = {"sqlite": "#0b6e4f", "postgresql": "#2a9d6f", "mariadb": "#7cc6a2", "influxdb": "#b5651d", "v1": "#d9a066"}
WIDTH, LEFT, BAR, GAP, HEAD = 860, 250, 18, 6, 46


def plot(results: dict[str, Any]) -> str:
    """docs/images/rating-speed.svg: four panels of bars on logarithmic scales."""
    subjects = results["runs"][0]["subjects"]
    names = [name for name in LABELS if name in subjects]
    last = {name: at(subjects[name]) for name in names}
    panels: list[tuple[str, dict[str, float]]] = [
        ("Push in calls of 40, points a second (more is better)", {n: last[n]["push 40"] for n in names}),
        ("Push in calls of 10,000, points a second (more is better)", {n: last[n]["push 10,000"] for n in names}),
        ("A month by project and type, ms (less is better)", {n: last[n]["ask"][MONTH]["seconds"] * 1e3 for n in names}),
        ("Bytes a point, everything included (less is better)", {n: last[n]["bytes"] for n in names}),
    ]
    body: list[str] = []
    y = 10
    for title, values in panels:
        low = 10 ** math.floor(math.log10(min(values.values()) * 0.99))
        high = max(values.values())
        body.append(f'<text x="16" y="{y + 20}" class="title">{html.escape(title)}</text>')
        y += HEAD - 16
        for name, value in values.items():
            length = max(3.0, (WIDTH - LEFT - 190) * math.log(value / low) / math.log(high / low))
            points = int(max(subjects[name]["sizes"], key=int))
            body.append(f'<text x="{LEFT - 10}" y="{y + 14}" text-anchor="end">{html.escape(LABELS[name])}</text>')
            body.append(f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR}" rx="2" fill="{COLOURS[name]}"/>')
            label = f"{value:,.0f} at {points:,} points"
            body.append(f'<text x="{LEFT + length + 8:.0f}" y="{y + 14}" class="value">{label}</text>')
            y += BAR + GAP
        y += 14
    body.append(f'<text x="16" y="{y + 6}" class="value">Lengths are logarithmic, each panel on its own scale.</text>')
    y += 20
    style = "text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600;font-size:14px}.value{fill:#555}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    return "\n".join([head, f"<style>{style}</style>", '<rect width="100%" height="100%" fill="#fff"/>', *body, "</svg>"]) + "\n"


def main() -> None:
    results = json.loads(RESULTS.read_text())
    sys.stdout.write({"page": page, "plot": plot}[sys.argv[1]](results))


if __name__ == "__main__":
    main()
