"""Senders for tests: their settings, what they send, and whom it goes to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from undercroft.engines.resolving import Resolver
from undercroft.messaging import settings
from undercroft.messaging.delivery.notification import Kind, Notification, Outcome
from undercroft.messaging.delivery.senders import Senders

# What nothing waits for; and what a busy machine may add.
SOON, LATE = 0.3, 2.0
MESSAGE = Notification("http://127.0.0.1/", {}, "fizbit", "p1", "s1", "m1", 300, b'{"event":"BackupStarted","n":1.50}')


def configured(**values: Any) -> cfg.ConfigOpts:
    """Settings that allow loopback at 127.0.0.1 alone, unless they say otherwise."""
    conf = settings.defaults()
    conf.register_opts(settings.OPTIONS["messaging"], group="messaging")
    for name, value in {"notify_allow": ["127.0.0.1/32"], **values}.items():
        conf.set_override(name, value, group="messaging")
    return conf


class Names:
    """A resolver's answers, counted; each name may have several, given one after the other, the last one again and again."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answers = self._answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextlib.contextmanager
def senders(names: Names | None = None, seconds: float = 5.0, **values: Any) -> Iterator[Senders]:
    """Senders of the settings."""
    resolver = None if names is None else Resolver(names)
    with contextlib.closing(Senders(configured(**values), resolver, seconds)) as found:
        yield found


def sent(found: Senders, subscriber: str, options: Mapping[str, Any] | None = None, **changes: Any) -> Outcome:
    """What becomes of the message."""
    return found.send(MESSAGE._replace(subscriber=subscriber, options=options or {}, **changes))


def kind(found: Senders, subscriber: str, **changes: Any) -> Kind:
    """Which kind of outcome that is."""
    return sent(found, subscriber, **changes).kind


def parted(request: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    """The first line, the headers and the body of a request."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(": ") for line in lines]
    return first, [(name.lower(), value) for name, _, value in pairs], body
