"""The tables of events: one row an event for reading, narrow typed rows beside it for filtering.

event_type   names of types
trait_key    (name, type) pairs of traits
type_trait   which traits events of a type have had
event        an event. `id` is the order of arrival (see the dialects); `generated` in microseconds; `traits` all of them as
             MessagePack, sorted, with moments in microseconds; `raw` as JSON. The text traits `project_id` and `user_id` are
             columns as well: who asks is filtered by them
trait_text   the other text traits, by event, and indexed by value
trait_number integers, moments in microseconds, and floats as `events.ordered` gives them, the same way; a trait_id has one type
idempotency  receipts of writes that were asked for under a key (see engines.sql.receipts)
setting      numbers that belong to the store: the last id given out, or what is added to transaction ids; the key of cursors

Dictionaries only grow: what a process remembers of them stays true. Whether a type still has events is asked of `event`.
`part` is 0 but on SQLite, where it cuts the index by value into pieces of arrival time: writing stays within the last piece, which
fits in the cache, and a question goes through all of them.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import receipts, types
from undercroft.events.models import Trait

KIND = "events"
# Text traits that are columns of `event`.
PROJECT, USER = "project_id", "user_id"
COLUMNS = (PROJECT, USER)
LAST_ID, OFFSET = "last_id", "transaction_offset"


@dataclasses.dataclass(frozen=True)
class Tables:
    """The tables of one namespace."""

    metadata: sa.MetaData
    setting: sa.Table
    event_type: sa.Table
    trait_key: sa.Table
    type_trait: sa.Table
    event: sa.Table
    trait_text: sa.Table
    trait_number: sa.Table
    idempotency: sa.Table

    def of(self, dtype: int) -> sa.Table:
        """The table that holds traits of a type."""
        return self.trait_text if dtype == Trait.TEXT_TYPE else self.trait_number


@functools.lru_cache(maxsize=8)
def tables(namespace: str, ties: tuple[str, ...] = ()) -> Tables:
    """The tables whose names begin with `<namespace>_events_`; `ties` end the indexes by time where a dialect wants it."""
    metadata = sa.MetaData()

    def table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> sa.Table:
        return sa.Table(f"{namespace}_{KIND}_{name}", metadata, *parts, **options)

    def index(name: str, *columns: str, unique: bool = False) -> sa.Index:
        return sa.Index(f"{namespace}_{KIND}_{name}", *columns, unique=unique)

    def key(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
        return sa.Column(name, kind, primary_key=True, autoincrement=False)

    def values(name: str, kind: Any) -> sa.Table:
        return table(
            name,
            key("event_id", sa.BigInteger),
            key("trait_id"),
            sa.Column("part", sa.Integer, nullable=False),
            sa.Column("value", kind, nullable=False),
            index(f"{name}_value", "part", "trait_id", "value"),
            **clustered,
        )

    clustered: dict[str, Any] = {"sqlite_with_rowid": False}
    word = types.word(255)
    return Tables(
        metadata=metadata,
        setting=table(
            "setting", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.BigInteger, nullable=False)
        ),
        event_type=table(
            "event_type",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", word, nullable=False),
            index("event_type_name", "name", unique=True),
        ),
        trait_key=table(
            "trait_key",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", word, nullable=False),
            sa.Column("dtype", sa.SmallInteger, nullable=False),
            index("trait_key_name", "name", "dtype", unique=True),
        ),
        type_trait=table("type_trait", key("type_id"), key("trait_id"), **clustered),
        event=table(
            "event",
            sa.Column("id", types.LONG_KEY, primary_key=True, autoincrement=False),
            sa.Column("message_id", word, nullable=False),
            sa.Column("generated", sa.BigInteger, nullable=False),
            sa.Column("type_id", sa.Integer, nullable=False),
            sa.Column(PROJECT, word),
            sa.Column(USER, word),
            sa.Column("traits", types.Bytes, nullable=False),
            sa.Column("raw", types.LongText, nullable=False),
            index("event_message", "message_id", unique=True),
            index("event_order", "generated", "message_id"),
            index("event_of_type", "type_id", "generated", *ties),
            index("event_of_project", PROJECT, "generated", *ties),
            index("event_of_user", USER, "generated", *ties),
        ),
        trait_text=values("trait_text", word),
        trait_number=values("trait_number", sa.BigInteger),
        idempotency=receipts.table(metadata, f"{namespace}_{KIND}_"),
    )
