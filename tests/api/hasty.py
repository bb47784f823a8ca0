"""`undercroft` that answers a post before the messages are stored: the twin of N5.

python -m tests.api.hasty serve ...
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from undercroft.cli.main import main
from undercroft.messaging.drivers.mongodb.messages import Message as MongoMessage
from undercroft.messaging.drivers.redis.messages import Message as RedisMessage
from undercroft.messaging.drivers.sql.messages import Message as SqlMessage

_LATE = 1.0


def delay(kind: Any) -> None:
    """Let a kind of controllers store messages a moment after it has answered."""
    post = kind._post

    def late(self: Any, queue: str, messages: Sequence[Any], client: str, project: str) -> list[str]:
        timer = threading.Timer(_LATE, post, (self, queue, messages, client, project))
        timer.daemon = True
        timer.start()
        return [f"{place:016x}" for place, _ in enumerate(messages)]

    kind._post = late


for each in (SqlMessage, RedisMessage, MongoMessage):
    delay(each)

if __name__ == "__main__":
    main()
