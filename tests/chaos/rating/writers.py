"""Writers of rated usage that are killed."""

from __future__ import annotations

import itertools
import multiprocessing.connection
from typing import Any

import undercroft
from tests.chaos.processes import Acknowledgements
from undercroft.rating import DataFrame


def push_again(
    pipe: multiprocessing.connection.Connection,
    url: str,
    options: dict[str, Any],
    calls: list[list[DataFrame]],
    ledger: Acknowledgements,
) -> None:
    """Push the same usage again and again, each time in another of the given orders."""
    store = undercroft.connect("rating", url, **options)
    file = ledger.open()
    pipe.send("ready")
    for number in itertools.count():
        store.push(calls[number % len(calls)])
        ledger.write(file, number)
