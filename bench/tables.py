"""Tables of results, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence

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
