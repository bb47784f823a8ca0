"""What every request of messages brings: headers, a project, the queue or topic that it names."""

from __future__ import annotations

import re
import uuid
from typing import Any, NamedTuple

import falcon
from oslo_config import cfg

from undercroft.api.call import Call
from undercroft.api.messaging.refusals import API, BODY, Refused
from undercroft.engines.addresses import Guard
from undercroft.messaging import DataDriverBase
from undercroft.messaging.contract.arguments import LONGEST_PROJECT
from undercroft.messaging.contract.topic import queue_of
from undercroft.messaging.sealing import Sealer

CLIENT, PROJECT = "Client-ID", "X-Project-ID"
HEADERS = (CLIENT, PROJECT)
LONGEST_NAME = 64
_NAME = re.compile(rf"[a-zA-Z0-9_\-.]{{1,{LONGEST_NAME}}}", re.ASCII)
_SHORTEST_CLIENT, _LONGEST_CLIENT = 10, 36
_FORM = "application/x-www-form-urlencoded"


class Beside(NamedTuple):
    """What is opened beside the store.

    Attributes:
        sealer: encrypts the bodies of messages, and opens them.
        guard: tells which addresses subscribers may have.
    """

    sealer: Sealer
    guard: Guard


MessagingCall = Call[DataDriverBase, Beside]


class Place(NamedTuple):
    """The queue or topic that a path names.

    Attributes:
        project: whose it is.
        name: its name.
        key: the name by which its messages and subscriptions are reached.
        queues: the controller that keeps it.
        path: its own path.
    """

    project: str
    name: str
    key: str
    queues: Any
    path: str


def check(req: falcon.Request, conf: cfg.ConfigOpts) -> None:
    """Refuse a request by its headers.

    Raises:
        Refused: no client's id, or an invalid one; a form as a body.
        falcon.HTTPNotAcceptable: JSON is not accepted.
    """
    check_accept(req, conf)
    _check_client(req.get_header(CLIENT), conf.messaging.client_id_uuid_safe)
    if req.content_length and (req.content_type or "").partition(";")[0].strip().lower() == _FORM:
        raise Refused(BODY, f"a body is JSON: the Content-Type {_FORM} is not taken")


def check_accept(req: falcon.Request, _conf: cfg.ConfigOpts) -> None:
    """Refuse a request whose client does not accept JSON."""
    if not req.client_accepts(falcon.MEDIA_JSON):
        raise falcon.HTTPNotAcceptable(description=f"answers are {falcon.MEDIA_JSON}: let Accept allow it")


def check_length(req: falcon.Request, most: int, what: str, way_out: str) -> None:
    """Refuse a body by its announced length."""
    if (req.content_length or 0) > most:
        raise Refused(API, f"{what} has {req.content_length:,} bytes and takes {most:,} at most: {way_out}")


def _check_client(given: str | None, safe: str) -> None:
    if given is None:
        raise Refused("Wrong UUID value", f"the header {CLIENT} is missing: send a UUID that identifies the client")
    if safe == "off":
        if not _SHORTEST_CLIENT <= len(given) <= _LONGEST_CLIENT:
            raise Refused("Wrong UUID value", f"{CLIENT} has {_SHORTEST_CLIENT} to {_LONGEST_CLIENT} characters")
        return
    try:
        uuid.UUID(given)
    except ValueError:
        raise Refused("Wrong UUID value", f"{CLIENT} is not a UUID, such as 3381af92-2b9e-11e3-b191-71861300734c") from None


def project(call: MessagingCall) -> str:
    """The project that a request is about: the caller's own; without one, that of an admin's header.

    Raises:
        Refused: it is missing, or no project can be called so.
    """
    found = call.caller.project
    if found is None and call.caller.is_global:
        found = call.headers.get(PROJECT)
    if not found:
        raise Refused("Project-Id Missing", f"the header {PROJECT} is missing: it says of which project the queue is")
    if len(found) > LONGEST_PROJECT or "\x00" in found:
        raise Refused("Invalid queue identification", f"{PROJECT} has at most {LONGEST_PROJECT} characters")
    return found


def place(call: MessagingCall) -> Place:
    """The queue or topic that the path names.

    Raises:
        Refused: the name is invalid, or the project is missing.
    """
    topic = call.path.get("topic_name")
    name = call.path["queue_name"] if topic is None else topic
    check_name(name)
    own = project(call)
    if topic is None:
        return Place(own, name, name, call.store.queue_controller, f"/v2/queues/{name}")
    return Place(own, name, queue_of(name), call.store.topic_controller, f"/v2/topics/{name}")


def check_name(name: str) -> None:
    """Refuse what is not the name of a queue or topic."""
    if not _NAME.fullmatch(name):
        raise Refused(
            "Invalid queue identification",
            f"a name has 1 to {LONGEST_NAME} letters of ASCII, digits, underscores, hyphens and dots",
        )


def check_label(name: str, what: str) -> None:
    """Refuse what is not the name of a pool or flavor."""
    if not _NAME.fullmatch(name):
        raise Refused(API, f"the name of a {what} has 1 to {LONGEST_NAME} letters of ASCII, digits, underscores, hyphens and dots")


def limit(given: int | None, most: int, default: int = 10, field: str = "limit") -> int:
    """How many are asked for.

    Raises:
        Refused: it is not from 1 to the most.
    """
    if given is None:
        return min(default, most)
    if not 1 <= given <= most:
        raise Refused(API, f"{field} is from 1 to {most}, not {given}")
    return given
