"""A SQLite file that others are at work on while we open it."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
import threading
import time

import pytest

import undercroft
from undercroft.core.errors import Unavailable

LOCKS = ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]


@contextlib.contextmanager
def written(file: pathlib.Path, lock: str):
    """Somebody's file that has no write-ahead log, locked by its writer."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("CREATE TABLE theirs (x)")
        writer.execute(lock)
        yield writer


@pytest.mark.parametrize("lock", LOCKS)
def test_the_writer_of_a_file_without_our_log_is_waited_for(tmp_path, lock):
    # All that is imported at first use is so before the clock runs.
    undercroft.connect("rating", "sqlite:///:memory:").init()
    with written(tmp_path / "x.db", lock) as writer:
        end = threading.Timer(0.5, writer.execute, ["COMMIT"])
        end.start()
        store = undercroft.connect("rating", f"sqlite:///{tmp_path}/x.db")
        store.init()
        end.join()
    assert store.retrieve() == {"total": 0, "dataframes": []}
    store.close()


@pytest.mark.parametrize("lock", LOCKS)
def test_one_that_does_not_end_is_told(tmp_path, lock):
    with written(tmp_path / "x.db", lock):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="locked"):
            undercroft.connect("rating", f"sqlite:///{tmp_path}/x.db?busy_timeout=0.3").init()
        assert time.monotonic() - began >= 0.3
