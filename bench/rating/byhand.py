"""The floor of each question: the best statement that one would write against our tables, rows turned into the answer by hand.

Through the client library alone, by somebody who knows the data: which attribute is in groupby, how many digits numbers have, that
the range is a month. The answers must be those of the store.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from bench.rating import workload
from bench.rating.floor import Floor
from bench.rating.workload import MONTH_END, START
from undercroft.core.time import from_micros, to_micros
from undercroft.rating import DataFrame, DataPoint, calendar
from undercroft.rating.drivers.sql.encode import text_key
from undercroft.rating.drivers.sql.schema import SCOPE, SERIES, TYPE
from undercroft.rating.models import FrozenDict
from undercroft.rating.numbers import CONTEXT, plain

MONTH = START.year * 100 + START.month
HALF, BASE = 10**9, 10**18
# Of the limbs that hold whole numbers and twelve places; longer numbers have a further one.
SHORT = 12
IN_RANGE = "FROM {slot} s JOIN {slot_total} t ON t.slot_id = s.id WHERE s.begin >= ? AND s.begin < ?"
MATCHES = "a.kind = ? AND a.name = ? AND a.text_key = ? AND a.text = ?"
_json = msgspec.json.decode
Answer = dict[str, Any]


class Numbers:
    """Quantities and prices where the engine has exact numbers."""

    def of(self, table: str) -> str:
        """Both numbers of each row."""
        return f"{table}.qty, {table}.price"

    def sums(self, table: str) -> str:
        """The sums of both."""
        return f"sum({table}.qty), sum({table}.price)"

    def read(self, columns: Sequence[Any]) -> tuple[Decimal, Decimal]:
        """Quantity and price in the columns of `of`."""
        qty, price = columns
        return plain(qty), plain(price)

    def read_sums(self, columns: Sequence[Any]) -> tuple[Decimal, Decimal]:
        """Quantity and price in the columns of `sums`."""
        return self.read(columns)


class Limbs(Numbers):
    """Where it has integers only: halves of limbs are added, and no sum can overflow."""

    def __init__(self, digits: int) -> None:
        self._long = digits > SHORT

    def of(self, table: str) -> str:
        limbs = ["_e6", "", *(["_e30"] if self._long else [])]
        return ", ".join(f"{table}.{name}{limb}" for name in ("qty", "price") for limb in limbs)

    def sums(self, table: str) -> str:
        limbs = ["", *(["_e30"] if self._long else [])]
        parts = []
        for name in ("qty", "price"):
            parts.append(f"sum({table}.{name}_e6)")
            parts += [f"sum({table}.{name}{limb} {operator} {HALF})" for limb in limbs for operator in "/%"]
        return ", ".join(parts)

    def read(self, columns: Sequence[Any]) -> tuple[Decimal, Decimal]:
        width = len(columns) // 2
        return self._number(*columns[:width]), self._number(*columns[width:])

    def read_sums(self, columns: Sequence[Any]) -> tuple[Decimal, Decimal]:
        width = len(columns) // 2
        return self._sum(*columns[:width]), self._sum(*columns[width:])

    def _sum(self, high: int | None, above: int, below: int, *low: int | None) -> Decimal:
        return self._number(high, above * HALF + below, *([(low[0] or 0) * HALF + (low[1] or 0)] if low else []))

    @staticmethod
    def _number(high: int | None, main: int, low: int | None = None) -> Decimal:
        units = main + high * BASE if high else main
        if low:
            return plain(CONTEXT.scaleb(Decimal(units * BASE + low), -30))
        whole, rest = divmod(units, 10**SHORT)
        return CONTEXT.normalize(CONTEXT.scaleb(Decimal(units), -SHORT)) if rest else Decimal(whole)


@dataclasses.dataclass(frozen=True)
class Matched:
    """The attribute that a filter is about."""

    kind: int
    name: str
    value: str

    @property
    def given(self) -> list[Any]:
        """What `MATCHES` takes."""
        text = self.value.encode()
        return [self.kind, self.name.encode(), text_key(text), text]


class ByHand:
    """Answers the questions of the bench about one store."""

    def __init__(self, floor: Floor, digits: int) -> None:
        self._floor = floor
        self._numbers = Limbs(digits) if floor.limbs else Numbers()
        # SQLite, which nobody has told how many there are, would go through all that have the attribute.
        self._by_text, self._pending = (" INDEXED BY {attribute}_text", " INDEXED BY {slot}_pending") if floor.limbs else ("", "")
        self._range = [to_micros(START), to_micros(MONTH_END)]

    def questions(self, points: int, page: int) -> dict[str, Callable[[], Answer]]:
        """The queries by the names that the worker uses, for a number of stored points and a page size."""
        return {
            "project and type": self._project_and_type,
            "type": lambda: self._slots(["s.type"], lambda type_: {"type": bytes(type_).decode()}),
            "ungrouped": lambda: self._slots([], dict),
            "time": lambda: self._slots(["s.begin", 's."end"'], _period),
            "time-d": lambda: self._slots(["s.day"], lambda day: {calendar.DAY_OF_THE_YEAR: str(day % 1000)}),
            "project": lambda: self._project(workload.project(250)),
            "resource": lambda: self._resource(workload.resource(7_007)),
            "page first": lambda: self._page(0, page),
            "page middle": lambda: self._page(points // 2, page),
            "page last": lambda: self._page(points - page, page),
        }

    def _ask(self, statement: str, given: Sequence[Any]) -> Sequence[Any]:
        return self._floor.ask(statement, given)

    # -- totals --------------------------------------------------------------------------------------------------------------

    def _project_and_type(self) -> Answer:
        # A month is one bucket, and a bucket has a scope once: nothing to group.
        found = self._ask(
            f"SELECT e.label, e.body, {self._numbers.of('r')} FROM {{scope_rollup}} r JOIN {{entry}} e ON e.id = r.scope_id "
            "WHERE r.bucket = ? AND r.points > 0",
            [MONTH],
        )
        projects = {body: _json(body)["project_id"] for body in {row[1] for row in found}}
        ordered = sorted((projects[body], bytes(label).decode(), numbers) for label, body, *numbers in found)
        read = self._numbers.read
        return _total([_row(read(numbers), project_id=project, type=type_) for project, type_, numbers in ordered])

    def _slots(self, keys: list[str], named: Callable[..., dict[str, Any]]) -> Answer:
        """Sums of what no attribute is asked about."""
        listed = ", ".join(keys)
        grouped, ordered = (f"GROUP BY {listed}", f"ORDER BY {listed}") if keys else ("", "")
        columns = ", ".join([*keys, self._numbers.sums("t")])
        found = self._ask(f"SELECT {columns} {IN_RANGE} {grouped} HAVING sum(t.points) > 0 {ordered}", self._range)
        width = len(keys)
        rows = [_row(self._numbers.read_sums(row[width:]), **named(*row[:width])) for row in found]
        if keys == ["s.day"]:
            rows.sort(key=lambda row: str(row[calendar.DAY_OF_THE_YEAR]))
        return _total(rows)

    def _project(self, project: str) -> Answer:
        found = self._ask(
            f"SELECT {self._numbers.sums('r')} FROM {{attribute}} a{self._by_text} JOIN {{scope_rollup}} r ON r.bucket = ? "
            f"AND r.scope_id = a.entry_id WHERE {MATCHES}",
            [MONTH, *Matched(SCOPE, "project_id", project).given],
        )
        return _total([_row(self._numbers.read_sums(row), project_id=project) for row in found])

    def _resource(self, resource: str) -> Answer:
        """Sums by series, and the points that are not in them yet."""
        numbers, matched = self._numbers, Matched(SERIES, "id", resource).given
        found = self._ask(
            f"SELECT {numbers.sums('f')} FROM (SELECT {numbers.of('r')} FROM {{attribute}} a{self._by_text} JOIN {{rollup}} r "
            f"ON r.bucket = ? AND r.series_id = a.entry_id WHERE {MATCHES} "
            f"UNION ALL SELECT {numbers.of('p')} FROM {{attribute}} a{self._by_text} "
            "JOIN {attribute} k ON k.kind = ? AND k.name = ? AND k.entry_id = a.entry_id "
            f"JOIN {{slot}} s{self._pending} ON s.type = k.text AND s.pending = 1 AND s.begin >= ? AND s.begin < ? "
            f"JOIN {{point}} p ON p.slot_id = s.id AND p.series_id = a.entry_id WHERE {MATCHES}) f",
            [MONTH, *matched, TYPE, b"", *self._range, *matched],
        )
        return _total([_row(numbers.read_sums(row)) for row in found])

    # -- pages ---------------------------------------------------------------------------------------------------------------

    def _page(self, offset: int, limit: int) -> Answer:
        """Two statements: how many points each slot has, then those of the page's slots."""
        order = 's.begin, s."end", s.type'
        counts = self._ask(
            f"SELECT s.id, sum(t.points) {IN_RANGE} GROUP BY s.id, {order} HAVING sum(t.points) > 0 ORDER BY {order}", self._range
        )
        passed = skip = 0
        chosen: list[int] = []
        for slot, count in counts:
            if passed <= offset < passed + count or (chosen and passed < offset + limit):
                skip = skip if chosen else offset - passed
                chosen.append(slot)
            passed += int(count)
        order += ", p.series_id, p.number"
        found = self._ask(
            # Cut first: what a point's ids stand for is looked up for the page alone.
            f'SELECT p.begin, p."end", p.type, p.day, e.calendar, e.body, d.label, d.body, {self._numbers.of("p")} '
            f'FROM (SELECT s.begin, s."end", s.type, s.day, p.* FROM {{slot}} s JOIN {{point}} p ON p.slot_id = s.id '
            f"WHERE s.id IN ({', '.join('?' * len(chosen))}) ORDER BY {order} LIMIT {limit} OFFSET {skip}) p "
            "JOIN {entry} e ON e.id = p.series_id JOIN {entry} d ON d.id = p.detail_id "
            f"ORDER BY {order.replace('s.', 'p.')}",
            chosen,
        )
        frames: dict[tuple[int, int], dict[str, list[DataPoint]]] = {}
        for begin, end, type_, day, bits, series, label, detail, *numbers in found:
            groupby = _json(series)
            if bits:
                # Whoever has one of them in these data has all.
                groupby.update(calendar.attributes(day))
            point = (
                bytes(label).decode(), *self._numbers.read(numbers), FrozenDict(groupby), FrozenDict(_json(detail)), None,
            )  # fmt: skip
            usage = frames.setdefault((begin, end), {})
            usage.setdefault(bytes(type_).decode(), []).append(DataPoint._make(point))
        made = [DataFrame(from_micros(begin), from_micros(end), usage) for (begin, end), usage in frames.items()]
        return {"total": passed, "dataframes": made}


def _period(begin: int, end: int) -> dict[str, dt.datetime]:
    return {"begin": from_micros(begin), "end": from_micros(end)}


def _row(numbers: tuple[Decimal, Decimal], **named: Any) -> dict[str, Any]:
    return {"begin": START, "end": MONTH_END, "qty": numbers[0], "rate": numbers[1], **named}


def _total(rows: list[dict[str, Any]]) -> Answer:
    return {"total": len(rows), "results": rows}
