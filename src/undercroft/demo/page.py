"""The demo's page: one HTML file that needs no other file, no script and no network."""

from __future__ import annotations

import base64
import hashlib
import html
import string
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from undercroft.demo import chart
from undercroft.demo.figures import Cost, Figures
from undercroft.demo.measurements import Use
from undercroft.demo.prices import Prices
from undercroft.demo.traces import DATA, DAY
from undercroft.rating.numbers import plain


def render(
    figures: Figures,
    prices: Prices,
    recounted: Decimal,
    happened: Mapping[int, Mapping[str, int]],
    use: Use,
    samples: int,
    version: str,
) -> str:
    """The page.

    Args:
        figures: what the store answered.
        use: CPU use, as the store of samples computes it.
        samples: how many samples that store has of the day.
        happened: events by hour and kind, as the store of events counts them.
        prices: the price list.
        recounted: the total as recomputed from the file.
        version: of this package.
    """
    style = (DATA / "page.css").read_text("utf-8")
    currency = prices.currency
    busiest = max(figures.by_hour, key=lambda hour: figures.by_hour[hour].total)
    grid, least, largest = chart.grid(figures.by_project_and_hour, lambda cost: cost.cpu_hours, "CPU hours")
    values = {
        "policy": f"default-src 'none'; style-src 'sha256-{_digest(style)}'; base-uri 'none'; form-action 'none'",
        "style": style,
        "date": f"{DAY.day} {DAY:%B %Y}",
        "total": chart.amount(figures.total),
        "exact_total": _exact(figures.total),
        "recounted": _exact(plain(recounted)),
        "verdict": "equal, to the last digit" if recounted == figures.total else "NOT EQUAL",
        "verdict_class": "good" if recounted == figures.total else "bad",
        "machines": f"{figures.machines:,}",
        "projects": f"{len(figures.by_project):,}",
        "points": f"{figures.points:,}",
        "cpu_hours": chart.amount(figures.day.cpu_hours),
        "busiest": f"{busiest:02}:00",
        "busiest_cost": chart.amount(figures.by_hour[busiest].total),
        "currency": currency,
        "hours_chart": chart.by_hour(figures.by_hour, currency),
        "use_chart": chart.use(use.hours, use.readings),
        "samples": f"{samples:,}",
        "events_chart": chart.by_hour_happened(happened),
        "events": f"{sum(sum(kinds.values()) for kinds in happened.values()):,}",
        "projects_chart": chart.by_project(figures.by_project, currency),
        "grid_chart": grid,
        "least": chart.amount(least),
        "largest": chart.amount(largest),
        "types_table": _types(figures, currency),
        "projects_table": _costs("project", sorted(figures.by_project.items()), figures.day, currency),
        "hours_table": _costs(
            "hour, UTC", ((f"{hour:02}:00", cost) for hour, cost in figures.by_hour.items()), figures.day, currency
        ),
        "prices_table": _prices(prices),
        "version": version,
    }
    ours = {"policy", "style", *(name for name in values if name.endswith(("_chart", "_table")))}
    safe = {name: value if name in ours else html.escape(value) for name, value in values.items()}
    return string.Template((DATA / "page.html").read_text("utf-8")).substitute(safe)


def _digest(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _exact(value: Decimal, places: int = 0) -> str:
    """Every digit, and zeros up to `places`."""
    return f"{value:,.{max(places, _places(value))}f}"


def _places(value: Decimal) -> int:
    return max(0, -int(value.as_tuple().exponent))


def _column(values: Sequence[Decimal]) -> list[str]:
    """Numbers with their points below each other."""
    places = max(map(_places, values))
    return [_exact(value, places) for value in values]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], foot: Iterable[str] = ()) -> str:
    """A table whose first column is a heading and whose others are numbers."""

    def row(tag: str, cells: Iterable[str]) -> str:
        first, *others = (html.escape(cell) for cell in cells)
        scope = "col" if tag == "th" else "row"
        return f'<tr><th scope="{scope}">{first}</th>' + "".join(f"<{tag}>{cell}</{tag}>" for cell in others) + "</tr>"

    body = "".join(row("td", cells) for cells in rows)
    closing = [*foot]
    end = f"<tfoot>{row('td', closing)}</tfoot>" if closing else ""
    return f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody>{end}</table>"


def _costs(name: str, costs: Iterable[tuple[str, Cost]], day: Cost, currency: str) -> str:
    names, all_of = zip(*costs, ("day", day), strict=True)
    columns = [
        _column([cost.cpu_hours for cost in all_of]),
        _column([cost.instance for cost in all_of]),
        _column([cost.cpu for cost in all_of]),
        _column([cost.total for cost in all_of]),
    ]
    *rows, foot = zip(names, *columns, strict=True)
    return _table([name, "CPU hours", f"instance, {currency}", f"cpu, {currency}", f"total, {currency}"], rows, foot)


def _types(figures: Figures, currency: str) -> str:
    day = figures.day
    instance, cpu, total = _column([day.instance, day.cpu, day.total])
    rows = [
        ["instance", f"{_exact(day.machine_hours)} machine hours", instance],
        ["cpu", f"{_exact(day.cpu_hours)} CPU hours", cpu],
    ]
    return _table(["type", "quantity", f"total, {currency}"], rows, ["day", "", total])


def _prices(prices: Prices) -> str:
    amounts = _column([*(flavor.hour for flavor in prices.flavor), prices.cpu_hour])
    names = [*(f"{flavor.name}, an hour" for flavor in prices.flavor), "CPU time, an hour"]
    vcpus = [*(str(flavor.vcpus) for flavor in prices.flavor), ""]
    return _table(["price of", "vCPUs", prices.currency], zip(names, vcpus, amounts, strict=True))
