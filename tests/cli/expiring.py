"""What the commands that expire items say and do, whatever they are: for a store of twelve that are a minute apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

BEFORE = "2026-01-01T00:05:30Z"


def half_goes(run: Any, expire: tuple[str, ...], items: str, made: str, left: Callable[[], int]) -> None:
    """Six are older than an hour. They are counted first; then two of them go, then the others.

    Args:
        run, expire: runs the command; the command.
        items, made: what its messages call the items, and how they came to be.
        left: counts what the store holds.
    """
    looked = run(*expire, "--older-than", "1h", "--dry-run").stdout
    assert looked == (
        f"would delete 6 {items} {made} before {BEFORE}\n"
        "the oldest is of 2026-01-01T00:00:00Z\nthe newest is of 2026-01-01T00:05:00Z\n"
    )
    report = msgspec.json.decode(run(*expire, "--older-than", "1h", "--most", 2, "--dry-run", "--format", "json").stdout)
    assert report == {"dry_run": True, "before": BEFORE, items: 2, "oldest": "2026-01-01T00:00:00Z"}
    refused = run(*expire, "--older-than", "1h", code=2).stderr
    assert f"this deletes 6 of 12 (50 %) {items}, the oldest of those {made} before {BEFORE}: give --yes" in refused
    assert left() == 12
    assert run(*expire, "--older-than", "1h", "--most", 2, "--yes").stdout == f"deleted 2 {items}\n"
    assert run(*expire, "--older-than", "1h", "--yes").stdout == f"deleted 4 {items}\n"
    assert left() == 6
