"""Tables of results, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = ["engine", "what", "value", "aim"]
Lines = Sequence[Sequence[str]]


def aligned(lines: Lines) -> str:
    """Columns of equal width; the first line is the head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def markdown(lines: Lines) -> str:
    """The same in Markdown, with a line break at the end."""
    head, *rest = lines
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rest))


def durability(durable: bool) -> str:
    """What a page says of the commits of a run."""
    return "commits are flushed to disk" if durable else "WITHOUT FLUSHING TO DISK, not to be compared"


def row(engine: str, what: str, value: float, aim: str = "", *, met: bool | None = None) -> list[str]:
    """A line of HEAD's columns.

    Args:
        engine: what was measured.
        what: the figure and its unit.
        value: of it.
        aim: what it is to be.
        met: whether it is; None where there is nothing to say.
    """
    told = "" if met is None else f"{aim}, met" if met else f"{aim}, NOT MET"
    return [engine, what, f"{value:,.0f}" if value >= 100 else f"{value:.3g}", told or aim]


def conditions(run: Mapping[str, Any]) -> str:
    """What the figures of `harness.part` depend on."""
    facts = run["machine"]
    return f"""{run["began"]} UTC, {run["minutes"]:g} minutes; {facts["processors"]} processors
({facts["processor"]}), {facts["memory_gib"]} GiB, Python {facts["python"]};
{durability(run["durable"])}; load averages before and after: {run["load"]}."""
