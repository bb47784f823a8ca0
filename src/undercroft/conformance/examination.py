"""What an examination of a whole store finds wrong: it closes random walks and tests of expiry."""

from __future__ import annotations

from typing import Any

from undercroft.core.findings import Level


def problems(store: Any) -> list[str]:
    """The errors of `diagnose(verify=True)`: sums that differ from what they sum up, rows that belong to nothing."""
    return [f"{found.check}: {found.found}" for found in store.diagnose(verify=True) if found.level is Level.ERROR]
