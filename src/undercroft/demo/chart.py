"""Charts as inline SVG: bars over the day, bars by project, and a grid of both. Colours come from the page's style sheet."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from undercroft.demo.figures import Cost

WIDTH = 960
STEPS = 7


def text(x: float, y: float, words: str, css: str = "tick", anchor: str = "start") -> str:
    """A line of text."""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, css: str) -> str:
    """A rectangle."""
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(0.0, height):.1f}"/>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def group(title: str, *parts: str) -> str:
    """Marks that share a tooltip and light up together."""
    return f'<g class="mark"><title>{html.escape(title)}</title>{"".join(parts)}</g>'


def svg(height: float, label: str, *parts: str) -> str:
    """The drawing, with what a screen reader says of it."""
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(label, quote=True)}">'
    return head + "".join(parts) + "</svg>"


def tick_step(top: float, most: int = 6) -> float:
    """A round step (1, 2 or 5 times a power of ten) that gives at most `most` ticks up to `top`."""
    rough = top / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)


def amount(value: Decimal) -> str:
    """An amount with two places, for marks and tooltips; the tables give every digit."""
    return f"{value:,.2f}"


def _tooltip(title: str, cost: Cost, currency: str) -> str:
    rows = (("total", cost.total), ("cpu", cost.cpu), ("instance", cost.instance))
    return "\n".join(
        [title, *(f"{name}: {amount(value)} {currency}" for name, value in rows), f"CPU hours: {amount(cost.cpu_hours)}"]
    )


def _grid_lines(highest: float, left: float, top: float, bottom: float) -> tuple[float, list[str]]:
    """How many units of the drawing stand for 1, and a line at each round value up to `highest`."""
    step = tick_step(highest)
    scale = (bottom - top) / (math.ceil(highest / step) * step)
    parts = []
    for number in range(math.ceil(highest / step) + 1):
        y = bottom - number * step * scale
        parts += [line(left, y, WIDTH, y, "grid" if number else "axis"), text(left - 8, y + 4, f"{number * step:g}", anchor="end")]
    return scale, parts


def by_hour(hours: Mapping[int, Cost], currency: str) -> str:
    """Stacked bars, one an hour: instance below, cpu above."""
    left, top, bottom, height = 36.0, 8.0, 300.0, 324.0
    slot = (WIDTH - left) / len(hours)
    width = slot - 12
    highest = float(max(cost.total for cost in hours.values())) or 1.0
    scale, parts = _grid_lines(highest, left, top, bottom)
    for hour, cost in hours.items():
        x = left + (hour + 0.5) * slot - width / 2
        lower, upper = float(cost.instance) * scale, float(cost.cpu) * scale
        marks = [
            rect(x - 6, top, slot, bottom - top, "hit"),
            rect(x, bottom - lower, width, lower, "instance"),
            # A gap of two units parts the two without an outline.
            rect(x, bottom - lower - upper, width, upper - 2, "cpu"),
        ]
        parts.append(group(_tooltip(f"{hour:02}:00 to {hour + 1:02}:00 UTC", cost, currency), *marks))
        if hour % 3 == 0:
            parts.append(text(x + width / 2, bottom + 20, f"{hour:02}:00", anchor="middle"))
    total = sum((cost.total for cost in hours.values()), Decimal(0))
    return svg(height, f"Cost of every hour of the day, {amount(total)} {currency} in all", *parts)


def use(hours: Sequence[Any], readings: Sequence[Any]) -> str:
    """Bars of the mean CPU use of all machines, one an hour, and a line through the means of the readings."""
    left, top, bottom, height = 36.0, 8.0, 200.0, 224.0
    slot = (WIDTH - left) / max(1, len(hours))
    width = slot - 12
    highest = max((each.avg for each in readings), default=1.0) or 1.0
    scale, parts = _grid_lines(highest, left, top, bottom)
    for place, each in enumerate(hours):
        x = left + (place + 0.5) * slot - width / 2
        title = (
            f"{each.period_start:%H:%M} to {each.period_end:%H:%M} UTC\nmean: {each.avg:.2f} %\n"
            f"standard deviation: {each.stddev:.2f} %\nmaximum: {each.max:g} %\n"
            f"{each.count:,} samples of {each.aggregate['cardinality/resource_id']:,.0f} machines"
        )
        marks = [rect(x - 6, top, slot, bottom - top, "hit"), rect(x, bottom - each.avg * scale, width, each.avg * scale, "use")]
        parts.append(group(title, *marks))
        if each.period_start.hour % 3 == 0:
            parts.append(text(x + width / 2, bottom + 20, f"{each.period_start:%H:%M}", anchor="middle"))
    between = (WIDTH - left) / max(1, len(readings))
    points = " ".join(f"{left + (n + 0.5) * between:.1f},{bottom - each.avg * scale:.1f}" for n, each in enumerate(readings))
    parts.append(f'<polyline class="reading" points="{points}"/>')
    label = "Mean CPU use by hour, in percent: " + ", ".join(f"{each.avg:.1f}" for each in hours)
    return svg(height, label, *parts)


def by_hour_happened(hours: Mapping[int, Mapping[str, int]]) -> str:
    """Discs below the bars of the same hours, as large as there are events."""
    left, middle, height = 36.0, 22.0, 44.0
    slot = (WIDTH - left) / len(hours)
    most = max((sum(kinds.values()) for kinds in hours.values()), default=1) or 1
    parts = []
    for hour, kinds in hours.items():
        count = sum(kinds.values())
        x = left + (hour + 0.5) * slot
        listed = "\n".join(f"{kind}: {number}" for kind, number in sorted(kinds.items(), key=lambda each: -each[1]))
        disc = f'<circle class="event" cx="{x:.1f}" cy="{middle:.1f}" r="{14 * math.sqrt(count / most):.1f}"/>'
        parts.append(group(f"{hour:02}:00, {count} events\n{listed}", disc, text(x, middle + 4, str(count), "value", "middle")))
    return svg(height, "Events by hour: " + ", ".join(str(sum(kinds.values())) for kinds in hours.values()), *parts)


def by_project(projects: Mapping[str, Cost], currency: str) -> str:
    """Stacked bars, one a project, the most expensive first."""
    left, right, row, bar = 92.0, 66.0, 24.0, 14.0
    highest = float(max(cost.total for cost in projects.values())) or 1.0
    scale = (WIDTH - left - right) / highest
    parts = []
    for position, (name, cost) in enumerate(sorted(projects.items(), key=lambda item: (-item[1].total, item[0]))):
        y = position * row + (row - bar) / 2
        first, second = float(cost.instance) * scale, float(cost.cpu) * scale
        marks = [
            rect(0, position * row, WIDTH, row, "hit"),
            text(0, y + 11, name, "name"),
            rect(left, y, first, bar, "instance"),
            rect(left + first + 2, y, second - 2, bar, "cpu"),
            text(left + first + second + 8, y + 11, amount(cost.total), "value"),
        ]
        parts.append(group(_tooltip(name, cost, currency), *marks))
    return svg(len(projects) * row, f"Cost of {len(projects)} projects, the most expensive first", *parts)


def grid(cells: Mapping[tuple[str, int], Cost], of: Callable[[Cost], Decimal], unit: str) -> tuple[str, Decimal, Decimal]:
    """A cell for every project and hour, darker with more; also the least and the largest value."""
    left, row = 92.0, 22.0
    projects = sorted({project for project, _ in cells})
    hours = sorted({hour for _, hour in cells})
    slot = (WIDTH - left) / len(hours)
    values = {place: of(cost) for place, cost in cells.items()}
    least, largest = min(values.values()), max(values.values())
    spread = (largest - least) or Decimal(1)
    parts = [text(left + (hour + 0.5) * slot, 12, f"{hour:02}", anchor="middle") for hour in hours if hour % 3 == 0]
    for position, project in enumerate(projects):
        y = 20 + position * row
        parts.append(text(0, y + 15, project, "name"))
        for hour in hours:
            value = values.get((project, hour))
            if value is None:
                continue
            shade = min(STEPS - 1, int((value - least) / spread * STEPS))
            title = f"{project}, {hour:02}:00 to {hour + 1:02}:00 UTC\n{amount(value)} {unit}"
            parts.append(group(title, rect(left + hour * slot + 1, y + 1, slot - 2, row - 2, f"shade{shade}")))
    label = f"{unit} of every project in every hour, from {amount(least)} to {amount(largest)}"
    return svg(20 + len(projects) * row, label, *parts), least, largest
