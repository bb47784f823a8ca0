"""`Idempotency-Key`: a repeated POST gives the first answer again, and has no second effect."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable

import falcon

from undercroft.api import wire
from undercroft.core.caller import Caller
from undercroft.core.errors import InvalidInput
from undercroft.core.receipt import Receipt

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def receipt(req: falcon.Request, caller: Caller, body: bytes, *, kept: bool = True) -> Callable[[bytes], Receipt] | None:
    """What makes the receipt of an answer; None when the request has no key.

    A key belongs to the caller's project and user and to the path: others may use the same.

    Args:
        req: the request.
        caller: who asks.
        body: what was sent.
        kept: whether the route keeps receipts.

    Raises:
        InvalidInput: the key is empty, too long, or not made of visible ASCII characters; the route keeps none.
    """
    key = req.get_header(HEADER)
    if key is None:
        return None
    if not kept:
        raise InvalidInput(HEADER, "is not kept by this path: a repetition would have its effect again; leave it out")
    if not _KEY.fullmatch(key):
        raise InvalidInput(HEADER, "is not 1 to 255 visible ASCII characters")
    owner = wire.encode([caller.domain, caller.project, caller.user, req.method, req.path, key])
    asked = hashlib.sha256(wire.encode([req.query_string]) + body)
    return functools.partial(Receipt, hashlib.sha256(owner).hexdigest(), asked.hexdigest())
