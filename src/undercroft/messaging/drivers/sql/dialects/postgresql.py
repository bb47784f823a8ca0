"""PostgreSQL: what is asked often is one statement, which takes one round trip and commits by itself.

Ids are of a sequence, and posts do not wait for each other, so that they commit out of order. A post announces first that its ids
will be above the last one that was given: by a lock that all may share, whose key is the queue and that number, and that goes
with its transaction. A reader reads the last id that was given, then these locks: below the lowest of them, nothing will appear
that is not there now. Its page is a later statement. See docs/decisions/0019.
"""

from __future__ import annotations

import functools
import time as monotonic
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from undercroft.core.receipt import Receipt
from undercroft.engines.sql import gradual, raw
from undercroft.engines.sql.bulk import literal
from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.drivers.sql.dialects.alone import AloneEntries
from undercroft.messaging.drivers.sql.dialects.base import (
    BACK,
    BEYOND,
    FOLD,
    LOOK,
    PATIENCE,
    WITHIN,
    Answer,
    Lane,
    Refusal,
    Slice,
    Spot,
    depths,
    last_of,
)
from undercroft.messaging.drivers.sql.dialects.bell import Bell, listening
from undercroft.messaging.drivers.sql.dialects.heads import Head, Heads
from undercroft.messaging.drivers.sql.dialects.steps import Front, Steps
from undercroft.messaging.drivers.sql.rows import COLUMNS, Found, Row, Tally, text
from undercroft.messaging.drivers.sql.schema import LEAST, Tables
from undercroft.messaging.models import Arrival, Depths, Lease, NewMessage
from undercroft.messaging.waiting import Outlook, Signals
from undercroft.messaging.waiting.signals import outlook

Values = Mapping[str, Any]
_COLUMNS = ", ".join(COLUMNS)
# More claims than a message can have: the bound of a queue without a rule about dead letters.
_NEVER = 2**31 - 1
# What a post has: one message, several of one life, or of any.
_ONE = "(SELECT %(body)b::bytea AS body, %(ttl)s::bigint AS ttl, %(delay)s::bigint AS delay, 1 AS n) g"
_ALIKE = (
    "(SELECT body, %(ttl)s::bigint AS ttl, %(delay)s::bigint AS delay, n "
    "FROM unnest(%(body)b::bytea[]) WITH ORDINALITY AS u(body, n)) g"
)
_ALL = "unnest(%(body)b::bytea[], %(ttl)s::bigint[], %(delay)s::bigint[]) WITH ORDINALITY AS g(body, ttl, delay, n)"
# Queues that are remembered as ones with subscribers.
_HEARD = 10_000
# Marks, in the column of the number of claims, a row that tells what to wait for instead of a message.
_OUTLOOK = -2


class PostgreSQL(AloneEntries, Steps):
    """Single statements; the steps of a transaction where a call is rare."""

    # Queues are empty and full within seconds, so that plans must not follow from statistics. Each statement goes by the index that
    # it was written for, and is planned once a connection.
    pins: ClassVar = {
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_material": "off",
        "jit": "off",
    }
    skip_locked = " FOR UPDATE SKIP LOCKED"
    locked = " FOR UPDATE"
    in_expires = f" AND expires > {LEAST}"

    def __init__(self, db: Any, tables: Tables) -> None:
        super().__init__(db, tables)
        self._heads = Heads(self._look)
        # Queues that had subscribers when something was posted last: which statement is tried first.
        self._heard: set[Lane] = set()
        self._bell = Bell(db, db.options.namespace)

    def prepare(self) -> None:
        # The last value of a sequence that gave none yet looks like one that was given.
        self._db.write(lambda c: c.exec_driver_sql(f"SELECT nextval('{self._tables.place}')"))

    def close(self) -> None:
        self._bell.close()

    @property
    def signals(self) -> Callable[[], Signals] | None:
        return listening(self._db, self._bell)

    # -- statements ------------------------------------------------------------------------------------------------

    def _sql(self, statement: str) -> str:
        kinds = ("queue", "leftover", "message", "moved", "tally", "dedup", "outbox", "subscription")
        names = {name: getattr(self._tables, name).name for name in kinds}
        mine = "(SELECT id FROM q)"
        return statement.format(
            **names,
            place=self._tables.place,
            q=f"q AS MATERIALIZED (SELECT id, dead_most FROM {names['queue']} WHERE project = %(project)s AND name = %(name)s)",
            mine=mine,
            within=WITHIN,
            in_again=f"again > {LEAST}",
            in_expires=f"expires > {LEAST}",
            floor=f"((SELECT last_value FROM {self._tables.place}) & 2147483647)::int",
        )

    def _one(self, statement: str, lane: Lane, values: Values) -> list[Any]:
        """Rows of a statement that changes something, and commits by itself."""
        given = {"project": lane.project, "name": lane.name, "key": self._bell.number(lane), **values}

        def work(connection: sa.Connection) -> list[Any]:
            with raw.driver(connection) as own:
                return list(own.execute(statement, given, binary=True).fetchall())

        return self._db.write_alone(work)

    def _ask(self, statement: str, lane: Lane, values: Values) -> list[Any]:
        """Rows of a statement that changes nothing."""
        given = {"project": lane.project, "name": lane.name, **values}

        def work(connection: sa.Connection) -> list[Any]:
            with raw.driver(connection) as own:
                return list(own.execute(statement, given, binary=True).fetchall())

        return self._db.alone(work)

    # -- posting ---------------------------------------------------------------------------------------------------

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a store has one, for as long as it lives
    def _posting(self, given: str, heard: bool | None) -> str:
        """The statement that posts; where it is given, only if somebody hears of it, or only if nobody does."""
        if heard is None:
            mine, entered = "{{q}}", ""
        else:
            mine = (
                "q AS MATERIALIZED (SELECT id FROM {{queue}} WHERE project = %(project)s AND name = %(name)s "
                f"AND coalesce(heard, 0) {'>' if heard else '<='} %(now)s)"
            )
            entered = (
                "entered AS (INSERT INTO {{outbox}} (place, project, queue, ttl, expires, again, body) "
                "SELECT k.first + g.n, %(project)s, %(name)s, g.ttl, %(now)s + g.ttl * 1000, 0, g.body "
                f"FROM k CROSS JOIN {given}), "
            )
        return self._sql(
            f"WITH {mine}, announced AS MATERIALIZED (SELECT id, pg_advisory_xact_lock_shared(id::int, {{floor}}) FROM q), "
            "k AS MATERIALIZED (SELECT id, nextval('{{place}}') << {{within}} AS first FROM announced), "
            "made AS (INSERT INTO {{message}} (queue, place, born, ttl, expires, again, claims, client, body) "
            "SELECT k.id, k.first + g.n, %(now)s, g.ttl, %(now)s + g.ttl * 1000, "
            "CASE WHEN g.delay > 0 THEN %(now)s + g.delay * 1000 ELSE 0 END, 0, %(client)s, g.body "
            f"FROM k CROSS JOIN {given} RETURNING place), "
            "tallied AS (INSERT INTO {{tally}} (queue, total, held) SELECT id, %(count)s, 0 FROM q), "
            f"{entered if heard else ''}"
            f"a AS MATERIALIZED (SELECT {self._bell.awaited} AS v FROM q) "
            "SELECT place, a.v FROM made, a ORDER BY place".replace("{{", "{").replace("}}", "}")
        )

    def post(self, lane: Lane, client: str, messages: Sequence[NewMessage], now: int, *, enters: bool) -> list[int]:
        free = sum(not message.delay for message in messages)
        if any(message.dedup is not None for message in messages):
            ids = super().post(lane, client, messages, now, enters=enters)
            self._bell.ring_if_awaited(lane, free)
            return ids
        values: dict[str, Any] = {"now": now, "client": client, "count": len(messages)}
        first = messages[0]
        if len(messages) == 1:
            given = _ONE
            values |= {"body": first.body, "ttl": first.ttl, "delay": first.delay}
        elif all(message.ttl == first.ttl and message.delay == first.delay for message in messages):
            given = _ALIKE
            values |= {"body": [message.body for message in messages], "ttl": first.ttl, "delay": first.delay}
        else:
            given = _ALL
            values |= {
                "body": [message.body for message in messages],
                "ttl": [message.ttl for message in messages],
                "delay": [message.delay for message in messages],
            }
        found = self._posted(lane, given, values, enters=enters)
        if found[0][1]:
            self._bell.ring(lane, free)
        return [place for place, _ in found]

    def _posted(self, lane: Lane, given: str, values: Values, *, enters: bool) -> list[Any]:
        """Post, and enter it where somebody hears of it: by another statement, because even to enter nothing takes time."""
        first = lane in self._heard
        while True:
            for heard in (first, not first) if enters else (None,):
                if found := self._one(self._posting(given, heard), lane, values):
                    if heard is not None and heard != first:
                        self._learn(lane, heard=heard)
                    return found
            self._db.write(lambda c: self._ensure(c, lane))

    def _learn(self, lane: Lane, *, heard: bool) -> None:
        if not heard:
            self._heard.discard(lane)
            return
        if len(self._heard) >= _HEARD:
            self._heard.clear()
        self._heard.add(lane)

    def post_once(
        self, lane: Lane, client: str, messages: Sequence[NewMessage], now: int, receipt: Receipt, answer: Answer, *, enters: bool
    ) -> bytes:
        told = super().post_once(lane, client, messages, now, receipt, answer, enters=enters)
        self._bell.ring_if_awaited(lane, sum(not message.delay for message in messages))
        return told

    def redrive(self, lane: Lane, target: Lane, limit: int, now: int) -> int:
        moved = super().redrive(lane, target, limit, now)
        if moved:
            self._bell.ring_if_awaited(target, moved)
        return moved

    def _one_by_one(self, connection: sa.Connection, lane: Lane) -> None:
        name = "\n".join((self._tables.message.name, *lane, "receive"))
        raw.rows(connection, "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))

    def receive(self, lane: Lane, arrivals: Mapping[int, Arrival], now: int) -> int:
        stored = super().receive(lane, arrivals, now)
        if stored:
            self._bell.ring_if_awaited(lane, stored)
        return stored

    # -- lists -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _horizon(self) -> str:
        # The last id is read before the locks: of two that are read in another order, one may be the later one's.
        return self._sql(
            "WITH {q}, u AS MATERIALIZED (SELECT last_value AS v FROM {place}) SELECT u.v, f.v FROM u CROSS JOIN LATERAL ("
            "SELECT min((u.v & ~2147483647::bigint) + objid::bigint - CASE WHEN objid::bigint > (u.v & 2147483647) THEN 2147483648 "
            "ELSE 0 END) AS v FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = {mine} "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) f"
        )

    def _last_sure(self, lane: Lane) -> int:
        """The place up to which nothing will appear any more that is not there now."""
        ((last, floor),) = self._ask(self._horizon, lane, {})
        return last_of(int(last) if floor is None else min(int(last), int(floor)))

    def page(self, lane: Lane, page: Slice, now: int) -> Sequence[Row]:
        ends = monotonic.monotonic() + PATIENCE
        while True:
            last = self._last_sure(lane)
            found = self._listed(lane, page, now)
            sure = [row for row in found if row.place <= last]
            if len(sure) == len(found) or monotonic.monotonic() > ends:
                return sure
            # What is hidden is seen when an older post has ended.
            gradual.wait(LOOK)

    @functools.lru_cache(maxsize=16)  # noqa: B019 - a store has one, for as long as it lives
    def _list_statement(self, *, claimed: bool, delayed: bool, echo: bool) -> str:
        behind = " AND place > (SELECT v FROM m)"
        shared = "queue = {mine} AND expires > %(now)s" + ("" if echo else " AND client <> %(without)s")
        start = (
            "WITH {q}, m AS MATERIALIZED (SELECT coalesce((SELECT place FROM {moved} WHERE queue = {mine} AND alias = "
            "%(after)s), "
            "%(unknown)s) AS v) "
        )
        ends = " ORDER BY place LIMIT %(limit)s"
        if claimed or delayed:
            rest = "" if claimed and delayed else f" AND (again <= %(now)s OR claim IS {'NOT NULL' if claimed else 'NULL'})"
            return self._sql(f"{start}SELECT {_COLUMNS} FROM {{message}} WHERE {shared}{behind}{rest}{ends}")
        never = f"(SELECT {_COLUMNS} FROM {{message}} WHERE {shared} AND again = 0{behind}{ends})"
        # Sorted: the index of places has those that are claimed, too.
        before = (
            f"(SELECT {_COLUMNS} FROM {{message}} WHERE {shared} AND {{in_again}} AND again > 0 AND again <= %(now)s "
            "AND place + 0 > (SELECT v FROM m) ORDER BY place + 0 LIMIT %(limit)s)"
        )
        return self._sql(f"{start}SELECT {_COLUMNS} FROM ({never} UNION ALL {before}) x{ends}")

    def _listed(self, lane: Lane, page: Slice, now: int) -> list[Row]:
        statement = self._list_statement(claimed=page.claimed, delayed=page.delayed, echo=page.without is None)
        values = {
            "after": page.after, "unknown": page.after if page.after >= 0 else BEYOND, "now": now, "without": page.without or "",
            "limit": page.limit,
        }  # fmt: skip
        return [Row(*row) for row in self._ask(statement, lane, values)]

    @functools.cached_property
    def _places(self) -> str:
        """The places of `ids`, among others: a condition that the index of places serves."""
        return (
            "place = ANY(ARRAY(SELECT unnest(%(ids)s::bigint[]) UNION ALL "
            "SELECT place FROM {moved} WHERE queue = {mine} AND alias = ANY(%(ids)s::bigint[]))) "
            "AND coalesce(alias, place) = ANY(%(ids)s::bigint[])"
        )

    @functools.cached_property
    def _get_several(self) -> str:
        return self._sql(
            f"WITH {{q}} SELECT {_COLUMNS} FROM {{message}} WHERE queue = {{mine}} AND {self._places} AND expires > %(now)s "
            f"ORDER BY place"
        )

    def get(self, lane: Lane, ids: Sequence[int], now: int) -> Sequence[Row]:
        return [Row(*row) for row in self._ask(self._get_several, lane, {"ids": list(ids), "now": now})]

    # -- deleting --------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _delete_plainly(self) -> str:
        """What most deletions are: of a message that is there, by its claim, or free. Gives a row when it is gone."""
        return self._sql(
            "WITH gone AS (DELETE FROM {message} m USING {queue} q WHERE q.project = %(project)s AND q.name = %(name)s "
            "AND m.queue = q.id AND m.place = coalesce((SELECT v.place FROM {moved} v WHERE v.queue = q.id AND v.alias = %(id)s), "
            "%(id)s) AND coalesce(m.alias, m.place) = %(id)s AND m.expires > %(now)s "
            "AND CASE WHEN m.again > %(now)s THEN m.claim END IS NOT DISTINCT FROM %(claim)s::bigint RETURNING m.queue, m.claim) "
            "INSERT INTO {tally} (queue, total, held) SELECT queue, -1, CASE WHEN claim IS NULL THEN 0 ELSE -1 END FROM gone "
            "RETURNING 1"
        )

    @functools.cached_property
    def _delete_one(self) -> str:
        return self._sql(
            "WITH {q}, p AS MATERIALIZED (SELECT coalesce((SELECT place FROM {moved} WHERE queue = {mine} AND alias = %(id)s), "
            "%(id)s) AS v), "
            "x AS MATERIALIZED (SELECT place, CASE WHEN again > %(now)s THEN claim END AS holder, claim FROM {message} "
            "WHERE queue = {mine} AND place = (SELECT v FROM p) AND coalesce(alias, place) = %(id)s AND expires > %(now)s FOR "
            "UPDATE), "
            "gone AS (DELETE FROM {message} WHERE queue = {mine} AND place = (SELECT place FROM x) "
            "AND (SELECT holder IS NOT DISTINCT FROM %(claim)s::bigint FROM x) RETURNING claim), "
            "tallied AS (INSERT INTO {tally} (queue, total, held) SELECT q.id, -1, CASE WHEN gone.claim IS NULL THEN 0 ELSE -1 END "
            "FROM gone, q) SELECT x.holder, (SELECT count(*) FROM gone) FROM x"
        )

    def delete(self, lane: Lane, message: int, claim: int | None, now: int) -> Refusal | None:
        values = {"id": message, "claim": claim, "now": now}
        if self._one(self._delete_plainly, lane, values):
            return None
        found = self._one(self._delete_one, lane, values)
        if not found or found[0][1]:
            return None
        return Refusal(message, found[0][0], claim is not None and bool(self.find_claim(lane, claim, now)))

    @functools.cached_property
    def _delete_several(self) -> str:
        # In the order of places, so that two that delete the same wait for each other in one order.
        return self._sql(
            "WITH {q}, x AS MATERIALIZED (SELECT place, coalesce(alias, place) AS id, claim, "
            "CASE WHEN again > %(now)s THEN claim END AS holder FROM {message} WHERE queue = {mine} AND "
            + self._places
            + " AND expires > %(now)s ORDER BY place FOR UPDATE), "
            "bad AS MATERIALIZED (SELECT id, holder FROM x WHERE %(claims)s::bigint[] IS NOT NULL "
            "AND (holder IS NULL OR holder <> ALL(%(claims)s::bigint[])) ORDER BY place LIMIT 1), "
            "gone AS (DELETE FROM {message} WHERE queue = {mine} AND place = ANY(ARRAY(SELECT place FROM x)) "
            "AND NOT EXISTS (SELECT 1 FROM bad) RETURNING claim), "
            "tallied AS (INSERT INTO {tally} (queue, total, held) SELECT q.id, -g.n, -g.h FROM q, "
            "(SELECT count(*) AS n, count(claim) AS h FROM gone) g WHERE g.n > 0) SELECT id, holder FROM bad"
        )

    def delete_many(self, lane: Lane, ids: Sequence[int], claims: Sequence[int] | None, now: int) -> Refusal | None:
        values = {"ids": list(ids), "claims": None if claims is None else list(claims), "now": now}
        found = self._one(self._delete_several, lane, values)
        return Refusal(found[0][0], found[0][1], known=True) if found else None

    # -- the front of a queue --------------------------------------------------------------------------------------

    def _free(self) -> str:
        """The first messages that are free, locked: `chosen`."""
        ends = " AND expires > %(now)s ORDER BY {} LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
        columns = "SELECT place, claim IS NULL AS is_new, claims FROM {message} WHERE queue = {mine} AND "
        return (
            f"WITH {{q}}, f AS MATERIALIZED ({columns}again = 0 AND place >= %(head)s{ends.format('place')}, "
            f"r AS MATERIALIZED ({columns}{{in_again}} AND again > %(low)s AND again <= %(now)s{ends.format('place + 0')}, "
            "chosen AS MATERIALIZED (SELECT * FROM (SELECT * FROM f UNION ALL SELECT * FROM r) b ORDER BY place LIMIT %(limit)s), "
        )

    @functools.lru_cache(maxsize=2)  # noqa: B019 - a store has one, for as long as it lives
    def _claim_front(self, *, asks: bool) -> str:
        """The claim; where it asks and nothing is free, one row says what to wait for."""
        # A message that somebody else has locked is free: it is taken, or it is not.
        ahead = (
            f"UNION ALL SELECT 0, NULL, NULL, 0, 0, CASE WHEN {' OR '.join(self._has_free())} THEN 1 ELSE 0 END, "
            f"coalesce({self._next()}, 0), NULL, NULL, {_OUTLOOK}, '', ''::bytea WHERE NOT EXISTS (SELECT 1 FROM chosen) "
        )
        most = f"coalesce(CASE WHEN %(foreign)s THEN %(most)s ELSE q.dead_most END, {_NEVER})"
        own = ", ".join(f"m.{column}" for column in COLUMNS)
        return self._sql(
            self._free() + f"ok AS MATERIALIZED (SELECT chosen.place, is_new FROM chosen, q WHERE claims < {most}), "
            "k AS MATERIALIZED (SELECT nextval('{place}') AS claim FROM (SELECT 1 FROM ok LIMIT 1) b), "
            "taken AS (UPDATE {message} m SET claims = m.claims + 1, claim = (SELECT claim FROM k), claim_ttl = %(ttl)s, again "
            "= %(ends)s, "
            "ttl = CASE WHEN m.expires < %(ends)s THEN %(life)s ELSE m.ttl END, "
            "expires = CASE WHEN m.expires < %(ends)s THEN %(until)s ELSE m.expires END "
            f"WHERE m.queue = {{mine}} AND m.place = ANY(ARRAY(SELECT place FROM ok)) RETURNING {own}), "
            "tallied AS (INSERT INTO {tally} (queue, total, held) SELECT q.id, 0, n.n FROM q, "
            "(SELECT count(*) AS n FROM ok WHERE is_new) n WHERE n.n > 0) "
            f"SELECT {_COLUMNS} FROM taken UNION ALL "
            f"SELECT chosen.place, NULL, NULL, 0, 0, 0, 0, NULL, NULL, -1, '', ''::bytea FROM chosen, q WHERE claims >= {most} "
            f"{ahead if asks else ''}ORDER BY place"
        )

    @staticmethod
    def _has_free() -> list[str]:
        """Whether there is a message that may be claimed, for each of the two sorts."""
        exists = "EXISTS (SELECT 1 FROM {{message}} WHERE queue = {{mine}} AND {} AND expires > %(now)s)"
        sorts = ("again = 0 AND place >= %(head)s", "{in_again} AND again > %(low)s AND again <= %(now)s")
        return [exists.format(sort) for sort in sorts]

    @staticmethod
    def _next() -> str:
        """When a delay or a claim ends next."""
        return (
            "(SELECT again FROM {message} WHERE queue = {mine} AND {in_again} AND again > %(now)s AND expires > again "
            "ORDER BY again LIMIT 1)"
        )

    def claim(self, lane: Lane, lease: Lease, now: int, dead: DeadLetters | None, foreign: bool) -> Found | None:
        found = self._claim(lane, lease, now, dead, foreign, self._heads.of(lane, now), asks=False)
        return None if isinstance(found, Outlook) else found

    def claim_or_outlook(self, lane: Lane, lease: Lease, now: int, dead: DeadLetters | None, foreign: bool) -> Found | Outlook:
        found = self._claim(lane, lease, now, dead, foreign, self._heads.known(lane), asks=True)
        if isinstance(found, Found):
            # Where nothing is found, nothing more is asked: that is what most calls that wait do.
            self._heads.of(lane, now)
        return found or Outlook(is_free=True, seconds=None)

    def _claim(
        self, lane: Lane, lease: Lease, now: int, dead: DeadLetters | None, foreign: bool, head: Head, *, asks: bool
    ) -> Found | Outlook | None:
        ends = now + lease.ttl * 1000
        values = {
            "head": head.place, "low": head.low, "now": now, "limit": lease.limit, "foreign": foreign, "ttl": lease.ttl,
            "ends": ends,
            "most": None if dead is None else dead.most, "life": lease.ttl + lease.grace, "until": ends + lease.grace * 1000,
        }  # fmt: skip
        found = [Row(*row) for row in self._one(self._claim_front(asks=asks), lane, values)]
        if found and found[0].claims == _OUTLOOK:
            return outlook(found[0].expires, found[0].again or None, now)
        taken = [row for row in found if row.claims >= 0]
        if len(taken) < len(found):
            self._bury(lane, [row.place for row in found if row.claims < 0], now, dead, foreign=foreign)
        return Found(taken[0].claim or 0, lease.ttl, ends, taken) if taken else None

    def _bury(self, lane: Lane, places: Sequence[int], now: int, dead: DeadLetters | None, *, foreign: bool) -> None:
        """Move those that are still free, and were claimed too often, to where the queue's dead letters go."""
        moved: list[tuple[Lane, int]] = []

        def work(connection: sa.Connection) -> None:
            moved.clear()
            found = raw.rows(connection, self._find_lane, tuple(lane))
            if not found:
                return
            queue, most, name, ttl = found[0]
            rule = dead if foreign else None if most is None else DeadLetters(most, name, ttl)
            if rule is None:
                return
            rows = self._rows(
                connection,
                f"SELECT {_COLUMNS} FROM {{message}} WHERE queue = ? AND place = ANY(?::bigint[]) AND again <= ? AND expires > ? "
                f"AND claims >= ? ORDER BY place{self.skip_locked}",
                (queue, literal(places), now, now, rule.most),
            )
            if rows:
                life: dict[str, Any] = {} if rule.ttl is None else {"ttl": rule.ttl, "born": now, "expires": now + rule.ttl * 1000}
                target = Lane(lane.project, rule.queue)
                self._move(connection, lane, target, queue, rows, [r._replace(**life) for r in rows])
                moved.append((target, len(rows)))

        self._db.write(work)
        for target, count in moved:
            self.moved(target, count)
            self._bell.ring_if_awaited(target, count)

    @functools.cached_property
    def _pop_front(self) -> str:
        return self._sql(
            self._free() + "gone AS (DELETE FROM {message} WHERE queue = {mine} AND place = ANY(ARRAY(SELECT place FROM chosen)) "
            f"RETURNING {_COLUMNS}), "
            "tallied AS (INSERT INTO {tally} (queue, total, held) SELECT q.id, -g.n, -g.h FROM q, "
            f"(SELECT count(*) AS n, count(claim) AS h FROM gone) g WHERE g.n > 0) SELECT {_COLUMNS} FROM gone ORDER BY place"
        )

    def pop(self, lane: Lane, limit: int, now: int) -> Sequence[Row]:
        head = self._heads.of(lane, now)
        values = {"head": head.place, "low": head.low, "now": now, "limit": limit}
        return [Row(*row) for row in self._one(self._pop_front, lane, values)]

    @functools.cached_property
    def _look_statement(self) -> str:
        return self._sql(
            "WITH {q} SELECT "
            "(SELECT place FROM {message} WHERE queue = {mine} AND again = 0 AND place >= %(head)s "
            "ORDER BY place LIMIT 1), "
            "(SELECT again FROM {message} WHERE queue = {mine} AND {in_again} AND again > %(low)s AND again <= %(now)s "
            "ORDER BY again, place LIMIT 1)"
        )

    def _look(self, lane: Lane, head: int, low: int, now: int) -> tuple[int, int | None]:
        """The first place that may have a message that was never claimed, and the first moment when one came back.

        Moments to come are left out: beside an old snapshot these are the ends of all claims whose messages are deleted.
        """
        # In this order: what appears below the horizon is there now.
        last = self._last_sure(lane)
        ((first, again),) = self._ask(self._look_statement, lane, {"head": head, "low": low, "now": now})
        return min(last, int(first)) if first is not None else last, again

    # -- claims ----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _held_by(self) -> str:
        return "queue = {mine} AND claim = %(claim)s AND again > %(now)s AND expires > %(now)s"

    @functools.cached_property
    def _find_claim(self) -> str:
        return self._sql(f"WITH {{q}} SELECT {_COLUMNS} FROM {{message}} WHERE {self._held_by} ORDER BY place")

    def find_claim(self, lane: Lane, claim: int, now: int) -> Sequence[Row]:
        return [Row(*row) for row in self._ask(self._find_claim, lane, {"claim": claim, "now": now})]

    @functools.cached_property
    def _renew(self) -> str:
        return self._sql(
            f"WITH {{q}}, e AS MATERIALIZED (SELECT max(again) AS v FROM {{message}} WHERE {self._held_by}) "
            "UPDATE {message} SET claim_ttl = %(ttl)s, again = %(ends)s, "
            "ttl = CASE WHEN expires < %(ends)s THEN %(life)s ELSE ttl END, "
            f"expires = CASE WHEN expires < %(ends)s THEN %(until)s ELSE expires END WHERE {self._held_by} "
            # A call that waits for the end of a claim has to know when that is sooner.
            f"RETURNING CASE WHEN (SELECT v FROM e) > %(ends)s THEN {self._bell.awaited} ELSE false END"
        )

    def renew(self, lane: Lane, claim: int, lease: Lease, now: int) -> bool:
        ends = now + lease.ttl * 1000
        values = {
            "claim": claim, "now": now, "ttl": lease.ttl, "ends": ends, "life": lease.ttl + lease.grace,
            "until": ends + lease.grace * 1000,
        }  # fmt: skip
        found = self._one(self._renew, lane, values)
        if found and found[0][0]:
            self._bell.ring(lane, 0)
        return bool(found)

    @functools.cached_property
    def _release(self) -> str:
        return self._sql(
            "WITH {q}, freed AS (UPDATE {message} SET claim = NULL, claim_ttl = NULL, again = %(back)s "
            "WHERE queue = {mine} AND claim = %(claim)s AND again > %(now)s RETURNING 1) "
            "INSERT INTO {tally} (queue, total, held) SELECT q.id, 0, -n.n FROM q, (SELECT count(*) AS n FROM freed) n WHERE "
            f"n.n > 0 RETURNING -held, {self._bell.awaited}"
        )

    def release(self, lane: Lane, claim: int, now: int) -> None:
        found = self._one(self._release, lane, {"claim": claim, "now": now, "back": now - BACK})
        if found and found[0][1]:
            self._bell.ring(lane, int(found[0][0]))

    # -- waiting ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _outlooks(self) -> str:
        # Of a queue without a row, no message either.
        first, second = (exists.replace("{mine}", "k.id") for exists in self._has_free())
        again = self._next().replace("{mine}", "k.id")
        return self._sql(
            f"SELECT {first} OR {second}, {again} FROM (SELECT n, (SELECT id FROM {{queue}} WHERE project = u.project AND "
            "name = u.name) AS id FROM unnest(%(projects)s::text[], %(names)s::text[]) WITH ORDINALITY AS u(project, name, n)) k "
            "ORDER BY n"
        )

    def outlooks(self, lanes: Sequence[Lane], now: int) -> list[Outlook]:
        values = {
            "projects": [lane.project for lane in lanes], "names": [lane.name for lane in lanes], "now": now, "head": 0, "low": 0,
        }  # fmt: skip
        return [outlook(is_free, again, now) for is_free, again in self._ask(self._outlooks, lanes[0], values)]

    # -- figures ---------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _tally_statement(self) -> str:
        # Not by the index of claims, which has those that are live, too.
        held = "(SELECT count(*) FROM {message} WHERE queue = {mine} AND coalesce(claim, -1) >= 0 AND "
        live = "FROM {message} WHERE queue = {mine} AND expires > %(now)s ORDER BY place"
        return self._sql(
            "WITH {q}, t AS MATERIALIZED (SELECT coalesce(sum(total), 0) AS total, coalesce(sum(held), 0) AS held FROM {tally} "
            "WHERE queue = {mine}), "
            f"o AS MATERIALIZED (SELECT coalesce(alias, place) AS id, origin, born {live} LIMIT 1), "
            f"n AS MATERIALIZED (SELECT coalesce(alias, place) AS id, origin, born {live} DESC LIMIT 1) "
            "SELECT t.total - (SELECT count(*) FROM {message} WHERE queue = {mine} AND {in_expires} AND expires <= %(now)s), "
            f"t.held - {held}{{in_again}} AND again > 0 AND again <= %(now)s) "
            f"- {held}{{in_expires}} AND expires <= %(now)s AND again > %(now)s), "
            "o.id, o.origin, o.born, n.id, n.origin, n.born FROM q CROSS JOIN t LEFT JOIN o ON true LEFT JOIN n ON true"
        )

    def tally(self, lane: Lane, now: int) -> Tally | None:
        found = self._ask(self._tally_statement, lane, {"now": now})
        if not found:
            return None
        total, held, *ends = found[0]
        oldest, newest = (
            None if number is None else (origin or text(number), born) for number, origin, born in (ends[:3], ends[3:])
        )
        return Tally(int(total), int(held), oldest, newest)

    def depths(self, limit: int, now: int, *, lanes: bool = False) -> Depths:
        held = "(SELECT count(*) FROM {message} m WHERE m.queue = q.id AND coalesce(m.claim, -1) >= 0 AND "
        statement = self._sql(
            "SELECT project, name, total - held, held, born, count(*) OVER () FROM (SELECT q.project, q.name, "
            "coalesce(t.total, 0) - (SELECT count(*) FROM {message} m WHERE m.queue = q.id AND m.{in_expires} AND m.expires <= "
            "%(now)s) "
            "AS total, "
            f"coalesce(t.held, 0) - {held}m.{{in_again}} AND m.again > 0 AND m.again <= %(now)s) "
            f"- {held}m.{{in_expires}} AND m.expires <= %(now)s AND m.again > %(now)s) AS held, "
            "(SELECT m.born FROM {message} m WHERE m.queue = q.id AND m.expires > %(now)s ORDER BY m.place LIMIT 1) AS born "
            "FROM {queue} q CROSS JOIN LATERAL (SELECT sum(total) AS total, sum(held) AS held FROM {tally} WHERE queue = q.id) "
            f"t WHERE q.subscription IS {'NOT NULL' if lanes else 'NULL'} OFFSET 0) f "
            "ORDER BY total DESC, project, name LIMIT %(limit)s"
        )
        return depths(self._ask(statement, Lane("", ""), {"now": now, "limit": limit}), now)

    # -- steps -----------------------------------------------------------------------------------------------------

    def _announce(self, connection: sa.Connection, lane: Lane, heard: int | None = None) -> Spot:
        statement, given = (self._find_lane, tuple(lane)) if heard is None else (self._find_heard, (heard, *lane))
        while not (found := raw.rows(connection, statement, given)):
            self._ensure(connection, lane)
        queue = int(found[0][0])
        floor = f"((SELECT last_value FROM {self._tables.place}) & 2147483647)::int"
        # The lock first: what is given after it is behind it.
        announced = f"WITH a AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%s::int, {floor}))"
        ((number,),) = raw.rows(connection, f"{announced} SELECT nextval('{self._tables.place}') FROM a", (queue,))
        return Spot(queue, int(number), heard is not None and bool(found[0][1]))

    def _insert(self, connection: sa.Connection, spot: Spot, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        names = COLUMNS[1:]
        kinds = ("bigint", "text", *("bigint",) * 6, "int", "text", "bytea")
        lists = ", ".join(f"%({name})s::{kind}[]" for name, kind in zip(names, kinds, strict=True))
        statement = (
            f"INSERT INTO {self._tables.message.name} (queue, place, {', '.join(names)}) "
            f"SELECT %(queue)s, %(first)s + g.n, {', '.join(f'g.{name}' for name in names)} "
            f"FROM unnest({lists}) WITH ORDINALITY AS g({', '.join(names)}, n) RETURNING place"
        )
        values = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        with raw.driver(connection) as own:
            found = own.execute(statement, {"queue": spot.queue, "first": spot.number << WITHIN, **values}).fetchall()
        return sorted(place for (place,) in found)

    def _among(self, numbers: Iterable[int]) -> tuple[str, tuple[Any, ...]]:
        return "(SELECT unnest(?::bigint[]))", (literal(numbers),)

    def _add(self, connection: sa.Connection, queue: int, total: int, held: int) -> None:
        raw.changed(connection, self._text("INSERT INTO {tally} (queue, total, held) VALUES (?, ?, ?)"), (queue, total, held))

    def _new_claim(self, connection: sa.Connection, places: Sequence[int]) -> int:
        ((number,),) = raw.rows(connection, f"SELECT nextval('{self._tables.place}')", ())
        return int(number)

    def _front(self, connection: sa.Connection, lane: Lane, limit: int, now: int) -> Front | None:
        found = raw.rows(connection, self._find_lane, tuple(lane))
        if not found:
            return None
        queue, most, name, ttl = found[0]
        rows: list[Row] = []
        for condition, own in (("again = 0", ()), (f"again > {LEAST} AND again > 0 AND again <= ?", (now,))):
            rows += self._rows(
                connection,
                f"SELECT {_COLUMNS} FROM {{message}} WHERE queue = ? AND {condition} AND expires > ? "
                f"ORDER BY place LIMIT ?{self.skip_locked}",
                (queue, *own, now, limit),
            )
        return Front(queue, None if most is None else DeadLetters(most, name, ttl), sorted(rows)[:limit]) if rows else None

    def _clean_beside(self, connection: sa.Connection, now: int, most: int) -> None:
        super()._clean_beside(connection, now, most)
        # Of a queue whose rows somebody else folds at the moment, there is nothing left to fold.
        folded = self._sql(
            "WITH gone AS (DELETE FROM {tally} WHERE queue = %(queue)s RETURNING total, held) "
            "INSERT INTO {tally} (queue, total, held) SELECT %(queue)s, sum(total), sum(held) FROM gone HAVING count(*) > 0"
        )
        many = f"SELECT queue FROM {self._tables.tally.name} GROUP BY queue HAVING count(*) > {FOLD} ORDER BY queue LIMIT 100"
        for (queue,) in raw.rows(connection, many, ()):
            with raw.driver(connection) as own:
                own.execute(folded, {"queue": queue})


DIALECT = PostgreSQL
