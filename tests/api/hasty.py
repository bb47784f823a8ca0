"""`undercroft` that answers a post before the messages are stored: the twin of N5.

python -m tests.api.hasty serve ...
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from undercroft.cli.main import main
from undercroft.messaging.drivers.sql.messages import Message

_LATE = 1.0
_post: Any = Message._post


def late(self: Message, queue: str, messages: Sequence[Any], client: str, project: str) -> list[str]:
    """Store them a moment later."""
    timer = threading.Timer(_LATE, _post, (self, queue, messages, client, project))
    timer.daemon = True
    timer.start()
    return [f"{place:016x}" for place, _ in enumerate(messages)]


Message._post = late  # type: ignore[method-assign]  # what this twin is for

if __name__ == "__main__":
    main()
