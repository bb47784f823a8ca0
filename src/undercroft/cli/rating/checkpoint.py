"""How far an import has come: a small file beside the input, so that a broken import goes on where it stopped.

It holds the place in the input up to which everything is acknowledged by the store, and a digest of the input up to there. A
changed beginning is noticed, a mended or longer rest is not in the way.
"""

from __future__ import annotations

import datetime as dt

import msgspec

SUFFIX = ".push-state"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What was acknowledged.

    Attributes:
        store: the store's URL without password and options, and its namespace.
        offset, line: how many bytes and lines of the input.
        digest: BLAKE2b of those bytes.
        points, frames, batches: how many were pushed.
        last: start of the last frame that had points.
        refused, report_size: lines passed over, and the bytes of the report of them.
    """

    store: str
    offset: int
    line: int
    digest: str
    points: int
    frames: int
    batches: int
    last: dt.datetime | None = None
    refused: int = 0
    report_size: int = 0
