"""The two tables of a target: samples, and how far each meter of each filter has been read."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from undercroft.engines.sql.types import LongText, word
from undercroft.export.sample import COLUMNS

# Characters of an error that is kept.
LONGEST_ERROR = 1000
_MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_SAMPLES: dict[str, sa.types.TypeEngine[Any]] = {
    "counter_name": word(255),
    "counter_type": word(32),
    "counter_unit": word(64),
    "counter_volume": sa.Double(),
    "message_id": word(128),
    "project_id": word(255),
    "resource_id": word(255),
    "source": word(255),
    "timestamp": _MOMENT,
    "user_id": word(255),
    "recorded_at": _MOMENT,
    "resource_metadata": LongText,
}
_NEEDED = ("message_id", "counter_name", "timestamp")
INDEXES = (("counter_name", "timestamp"), ("project_id", "timestamp"))
POINT_KEY = ("endpoint_id", "filter", "meter")


class Tables(NamedTuple):
    """The tables as this version makes them.

    Attributes:
        samples: one row a sample.
        sync: one row for each endpoint, filter and meter.
    """

    samples: sa.Table
    sync: sa.Table


def describe(name: str, extra: tuple[str, ...]) -> Tables:
    """The tables of a target.

    Args:
        name: of the table of samples, with its schema before it where that is given.
        extra: columns beside the nine.
    """
    schema, _, table = name.rpartition(".")
    metadata = sa.MetaData(schema=schema or None)
    samples = sa.Table(
        table,
        metadata,
        *(
            sa.Column(column, _SAMPLES[column], primary_key=column == "message_id", nullable=column not in _NEEDED)
            for column in (*COLUMNS, *extra)
        ),
    )
    sync = sa.Table(
        f"{table}_sync",
        metadata,
        sa.Column("endpoint_id", word(64), primary_key=True),
        sa.Column("filter", word(255), primary_key=True),
        sa.Column("meter", word(255), primary_key=True),
        # None until something has been read to its end.
        sa.Column("position", _MOMENT),
        sa.Column("updated", _MOMENT),
        sa.Column("rows_stored", sa.BigInteger()),
        sa.Column("rows_refused", sa.BigInteger()),
        sa.Column("error", sa.String(LONGEST_ERROR)),
        sa.Column("error_at", _MOMENT),
    )
    return Tables(samples, sync)
