"""The receipt of a write: what makes its repetition give the first answer again, instead of a second effect."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

KEPT = dt.timedelta(hours=24)


class Receipt(NamedTuple):
    """What is kept of a write that was asked for under a key.

    Attributes:
        key: names the write, within whoever asks; at most 64 characters.
        digest: of everything that was asked; at most 64 characters. The same key with another digest is refused.
        answer: what the first caller got.
    """

    key: str
    digest: str
    answer: bytes
