"""What is measured, each behind the interface that CloudKitty gives its storage drivers: DataFrames in, DataFrames out."""

from __future__ import annotations

import abc
import pathlib
import urllib.parse
from typing import Any


class Subject(abc.ABC):
    """A store under measure.

    Attributes:
        storage: has `push`, `total`, `retrieve` and `delete`.
        frame, point: its classes of frames and points.
        lacks: what it cannot do: questions, and "delete".
    """

    storage: Any
    frame: Any
    point: Any
    lacks: frozenset[str] = frozenset()

    def push(self, frames: list[Any]) -> None:
        """Store one call's frames."""
        self.storage.push(frames)

    def settle(self) -> None:  # noqa: B027 - most put nothing off
        """Do what pushes have put off; nothing where they put nothing off."""

    @abc.abstractmethod
    def size(self) -> int:
        """Bytes on disk, everything included."""

    @abc.abstractmethod
    def version(self) -> str:
        """The engine's version."""


class Ours(Subject):
    """Undercroft on any of its engines."""

    def __init__(self, url: str, folder: str, digits: int) -> None:
        import undercroft
        from bench.rating.byhand import ByHand
        from bench.rating.floor import floor
        from undercroft.rating import DataFrame, DataPoint

        self.frame, self.point = DataFrame, DataPoint
        self.storage = undercroft.connect("rating", url)
        self.storage.init()
        self.floor = floor(url)
        self.by_hand = ByHand(self.floor, digits)

    def settle(self) -> None:
        self.storage.maintain()

    def size(self) -> int:
        return self.floor.size()

    def version(self) -> str:
        return self.floor.version()


class CloudKitty(Subject):
    """A storage driver of CloudKitty's own."""

    def __init__(self) -> None:
        from cloudkitty.dataframe import DataFrame, DataPoint
        from oslo_config import cfg

        self.frame, self.point = DataFrame, DataPoint
        self.conf = cfg.CONF
        self.conf([], project="cloudkitty", default_config_files=[])


class InfluxDB(CloudKitty):
    """CloudKitty's v2 driver for InfluxDB 1."""

    def __init__(self, url: str, folder: str, digits: int) -> None:
        super().__init__()
        from cloudkitty.storage.v2 import influx
        from influxdb import InfluxDBClient  # type: ignore[import-not-found]

        where = urllib.parse.urlsplit(url)
        database = where.path.lstrip("/")
        self._client = InfluxDBClient(where.hostname, where.port)
        self._client.create_database(database)
        self._folder = pathlib.Path(folder)
        for name, value in (("host", where.hostname), ("port", where.port), ("database", database)):
            self.conf.set_override(name, value, influx.INFLUX_STORAGE_GROUP)
        self._parts = [self._folder / "influx" / part / database for part in ("data", "wal")]
        self.storage = influx.InfluxStorage(period=3600)
        self.storage.init()

    def size(self) -> int:
        return sum(path.stat().st_size for part in self._parts for path in part.rglob("*") if path.is_file())

    def version(self) -> str:
        return f"InfluxDB {self._client.ping()}"


class V1(CloudKitty):
    """CloudKitty's v1 SQL driver, behind its own adapter to the interface of v2."""

    # `delete` only warns; groups are project and type; pages are not cut.
    lacks = frozenset({"time", "time-d", "resource", "page first", "page middle", "page last", "delete"})

    def __init__(self, url: str, folder: str, digits: int) -> None:
        super().__init__()
        import sqlalchemy as sa
        from cloudkitty import storage
        from oslo_db import options  # type: ignore[import-not-found]

        client = url.replace("postgresql://", "postgresql+psycopg://")
        options.set_defaults(self.conf, connection=client)
        self._engine = sa.create_engine(client)
        self.storage = storage.V1StorageAdapter({"period": 3600}, "cloudkitty.storage.v1.backends", backend="sqlalchemy")
        self.storage.init()

    def push(self, frames: list[Any]) -> None:
        # The scope becomes the column `tenant_id`, so a call is for one project.
        for frame in frames:
            _, point = next(iter(frame.iterpoints()))
            self.storage.push([frame], point.groupby["project_id"])

    def size(self) -> int:
        import sqlalchemy as sa

        with self._engine.connect() as connection:
            return int(connection.execute(sa.text("SELECT pg_total_relation_size('rated_data_frames')")).scalar_one())

    def version(self) -> str:
        import sqlalchemy as sa

        with self._engine.connect() as connection:
            return f"PostgreSQL {connection.execute(sa.text('SHOW server_version')).scalar_one()}"


SUBJECTS: dict[str, type[Any]] = {"ours": Ours, "influxdb": InfluxDB, "v1": V1}
