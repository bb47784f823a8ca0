"""What went wrong with a command, sorted by what may be done about it: the server refused, or a connection broke, and when."""

from __future__ import annotations

import ssl

from redis import exceptions

from undercroft.core.errors import Declined, Denied, OutcomeUnknown, Unavailable, UndercroftError

# The login or the rights are wrong until an operator mends them.
_DENIED = frozenset({"WRONGPASS", "NOAUTH", "NOPERM"})
# The server does nothing of the kind at the moment.
_NOT_NOW = frozenset(
    {"LOADING", "BUSY", "MISCONF", "OOM", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MASTERDOWN", "MOVED", "ASK"}
)
_SHOWN = 300


class Refused(exceptions.ResponseError):
    """The server's answer is an error: it has done nothing of the command, unless a script failed half-way.

    Attributes:
        code: its first word, such as `WRONGPASS`.
        text: the rest.
    """

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.code, _, self.text = answer.partition(" ")


class _Failed(Unavailable):
    """The command got no answer.

    Attributes:
        late: True when the time was over.
    """

    def __init__(self, text: str, *, late: bool = False) -> None:
        super().__init__(text)
        self.late = late


class Unsent(_Failed):
    """No server has the whole command: it was not done."""


class Broken(_Failed):
    """The command was sent, and no answer came: nobody knows whether it was done."""


def refused(answer: Refused, place: str) -> UndercroftError:
    """The error for an answer that is one."""
    text = f"{place}: {str(answer)[:_SHOWN]}"
    if answer.code in _DENIED:
        return Denied(text)
    return (Unavailable if answer.code in _NOT_NOW else Declined)(text)


def broken(failure: Broken) -> UndercroftError:
    """The error for a write that no answer came to."""
    return OutcomeUnknown(f"{failure}; repeat the call")


def not_connected(failure: Exception, place: str) -> UndercroftError:
    """The error for a connection that was not made."""
    if isinstance(failure, Refused):
        return refused(failure, place)
    cause = failure.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Denied(f"{place}: its certificate is not trusted: {cause.verify_message}; ca_certs names a file of those to trust")
    return Unsent(f"{place}: {_line(failure)}")


def unsent(failure: OSError, place: str) -> Unsent:
    """The error for a command that could not be sent."""
    return Unsent(f"{place}: {_line(failure)}", late=isinstance(failure, TimeoutError))


def unanswered(failure: Exception, place: str) -> Broken:
    """The error for a command whose answer did not come."""
    text = f"{place}: the connection broke while a command was under way: {_line(failure)}"
    return Broken(text, late=isinstance(failure, TimeoutError))


def _line(failure: Exception) -> str:
    return " ".join(str(failure).split())[:_SHOWN]
