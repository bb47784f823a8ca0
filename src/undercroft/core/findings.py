"""What an examination of a store finds: one finding a check, from facts worth knowing to what must be mended."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Iterator

import msgspec

# How far an engine's clock may be from ours.
SKEW = dt.timedelta(seconds=2)


class Level(enum.StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        check: what was looked at, such as `clock` or `durability: fsync`; the same text in every run.
        level: whether it is as it should be.
        found: what was seen, in words.
        advice: what to do about it; empty when nothing.
    """

    check: str
    level: Level
    found: str
    advice: str = ""


# More than this part of a store is not deleted without a question, or a warning.
LARGE_PERCENT = 5
EXPIRES_MUCH = f"more than {LARGE_PERCENT} % of the store: check the setting, and look at what would go with `expire --dry-run`"


class Share(msgspec.Struct, frozen=True):
    """The part of a store that a deletion takes.

    Attributes:
        part: how many items go.
        whole: how many items there are.
    """

    part: int
    whole: int

    @property
    def is_large(self) -> bool:
        """Whether it is more than an ordinary run deletes: somebody should look at it."""
        return self.part * 100 > self.whole * LARGE_PERCENT

    @property
    def words(self) -> str:
        """The share for people: `192 of 480 (40 %)`."""
        return f"{self.part:,} of {self.whole:,} ({self.part * 100 / max(1, self.whole):.3g} %)"


def ok(check: str, found: str) -> Finding:
    """All is as it should be."""
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, but something may be lost, or will fail later."""
    return Finding(check, Level.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """It does not work, or what is stored is wrong."""
    return Finding(check, Level.ERROR, found, advice)


def clock(offset: dt.timedelta) -> Finding:
    """How far the engine's clock is from ours."""
    found = f"{offset.total_seconds():+.3f} s from this machine's"
    if abs(offset) > SKEW:
        return warning("clock", found, "let both machines' clocks be set by NTP")
    return ok("clock", found)


def layout(check: str, problems: Iterable[str]) -> Iterator[Finding]:
    """Whether tables or indexes are those that this version needs.

    Args:
        check: what was looked at.
        problems: what differs; behind a semicolon, what to do about it.
    """
    is_as_needed = True
    for problem in problems:
        is_as_needed = False
        text, _, advice = problem.partition("; ")
        yield error(check, text, advice or f"somebody changed the {check} by hand; put them back")
    if is_as_needed:
        yield ok(check, "as this version needs them")


def size(count: int) -> str:
    """A number of bytes for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
