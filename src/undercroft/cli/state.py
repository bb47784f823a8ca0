"""A small file that says how far an import has come, replaced in one step."""

from __future__ import annotations

import os
import pathlib
import urllib.parse
from typing import Generic, TypeVar

import msgspec

from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid

State = TypeVar("State", bound=msgspec.Struct)


def store_name(url: str) -> str:
    """What tells one store from another, without a secret."""
    namespace = option(url, "namespace", "")
    return "#".join([urls.redacted(url), *([namespace] if namespace else [])])


def option(url: str, name: str, default: str) -> str:
    """An option of a store's URL."""
    return urllib.parse.parse_qs(url.partition("?")[2]).get(name, [default])[-1]


class StateFile(Generic[State]):
    """The file that holds the state of one import.

    Args:
        path: the file; None to keep nothing.
        type_: what it holds.
    """

    def __init__(self, path: pathlib.Path | None, type_: type[State]) -> None:
        self.path = path
        self._type = type_

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
            raise ConfigInvalid(f"{self.path}: no state of an import ({error}); --restart begins anew") from None

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
