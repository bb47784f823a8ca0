"""Signed URLs: access to paths of one queue for a time, without a token."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence

import falcon
from oslo_config import cfg

from undercroft.api.call import Answer
from undercroft.api.messaging import door
from undercroft.api.messaging.door import MessagingCall
from undercroft.api.messaging.refusals import API, BODY, Missing, Refused
from undercroft.api.messaging.schemas import Share, Signed
from undercroft.core import time
from undercroft.core.caller import Caller
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.core.names import unknown

PATHS = ("messages", "subscriptions", "claims")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SETTING = "[messaging] secret_key"
_SIGNATURE, _EXPIRES, _METHODS, _PATHS = "URL-Signature", "URL-Expires", "URL-Methods", "URL-Paths"
_LEAST_KEY = 32
_FORM = "%Y-%m-%dT%H:%M:%S"
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", re.ASCII)
_INPUT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*", re.ASCII)
_DEFAULT = dt.timedelta(days=1)
# The host's form: a backslash and a letter, not a line's end.
_JOINT = "\\n"


def check_key(key: str | None) -> None:
    """Refuse a key that is too short to sign with.

    Raises:
        ConfigInvalid: it is.
    """
    if key is not None and len(key) < _LEAST_KEY:
        raise ConfigInvalid(f"{SETTING} has {len(key)} characters; it needs at least {_LEAST_KEY}")


def signature(key: str, paths: Iterable[str], methods: Iterable[str], project: str, expires: str) -> str:
    """The signature of what a URL gives access to, in hex."""
    text = _JOINT.join((",".join(sorted(paths)), ",".join(sorted(methods)), project, expires))
    return hmac.new(key.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def share(call: MessagingCall) -> Answer:
    """Sign paths of a queue, so that they can be used without a token."""
    at = door.place(call)
    key = call.conf.messaging.secret_key
    if not key:
        raise Refused(API, f"this service signs no URLs; its operator sets {SETTING}")
    asked: Share = call.body
    paths = [f"{at.path}/{name}" for name in _checked(asked.paths, PATHS, "paths")]
    methods = _checked(asked.methods, METHODS, "methods")
    expires = written(_expires(asked.expires))
    return Answer(200, Signed(paths, methods, at.project, expires, signature(key, paths, methods, at.project, expires)))


def written(expires: dt.datetime) -> str:
    """The end of a signature, as it is signed."""
    return expires.strftime(_FORM)


def _checked(given: Sequence[str], known: Sequence[str], field: str) -> list[str]:
    if not given:
        raise Refused(BODY, f"{field} is empty; known are {', '.join(known)}")
    for name in given:
        if name not in known:
            raise Refused(BODY, f"{field} has " + unknown("name", name, known))
    return sorted(set(given))


def _expires(text: str | None) -> dt.datetime:
    now = time.now()
    if text is None:
        return now + _DEFAULT
    if not _INPUT.fullmatch(text):
        raise Refused(BODY, f"expires is a full time of ISO 8601, such as 2030-01-31T12:00:00, not {text[:32]!r}")
    try:
        found = time.parse(text, "expires")
    except InvalidInput as error:
        raise Refused(BODY, str(error)) from None
    if found <= now:
        raise Refused(BODY, f"expires is over: {text[:32]!r}")
    return found


# -- use ---------------------------------------------------------------------------------------------------------------


def caller(req: falcon.Request, path: str, conf: cfg.ConfigOpts) -> Caller | None:
    """The caller of a signed request: a member of the project that signed; None for a request without one.

    Raises:
        Missing: the signature does not give access to this.
    """
    given = req.get_header(_SIGNATURE)
    if given is None:
        return None
    key = conf.messaging.secret_key
    expires, methods, paths, project = (req.get_header(name) or "" for name in (_EXPIRES, _METHODS, _PATHS, door.PROJECT))
    wanted = signature(key or "", paths.split(","), methods.split(","), project, expires)
    is_valid = hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape"))
    if not (key and project and is_valid and req.method in methods.split(",") and _covers(paths.split(","), path)):
        raise Missing("the signature gives no access to this")
    if not _is_ahead(expires):
        raise Missing("the signature gives no access to this")
    return Caller(project=project)


def _covers(paths: Iterable[str], path: str) -> bool:
    """Whether one of the paths is this one, or one above it."""
    return any(each and f"{path.rstrip('/')}/".startswith(f"{each.rstrip('/')}/") for each in paths)


def _is_ahead(expires: str) -> bool:
    try:
        return _MOMENT.fullmatch(expires) is not None and time.parse(expires, _EXPIRES) > time.now()
    except InvalidInput:
        return False
