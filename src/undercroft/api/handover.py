"""What the HTTP front hands over to the application, beside what WSGI has keys for. Other WSGI servers hand over nothing of it."""

from __future__ import annotations

import falcon

from undercroft.core import deadline

# Why the front did not take the request: an error that the application answers, in the form and with the effects of its own errors.
REFUSAL = "undercroft.refusal"
# A `deadline.HangUp`, which fires when the client has gone.
HANG_UP = "undercroft.hang_up"
# Whether the request may wait for something to happen: whether it has a thread that nobody else needs.
MAY_WAIT = "undercroft.may_wait"
# A `deadline.HangUp`, which fires when it is to wait no longer.
WAIT_OVER = "undercroft.wait_over"


def check(req: falcon.Request) -> None:
    """Raise the error for which the front refuses this request, if there is one."""
    refusal: Exception | None = req.env.get(REFUSAL)
    if refusal is not None:
        raise refusal


def may_wait(req: falcon.Request) -> bool:
    """Whether this request may wait; where the server does not tell, it may."""
    return bool(req.env.get(MAY_WAIT, True))


def wait_over(req: falcon.Request) -> deadline.HangUp | None:
    """What fires when this request is to wait no longer; None where the server does not tell."""
    found: deadline.HangUp | None = req.env.get(WAIT_OVER)
    return found


def hang_up(req: falcon.Request) -> deadline.HangUp | None:
    """What fires when the client of this request has gone; None where the server does not tell."""
    found: deadline.HangUp | None = req.env.get(HANG_UP)
    return found
