"""`undercroft` whose requests about messages may ask for any number of things: the twin of N7.

python -m tests.api.unlimited serve ...
"""

from __future__ import annotations

from undercroft.api.messaging import door
from undercroft.cli.main import main
from undercroft.messaging.contract.arguments import MOST


def limit(given: int | None, most: int, default: int = 10, field: str = "limit") -> int:
    """How many are asked for, as far as the store can."""
    del most, field
    return default if given is None else min(given, MOST)


door.limit = limit

if __name__ == "__main__":
    main()
