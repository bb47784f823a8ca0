"""Every error that Undercroft raises, sorted by what the caller can do about it.

UndercroftError
├── InvalidInput (ValueError)            400  mend the argument that `field` names
│   └── WrongType (TypeError)            400  the argument is of another type
├── NotPermitted                         403  ask as somebody else
├── NotFound (LookupError)               404  it is not there, or not yours
├── Conflict                             409  somebody else was first
├── ConfigInvalid                        500  mend the URL, the option or the installation
│   └── NotInitialized                   500  create the tables: `undercroft db upgrade`
├── Unsupported (NotImplementedError)    501  ask another driver
├── Corrupt                              500  restore: what is stored cannot be read
└── Unavailable                          503  wait, then try again (`retryable`)
    └── OutcomeUnknown                   503  the answer to a commit was lost: repeat, repeats are harmless

A message says what was asked, of which driver, and what to do. It never holds a password or a whole document.
"""

from __future__ import annotations

from typing import ClassVar


class UndercroftError(Exception):
    """Base of all our errors.

    Attributes:
        http: the status that the HTTP API answers with.
        retryable: True when the same call may succeed later.
    """

    http: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    @property
    def code(self) -> int:
        """The HTTP status, under the name that host services look for."""
        return self.http


class InvalidInput(UndercroftError, ValueError):
    """An argument is wrong; nothing was stored.

    Attributes:
        field: the argument or the place in it, such as `filters` or `usage['cpu'][3].qty`.
    """

    http = 400

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def within(self, place: str) -> InvalidInput:
        """The same error with its field named from one level further out."""
        inner = self.field if self.field.startswith("[") else f".{self.field}"
        return type(self)(f"{place}{inner}", self.problem)


class WrongType(InvalidInput, TypeError):
    """An argument is of a type that can not be meant."""


class NotPermitted(UndercroftError):
    """The caller may not do this."""

    http = 403


class NotFound(UndercroftError, LookupError):
    """What was asked for does not exist, or belongs to somebody else."""

    http = 404


class Conflict(UndercroftError):
    """What was asked contradicts what is stored."""

    http = 409


class ConfigInvalid(UndercroftError):
    """A URL, an option or the installation is wrong."""


class NotInitialized(ConfigInvalid):
    """The tables are missing or older than this version needs."""


class Unsupported(UndercroftError, NotImplementedError):
    """This driver declares that it cannot do this; another one can."""

    http = 501


class Corrupt(UndercroftError):
    """What is stored cannot be read back."""


class Unavailable(UndercroftError):
    """The engine did not answer in time, or refused for now; nothing was stored unless the subclass says otherwise."""

    http = 503
    retryable = True


class OutcomeUnknown(Unavailable):
    """The connection broke while a commit was under way: it may or may not have happened. Repeat the call."""
