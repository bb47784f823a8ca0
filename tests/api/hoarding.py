"""`undercroft` that holds all of an answer before it sends it: the twin of what is streamed.

python -m tests.api.hoarding serve ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from undercroft.api import app
from undercroft.cli.main import main

_init = app._Parts.__init__


def _hold(self: Any, parts: Iterator[bytes], turn: Any) -> None:
    held = list(parts)
    _init(self, (each for each in held), turn)


app._Parts.__init__ = _hold  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
