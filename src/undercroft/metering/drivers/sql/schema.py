"""The tables of samples: dictionaries, narrow samples, and what is kept of them by hour and day.

meter      names of meters
series     what samples have in common: meter, type, unit, resource, user, project, source
metadata   metadata of samples, as JSON, each once
slot       a span of time (an hour, a day) of one meter, and of a bundle of series: BUNDLE consecutive ids. `folded` says whether
           `sums` has what the slot holds; else its samples are read
sample     a sample: `ts` and `delay` (until it was recorded) in microseconds; its volume is `whole` or `fraction`; `piece` says in
           which slot it lies, and on SQLite in which part of the hour, as samples of a moment are then written side by side.
           `id` is its message id as 16 bytes, time first (see `ids`)
oddity     what the few samples have for which that is not enough: another message id, a volume beyond 64 bits, a signature
sums       `Sums` of a series in a slot
state      of each series: its first and last sample, and the latest metadata, as far as slots were folded
setting    a row that writers share, or lock where only one writes at a time; its value grows when entries of dictionaries go

`seen` is the last day of whose samples an entry of series or metadata is: it stays until that day's samples expire. What a process
remembers of the dictionaries holds as long as the value of `setting` is the same. `docs/decisions/0015` says why all this is so.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from undercroft.engines.sql import receipts, types

KIND = "metering"
WRITER = "writer"
# Series of a slot: as many samples as one transaction folds in a fraction of a second.
BUNDLE_BITS = 12
HOUR, DAY = 0, 1
SPANS = {HOUR: 3_600_000_000, DAY: 86_400_000_000}
# Values of `folded`; what a float cannot hold the sums of stays as it is.
PENDING, FOLDED, UNFOLDABLE = 0, 1, 2

_DIGEST = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql").with_variant(mysql.BINARY(16), "mysql", "mariadb")


class Layout(NamedTuple):
    """How an engine keeps the samples.

    Attributes:
        clustered: in the order of time and series, with an index of ids; else in the order of ids.
        ranged: with an index of ranges of time.
    """

    clustered: bool = False
    ranged: bool = False


@dataclasses.dataclass(frozen=True)
class Tables:
    """The tables of one namespace."""

    metadata: sa.MetaData
    setting: sa.Table
    meter: sa.Table
    series: sa.Table
    bodies: sa.Table
    slot: sa.Table
    sample: sa.Table
    oddity: sa.Table
    sums: sa.Table
    state: sa.Table
    idempotency: sa.Table


@functools.lru_cache(maxsize=8)
def tables(namespace: str, layout: Layout) -> Tables:
    """The tables whose names begin with `<namespace>_metering_`, as an engine lays them out."""
    metadata = sa.MetaData()
    word, whole, long = types.word(255), sa.Integer, sa.BigInteger
    clustered: dict[str, Any] = {"sqlite_with_rowid": False}
    # An id that is gone is never given again: others may remember what it was.
    lasting: dict[str, Any] = {"sqlite_autoincrement": True}

    def table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> sa.Table:
        return sa.Table(f"{namespace}_{KIND}_{name}", metadata, *parts, **options)

    def index(name: str, *columns: str, unique: bool = False, **options: Any) -> sa.Index:
        return sa.Index(f"{namespace}_{KIND}_{name}", *columns, unique=unique, **options)

    def key(name: str) -> sa.Column[int]:
        return sa.Column(name, whole, primary_key=True, autoincrement=False)

    def column(name: str, kind: Any) -> sa.Column[Any]:
        return sa.Column(name, kind, nullable=False)

    keys: list[sa.schema.SchemaItem]
    if layout.clustered:
        keys = [sa.PrimaryKeyConstraint("piece", "series_id", "id"), index("sample_id", "id", unique=True)]
    else:
        keys = [sa.PrimaryKeyConstraint("id"), index("sample_piece", "piece", "series_id")]
    if layout.ranged:
        options: dict[str, Any] = {"postgresql_using": "brin", "postgresql_with": {"pages_per_range": 16, "autosummarize": True}}
        keys.append(index("sample_ts", "ts", postgresql_ops={"ts": "int8_minmax_multi_ops"}, **options))
    return Tables(
        metadata=metadata,
        setting=table("setting", sa.Column("name", sa.String(64), primary_key=True), column("value", long)),
        meter=table(
            "meter",
            sa.Column("id", whole, primary_key=True),
            column("name", word),
            index("meter_name", "name", unique=True),
            **lasting,
        ),
        series=table(
            "series",
            sa.Column("id", whole, primary_key=True),
            column("digest", _DIGEST),
            column("meter_id", whole),
            column("type", sa.SmallInteger),
            column("unit", word),
            column("resource_id", word),
            sa.Column("user_id", word),
            sa.Column("project_id", word),
            sa.Column("source", word),
            column("seen", whole),
            index("series_seen", "seen"),
            index("series_digest", "digest", unique=True),
            index("series_resource", "resource_id", "meter_id"),
            index("series_meter", "meter_id", "resource_id"),
            index("series_project", "project_id", "resource_id"),
            index("series_user", "user_id", "resource_id"),
            **lasting,
        ),
        bodies=table(
            "metadata",
            sa.Column("id", whole, primary_key=True),
            column("digest", _DIGEST),
            column("body", types.LongText),
            column("seen", whole),
            index("metadata_seen", "seen"),
            index("metadata_digest", "digest", unique=True),
            **lasting,
        ),
        slot=table(
            "slot",
            sa.Column("id", whole, primary_key=True),
            column("span", sa.SmallInteger),
            column("meter_id", whole),
            column("bundle", whole),
            column("start", long),
            column("folded", sa.SmallInteger),
            index("slot_of_meter", "span", "meter_id", "start", "bundle", unique=True),
            index("slot_start", "span", "start"),
            index("slot_folded", "folded", "start"),
            **lasting,
        ),
        sample=table(
            "sample",
            column("piece", whole),
            column("series_id", whole),
            column("id", _DIGEST),
            column("ts", long),
            sa.Column("whole", long),
            sa.Column("fraction", sa.Double),
            column("delay", long),
            column("meta_id", whole),
            *keys,
            **(clustered if layout.clustered else {}),
        ),
        oddity=table(
            "oddity",
            sa.Column("id", _DIGEST, primary_key=True),
            sa.Column("message_id", word),
            sa.Column("volume", sa.String(128)),
            sa.Column("signature", word),
            **clustered,
        ),
        sums=table("sums", key("slot_id"), key("series_id"), column("body", types.Bytes), **clustered),
        state=table("state", key("series_id"), column("first", long), column("last", long), column("meta_id", whole)),
        idempotency=receipts.table(metadata, f"{namespace}_{KIND}_"),
    )
