"""Panko's relations as views over our tables, so that a query that was written for them runs.

Names and columns are the host's: event_type(id, desc), event(id, message_id, generated, raw, event_type_id), and four
trait_<type>(event_id, key, value). Moments have the form that the host gives them on the same engine. On MariaDB, which has no
infinite floats, such a float is the largest that there is.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from undercroft.core.errors import Conflict
from undercroft.events.drivers.sql.dialects import Dialect
from undercroft.events.drivers.sql.schema import COLUMNS, Tables
from undercroft.events.models import Trait

NAMES = ("event_type", "event", "trait_text", "trait_int", "trait_float", "trait_datetime")
_EVENT_TYPE = "event_type"
_FRACTION = 52


def create(connection: sa.Connection, tables: Tables, dialect: Dialect) -> None:
    """Make the views, or make them anew.

    Args:
        connection: within a transaction.
        tables: what they show.
        dialect: the store's.

    Raises:
        Conflict: a table has the name of one of them.
    """
    if taken := sorted(set(sa.inspect(connection).get_table_names()) & set(NAMES)):
        raise Conflict(f"the database has tables named {', '.join(taken)}, a host's own: put this store into another database")
    drop(connection)
    for name, select in zip(NAMES, _selects(tables, dialect), strict=True):
        connection.execute(sa.text(f"CREATE VIEW {name} AS {select}".replace(":", r"\:")))


def drop(connection: sa.Connection, of: Tables | None = None) -> None:
    """Remove the views that are there.

    Args:
        connection: within a transaction.
        of: only those that show these tables.
    """
    found = sa.inspect(connection)
    for name in set(NAMES) & set(found.get_view_names()):
        if of is None or of.event_type.name.removesuffix(_EVENT_TYPE) in (found.get_view_definition(name) or ""):
            connection.exec_driver_sql(f"DROP VIEW {name}")


def _selects(tables: Tables, dialect: Dialect) -> Iterable[str]:
    event, key = tables.event.name, tables.trait_key.name
    desc, key_column = (f"{dialect.quote}{name}{dialect.quote}" for name in ("desc", "key"))

    def traits(table: str, dtype: int, value: str) -> str:
        return (
            f"SELECT v.event_id AS event_id, k.name AS {key_column}, {value} AS value FROM {table} v "  # noqa: S608
            f"JOIN {key} k ON k.id = v.trait_id WHERE k.dtype = {dtype}"
        )

    number = tables.trait_number.name
    columns = [
        f"SELECT id AS event_id, '{name}' AS {key_column}, {name} AS value FROM {event} WHERE {name} IS NOT NULL"  # noqa: S608
        for name in COLUMNS
    ]
    yield f"SELECT id, name AS {desc} FROM {tables.event_type.name} t WHERE EXISTS (SELECT 1 FROM {event} e WHERE e.type_id = t.id)"  # noqa: S608
    yield (
        f"SELECT id, message_id, {dialect.timestamp('generated')} AS generated, raw, type_id AS event_type_id FROM {event}"  # noqa: S608
    )
    yield " UNION ALL ".join([traits(tables.trait_text.name, Trait.TEXT_TYPE, "v.value"), *columns])
    yield traits(number, Trait.INT_TYPE, "v.value")
    yield traits(number, Trait.FLOAT_TYPE, _float("v.value", dialect))
    yield traits(number, Trait.DATETIME_TYPE, dialect.timestamp("v.value"))


def _float(bits: str, dialect: Dialect) -> str:
    """The float that `ordered` made an integer of: sign, exponent and fraction put together, each step exact."""
    # No float is the smallest integer, which has no opposite; an integer may be, and may be looked at before its type is.
    size = f"abs(nullif({bits}, -9223372036854775807 - 1))"
    exponent, fraction = dialect.signed(f"({size} >> {_FRACTION})"), f"({size} & {2**_FRACTION - 1})"
    unit = f"(CAST({fraction} AS {dialect.double}) * {_power(f'({-_FRACTION})', dialect)})"
    normal = f"(1 + {unit}) * {_power(f'({exponent} - 1023)', dialect)}"
    tiny = f"{unit} * {_power('(-1022)', dialect)}"
    value = f"CASE {exponent} WHEN 0 THEN {tiny} WHEN 2047 THEN {dialect.infinity} ELSE {normal} END"
    return f"(CASE WHEN {bits} < 0 THEN -1 ELSE 1 END * ({value}))"


def _power(exponent: str, dialect: Dialect) -> str:
    """2 to a whole power between -1023 and 1023, by the bits of the exponent: not every engine has an exact `pow`."""
    literal = dialect.float_literal
    powers = [
        " * ".join(
            f"CASE WHEN (({wanted}) & {1 << bit}) <> 0 THEN {literal(base ** (1 << bit))} ELSE {literal(1.0)} END"
            for bit in range(10)
        )
        for base, wanted in ((2.0, exponent), (0.5, f"-{exponent}"))
    ]
    return f"(CASE WHEN {exponent} >= 0 THEN {powers[0]} ELSE {powers[1]} END)"
