"""PostgreSQL: which sessions wait for a queue, and how they are notified of its messages.

A process that waits for a queue holds an advisory lock of its session, exclusively: one of a few (`SLOTS`) whose key is made of
the queue. A post tries to share each of them until its transaction ends. Where it cannot, a process waits, and is told by NOTIFY
when the post has ended: as a statement of its own, because transactions that notify commit one after the other, all over the
server. Where it can, none waited; one that begins to wait does not get the lock before that transaction has ended, and looks after
that. So no message falls in between, nothing is written to say that a process waits, and what a killed one held is gone with its
session. See docs/decisions/0021.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import select
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from undercroft.core.errors import UndercroftError
from undercroft.engines.sql import Database, raw
from undercroft.engines.sql.bulk import literal
from undercroft.messaging.waiting import Key, Signals
from undercroft.messaging.waiting.signals import Interrupt

# Processes that can wait for one queue and be told; a further one looks for itself. They are the first half of a key, as negative
# numbers: the others are ids of queues.
SLOTS = 8
# Seconds between two notifications about one queue by a process: what is posted within is told together.
_GAP = 0.02
# Queues of one notification, which has less than 8,000 bytes.
_TOGETHER = 200
# Queues whose last notification is remembered.
_QUEUES = 1_000


class Bell:
    """Tells those who wait.

    Args:
        db: the database.
        namespace: of the tables.
    """

    def __init__(self, db: Database, namespace: str) -> None:
        self._db = db
        self._namespace = namespace
        self.channel = f"{namespace}_messaging"
        self._token = secrets.token_hex(8)
        tries = " AND ".join(f"pg_try_advisory_xact_lock_shared({-slot}, %(key)s::int)" for slot in range(1, SLOTS + 1))
        # What a transaction that frees messages asks, before it ends.
        self.awaited = f"NOT ({tries})"
        self.number = functools.lru_cache(maxsize=10_000)(self._number)
        self.begin()
        _all.add(self)

    def begin(self) -> None:
        """Begin with nothing to tell; what a forked process has of its parent is the parent's to tell."""
        self._lock = threading.Lock()
        self._rung: dict[int, float] = {}
        self._later: dict[int, int] = {}
        self._thread: threading.Thread | None = None

    @property
    def sender(self) -> str:
        """This process, whose own calls that wait have been told without the engine."""
        return f"{self._token}-{os.getpid()}"

    def _number(self, key: Key) -> int:
        """The key of a queue, which need not exist. Queues that share a key are woken together."""
        text = "\0".join((self._namespace, *key)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), signed=True)

    def ring(self, key: Key, count: int) -> None:
        """Tell that a queue has so many messages more, or that there is something else to wait for; now, or a little later."""
        number, now = self.number(key), time.monotonic()
        with self._lock:
            is_late = number not in self._later and now - self._rung.get(number, -_GAP) >= _GAP
            if is_late:
                if len(self._rung) >= _QUEUES:
                    self._rung.clear()
                self._rung[number] = now
            else:
                self._keep(number, count)
        if is_late:
            self._send({number: count})

    def ring_if_awaited(self, key: Key, count: int) -> None:
        """The same, where it is not known whether somebody waits; to be called when the transaction has ended."""
        statement = f"SELECT pg_notify(%(channel)s, %(text)s) WHERE {self.awaited}"
        number = self.number(key)
        self._tell(statement, {"channel": self.channel, "text": self._text({number: count}), "key": number})

    def _flush(self) -> None:
        with self._lock:
            later, self._later = self._later, {}
            self._rung |= dict.fromkeys(later, time.monotonic())
        told = list(later.items())
        for first in range(0, len(told), _TOGETHER):
            self._send(dict(told[first : first + _TOGETHER]))

    def close(self) -> None:
        """Tell what is still to be told, and wait until it is."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _keep(self, number: int, count: int) -> None:
        self._later[number] = self._later.get(number, 0) + count
        if self._thread is None or not self._thread.is_alive():
            # Not one that ends with the process: what was posted just before has to be told.
            self._thread = threading.Thread(target=self._run, name="undercroft-bell", daemon=False)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(_GAP)
            self._flush()
            with self._lock:
                if not self._later:
                    self._thread = None
                    return

    def _send(self, counts: dict[int, int]) -> None:
        self._tell("SELECT pg_notify(%(channel)s, %(text)s)", {"channel": self.channel, "text": self._text(counts)})

    def _tell(self, statement: str, values: dict[str, Any]) -> None:
        def work(connection: Any) -> None:
            with raw.driver(connection) as own:
                own.execute(statement, values)

        # The messages are stored: that their readers could not be told does not make it an error.
        with contextlib.suppress(UndercroftError):
            self._db.alone(work)

    def _text(self, counts: dict[int, int]) -> str:
        return " ".join((self.sender, *(f"{number}:{count}" for number, count in counts.items())))


_all: weakref.WeakSet[Bell] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_all):
        each.begin()


os.register_at_fork(after_in_child=_after_fork)


class Listener(Signals):
    """A session that holds the locks of what is waited for, and listens.

    Args:
        db: the database.
        bell: what rings.
    """

    def __init__(self, db: Database, bell: Bell) -> None:
        self._db = db
        self._bell = bell
        self._connection = db.dedicated()
        self._hears = False
        self._heard: list[str] = []
        self._keys: dict[int, dict[Key, int]] = {}
        self._interrupt = Interrupt()
        own: Any = self._connection.connection.driver_connection
        own.add_notify_handler(lambda notify: self._heard.append(notify.payload))
        self._own = own
        self._poll = select.poll()
        for each in (own, self._interrupt):
            self._poll.register(each, select.POLLIN)

    def watch(self, keys: Sequence[Key]) -> Sequence[bool]:
        numbers = [self._bell.number(key) for key in keys]
        choice = "".join(f"WHEN pg_try_advisory_lock({-slot}, k) THEN {slot} " for slot in range(1, SLOTS + 1))
        # As a literal, so that two statements are one message. The locks come first: who sees one is heard, or has been before.
        text = f"SELECT CASE {choice}ELSE 0 END FROM unnest('{literal(numbers)}'::int[]) WITH ORDINALITY AS u(k, n) ORDER BY n"
        slots = [slot for (slot,) in self._rows(text if self._hears else f"LISTEN {self._bell.channel}; {text}")]
        self._hears = True
        for key, number, slot in zip(keys, numbers, slots, strict=True):
            # Without a slot, too: another process that waits for the queue is told, and all listen.
            self._keys.setdefault(number, {})[key] = slot
        return [slot > 0 for slot in slots]

    def unwatch(self, keys: Sequence[Key]) -> None:
        locks = []
        for key in keys:
            number = self._bell.number(key)
            slot = self._keys.get(number, {}).pop(key, 0)
            if not self._keys.get(number):
                self._keys.pop(number, None)
            if slot:
                locks.append((-slot, number))
        if locks:
            slots, numbers = (literal(column) for column in zip(*locks, strict=True))
            self._rows(f"SELECT pg_advisory_unlock(c, k) FROM unnest('{slots}'::int[], '{numbers}'::int[]) AS u(c, k)")

    def _rows(self, text: str) -> list[Any]:
        with self._db.using(self._connection), raw.driver(self._connection), self._own.cursor() as cursor:
            cursor.execute(text)
            while cursor.nextset():
                pass
            return list(cursor.fetchall())

    def read(self, seconds: float | None) -> Sequence[tuple[Key, int]]:
        if not self._heard:
            ready = dict(self._poll.poll(None if seconds is None else seconds * 1000))
            if self._interrupt.fileno() in ready:
                self._interrupt.clear()
            if self._own.fileno() in ready:
                with self._db.using(self._connection), raw.driver(self._connection):
                    self._own.pgconn.consume_input()
                    while (notify := self._own.pgconn.notifies()) is not None:
                        self._heard.append(notify.extra.decode())
        heard, self._heard = self._heard, []
        return [found for payload in heard for found in self._parsed(payload)]

    def _parsed(self, payload: str) -> list[tuple[Key, int]]:
        sender, *parts = payload.split()
        if sender == self._bell.sender:
            return []
        counts = (part.partition(":") for part in parts)
        return [(key, int(count)) for number, _, count in counts for key in self._keys.get(int(number), ())]

    def interrupt(self) -> None:
        self._interrupt.fire()

    def close(self) -> None:
        self._interrupt.close()
        # Of a connection that was lost, too: nothing else closes that, and its client library warns of it.
        self._own.close()
        # Not back to the pool: the session has locks and listens.
        self._connection.invalidate()
        self._connection.close()


def listening(db: Database, bell: Bell) -> Callable[[], Signals] | None:
    """What opens a listener; None where a pooler gives each transaction another session."""
    return None if db.options.pooler == "transaction" else lambda: Listener(db, bell)
