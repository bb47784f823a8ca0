"""The outbox where a statement may take rows and give them back: each call is one, which commits by itself."""

from __future__ import annotations

import abc
import secrets
from collections.abc import Sequence
from typing import Any

from undercroft.engines.sql import raw
from undercroft.messaging.drivers.sql.dialects.entries import ENTRY, LEASE, Entries


class AloneEntries(Entries, abc.ABC):
    """The same in single statements."""

    def _change(self, statement: str, values: tuple[Any, ...]) -> int:
        text = self._text(statement)
        return self._db.write_alone(lambda c: raw.changed(c, text, values))

    def _give(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        text = self._text(statement)
        return self._db.write_alone(lambda c: raw.rows(c, text, values))

    def take(self, limit: int, seconds: int, now: int) -> Sequence[tuple[Any, ...]]:
        return self._give(
            "WITH chosen AS MATERIALIZED (SELECT place FROM {outbox} WHERE again <= ? AND expires > ? "
            f"ORDER BY place LIMIT ?{self.skip_locked}) UPDATE {{outbox}} SET again = ? "
            f"WHERE place = ANY(ARRAY(SELECT place FROM chosen)) RETURNING {ENTRY}",
            (now, now, limit, now + seconds * 1000),
        )

    def due(self, limit: int, seconds: int, now: int) -> tuple[Sequence[tuple[int, str, str]], int]:
        lease = secrets.randbits(LEASE)
        found = self._give(
            "WITH chosen AS MATERIALIZED (SELECT id, due FROM {subscription} WHERE due <= ? "
            f"ORDER BY due, id LIMIT ?{self.skip_locked}) UPDATE {{subscription}} s SET due = ?, lease = ? "
            "FROM chosen WHERE s.id = chosen.id RETURNING chosen.due, s.id, s.project, s.queue",
            (now, limit, now + seconds * 1000, lease),
        )
        return [(number, project, queue) for _, number, project, queue in sorted(found)], lease
