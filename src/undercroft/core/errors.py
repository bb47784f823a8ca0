"""Every error that Undercroft raises, sorted by what the caller can do about it.

UndercroftError
├── InvalidInput (ValueError)            400  mend the argument that `field` names
│   └── WrongType (TypeError)            400  the argument is of another type
├── NotPermitted                         403  ask as somebody else
├── NotFound (LookupError)               404  it is not there, or not yours
├── Conflict                             409  somebody else was first
├── ConfigInvalid                        500  mend the URL, the option or the installation
├── Unsupported (NotImplementedError)    501  ask another driver
└── Unavailable                          503  wait, then try again (`retryable`)
    ├── TooLarge                         503  ask for less at once: another service's answer is larger than we read
    ├── OutcomeUnknown                   503  the answer to a commit was lost: repeat, repeats are harmless
    ├── Corrupt                          503  restore: what is stored cannot be read
    └── Declined                         503  the engine answered with an error that is nobody's data's fault
        └── Denied (ConfigInvalid)       503  rights, read only, no such database: an operator mends it
            └── NotInitialized           503  create the tables: `undercroft db upgrade`

Whose fault an error is, drivers decide by one rule: an item's are our own checks, and what the engine says about the item's
values (InvalidInput). Everything else, an error that nobody knows above all, is "not now" (Unavailable): nothing is dropped for it.

A message says what was asked, of which driver, and what to do, for operators: the log and the command line. It never holds a
password or a whole document. `public` is what somebody far away may read.
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
    _public: ClassVar[str | None] = None

    @property
    def public(self) -> str:
        """The message for callers of a service: where the store is, and what its engine said, is for the log."""
        return self._public or str(self)

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

    _public = "the service is not set up rightly; its log says more"


class Unsupported(UndercroftError, NotImplementedError):
    """This driver declares that it cannot do this; another one can."""

    http = 501


class Unavailable(UndercroftError):
    """The engine did not answer in time, or refused for now; nothing was stored unless the subclass says otherwise."""

    http = 503
    retryable = True
    _public: ClassVar[str | None] = "the store cannot do this now; try again later"


class TooLarge(Unavailable):
    """An answer of another service is larger than we read; ask for less at once."""


class OutcomeUnknown(Unavailable):
    """The connection broke while a commit was under way: it may or may not have happened. Repeat the call."""

    _public = "the store did not say whether it was done; repeat the request"


class Corrupt(Unavailable):
    """What is stored cannot be read back; somebody has to restore it."""

    _public = "the store is damaged; its operator has to restore it"


class Declined(Unavailable):
    """The engine answered, with an error that is not about an item's values; nothing was stored by the call.

    Errors that we do not know are among these.
    """


class Denied(Declined, ConfigInvalid):
    """Rights, a store that is read only, a database that is missing: it stays so until an operator mends it."""

    _public = "the store refuses this until its operator mends it; try again later"


class NotInitialized(Denied):
    """The tables are missing or older than this version needs."""

    _public = "the store is not set up yet; try again later"
