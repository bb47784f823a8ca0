"""The tables of rated usage. A layout made for the load: narrow points, attribute sets stored once, sums kept beside.

slot        one (frame start, frame end, metric type); `day` is the key of the start's local day (see rating.calendar); while it
            is `pending`, its points are not yet in `rollup` (see folding)
entry       an attribute set, stored once: a *series* (type and groupby), a *detail* (unit and metadata) or a *scope* (type and
            scope attribute; every series names its own in `scope_id`). Calendar attributes that follow from the time stay out of
            a series; the bits of `calendar` say which ones to add on reading
attribute   the same sets, taken apart for filters and groups; `text` is the value as filters compare it, `json` its exact form
            where it is no text; names and texts are UTF-8 bytes, which compare by code point on every engine
point       one rated quantity, by (slot, series, number among equals); clustered, so a slot's points lie together
rollup      sums and counts per series and local day (key YYYYMMWWDDD), and per series and month (key YYYYMM), of all slots that
            are not pending
scope_rollup the same per scope, of all slots
slot_total  sums and counts per slot; a slot's row is split into shards so that writers in parallel do not wait for each other
setting     what must not change during the store's life: its time zone, and the attribute that makes its scopes; and, on SQLite,
            whether there ever were numbers of more than 12 places
idempotency receipts of writes that were asked for under a key (see engines.sql.receipts)
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import receipts, types
from undercroft.rating.drivers.sql.exact import Layout

# Kinds of entries and of attributes; the metric type is an attribute of a kind of its own.
SERIES, DETAIL, TYPE, SCOPE, SCOPE_TYPE = 0, 1, 2, 3, 4
QTY, PRICE = "qty", "price"
# Names of settings.
ZONE, SCOPE_KEY, LONG_NUMBERS = "timezone", "scope_key", "long_numbers"
KIND = "rating"


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """The tables of one namespace, for one layout of numbers."""

    metadata: sa.MetaData
    exact: Layout
    setting: sa.Table
    slot: sa.Table
    entry: sa.Table
    attribute: sa.Table
    point: sa.Table
    rollup: sa.Table
    scope_rollup: sa.Table
    slot_total: sa.Table
    idempotency: sa.Table


@functools.lru_cache(maxsize=8)
def tables(namespace: str, exact: Layout) -> Tables:
    """The tables whose names begin with `<namespace>_rating_`."""
    metadata = sa.MetaData()

    def table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> sa.Table:
        return sa.Table(f"{namespace}_{KIND}_{name}", metadata, *parts, **options)

    def index(name: str, *columns: str, unique: bool = False) -> sa.Index:
        return sa.Index(f"{namespace}_{KIND}_{name}", *columns, unique=unique)

    def sums() -> list[sa.Column[int]]:
        return [sa.Column("points", sa.BigInteger, nullable=False), *exact.sum_types(QTY), *exact.sum_types(PRICE)]

    clustered: dict[str, Any] = {"sqlite_with_rowid": False}
    whole, small, long, raw = sa.Integer, sa.SmallInteger, sa.BigInteger, types.Bytes
    return Tables(
        metadata=metadata,
        exact=exact,
        setting=table(
            "setting",
            sa.Column("name", sa.String(64), primary_key=True),
            sa.Column("value", types.LongText, nullable=False),
        ),
        slot=table(
            "slot",
            sa.Column("id", whole, primary_key=True),
            sa.Column("begin", long, nullable=False),
            sa.Column("end", long, nullable=False),
            sa.Column("type", types.key_bytes(1020), nullable=False),
            sa.Column("day", long, nullable=False),
            sa.Column("pending", small, nullable=False),
            index("slot_order", "begin", "end", "type", unique=True),
            index("slot_type", "type", "begin"),
            index("slot_pending", "pending", "begin"),
        ),
        entry=table(
            "entry",
            sa.Column("id", whole, primary_key=True),
            sa.Column("digest", sa.String(32), nullable=False),
            sa.Column("kind", small, nullable=False),
            sa.Column("calendar", small, nullable=False),
            sa.Column("scope_id", whole),
            sa.Column("label", raw, nullable=False),
            sa.Column("body", types.LongText, nullable=False),
            index("entry_digest", "digest", unique=True),
        ),
        attribute=table(
            "attribute",
            sa.Column("kind", small, primary_key=True),
            sa.Column("name", types.key_bytes(1020), primary_key=True),
            sa.Column("entry_id", whole, primary_key=True),
            sa.Column("text_key", long, nullable=False),
            sa.Column("text", raw, nullable=False),
            sa.Column("json", raw),
            index("attribute_text", "kind", "name", "text_key", "entry_id"),
            **clustered,
        ),
        point=table(
            "point",
            sa.Column("slot_id", whole, primary_key=True, autoincrement=False),
            sa.Column("series_id", whole, primary_key=True, autoincrement=False),
            sa.Column("number", whole, primary_key=True, autoincrement=False),
            sa.Column("detail_id", whole, nullable=False),
            *exact.types(QTY),
            *exact.types(PRICE),
            **clustered,
        ),
        rollup=table(
            "rollup",
            sa.Column("bucket", long, primary_key=True, autoincrement=False),
            sa.Column("series_id", whole, primary_key=True, autoincrement=False),
            *sums(),
            **clustered,
        ),
        scope_rollup=table(
            "scope_rollup",
            sa.Column("bucket", long, primary_key=True, autoincrement=False),
            sa.Column("scope_id", whole, primary_key=True, autoincrement=False),
            *sums(),
            **clustered,
        ),
        slot_total=table(
            "slot_total",
            sa.Column("slot_id", whole, primary_key=True, autoincrement=False),
            sa.Column("shard", whole, primary_key=True, autoincrement=False),
            *sums(),
            **clustered,
        ),
        idempotency=receipts.table(metadata, f"{namespace}_{KIND}_"),
    )
