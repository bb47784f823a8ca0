"""Operations in the steps of a transaction: read and lock, change, add to the tally. For engines whose UPDATE returns no rows."""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.core.receipt import Receipt
from undercroft.engines.sql import raw, receipts
from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.drivers.sql.dialects.base import (
    BACK,
    BEYOND,
    FRESH,
    LINGERS,
    REMEMBERED,
    Answer,
    Lane,
    Refusal,
    Slice,
    Spot,
    depths,
)
from undercroft.messaging.drivers.sql.dialects.entries import Entries, entering
from undercroft.messaging.drivers.sql.rows import COLUMNS, Found, Row, Tally
from undercroft.messaging.models import Arrival, Depths, Lease, NewMessage
from undercroft.messaging.waiting import Outlook
from undercroft.messaging.waiting.signals import outlook

_COLUMNS = ", ".join(COLUMNS)
# Queues that one statement looks at.
_TOGETHER = 100
# What a row that is inserted begins with: `COLUMNS` without the place.
_ALIAS, _EXPIRES = (COLUMNS.index(name) - 1 for name in ("alias", "expires"))
_NOTHING = Outlook(is_free=False, seconds=None)
# The queue's id, as a value within a statement.
_LANE = "(SELECT id FROM {queue} WHERE project = ? AND name = ?)"


class Front(NamedTuple):
    """What a claim finds: the queue's id, what its row says about dead letters, and the first messages that are free."""

    queue: int
    dead: DeadLetters | None
    rows: list[Row]


class Steps(Entries, abc.ABC):
    """The steps; a subclass says how its engine locks rows and gives out places."""

    # What a SELECT ends with whose rows are to be changed, waiting for those that others have locked.
    locked = ""
    # How a table is read by an index, whatever the planner thinks.
    by_again = by_claim = by_place = ""
    # The condition that an index wants to be repeated.
    in_expires = ""

    # -- to be written by dialects ---------------------------------------------------------------------------------

    @abc.abstractmethod
    def _announce(self, connection: sa.Connection, lane: Lane, heard: int | None = None) -> Spot:
        """Where to insert, in a queue that is made where there is none; from now on readers wait for this, where they must.

        Where a moment is given, it is told whether anybody hears of what is posted then.
        """

    @abc.abstractmethod
    def _insert(self, connection: sa.Connection, spot: Spot, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        """Insert messages, each all columns behind `place`; their places in order."""

    @abc.abstractmethod
    def _add(self, connection: sa.Connection, queue: int, total: int, held: int) -> None:
        """Add to the tally."""

    @abc.abstractmethod
    def _new_claim(self, connection: sa.Connection, places: Sequence[int]) -> int:
        """A number for a claim on messages, which no other claim of theirs has had."""

    @abc.abstractmethod
    def _front(self, connection: sa.Connection, lane: Lane, limit: int, now: int) -> Front | None:
        """The first messages that are free, locked; None for an unknown queue, or for none."""

    # -- helpers ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _find_lane(self) -> str:
        return self._text("SELECT id, dead_most, dead_queue, dead_ttl FROM {queue} WHERE project = ? AND name = ?")

    @functools.cached_property
    def _find_heard(self) -> str:
        return self._text("SELECT id, coalesce(heard, 0) > ? FROM {queue} WHERE project = ? AND name = ?")

    def _rows(self, connection: sa.Connection, statement: str, values: tuple[Any, ...]) -> list[Row]:
        return [Row(*row) for row in raw.rows(connection, self._text(statement), values)]

    def _pick(self, connection: sa.Connection, lane: Lane, ids: Sequence[int], lock: str) -> list[Row]:
        """Messages by id, in the order of their places, locked as asked for."""
        among, value = self._among(sorted(ids))
        select = f"SELECT {_COLUMNS} FROM {{message}} WHERE queue = {_LANE} AND place IN "
        found = self._rows(connection, f"{select}{among} AND alias IS NULL ORDER BY place{lock}", (*lane, *value))
        if left := sorted(set(ids) - {row.number for row in found}):
            among, value = self._among(left)
            statement = self._text(f"SELECT place FROM {{moved}} WHERE queue = {_LANE} AND alias IN {among}")
            if places := sorted(place for (place,) in raw.rows(connection, statement, (*lane, *value))):
                among, value = self._among(places)
                rows = self._rows(connection, f"{select}{among} ORDER BY place{lock}", (*lane, *value))
                found += [row for row in rows if row.number in left]
        return sorted(found)

    def _remove(self, connection: sa.Connection, lane: Lane, rows: Sequence[Row], queue: int | None = None) -> None:
        """Delete rows that are locked."""
        among, value = self._among(row.place for row in rows)
        statement = self._text(f"DELETE FROM {{message}} WHERE queue = {'?' if queue else _LANE} AND place IN {among}")
        raw.changed(connection, statement, (*((queue,) if queue else lane), *value))
        held = sum(row.claim is not None for row in rows)
        if queue:
            self._add(connection, queue, -len(rows), -held)
        else:
            self._add_to(connection, lane, -len(rows), -held)

    def _add_to(self, connection: sa.Connection, lane: Lane, total: int, held: int) -> None:
        """Add to the tally of a queue by its name."""
        (row,) = raw.rows(connection, self._find_lane, tuple(lane))
        self._add(connection, int(row[0]), total, held)

    # -- messages --------------------------------------------------------------------------------------------------

    def post(self, lane: Lane, client: str, messages: Sequence[NewMessage], now: int, *, enters: bool) -> list[int]:
        return self._db.write(lambda c: self._post(c, lane, client, messages, now, enters=enters))

    def _post(
        self, connection: sa.Connection, lane: Lane, client: str, messages: Sequence[NewMessage], now: int, *, enters: bool
    ) -> list[int]:
        spot = self._announce(connection, lane, now if enters else None)
        queue = spot.queue
        known: dict[bytes, int] = {}
        if any(message.dedup is not None for message in messages):
            known = self._known(connection, queue, {m.dedup for m in messages if m.dedup is not None}, now)
        fresh: list[NewMessage] = []
        seen: set[bytes] = set(known)
        for message in messages:
            if message.dedup is None or message.dedup not in seen:
                fresh.append(message)
                seen |= {message.dedup} - {None} if message.dedup else set()
        rows = [
            (None, None, now, m.ttl, now + m.ttl * 1000, now + m.delay * 1000 if m.delay else FRESH, None, None, 0, client, m.body)
            for m in fresh
        ]
        if not rows:
            return [known[m.dedup] for m in messages if m.dedup is not None]
        places = self._store(connection, lane, spot, rows)
        marked = [(m.dedup, place, now + m.ttl * 1000) for m, place in zip(fresh, places, strict=True) if m.dedup is not None]
        if marked:
            self._remember(connection, queue, marked)
            known |= {key: place for key, place, _ in marked}
        left = iter(place for m, place in zip(fresh, places, strict=True) if m.dedup is None)
        return [next(left) if m.dedup is None else known[m.dedup] for m in messages]

    def _store(self, connection: sa.Connection, lane: Lane, spot: Spot, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        """Insert what is posted, enter it into the outbox where it is to be, and add it to the tally."""
        places = self._insert(connection, spot, rows)
        if spot.enters:
            statement, values = entering(lane, spot.queue, places, rows)
            raw.changed(connection, self._text(statement), values)
        self._add(connection, spot.queue, len(rows), 0)
        return places

    def _known(self, connection: sa.Connection, queue: int, keys: set[bytes], now: int) -> dict[bytes, int]:
        """The messages that these keys have made, as far as they are still to be remembered; the others are forgotten."""
        table = self._tables.dedup
        wanted = (table.c.queue == queue) & table.c.key.in_(sorted(keys))
        rows = connection.execute(sa.select(table.c.key, table.c.message, table.c.expires).where(wanted)).all()
        if old := [row.key for row in rows if row.expires <= now]:
            connection.execute(table.delete().where(table.c.queue == queue, table.c.key.in_(old)))
        return {bytes(row.key): row.message for row in rows if row.expires > now}

    def _remember(self, connection: sa.Connection, queue: int, marked: Sequence[tuple[bytes, int, int]]) -> None:
        connection.execute(
            self._tables.dedup.insert(), [{"queue": queue, "key": key, "message": m, "expires": e} for key, m, e in sorted(marked)]
        )

    def post_once(
        self, lane: Lane, client: str, messages: Sequence[NewMessage], now: int, receipt: Receipt, answer: Answer, *, enters: bool
    ) -> bytes:
        def work(connection: sa.Connection) -> bytes:
            def effect() -> bytes:
                return answer(self._post(connection, lane, client, messages, now, enters=enters) if messages else [])

            return receipts.once(connection, self._tables.idempotency, receipt, now * 1000, effect)

        return self._db.write(work)

    def page(self, lane: Lane, page: Slice, now: int) -> Sequence[Row]:
        return self._db.read(lambda c: self._page(c, lane, page, now))

    def _page(self, connection: sa.Connection, lane: Lane, page: Slice, now: int, last: int | None = None) -> list[Row]:
        """A page; `last` is the highest place on it."""
        shared, values = (
            "queue = " + _LANE + " AND place > ? AND +expires > ?",
            [*lane, self._place(connection, lane, page.after), now],
        )
        if last is not None:
            shared, values = f"{shared} AND place <= ?", [*values, last]
        if page.without is not None:
            shared, values = f"{shared} AND client <> ?", [*values, page.without]
        ends = " ORDER BY place LIMIT ?"
        values_of = tuple(values)
        if page.claimed or page.delayed:
            rest = {
                (True, True): "",
                (True, False): " AND (again <= ? OR claim IS NOT NULL)",
                (False, True): " AND (again <= ? OR claim IS NULL)",
            }
            condition = rest[page.claimed, page.delayed]
            return self._rows(
                connection,
                f"SELECT {_COLUMNS} FROM {{message}}{self.by_place} WHERE {shared}{condition}{ends}",
                (*values_of, *((now,) if condition else ()), page.limit),
            )
        # Those that were never claimed come in order from the index; a page behind many claimed ones does not go through these.
        found = []
        for condition, own in (("again = 0", ()), ("again > 0 AND again <= ?", (now,))):
            found += self._rows(
                connection,
                f"SELECT {_COLUMNS} FROM {{message}}{self.by_again} WHERE {condition} AND {shared}{ends}",
                (*own, *values_of, page.limit),
            )
        return sorted(found)[: page.limit]

    def _place(self, connection: sa.Connection, lane: Lane, after: int) -> int:
        """The place of a marker, which may be the id of a message that came from another queue."""
        if not after:
            return 0
        statement = self._text(f"SELECT place FROM {{moved}} WHERE queue = {_LANE} AND alias = ?")
        found = raw.rows(connection, statement, (*lane, after))
        return int(found[0][0]) if found else after if after > 0 else BEYOND

    def edge(self, lane: Lane, now: int, *, newest: bool) -> Row | None:
        return self._db.read(lambda c: self._edge(c, lane, now, newest=newest))

    def _edge(self, connection: sa.Connection, lane: Lane, now: int, *, newest: bool) -> Row | None:
        order = "DESC" if newest else "ASC"
        found = self._rows(
            connection,
            f"SELECT {_COLUMNS} FROM {{message}}{self.by_place} "
            f"WHERE queue = {_LANE} AND +expires > ? ORDER BY place {order} LIMIT 1",
            (*lane, now),
        )
        return found[0] if found else None

    def get(self, lane: Lane, ids: Sequence[int], now: int) -> Sequence[Row]:
        return [row for row in self._db.read(lambda c: self._pick(c, lane, ids, "")) if row.expires > now]

    def delete(self, lane: Lane, message: int, claim: int | None, now: int) -> Refusal | None:
        def work(connection: sa.Connection) -> Refusal | None:
            rows = [row for row in self._pick(connection, lane, [message], self.locked) if row.expires > now]
            if not rows:
                return None
            holder = rows[0].claim if rows[0].is_held(now) else None
            if holder == claim:
                self._remove(connection, lane, rows)
                return None
            return Refusal(message, holder, claim is not None and bool(self._claimed(connection, lane, claim, now)))

        return self._db.write(work)

    def delete_many(self, lane: Lane, ids: Sequence[int], claims: Sequence[int] | None, now: int) -> Refusal | None:
        def work(connection: sa.Connection) -> Refusal | None:
            rows = [row for row in self._pick(connection, lane, ids, self.locked) if row.expires > now]
            for row in rows if claims is not None else ():
                if not row.is_held(now):
                    return Refusal(row.number, None, known=True)
                if row.claim not in (claims or ()):
                    return Refusal(row.number, row.claim, known=True)
            if rows:
                self._remove(connection, lane, rows)
            return None

        return self._db.write(work)

    def pop(self, lane: Lane, limit: int, now: int) -> Sequence[Row]:
        def work(connection: sa.Connection) -> list[Row]:
            front = self._front(connection, lane, limit, now)
            if front is None:
                return []
            self._remove(connection, lane, front.rows, front.queue)
            return front.rows

        return self._db.write(work)

    def redrive(self, lane: Lane, target: Lane, limit: int, now: int) -> int:
        def work(connection: sa.Connection) -> int:
            front = self._front(connection, lane, limit, now)
            if front is None:
                return 0
            again = [row._replace(claims=0, born=now, expires=now + row.ttl * 1000) for row in front.rows]
            self._move(connection, lane, target, front.queue, front.rows, again)
            return len(again)

        return self._db.write(work)

    def _move(
        self, connection: sa.Connection, lane: Lane, target: Lane, queue: int, old: Sequence[Row], new: Sequence[Row]
    ) -> None:
        """Put locked rows into another queue, as they are to be there."""
        goal = self._announce(connection, target)
        numbers = [row.number for row in new]
        # One that has been there before has a new place.
        table = self._tables.moved
        connection.execute(table.delete().where(table.c.queue == goal.queue, table.c.alias.in_(sorted(numbers))))
        self._lodge(
            connection,
            goal,
            [
                (number, row.origin, row.born, row.ttl, row.expires, FRESH, None, None, row.claims, row.client, row.body)
                for number, row in zip(numbers, new, strict=True)
            ],
        )
        self._remove(connection, lane, old, queue)

    def _lodge(self, connection: sa.Connection, goal: Spot, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert messages that bring their ids."""
        places = self._insert(connection, goal, rows)
        names = ("alias", "place", "expires")
        known = sorted((row[_ALIAS], place, row[_EXPIRES]) for row, place in zip(rows, places, strict=True))
        connection.execute(
            self._tables.moved.insert(), [{"queue": goal.queue, **dict(zip(names, each, strict=True))} for each in known]
        )
        self._add(connection, goal.queue, len(rows), 0)

    def receive(self, lane: Lane, arrivals: Mapping[int, Arrival], now: int) -> int:
        def work(connection: sa.Connection) -> int:
            # Before a place is taken: what this one stores must be behind what those have stored that it waited for.
            self._one_by_one(connection, lane)
            spot = self._announce(connection, lane)
            among, value = self._among(sorted(arrivals))
            statement = self._text(f"SELECT alias FROM {{moved}} WHERE queue = ? AND alias IN {among}")
            known = {alias for (alias,) in raw.rows(connection, statement, (spot.queue, *value))}
            rows = [
                (number, one.id, one.born, one.ttl, one.expires, FRESH, None, None, one.claims, one.client, one.body)
                for number, one in arrivals.items()
                if number not in known
            ]
            if rows:
                self._lodge(connection, spot, rows)
            return len(rows)

        return self._db.write(work)

    def _one_by_one(self, connection: sa.Connection, lane: Lane) -> None:
        """Let those that receive into a queue wait for each other, where the engine lets transactions write at the same time.

        They would fail on the same message, or store the later ones before those that another one has not committed yet.
        """

    def known(self, lane: Lane, keys: Sequence[bytes], now: int) -> dict[bytes, int]:
        table, queue = self._tables.dedup, self._tables.queue
        own = sa.select(queue.c.id).where(queue.c.project == lane.project, queue.c.name == lane.name).scalar_subquery()
        wanted = sa.select(table.c.key, table.c.message).where(
            table.c.queue == own, table.c.key.in_(sorted(keys)), table.c.expires > now
        )
        return {bytes(key): message for key, message in self._db.read(lambda c: c.execute(wanted).all())}

    # -- claims ----------------------------------------------------------------------------------------------------

    def claim(self, lane: Lane, lease: Lease, now: int, dead: DeadLetters | None, foreign: bool) -> Found | None:
        moved: list[tuple[Lane, int]] = []

        def work(connection: sa.Connection) -> Found | None:
            front = self._front(connection, lane, lease.limit, now)
            moved.clear()
            if front is None:
                return None
            rule = dead if foreign else front.dead
            rows = front.rows
            if rule is not None and (over := [row for row in rows if row.claims >= rule.most]):
                life: dict[str, Any] = {} if rule.ttl is None else {"ttl": rule.ttl, "born": now, "expires": now + rule.ttl * 1000}
                target = Lane(lane.project, rule.queue)
                self._move(connection, lane, target, front.queue, over, [r._replace(**life) for r in over])
                moved.append((target, len(over)))
                rows = [row for row in rows if row.claims < rule.most]
            return self._take(connection, front.queue, rows, lease, now) if rows else None

        found = self._db.write(work)
        for target, count in moved:
            self.moved(target, count)
        return found

    def _take(self, connection: sa.Connection, queue: int, rows: Sequence[Row], lease: Lease, now: int) -> Found:
        """Give locked rows to a new claim."""
        claim, ends = self._new_claim(connection, [row.place for row in rows]), now + lease.ttl * 1000
        among, value = self._among(row.place for row in rows)
        statement = self._text(
            "UPDATE {message} SET claims = claims + 1, claim = ?, claim_ttl = ?, again = ?, "
            "ttl = CASE WHEN expires < ? THEN ? ELSE ttl END, expires = CASE WHEN expires < ? THEN ? ELSE expires END "
            f"WHERE queue = ? AND place IN {among}"
        )
        life, until = lease.ttl + lease.grace, ends + lease.grace * 1000
        raw.changed(connection, statement, (claim, lease.ttl, ends, ends, life, ends, until, queue, *value))
        self._add(connection, queue, 0, sum(row.claim is None for row in rows))
        taken = [
            row._replace(
                claims=row.claims + 1,
                claim=claim,
                claim_ttl=lease.ttl,
                again=ends,
                ttl=life if row.expires < ends else row.ttl,
                expires=until if row.expires < ends else row.expires,
            )
            for row in rows
        ]
        return Found(claim, lease.ttl, ends, taken)

    def _claimed(self, connection: sa.Connection, lane: Lane, claim: int, now: int) -> list[Row]:
        return self._rows(
            connection,
            f"SELECT {_COLUMNS} FROM {{message}}{self.by_claim} "
            f"WHERE queue = {_LANE} AND claim = ? AND again > ? AND expires > ? ORDER BY place",
            (*lane, claim, now, now),
        )

    def find_claim(self, lane: Lane, claim: int, now: int) -> Sequence[Row]:
        return self._db.read(lambda c: self._claimed(c, lane, claim, now))

    def renew(self, lane: Lane, claim: int, lease: Lease, now: int) -> bool:
        ends = now + lease.ttl * 1000
        life, until = lease.ttl + lease.grace, ends + lease.grace * 1000
        statement = self._text(
            "UPDATE {message} SET claim_ttl = ?, "
            "ttl = CASE WHEN expires < ? THEN ? ELSE ttl END, expires = CASE WHEN expires < ? THEN ? ELSE expires END, again = ? "
            f"WHERE queue = {_LANE} AND claim = ? AND again > ? AND expires > ?"
        )
        values = (lease.ttl, ends, life, ends, until, ends, *lane, claim, now, now)
        # One that is renewed within a millisecond changes nothing, and is there all the same.
        return self._db.write(lambda c: raw.changed(c, statement, values) > 0 or bool(self._claimed(c, lane, claim, now)))

    def release(self, lane: Lane, claim: int, now: int) -> None:
        statement = self._text(
            f"UPDATE {{message}} SET claim = NULL, claim_ttl = NULL, again = ? WHERE queue = {_LANE} AND claim = ? AND again > ?"
        )

        def work(connection: sa.Connection) -> None:
            if freed := raw.changed(connection, statement, (now - BACK, *lane, claim, now)):
                self._add_to(connection, lane, 0, -freed)

        self._db.write(work)

    def outlooks(self, lanes: Sequence[Lane], now: int) -> list[Outlook]:
        found: dict[tuple[str, str], Outlook] = {}
        for first in range(0, len(lanes), _TOGETHER):
            part = lanes[first : first + _TOGETHER]
            statement = self._text(
                "SELECT q.project, q.name, EXISTS (SELECT 1 FROM {message} m"
                f"{self.by_again} WHERE m.queue = q.id AND m.again <= ? AND m.expires > ?), "
                f"(SELECT m.again FROM {{message}} m{self.by_again} WHERE m.queue = q.id AND m.again > ? AND m.expires > m.again "
                "ORDER BY m.again LIMIT 1) FROM {queue} q WHERE " + " OR ".join(["(q.project = ? AND q.name = ?)"] * len(part))
            )
            values = (now, now, now, *(value for lane in part for value in lane))
            for project, name, is_free, again in self._db.alone(functools.partial(raw.rows, statement=statement, values=values)):
                found[project, name] = outlook(is_free, again, now)
        return [found.get(lane, _NOTHING) for lane in lanes]

    # -- figures ---------------------------------------------------------------------------------------------------

    def tally(self, lane: Lane, now: int) -> Tally | None:
        def work(connection: sa.Connection) -> Tally | None:
            found = raw.rows(connection, self._find_lane, tuple(lane))
            if not found:
                return None
            queue = int(found[0][0])
            ((total, held, gone, over, both),) = raw.rows(
                connection,
                self._text(
                    "SELECT (SELECT coalesce(sum(total), 0) FROM {tally} WHERE queue = ?), "
                    "(SELECT coalesce(sum(held), 0) FROM {tally} WHERE queue = ?), "
                    "(SELECT count(*) FROM {message} WHERE queue = ? AND expires <= ?), "
                    f"(SELECT count(*) FROM {{message}}{self.by_again} "
                    "WHERE queue = ? AND again > 0 AND again <= ? AND claim IS NOT NULL), "
                    "(SELECT count(*) FROM {message} WHERE queue = ? AND expires <= ? AND again > ? AND claim IS NOT NULL)"
                ),
                (queue, queue, queue, now, queue, now, queue, now, now),
            )
            oldest, newest = (self._edge(connection, lane, now, newest=newest) for newest in (False, True))
            return Tally(int(total) - gone, int(held) - over - both, _end(oldest), _end(newest))

        return self._db.read(work)

    def depths(self, limit: int, now: int, *, lanes: bool = False) -> Depths:
        held = "SELECT count(*) FROM {message} m WHERE m.queue = q.id AND m.claim IS NOT NULL AND"
        statement = self._text(
            "SELECT project, name, total - gone - (held - past - lapsed), held - past - lapsed, born, count(*) OVER () FROM ("
            "SELECT q.project, q.name, "
            "(SELECT coalesce(sum(t.total), 0) FROM {tally} t WHERE t.queue = q.id) AS total, "
            "(SELECT coalesce(sum(t.held), 0) FROM {tally} t WHERE t.queue = q.id) AS held, "
            "(SELECT count(*) FROM {message} m WHERE m.queue = q.id AND m.expires <= ?) AS gone, "
            f"({held} m.again > 0 AND m.again <= ?) AS past, "
            f"({held} m.expires <= ? AND m.again > ?) AS lapsed, "
            "(SELECT m.born FROM {message} m WHERE m.queue = q.id AND m.expires > ? ORDER BY m.place LIMIT 1) AS born "
            f"FROM {{queue}} q WHERE q.subscription IS {'NOT NULL' if lanes else 'NULL'}) f "
            "ORDER BY total - gone DESC, project, name LIMIT ?"
        )
        found = self._db.read(lambda c: raw.rows(c, statement, (now, now, now, now, now, limit)))
        return depths(found, now)

    # -- removal ---------------------------------------------------------------------------------------------------

    def clean(self, now: int, most: int) -> int:
        removed = self._db.write(lambda c: self._clean_expired(c, now, most))
        if removed < most:
            removed += self._db.write(lambda c: self._clean_entries(c, now, most - removed))
        self._db.write(lambda c: self._clean_lanes(c, now))
        if removed < most:
            removed += self._db.write(lambda c: self._clean_leftovers(c, now, most - removed))
        if removed < most:
            self._db.write(lambda c: self._clean_beside(c, now, most))
        return removed

    def _clean_expired(self, connection: sa.Connection, now: int, most: int) -> int:
        """Messages that have expired, of one queue after the other."""
        queues = raw.rows(
            connection,
            self._text(
                "SELECT q.id FROM {queue} q WHERE EXISTS (SELECT 1 FROM {message} m WHERE m.queue = q.id AND expires <= ?"
                f"{self.in_expires}) ORDER BY q.id LIMIT 100"
            ),
            (now,),
        )
        removed = 0
        for (queue,) in queues:
            if removed >= most:
                break
            rows = raw.rows(
                connection,
                self._text(
                    "SELECT place, claim FROM {message} WHERE queue = ? AND expires <= ?"
                    f"{self.in_expires} ORDER BY expires LIMIT ?{self.skip_locked}"
                ),
                (queue, now, most - removed),
            )
            if rows:
                among, value = self._among(place for place, _ in rows)
                raw.changed(
                    connection, self._text(f"DELETE FROM {{message}} WHERE queue = ? AND place IN {among}"), (queue, *value)
                )
                self._add(connection, queue, -len(rows), -sum(claim is not None for _, claim in rows))
                removed += len(rows)
        return removed

    def _clean_leftovers(self, connection: sa.Connection, now: int, most: int) -> int:
        """Messages of queues that are gone; then all else that these had."""
        removed = 0
        for queue, since in raw.rows(connection, self._text("SELECT id, since FROM {leftover} ORDER BY since LIMIT 100"), ()):
            if removed >= most:
                break
            rows = raw.rows(
                connection,
                self._text(f"SELECT place FROM {{message}} WHERE queue = ? ORDER BY place LIMIT ?{self.skip_locked}"),
                (queue, most - removed),
            )
            if rows:
                among, value = self._among(place for (place,) in rows)
                raw.changed(
                    connection, self._text(f"DELETE FROM {{message}} WHERE queue = ? AND place IN {among}"), (queue, *value)
                )
                removed += len(rows)
            elif since < now - LINGERS:
                for table, column in (("tally", "queue"), ("dedup", "queue"), ("moved", "queue"), ("leftover", "id")):
                    raw.changed(connection, self._text(f"DELETE FROM {{{table}}} WHERE {column} = ?"), (queue,))
        return removed

    def _clean_beside(self, connection: sa.Connection, now: int, most: int) -> None:
        """What is no longer to be remembered, and whatever else the dialect has to tidy."""
        table = self._tables.dedup
        old = connection.execute(
            sa.select(table.c.queue, table.c.key).where(table.c.expires <= now).order_by(table.c.expires).limit(most)
        ).all()
        for queue, key in sorted(map(tuple, old)):
            connection.execute(table.delete().where(table.c.queue == queue, table.c.key == key, table.c.expires <= now))
        self._forget_moved(connection, now - REMEMBERED, most)
        self.audience.clean(connection, now, most)
        table = self._tables.subscription
        ends = sa.select(table.c.id).where(table.c.expires <= now).order_by(table.c.expires).limit(most)
        if gone := sorted(connection.execute(ends).scalars()):
            connection.execute(table.delete().where(table.c.id.in_(gone), table.c.expires <= now))

    def _forget_moved(self, connection: sa.Connection, before: int, most: int) -> None:
        """Places of moved messages that have expired before, unless a claim has prolonged their lives."""
        moved, message = self._tables.moved, self._tables.message
        is_there = sa.exists().where(message.c.queue == moved.c.queue, message.c.place == moved.c.place)
        wanted = sa.select(moved.c.queue, moved.c.alias).where(moved.c.expires <= before, ~is_there)
        for queue, alias in sorted(map(tuple, connection.execute(wanted.order_by(moved.c.expires).limit(most)))):
            connection.execute(moved.delete().where(moved.c.queue == queue, moved.c.alias == alias))


def _end(row: Row | None) -> tuple[str, int] | None:
    return None if row is None else (row.id, row.born)
