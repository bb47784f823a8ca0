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
SHORT = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
# Of these every row is to be at least as fast as the best peer.
BESIDE_BEST = ("sqlite", "postgresql")
# The mark of what is behind.
BEHIND = "▼"
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
durable transaction. The last columns set ours against the best peer of the row: how many times as fast, or as small.
"""
BY_HAND = """\
The floor of a question: the best statement that one would write by hand against our tables, through the engine's client library, by
somebody who knows the data, and the rows turned into the same answer. The share is the floor's time in ours.
"""
TOGETHER = """\
Processes that push at once, as CloudKitty's workers do: 8, each with 10 projects of its own and a connection of its own; a push is
one project's hour, 40 points. They start at one moment, on one store; the first hour, in which every resource is new, is not
counted. Points from there to the end of the last push, what they put off included; the median of 3 rounds in turns.
"""
ONCE = "8 processes at once"
MONTH = "project and type"
# What a question's floor is to be of our time.
SHARE = 0.7
# Deletions, a size each.
GONE = {
    "delete a project's day": "delete of one project's first day",
    "delete an hour": "delete of an hour of all projects",
}
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


def times(ratio: float) -> str:
    """A ratio, with a mark where ours is behind."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}" if ratio >= 1 else f"{ratio:.3g} {BEHIND}"


def targets(run: dict[str, Any]) -> Iterator[Target]:
    """Every bar that the run can be held against."""
    subjects = run["subjects"]

    def ratio(what: str, bar: float, name: str, peer: str, figure: Figure) -> Iterator[Target]:
        if peer in subjects:
            size = common(subjects[name], subjects[peer])
            try:
                got = figure(at(subjects[name], size)) / figure(at(subjects[peer], size))
            except KeyError:
                return
            yield Target(f"{LABELS[name]}: {what}", f"≥ {bar:g} times {LABELS[peer]}", f"{got:.3g} times", got >= bar)

    for name, subject in subjects.items():
        if name in PEERS:
            continue
        yield from ratio("push, calls of 40", 4 if name == "sqlite" else 1.5, name, "influxdb", lambda s: s["push 40"])
        yield from ratio("push, calls of 40", 20, name, "v1", lambda s: s["push 40"])
        yield from ratio("push, calls of 10,000", 5, name, "influxdb", lambda s: s["push 10,000"])
        if "floor" in subject and "push 10,000" in at(subject, subject["floor"]["size"]):
            share = at(subject, subject["floor"]["size"])["push 10,000"] / subject["floor"]["rows"]
            yield Target(f"{LABELS[name]}: push, calls of 10,000", "≥ 15 % of the raw floor", f"{share:.1%}", share >= 0.15)
        yield from ratio("months by project and type a second", 50, name, "influxdb", lambda s: 1 / s["ask"][MONTH]["seconds"])
        if "floor" in (month := at(subject)["ask"].get(MONTH, {})):
            share = month["floor"] / month["seconds"]
            what = f"{LABELS[name]}: month by project and type"
            yield Target(what, f"≥ {SHARE:.0%} of its floor".replace("%", " %"), f"{share:.1%}", share >= SHARE)
        if {"1000000", "10000000"} <= subject["sizes"].keys() and month:
            small, large = (at(subject, size)["ask"][MONTH]["seconds"] for size in ("1000000", "10000000"))
            what = f"{LABELS[name]}: month by project and type, 10 million points"
            yield Target(what, "≤ 1.3 times 1 million", f"{large / small:.3g} times", large / small <= 1.3)
        most = {"sqlite": 60, "postgresql": 120}.get(name)
        if most:
            size = at(subject)["bytes"]
            yield Target(f"{LABELS[name]}: bytes a point", f"≤ {most}", f"{size:.0f}", size <= most)
        if name in BESIDE_BEST:
            ratios = [each for line in lines(run) if line.speed and (each := line.ratio(name)) is not None]
            if ratios:
                ahead = sum(each >= 1 for each in ratios)
                what = f"{LABELS[name]}: rows at least as fast as the best peer"
                yield Target(what, f"all {len(ratios)}", f"{ahead}", ahead == len(ratios))


def targets_at_once(found: dict[str, Any]) -> Iterator[Target]:
    """The bars of those that push at once."""
    for name, bar in (("postgresql", 2.0), ("mariadb", 1.5)):
        if name in found and "influxdb" in found:
            got = found[name]["points/s"] / found["influxdb"]["points/s"]
            yield Target(f"{LABELS[name]}: {ONCE}", f"≥ {bar:g} times {LABELS['influxdb']}", f"{got:.3g} times", got >= bar)


# -- text --------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        what: is measured.
        size: of the store, as it is printed.
        values: by subject; a name that is missing was not measured there, None is what the driver cannot do.
        form: how a value is printed.
        less: whether less is better.
        speed: whether it is about time.
        alike: False where the subjects were not measured on equal terms, so that nobody is set against another.
    """

    what: str
    size: str
    values: dict[str, float | None]
    form: Callable[[float], str]
    less: bool = False
    speed: bool = True
    alike: bool = True

    def ratio(self, name: str) -> float | None:
        """How many times as good as the best peer; None where there is nothing to compare."""
        ours = self.values.get(name)
        peers = [value for peer in PEERS if (value := self.values.get(peer)) is not None]
        if ours is None or not peers or not self.alike:
            return None
        return min(peers) / ours if self.less else ours / max(peers)

    def compared(self, name: str) -> str:
        """The ratio for the table, with a mark where ours is behind."""
        got = self.ratio(name)
        if got is None:
            return ""
        return times(got)

    def cells(self, names: list[str]) -> list[str]:
        """The row."""
        values = {name: value for name, value in self.values.items() if value is not None}
        each = [self.form(values[name]) if name in values else "-" if name in self.values else "" for name in names]
        return [self.what, self.size, *each, *(self.compared(name) for name in beside(names))]


def beside(names: list[str]) -> list[str]:
    """Ours that are set against the best peer, where there is one."""
    return [name for name in names if name not in PEERS] if set(PEERS) & set(names) else []


def whole(value: float) -> str:
    """A number without places."""
    return f"{value:,.0f}"


def lines(run: dict[str, Any]) -> list[Line]:
    """The figures of a run, a line per measure and size."""
    subjects = {name: run["subjects"][name] for name in LABELS if name in run["subjects"]}
    sizes = sorted({size for subject in subjects.values() for size in subject["sizes"]}, key=int)
    found: list[Line] = []

    def line(
        what: str, size: str, figure: Figure, form: Callable[[float], str] = whole, *, less: bool = False, speed: bool = True
    ) -> None:
        values: dict[str, float | None] = {}
        for name, subject in subjects.items():
            if size in subject["sizes"]:
                try:
                    values[name] = figure(subject["sizes"][size])
                except KeyError:
                    values[name] = None
        if any(value is not None for value in values.values()):
            found.append(Line(what, f"{int(size):,}", values, form, less, speed))

    for what in ("push 40", "push 10,000"):
        for size in sizes:
            line(f"{what.replace('push', 'push, calls of')}, points/s", size, lambda s, what=what: s[what])  # type: ignore[misc]
    floors: dict[str, float | None] = {name: s["floor"]["rows"] for name, s in subjects.items() if "floor" in s}
    if floors:
        found.append(Line("raw floor, rows/s", "", floors, whole))
    for name, what in ASKED.items():
        for size in sizes:
            line(f"{what}, ms", size, lambda s, name=name: s["ask"][name]["seconds"], milliseconds, less=True)  # type: ignore[misc]
    for name, what in GONE.items():
        for size in sizes:
            line(f"{what}, ms", size, lambda s, name=name: s[name]["seconds"], milliseconds, less=True)  # type: ignore[misc]
    days = {name: at(subject).get("delete a day") for name, subject in subjects.items()}
    if any(days.values()):
        per_second = {name: day and day["rows"] / day["seconds"] for name, day in days.items()}
        # Everyone's is at the largest size that it was filled to.
        alike = len({max(subjects[name]["sizes"], key=int) for name, day in days.items() if day}) == 1
        found.append(Line("delete of the first day, points/s", "", per_second, whole, alike=alike))
    for size in sizes:
        line("bytes a point", size, lambda s: s["bytes"], less=True, speed=False)
    for phase, what in (("push", "peak memory of the client, pushing, MiB"), ("ask", "peak memory of the client, asking, MiB")):
        line(what, sizes[-1], lambda s, phase=phase: s["memory"][phase], less=True, speed=False)  # type: ignore[misc]
    return found


def rows(run: dict[str, Any]) -> list[list[str]]:
    """The table of a run: a row per measure and size, a column per subject, and ours beside the best peer."""
    names = [name for name in LABELS if name in run["subjects"]]
    head = ["", "points", *(LABELS[name] for name in names), *(f"{SHORT[name]} : best peer" for name in beside(names))]
    return [head, *(line.cells(names) for line in lines(run))]


def floors(run: dict[str, Any]) -> list[list[str]]:
    """Each question of a run beside its floor; empty where none was measured."""
    subjects = {name: run["subjects"][name] for name in LABELS if name in run["subjects"] and name not in PEERS}
    sizes = sorted({size for subject in subjects.values() for size in subject["sizes"]}, key=int)
    table = [["", "points", *(f"{SHORT[name]}, {what}" for name in subjects for what in ("ms", "by hand, ms", "share"))]]
    for question, what in ASKED.items():
        for size in sizes:
            cells = []
            for subject in subjects.values():
                asked = subject["sizes"].get(size, {}).get("ask", {}).get(question, {})
                if "floor" not in asked:
                    cells += ["", "", ""]
                    continue
                seconds, floor = asked["seconds"], asked["floor"]
                cells += [milliseconds(seconds), milliseconds(floor), f"{floor / seconds:.0%}".replace("%", " %")]
            if any(cells):
                table.append([what, f"{int(size):,}", *cells])
    return table if len(table) > 1 else []


def together(found: dict[str, Any]) -> list[list[str]]:
    """Those that push at once."""
    table = [["", "points/s", "p50 of a push, ms", "p99, ms", f"times {LABELS['influxdb']}"]]
    peer = found.get("influxdb")
    for name, label in LABELS.items():
        if name in found:
            own = found[name]
            got = own["points/s"] / peer["points/s"] if peer and name != "influxdb" else None
            cells = whole(own["points/s"]), milliseconds(own["p50"]), milliseconds(own["p99"]), "" if got is None else times(got)
            table.append([label, *cells])
    return table


def text(results: dict[str, Any]) -> str:
    """The results for a terminal."""
    parts = []

    def table(title: str, cells: list[list[str]]) -> None:
        if len(cells) < 2:
            return
        widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
        parts.append(f"\n{title}\n")
        for row in cells:
            right = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            parts.append("  ".join([row[0].ljust(widths[0]), *right]).rstrip())

    def against(found: Iterator[Target]) -> None:
        parts.append("")
        parts.extend(f"{'met   ' if t.met else 'MISSED'}  {t.what}: {t.got} (target {t.bar})" for t in found)

    for run in results["runs"]:
        table(run["data"], rows(run))
        table(f"{run['data']}: questions beside their floors", floors(run))
        against(targets(run))
    if "at once" in results:
        table(ONCE, together(results["at once"]))
        against(targets_at_once(results["at once"]))
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
        table = rows(run)
        parts.append(markdown(table, len(table[0]) - 1))
        if by_hand := floors(run):
            parts += [BY_HAND, markdown(by_hand, len(by_hand[0]) - 1)]
        parts += held(targets(run))
    if "at once" in results:
        parts += [f"## {ONCE}\n", TOGETHER, markdown(together(results["at once"]), 4), *held(targets_at_once(results["at once"]))]
    parts.append(f"`-`: the driver cannot do it. Empty: not measured at that size. {BEHIND}: behind the best peer of the row.\n")
    return "\n".join(parts)


def held(found: Iterator[Target]) -> list[str]:
    """What was aimed at, and where we are."""
    against = [[t.what, t.bar, t.got, "met" if t.met else "**missed**"] for t in found]
    return ["Against the targets:\n", markdown([["", "target", "measured", ""], *against], 0)] if against else []


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
