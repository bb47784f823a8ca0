"""How far an import has come: a small file beside the input, so that a broken import goes on where it stopped.

It holds the place in the input up to which everything is acknowledged by the store, and a digest of the input up to there. A
changed beginning is noticed, a mended or longer rest is not in the way.
"""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import urllib.parse

import msgspec

from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid

SUFFIX = ".push-state"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What was acknowledged.

    Attributes:
        store: the store's URL without password and options, and its namespace.
        offset, line: how many bytes and lines of the input.
        digest: BLAKE2b of those bytes.
        points, frames, batches: how many were pushed.
        last: start of the last frame that had points.
    """

    store: str
    offset: int
    line: int
    digest: str
    points: int
    frames: int
    batches: int
    last: dt.datetime | None = None


def store_name(url: str) -> str:
    """What tells one store from another, without a secret."""
    namespace = urllib.parse.parse_qs(url.partition("?")[2]).get("namespace", [])
    return "#".join([urls.redacted(url), *namespace])


class CheckpointFile:
    """The file that holds the checkpoint of one import.

    Args:
        path: the file; None to keep nothing.
    """

    def __init__(self, path: pathlib.Path | None) -> None:
        self.path = path

    def load(self) -> Checkpoint | None:
        """The checkpoint; None when there is none.

        Raises:
            ConfigInvalid: the file is no checkpoint.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Checkpoint)
        except msgspec.DecodeError as error:
            raise ConfigInvalid(f"{self.path}: no state of an import ({error}); --restart begins anew") from None

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the file in one step."""
        if self.path is None:
            return
        part = self.path.with_name(self.path.name + ".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as out:
            out.write(msgspec.json.encode(checkpoint))
            out.flush()
            os.fsync(out.fileno())
        part.replace(self.path)

    def clear(self) -> None:
        """The import is finished, or begins anew."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
