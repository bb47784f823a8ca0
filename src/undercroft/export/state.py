"""How far each meter of each filter has been read: in the target's own table, or in a file."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.filelock import FileLock
from undercroft.core.statefile import StateFile
from undercroft.export.sample import Refused


class Unit(NamedTuple):
    """What one point is about.

    Attributes:
        endpoint_id: of the service; see `undercroft.export.settings.endpoint_id`.
        filter: the filter's name.
        meter: the meter's name.
    """

    endpoint_id: str
    filter: str
    meter: str


class Point(NamedTuple):
    """How far a meter has been read.

    Attributes:
        position: everything before it has been read and stored; naive UTC.
        updated: when that was noted.
        rows: how many rows were new.
        refused: how many samples could not be stored.
        error: what went wrong last.
        error_at: when.
    """

    position: dt.datetime
    updated: dt.datetime | None
    rows: int
    refused: int
    error: str | None
    error_at: dt.datetime | None


class Failure(NamedTuple):
    """What went wrong last.

    Attributes:
        text: the error.
        at: when; naive UTC.
    """

    text: str
    at: dt.datetime | None


class Stored(NamedTuple):
    """What became of samples.

    Attributes:
        new: how many rows were not there before.
        refused: those that cannot be stored; each is told once by a process, though it is read again and again.
        cut: how many texts were cut to the width of their columns; they are counted once, too.
    """

    new: int
    refused: list[Refused]
    cut: int


class Noted(msgspec.Struct, kw_only=True):
    """What is kept of a unit. `Point` and `Unit` say what the fields mean."""

    endpoint_id: str
    filter: str
    meter: str
    position: dt.datetime | None = None
    updated: dt.datetime | None = None
    rows: int = 0
    refused: int = 0
    error: str | None = None
    error_at: dt.datetime | None = None

    @property
    def unit(self) -> Unit:
        """What it is about."""
        return Unit(self.endpoint_id, self.filter, self.meter)

    def move(self, later: Noted) -> None:
        """Add what is to be noted: the point moves forward or stays, counts are added, the error stays where there is none."""
        if later.position is not None:
            self.updated = later.updated
            if self.position is None or self.position < later.position:
                self.position = later.position
        self.rows += later.rows
        self.refused += later.refused
        if later.error is not None:
            self.error, self.error_at = later.error, later.error_at


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    points: list[Noted]
    version: int = 1


def now() -> dt.datetime:
    """The present moment, naive UTC."""
    return time.now().replace(tzinfo=None)


class PointFile:
    """Points in a file, which is replaced in one step; several processes may write it.

    Attributes:
        path: the file.
        lock: by which one of several workers uses it.

    Args:
        path: the file. Two lock files are made beside it.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._file = StateFile(path, _Content, "these are not the points of an export worker ({}); name another file as `state`")
        self.path = path
        self.lock = FileLock(path.with_name(path.name + ".lock"))

    def load(self) -> dict[Unit, Noted]:
        """What is noted.

        Raises:
            ConfigInvalid: the file holds something else.
        """
        content = self._file.load()
        return {each.unit: each for each in content.points} if content else {}

    def check(self) -> None:
        """Look whether the file can be used.

        Raises:
            ConfigInvalid: it holds something else, or its folder does not exist.
        """
        if not self.path.parent.is_dir():
            raise ConfigInvalid(f"{self.path}: the folder of the state file does not exist")
        self.load()

    @contextmanager
    def changing(self, unit: Unit) -> Iterator[Noted]:
        """What is noted of a unit, to be changed within the block; on disk when the block is over.

        Raises:
            Unavailable: the file cannot be written.
        """
        # A lock of its own each time: threads wait for each other as processes do.
        with FileLock(self.path.with_name(self.path.name + ".saving")).held():
            points = self.load()
            yield points.setdefault(unit, Noted(endpoint_id=unit.endpoint_id, filter=unit.filter, meter=unit.meter))
            try:
                self._file.save(_Content(list(points.values())))
            except OSError as error:
                raise Unavailable(f"{self.path}: the points cannot be written: {error.strerror}") from None
