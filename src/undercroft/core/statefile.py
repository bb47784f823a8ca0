"""A small file that says how far something has come, replaced in one step."""

from __future__ import annotations

import os
import pathlib
from typing import Generic, TypeVar

import msgspec

from undercroft.core.errors import ConfigInvalid

State = TypeVar("State", bound=msgspec.Struct)


class StateFile(Generic[State]):
    """The file that holds the state of one import, or of one worker.

    Args:
        path: the file; None to keep nothing.
        type_: what it holds.
        otherwise: what an error says about a file that holds something else, and the way out.
    """

    def __init__(
        self, path: pathlib.Path | None, type_: type[State], otherwise: str = "no state of an import ({}); --restart begins anew"
    ) -> None:
        self.path = path
        self._type = type_
        self._otherwise = otherwise

    def load(self) -> State | None:
        """The state; None when there is none.

        Raises:
            ConfigInvalid: the file holds none.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=self._type)
        except msgspec.DecodeError as error:
            raise ConfigInvalid(f"{self.path}: {self._otherwise.format(error)}") from None

    def save(self, state: State) -> None:
        """Replace the file in one step."""
        if self.path is None:
            return
        part = self.path.with_name(self.path.name + ".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as out:
            out.write(msgspec.json.encode(state))
            out.flush()
            os.fsync(out.fileno())
        part.replace(self.path)

    def clear(self) -> None:
        """The import is finished, or begins anew."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
