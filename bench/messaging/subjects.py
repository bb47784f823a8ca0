"""What is measured: our store through its driver's interface, and a plain table as PGMQ has it, through the client library."""

from __future__ import annotations

import abc
import json
from typing import Any

import undercroft
from bench.messaging import workload

# Seconds of a claim, and of a message: longer than any run.
LEASE, LIFE = 3_600, 86_400


class Subject(abc.ABC):
    """One client. A claim is what `read` gave, and what the deletions take."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Make what is needed, empty."""

    @abc.abstractmethod
    def send(self, count: int) -> None:
        """Post so many messages at once, durably."""

    @abc.abstractmethod
    def read(self, count: int) -> Any:
        """Claim so many messages; something false for none."""

    @abc.abstractmethod
    def delete_each(self, claim: Any) -> None:
        """Delete claimed messages one by one."""

    @abc.abstractmethod
    def delete_all(self, claim: Any) -> None:
        """Delete claimed messages at once."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the connections."""


class Ours(Subject):
    """Our driver.

    Args:
        url: of the store.
    """

    def __init__(self, url: str) -> None:
        self.store = undercroft.connect("messaging", url)
        self._messages, self._claims = self.store.message_controller, self.store.claim_controller
        self._bodies = [{"ttl": LIFE, "body": workload.BODY}] * workload.MOST

    def prepare(self) -> None:
        self.store.init()
        self.store.queue_controller.create(workload.QUEUE, project=workload.PROJECT)

    def send(self, count: int) -> None:
        self._messages.post(workload.QUEUE, self._bodies[:count], workload.CLIENT, workload.PROJECT)

    def read(self, count: int) -> Any:
        claim, messages = self._claims.create(workload.QUEUE, {"ttl": LEASE, "grace": 60}, workload.PROJECT, count)
        return messages and (claim, [message["id"] for message in messages])

    def delete_each(self, claim: Any) -> None:
        number, messages = claim
        for message in messages:
            self._messages.delete(workload.QUEUE, message, workload.PROJECT, number)

    def delete_all(self, claim: Any) -> None:
        self._messages.bulk_delete(workload.QUEUE, claim[1], workload.PROJECT)

    def wait(self, number: int) -> None:
        """Wait for a message of a queue where none comes."""
        self._claims.create(f"idle-{number}", {"ttl": LEASE, "grace": 60}, workload.PROJECT, wait=20)

    def subscribe(self, uris: list[str]) -> None:
        """Let these be told of what is posted from now on."""
        for uri in uris:
            self.store.subscription_controller.create(workload.QUEUE, uri, LIFE, {}, workload.PROJECT)

    def stats(self) -> dict[str, Any]:
        """Statistics of the queue."""
        found: dict[str, Any] = self.store.queue_controller.stats(workload.QUEUE, workload.PROJECT)
        return found["messages"]  # type: ignore[no-any-return]

    def list(self) -> int:
        """A page of free messages; how many."""
        return len(next(self._messages.list(workload.QUEUE, workload.PROJECT, limit=20, echo=True)))

    def close(self) -> None:
        self.store.close()


class Plain(Subject):
    """The table, index and statements of PGMQ: insert; update of what was locked without waiting; delete by id.

    Args:
        url: of a PostgreSQL database.
    """

    _READ = (
        "WITH found AS (SELECT msg_id FROM plain_queue WHERE vt <= clock_timestamp() ORDER BY msg_id LIMIT %s FOR UPDATE SKIP "
        "LOCKED) "
        f"UPDATE plain_queue m SET last_read_at = clock_timestamp(), vt = clock_timestamp() + interval '{LEASE} s', "
        "read_ct = read_ct + 1 FROM found WHERE m.msg_id = found.msg_id "
        "RETURNING m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message"
    )

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(url, autocommit=True)
        self._body = json.dumps(workload.BODY)

    def prepare(self) -> None:
        self._connection.execute("DROP TABLE IF EXISTS plain_queue")
        self._connection.execute(
            "CREATE TABLE plain_queue (msg_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, read_ct int NOT NULL DEFAULT 0, "
            "enqueued_at timestamptz NOT NULL DEFAULT now(), last_read_at timestamptz, vt timestamptz NOT NULL, message jsonb)"
        )
        self._connection.execute("CREATE INDEX plain_queue_vt ON plain_queue (vt ASC)")

    def send(self, count: int) -> None:
        if count == 1:
            statement, value = "INSERT INTO plain_queue (vt, message) VALUES (clock_timestamp(), %s) RETURNING msg_id", self._body
        else:
            statement = "INSERT INTO plain_queue (vt, message) SELECT clock_timestamp(), unnest(%s::jsonb[]) RETURNING msg_id"
            value = [self._body] * count  # type: ignore[assignment]
        self._connection.execute(statement, (value,)).fetchall()

    def read(self, count: int) -> Any:
        return [row[0] for row in self._connection.execute(self._READ, (count,)).fetchall()]

    def delete_each(self, claim: Any) -> None:
        for message in claim:
            self._connection.execute("DELETE FROM plain_queue WHERE msg_id = %s RETURNING msg_id", (message,)).fetchall()

    def delete_all(self, claim: Any) -> None:
        self._connection.execute("DELETE FROM plain_queue WHERE msg_id = ANY(%s) RETURNING msg_id", (claim,)).fetchall()

    def close(self) -> None:
        self._connection.close()


def subject(name: str, url: str) -> Subject:
    """The subject of that name."""
    return Plain(url) if name == "plain" else Ours(url)
