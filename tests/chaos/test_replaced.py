"""The file of a store is deleted, or replaced by a copy, while a process has it open: nothing acknowledged is lost (D11)."""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import shutil
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

import undercroft
from tests.api.service import serving
from tests.chaos.workloads import WORKLOADS
from undercroft.core.errors import NotInitialized, Unavailable, UndercroftError
from undercroft.engines.sql.sqlite import SQLite

pytestmark = pytest.mark.promise("D11")
KINDS = pytest.mark.parametrize("kind", WORKLOADS)


class Place:
    """A file with a store, and a copy of it from before."""

    def __init__(self, kind: str, folder: pathlib.Path) -> None:
        self.kind = kind
        self.file = folder / "store.db"
        self.copy = folder / "copy.db"
        self.url = f"sqlite:///{self.file}"
        self.sending: Any = importlib.import_module(f"tests.chaos.{kind}.sending")
        with contextlib.closing(undercroft.connect(kind, self.url)) as store:
            store.init()
            self.sending.write(store, 0)
        shutil.copy(self.file, self.copy)

    def delete(self) -> None:
        for each in self.file.parent.glob("store.db*"):
            each.unlink()

    def restore(self) -> None:
        """Put a copy in the place of the file. Its ids are not those of the file that was there."""
        self.delete()
        shutil.copy(self.copy, self.file)

    def count(self) -> int:
        with contextlib.closing(undercroft.connect(self.kind, self.url)) as store:
            return int(self.sending.count(store))


@pytest.fixture
def place(kind: str, tmp_path: pathlib.Path) -> Place:
    return Place(kind, tmp_path)


@contextlib.contextmanager
def opened(place: Place) -> Iterator[Any]:
    """The store, with two connections that have been used, and some items that the copy lacks."""
    with contextlib.closing(undercroft.connect(place.kind, place.url)) as store:
        for number in range(1, 4):
            place.sending.write(store, number)
        yield store


def acknowledged(place: Place, store: Any, numbers: range) -> int:
    """How many items the store takes."""
    taken = 0
    for number in numbers:
        with contextlib.suppress(UndercroftError):
            place.sending.write(store, number)
            taken += 1
    return taken


@KINDS
def test_what_is_written_to_a_deleted_file_is_not_acknowledged(place: Place):
    with opened(place) as store:
        place.delete()
        for _ in range(3):
            with pytest.raises(NotInitialized, match="db upgrade") as caught:
                place.sending.write(store, 9)
            assert caught.value.retryable
        assert not place.file.exists()
        place.restore()
        assert acknowledged(place, store, range(10, 20)) >= 8
    assert place.count() >= 9


@KINDS
def test_a_restored_copy_is_noticed_then_used(place: Place):
    with opened(place) as store:
        place.restore()
        with pytest.raises(Unavailable, match="another file"):
            place.sending.write(store, 9)
        taken = acknowledged(place, store, range(10, 20))
        assert taken >= 8
        assert place.sending.count(store) == 1 + taken
    assert place.count() == 1 + taken


@KINDS
def test_twin_that_does_not_look_at_its_file_loses(place: Place, monkeypatch):
    monkeypatch.setattr(SQLite, "_check_file", lambda *_: None)
    monkeypatch.setattr(SQLite, "committed", lambda _: None)
    with opened(place) as store:
        place.restore()
        taken = acknowledged(place, store, range(10, 20))
        assert taken == 10
    assert place.count() < 1 + taken


@KINDS
def test_a_service_says_not_now_until_the_file_is_back(place: Place):
    headers = getattr(place.sending, "HEADERS", {})
    with serving(**place.sending.stores(place.url), auth="none") as service:
        path, body, stored = place.sending.post(1)
        assert service.client.post(path, json=body, headers=headers).status_code == stored
        place.delete()
        assert service.client.get("/readyz").status_code == 503
        assert not place.file.exists()
        place.restore()
        # Each of its connections is told once.
        answers = [service.client.get("/readyz").status_code for _ in range(20)]
        assert answers[-1] == 200
        path, body, stored = place.sending.post(2)
        assert service.client.post(path, json=body, headers=headers).status_code == stored
        service.kill()
        assert "the file does not exist" in service.log()
    assert place.count() == 2


@KINDS
def test_another_file_that_is_not_ours_is_refused(place: Place):
    with opened(place) as store:
        place.delete()
        with contextlib.closing(sqlite3.connect(place.file)) as other:
            other.execute("CREATE TABLE theirs (x)")
        for _ in range(6):
            with pytest.raises(Unavailable):
                place.sending.write(store, 9)


@KINDS
def test_a_file_that_is_replaced_during_a_commit_is_noticed(place: Place):
    with opened(place) as store:

        @sa.event.listens_for((getattr(store, "_db", None) or store.db).engine, "commit")
        def replace(_: sa.Connection) -> None:
            place.restore()

        with pytest.raises(Unavailable):
            place.sending.write(store, 9)


@KINDS
def test_a_mistyped_path_is_not_made(kind: str, tmp_path: pathlib.Path):
    file = tmp_path / "mistyped.db"
    with contextlib.closing(undercroft.connect(kind, f"sqlite:///{file}")) as store:
        sending: Any = importlib.import_module(f"tests.chaos.{kind}.sending")
        for call in (sending.count, lambda store: sending.write(store, 1), lambda store: store.locks()):
            with pytest.raises(NotInitialized, match=r"mistyped.db: the file does not exist.*db upgrade"):
                call(store)
            assert list(tmp_path.iterdir()) == []
        store.init()
        assert sending.count(store) == 0
