"""Texts and patterns of samples made to harm: data everywhere, never interpreted, never dear."""

from __future__ import annotations

import json
import os
import pathlib
import re
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.service import Service, serving
from tests.api.texts import TEXTS, USABLE
from tests.conftest import url_of
from undercroft.conformance.limits import within

pytestmark = [pytest.mark.one_per_family, pytest.mark.promise("S3")]

ADMIN = {"X-Auth-Token": "t-admin"}
INGEST = "/metering/v1/ceilometer/samples"
GOOD = {
    "name": "cpu", "type": "gauge", "unit": "%", "volume": 1, "user_id": "u", "project_id": "a", "resource_id": "r", "id": "m",
    "timestamp": "2026-01-01T00:00:00", "resource_metadata": {"k": "v"}, "source": "s",
}  # fmt: skip


def made(text: str, number: int) -> dict[str, Any]:
    """A sample that is `text` wherever it can be."""
    names = dict.fromkeys(("name", "unit", "user_id", "project_id", "resource_id", "id", "source"), text)
    minute = f"2026-01-01T00:{number:02}:00"
    return {**GOOD, **names, "volume": number, "timestamp": minute, "resource_metadata": {"k": text, text: "found"}}


def misunderstood(service: Service, texts: list[str], stored_by: Service | None = None) -> list[Any]:
    """Store the texts; the questions about them that gave something else than their own sample."""
    bad: list[Any] = []
    sent = (stored_by or service).client.post(INGEST, json=[made(text, number) for number, text in enumerate(texts)], headers=ADMIN)
    if sent.status_code != 200 or sent.json()["accepted"] != len(texts):
        return [("ingest", sent.text)]

    def found(path: str, key: str, **params: Any) -> Any:
        answer = service.client.get(f"/metering/v2/{path}", params=params, headers=ADMIN)
        if answer.status_code != 200:
            return answer.text
        return [each[key] for each in answer.json()]

    def filtered(text: str, expression: Any) -> Any:
        body = {"filter": json.dumps(expression)}
        answer = service.client.post("/metering/v2/query/samples", json=body, headers=ADMIN)
        return [each["id"] for each in answer.json()] if answer.status_code == 200 else answer.text

    for text in texts:
        asked: dict[str, Any] = {
            name: found("samples", "id", **{"q.field": name, "q.value": text})
            for name in ("meter", "user", "project", "resource", "source", "message_id")
        }
        asked["metadata"] = found("samples", "id", **{"q.field": "metadata.k", "q.value": text, "q.type": "string"})
        asked["key"] = found("samples", "id", **{"q.field": f"metadata.{text}", "q.value": "found"})
        asked["meters"] = found("meters", "name", **{"q.field": "resource", "q.value": text})
        asked["resources"] = found("resources", "resource_id", **{"q.field": "user", "q.value": text})
        asked |= {
            f"= {name}": filtered(text, {"=": {name: text}}) for name in ("meter", "unit", "resource", "message_id", "metadata.k")
        }
        asked["in"] = filtered(text, {"in": {"source": [text]}})
        asked["=~"] = filtered(text, {"=~": {"resource": f"^{_escaped(text)}$"}})
        quoted = urllib.parse.quote(urllib.parse.quote(text, safe=""), safe="")
        one = service.client.get(f"/metering/v2/resources/{quoted}", headers=ADMIN)
        asked["resource"] = [one.json()["resource_id"]] if one.status_code == 200 else one.text
        if "/" not in text:
            meter = urllib.parse.quote(text, safe="")
            asked["samples of meter"] = found(f"meters/{meter}", "message_id")
            asked["statistics"] = [each["source"] for each in found(f"meters/{meter}/statistics", "groupby", groupby="source")]
        bad += [(name, text, each) for name, each in asked.items() if each != [text]]
    return bad


def _escaped(text: str) -> str:
    return re.sub(r"([^\w])", lambda each: f"\\x{{{ord(each[1]):x}}}", text, flags=re.ASCII)


@pytest.fixture
def empty(service: Service, metering_place: Any) -> Service:
    metering_place.opened[0].clear()
    return service


def test_texts_are_data_everywhere(empty: Service) -> None:
    assert misunderstood(empty, USABLE) == []


def test_twin_texts_written_into_statements_are_misunderstood(empty: Service, metering_place: Any, tokens: Any) -> None:
    program = "tests.api.formatted"
    with serving(None, auth="tokens", token_file=tokens, metering=url_of(metering_place), program=program) as service:
        assert misunderstood(service, ["harmless", "é"], stored_by=empty) == []
        metering_place.opened[0].clear()
        assert misunderstood(service, ["' OR '1'='1", "it's"], stored_by=empty)


@pytest.mark.parametrize("text", TEXTS[::3])
def test_texts_in_every_parameter_are_no_failure(service: Service, text: str) -> None:
    names = ("q.op", "q.type", "limit", "unique", "meter_links", "period", "groupby", "aggregate.func", "aggregate.param", "format")
    paths = ("v2/meters", "v2/meters/cpu", "v2/meters/cpu/statistics", "v2/samples", "v2/resources", "v1/samples")
    for path in paths:
        for name in names:
            params = {name: text, **({"q.field": "metadata.k", "q.value": text} if name.startswith("q.") else {})}
            answer = service.client.get(f"/metering/{path}", params=params, headers=ADMIN)
            assert answer.status_code in (200, 400), (path, name, answer.text)
            assert "x-injected" not in answer.headers
    for field in ("timestamp", "search_offset", text, f"metadata.{text}"):
        answer = service.client.get("/metering/v2/samples", params={"q.field": field, "q.value": text, "q.op": "ge"}, headers=ADMIN)
        assert answer.status_code == 400, answer.text
    filters = [text, json.dumps({text: {"meter": text}}), json.dumps({"=": {text: text}})]
    for body in ({"orderby": text}, *({"filter": each} for each in filters)):
        answer = service.client.post("/metering/v2/query/samples", json=body, headers=ADMIN)
        assert answer.status_code == 400, answer.text


@pytest.mark.promise("S6")
def test_literals_are_not_evaluated(empty: Service) -> None:
    """What Python could read is a number, a truth value or a text, or it is a text as it came."""
    texts = [
        "__import__('os')", "1+1", "9**9**9", "(" * 200, "[1]", "{'a': 1}", "-" * 250 + "1", "b'x'", "1j", "None", "...", "f'{1}'",
        "9" * 255, "9" * 5_000, "1_000", "0x10", "'a' 'b'", '"' * 3 + "x" + '"' * 3,
    ]  # fmt: skip
    read = {"1_000": 1000, "0x10": 16, "'a' 'b'": "ab", '"""x"""': "x", "9" * 255: None, "9" * 5_000: None}
    stored = {text: read.get(text, text) for text in texts}
    samples = [
        {**GOOD, "id": f"m{number}", "resource_metadata": {"k": value}}
        for number, value in enumerate(stored.values())
        if value is not None
    ]
    assert empty.client.post(INGEST, json=samples, headers=ADMIN).status_code == 200
    for number, (text, value) in enumerate(stored.items()):
        answer = empty.client.get("/metering/v2/samples", params={"q.field": "metadata.k", "q.value": text}, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        assert [each["id"] for each in answer.json()] == ([f"m{number}"] if value is not None else []), text


# -- bodies ------------------------------------------------------------------------------------------------------------

TEXT = json.dumps(GOOD)
BOMBS = {
    "empty": "", "no JSON": "{", "deep lists": "[" * 70_000 + "]" * 70_000, "deep objects": '{"a":' * 70_000 + "1" + "}" * 70_000,
    "deep metadata": TEXT.replace('"v"', "[" * 70 + "]" * 70), "NaN": TEXT.replace('"volume": 1', '"volume": NaN'),
    "1e999": TEXT.replace('"volume": 1', '"volume": 1e999'),
    "5,000 digits": TEXT.replace('"volume": 1', f'"volume": {"9" * 5_000}'),
    "5,000 digits in metadata": TEXT.replace('"v"', "9" * 5_000), "101 digits": TEXT.replace('"volume": 1', f'"volume": {10**100}'),
    "half a surrogate": TEXT.replace('"v"', '"\\ud800"'), "the same key twice": TEXT.replace('"k"', '"k": 1, "k"'),
    "not UTF-8": TEXT.replace('"v"', '"\udcff"'), "unknown key": TEXT.replace('"unit"', '"colour": 1, "unit"'),
    "null": "null", "a number": "1", "a text": '"x"', "a list of numbers": "[1, 2]",
    "text for metadata": TEXT.replace('{"k": "v"}', '"x"'),
    "year 10000": TEXT.replace("2026-01-01T00:00:00", "9999-12-31T23:59:59-23:00"), "no moment": TEXT.replace("2026-01-01", "soon"),
    "a long name": TEXT.replace('"cpu"', f'"{"x" * 256}"'), "a type that is none": TEXT.replace('"gauge"', '"rate"'),
    "a list for a text": TEXT.replace('"u"', '["u"]'), "true for a number": TEXT.replace('"volume": 1', '"volume": true'),
}  # fmt: skip


@pytest.mark.promise("S6")
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(service: Service, metering_place: Any, body: str) -> None:
    before = metering_place.opened[0].count_samples()
    headers = {**ADMIN, "Content-Type": "application/json"}
    for path in ("/metering/v1/ceilometer/samples", "/metering/v2/meters/cpu", "/metering/v2/query/samples"):
        answer = service.client.post(path, content=body.encode("utf-8", "surrogateescape"), headers=headers)
        assert answer.status_code == 400, (path, answer.text)
        assert set(answer.json()) == {"error_message"}
    assert metering_place.opened[0].count_samples() == before


@pytest.mark.promise("S6")
def test_twin_what_the_bombs_are_made_of_is_taken(empty: Service) -> None:
    """The sample itself is right, and so is what just keeps the limits."""
    for number, text in enumerate(
        (TEXT, TEXT.replace('"v"', "[" * 30 + "]" * 30), TEXT.replace('"volume": 1', f'"volume": {10**99}'))
    ):
        answer = empty.client.post(INGEST, content=text.replace('"m"', f'"m{number}"'), headers=ADMIN)
        assert answer.json() == {"accepted": 1, "duplicates": 0}


# -- patterns ----------------------------------------------------------------------------------------------------------

DEAR = ["(a+)+$", "(a|aa)+$", "(.*)*b", "(.{0,250}x){0,3}$", "((a?){100}a{100}){3}$"]
# Seconds of the service's processors for a pattern and 20 texts, far above what they take, and far below what a backtracking
# engine would: centuries.
MOST_SECONDS = 5.0


def spent(service: Service) -> float:
    """Seconds of processors that the service's processes took so far."""
    ticks = 0
    for pid in service.pids():
        fields = re.sub(r"\(.*\)", "x", pathlib.Path(f"/proc/{pid}/stat").read_text()).split()
        ticks += int(fields[13]) + int(fields[14])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_patterns_are_never_dear(empty: Service, record: Callable[..., None]) -> None:
    texts = [{**GOOD, "id": f"m{n}", "resource_metadata": {"k": "a" * 20_000 + "!"}} for n in range(20)]
    assert empty.client.post(INGEST, json=texts, headers=ADMIN).status_code == 200
    began, clock = spent(empty), time.monotonic()
    for pattern in DEAR:
        body = {"filter": json.dumps({"=~": {"metadata.k": pattern}})}
        answer = empty.client.post("/metering/v2/query/samples", json=body, headers=ADMIN)
        assert answer.status_code == 200, answer.text
    took = spent(empty) - began
    record(patterns=len(DEAR), seconds=f"{took:.2f} of {time.monotonic() - clock:.2f}")
    within(took, MOST_SECONDS * len(DEAR))
