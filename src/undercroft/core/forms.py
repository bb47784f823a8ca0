"""The formats of files that hold a kind's items: JSON lines, CSV and Parquet."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Write = Callable[[Iterable[T]], Iterator[bytes]]


def forms(jsonl: Write[T], csv: Write[T], parquet: str) -> dict[str, tuple[str, Write[T]]]:
    """Media type and writer of each format, by its name.

    Args:
        jsonl, csv: write items.
        parquet: the module whose `parts` writes them. It is imported when the first file is written, and refuses with
            `ConfigInvalid` where pyarrow is not installed.
    """

    def write_parquet(items: Iterable[T]) -> Iterator[bytes]:
        parts: Iterator[bytes] = importlib.import_module(parquet).parts(items)
        return parts

    return {
        "jsonl": ("application/x-ndjson", jsonl),
        "csv": ("text/csv; charset=utf-8", csv),
        "parquet": ("application/vnd.apache.parquet", write_parquet),
    }
