"""The contract: two methods."""

from __future__ import annotations

import abc
import dataclasses
from typing import NamedTuple

from undercroft.core import capabilities
from undercroft.core.errors import InvalidInput


@dataclasses.dataclass(frozen=True)
class Capabilities(capabilities.Capabilities):
    """What a driver may lack."""

    replace: bool | capabilities.Gap = True


class Note(NamedTuple):
    """A text with a name."""

    name: str
    text: str


class NoteStore(abc.ABC):
    """Keeps notes.

    N1 A note that is put under a name that is there replaces it.
    N2 Notes are listed by name.
    """

    capabilities = Capabilities.full()

    def put(self, note: Note) -> None:
        """Keep a note.

        Raises:
            InvalidInput: it has no name.
        """
        if not note.name:
            raise InvalidInput("name", "is empty")
        self._put(note)

    @abc.abstractmethod
    def _put(self, note: Note) -> None:
        """Keep a note whose name is not empty."""

    @abc.abstractmethod
    def list(self) -> list[Note]:
        """All notes, by name."""
