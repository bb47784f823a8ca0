"""An engine that cannot serve now is never told as the caller's fault: nothing that was sent is dropped (D11).

The senders here do as Ceilometer does: they forget an item when it is acknowledged or refused for good, and keep it else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import urllib.parse
from typing import Any

import httpx
import msgspec
import pytest

import undercroft
from tests.api.service import Service, serving
from tests.chaos.refusals import TOLD, Refusal, prepared, refusing
from tests.chaos.workloads import WORKLOADS
from undercroft.conformance.plugin import Opener
from undercroft.core.errors import Declined, UndercroftError

pytestmark = [pytest.mark.kind(*WORKLOADS), pytest.mark.promise("D11"), pytest.mark.timeout(1800)]


@dataclasses.dataclass
class Sender:
    """Stores items by their numbers; keeps those that may be stored later, and forgets those that are refused for good."""

    sending: Any
    kept: list[int] = dataclasses.field(default_factory=list)
    acknowledged: int = 0
    dropped: int = 0

    def go(self, store: Any, *numbers: int) -> None:
        waiting, self.kept = [*self.kept, *numbers], []
        for number in waiting:
            try:
                self.sending.write(store, number)
            except UndercroftError as error:
                if error.retryable:
                    self.kept.append(number)
                else:
                    self.dropped += 1
            else:
                self.acknowledged += 1


def sending_of(opener: Opener) -> Any:
    """What a sender of the opener's kind does."""
    return importlib.import_module(f"tests.chaos.{opener.target.kind}.sending")


def walk(opener: Opener, record: Any) -> int:
    """Send items in each way of refusal, and again after it; how many were dropped."""
    sending = sending_of(opener)
    sending.write(opener(), 0)
    sent = dropped = 0
    with prepared(opener) as ways:
        for name, way in ways.items():
            sender = Sender(sending)
            numbers = [1000 + sent, 1001 + sent]
            with contextlib.closing(undercroft.connect(opener.target.kind, way.url)) as store:
                with refusing(way):
                    sender.go(store, *numbers)
                    assert sender.acknowledged == 0, f"{name}: the engine took it"
                if way.in_service:
                    sender.go(store)
            # Some connections remember what a file was like.
            with contextlib.closing(undercroft.connect(opener.target.kind, way.url)) as store:
                sender.go(store)
            assert sender.kept == [], name
            sent, dropped = sent + len(numbers), dropped + sender.dropped
        record(ways=len(ways), sent=sent, dropped=dropped)
        assert len(ways) >= 4
        assert sending.count(opener(init=False)) == 1 + sent - dropped
    return dropped


def test_nothing_is_dropped(any_opener: Opener, record: Any) -> None:
    assert walk(any_opener, record) == 0


def test_twin_that_takes_unknown_errors_for_final_drops(any_opener: Opener, record: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(Declined, "retryable", False)
    assert walk(any_opener, record) > 0


def test_a_service_says_not_now_and_nothing_else(any_opener: Opener) -> None:
    """It answers 503, or breaks off where a whole answer would let a publisher forget; and tells no secret."""
    sending = sending_of(any_opener)
    sending.write(any_opener(), 0)
    with prepared(any_opener) as ways, contextlib.ExitStack() as stack:
        services: dict[str, Service] = {}
        met = {name: way for name, way in ways.items() if way.in_service}
        for number, (name, way) in enumerate(met.items(), 1):
            if way.url not in services:
                services[way.url] = stack.enter_context(serving(**sending.stores(way.url), auth="none"))
            client, headers = services[way.url].client, getattr(sending, "HEADERS", {})
            path, body, stored = sending.post(number)
            with refusing(way):
                if sending.BREAKS_OFF:
                    with pytest.raises(httpx.RemoteProtocolError):
                        client.post(path, json=body, headers=headers)
                else:
                    _is_not_now(client.post(path, json=body, headers=headers), any_opener, way)
            answer = client.post(path, json=body, headers=headers)
            assert answer.status_code == stored, f"{name}: {answer.text}"
        assert len(met) >= 3
        assert sending.count(any_opener(init=False)) == 1 + len(met)


def _is_not_now(answer: httpx.Response, opener: Opener, way: Refusal) -> None:
    assert answer.status_code == 503, answer.text
    told = msgspec.json.decode(answer.content)
    assert answer.headers["x-openstack-request-id"] in str(told)
    assert answer.headers["retry-after"]
    parts = urllib.parse.urlsplit(way.url)
    secrets = [TOLD, opener.namespace, str(parts.port or "sqlite"), parts.hostname or "sqlite", "psycopg", "pymysql", "SQLSTATE"]
    if parts.path.strip("/"):
        secrets.append(parts.path)
    assert [word for word in secrets if word in answer.text] == []
