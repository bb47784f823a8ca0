"""Bodies and texts made to harm: refused with 4xx in our own form, never a 500, never interpreted."""

from __future__ import annotations

import concurrent.futures
import gzip
import http.client
import json
import pathlib
import socket
from typing import Any

import pytest

from tests.api.service import Service, frame, serving
from tests.api.texts import TEXTS, USABLE
from tests.conftest import url_of

pytestmark = pytest.mark.one_per_family

ADMIN = "t-admin"
NOVEMBER = {"begin": "2026-11-01", "end": "2026-12-01"}
HEADERS = {"X-Auth-Token": ADMIN, "Content-Type": "application/json"}
GOOD = json.dumps({"dataframes": [frame("a")]})


def send(service: Service, body: bytes, **headers: str) -> Any:
    return service.client.post("/rating/v2/dataframes", content=body, headers={**HEADERS, **headers})


def raw(service: Service, *lines: str, body: bytes = b"") -> tuple[int, bytes]:
    """A request written by hand; status and body of the answer."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        head = [
            "POST /rating/v2/dataframes HTTP/1.1",
            "Host: 127.0.0.1",
            f"X-Auth-Token: {ADMIN}",
            "Connection: close",
            *lines,
            "",
            "",
        ]
        connection.sendall("\r\n".join(head).encode() + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


# -- S6: JSON ----------------------------------------------------------------------------------------------------------

QTY = '"qty": 1'
BOMBS = {
    "no JSON": "{",
    "empty": "",
    "deep lists": "[" * 70_000 + "]" * 70_000,
    "deep objects": '{"a":' * 70_000 + "1" + "}" * 70_000,
    "65 levels in metadata": GOOD.replace('"small"', "[" * 65 + "]" * 65),
    "33 levels in metadata": GOOD.replace('"small"', "[" * 34 + "]" * 34),
    "NaN": GOOD.replace(QTY, '"qty": NaN'),
    "NaN as text": GOOD.replace(QTY, '"qty": "NaN"'),
    "Infinity": GOOD.replace(QTY, '"qty": Infinity'),
    "-Infinity as text": GOOD.replace(QTY, '"qty": "-Infinity"'),
    "1e999": GOOD.replace(QTY, '"qty": 1e999'),
    "1e999 in metadata": GOOD.replace('"small"', "1e999"),
    "1e999999999": GOOD.replace(QTY, '"qty": 1e999999999'),
    "1e-999999999999": GOOD.replace(QTY, '"qty": 1e-999999999999999999999'),
    "5,000 digits": GOOD.replace(QTY, f'"qty": {"9" * 5_000}'),
    "5,000 digits in metadata": GOOD.replace('"small"', "9" * 5_000),
    "5,000 places": GOOD.replace(QTY, f'"qty": "0.{"1" * 5_000}"'),
    "39 digits": GOOD.replace(QTY, f'"qty": 1.{"1" * 38}'),
    "half a surrogate": GOOD.replace('"small"', '"\\ud800"'),
    "half a surrogate as a key": GOOD.replace('"flavor"', '"\\udfff"'),
    "half a surrogate as a type": GOOD.replace('"cpu"', '"\\ud800x"'),
    "the same key twice": GOOD.replace('"unit": "h"', '"unit": "h", "unit": "x"'),
    "the same key twice, spelled otherwise": GOOD.replace('"flavor": "small"', '"flavor": "small", "fl\\u0061vor": "big"'),
    "not UTF-8": GOOD.replace("small", "sm\udcffll"),
    "NUL byte": GOOD.replace("small", "sm\x00ll"),
    "text for an object": GOOD.replace('{"flavor": "small"}', '"x"'),
    "number for a text": GOOD.replace('"h"', "1"),
    "unknown key": GOOD.replace('"unit"', '"colour": 1, "unit"'),
    "no frames": '{"dataframes": []}',
    "null": "null",
    "list": "[]",
    "number": "1",
    "begin after end": GOOD.replace("T00:00:00Z", "T23:00:00Z"),
    "no date": GOOD.replace("2026-11-01T00:00:00Z", "yesterday"),
    "leap second": GOOD.replace("00:59:59Z", "00:59:60Z"),
    "year 10000": GOOD.replace("2026-11-01T00:59:59Z", "9999-12-31T23:59:59-23:00"),
    "a type without a name of 255 characters": GOOD.replace('"cpu"', f'"{"x" * 256}"'),
}


@pytest.mark.promise("S6")
@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(empty, body):
    answer = send(empty, body.encode("utf-8", "surrogateescape"))
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"message"}
    assert empty.get("/v2/dataframes", ADMIN, **NOVEMBER).status_code == 404


@pytest.mark.promise("S6")
def test_twin_what_the_bombs_are_made_of_is_taken(empty):
    """The frame itself is right, and so is what just keeps the limits."""
    for body in (GOOD, GOOD.replace('"small"', "[" * 30 + "]" * 30), GOOD.replace(QTY, f'"qty": 0.{"1" * 38}')):
        assert send(empty, body.encode()).status_code == 204


# -- S5: sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.promise("S5")
def test_sizes_are_checked_before_reading(place):
    with serving(url_of(place)) as service:
        status, body = raw(service, "Content-Length: 1048577")
        assert (status, set(json.loads(body))) == (413, {"message"})
        assert raw(service, "Content-Length: 99999999999999999999")[0] in (400, 413)
        status, body = raw(service, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n")
        assert (status, set(json.loads(body))) == (411, {"message"})
        assert raw(service)[0] == 411
        assert raw(service, "Content-Length: -1")[0] in (400, 411)
        assert raw(service, "Content-Length: x")[0] in (400, 411)
        assert send(service, b" " * (1048576 - len(GOOD)) + GOOD.encode()).status_code == 204
        bomb = gzip.compress(b" " * 50_000_000)
        answer = send(service, bomb, **{"Content-Encoding": "gzip"})
        assert answer.status_code == 415
        assert set(answer.json()) == {"message"}


def memory(service: Service) -> int:
    """Bytes that the processes of the service hold at their most, since the mark was set back."""
    peaks = [pathlib.Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0] for pid in service.pids()]
    return sum(int(peak) for peak in peaks) * 1024


@pytest.mark.promise("S5")
@pytest.mark.parametrize("max_body", [1024 * 1024, 64 * 1024 * 1024], ids=["", "twin: a limit of 64 MiB"])
def test_attacks_do_not_fill_the_memory(place, max_body):
    with serving(url_of(place), max_body=max_body) as service:
        for _ in range(20):
            send(service, b"[" * 100_000)
        for pid in service.pids():
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        before = memory(service)

        def attack(number: int) -> Any:
            if number % 2:
                try:
                    return raw(service, "Content-Length: 40000000", body=b" " * 1_000_000)[0]
                except (BrokenPipeError, ConnectionResetError):
                    # Refused while we were still sending; the answer may be lost on the way.
                    return 413
            return send(service, gzip.compress(b" " * 1_000_000), **{"Content-Encoding": "gzip"}).status_code

        def large(_: int) -> Any:
            return send(service, b" " * 20_000_000 + b"[").status_code

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            if max_body > 2**20:
                assert set(pool.map(large, range(12))) <= {400, 503}
                assert memory(service) - before > 20 * 2**20
            else:
                assert set(pool.map(attack, range(100))) == {413, 415}
                assert memory(service) - before < 20 * 2**20


# -- S3: injection -----------------------------------------------------------------------------------------------------


def misunderstood(service: Service, texts: list[str]) -> list[Any]:
    """Store each text as a value, a key and a type; the questions about it that gave something else than its own point."""
    bad: list[Any] = []

    def ask(path: str, **query: str) -> Any:
        answer = service.get(path, ADMIN, **NOVEMBER, **query)
        return answer.json() if answer.status_code == 200 else {}

    for hour, text in enumerate(texts):
        answer = service.push(frame(text, 1, hour, hour=hour, metric=text, **{f"k{text}": text}), token=ADMIN)
        bad += [("push", text)] * (answer.status_code != 204)
    for text in texts:
        # A filter of the newer routes has no place for these.
        if not set(text) & set(",:"):
            for filters in (f"project_id:{text}", f"type:{text}", f"k{text}:{text}"):
                bad += [filters] * (ask("/v2/dataframes", filters=filters).get("total") != 1)
            by = ask("/v2/summary", groupby=f"k{text}", filters=f"project_id:{text}")
            bad += [("groupby", text)] * (by.get("columns", [])[-1:] != [f"k{text}"] or [r[-1] for r in by["results"]] != [text])
        # A number, as text.
        bad += [("total", text)] * (not isinstance(ask("/v1/report/total", tenant_id=text), str))
        found = ask("/v1/storage/dataframes", tenant_id=text).get("dataframes", [])
        bad += [("storage", text)] * ([one["tenant_id"] for one in found] != [text])
    if [row[2] for row in ask("/v2/summary").get("results", [])] != [len(texts)]:
        bad.append("all")
    return bad


@pytest.mark.promise("S3")
def test_texts_are_data_everywhere(empty):
    assert misunderstood(empty, USABLE) == []


@pytest.mark.promise("S3")
def test_twin_texts_written_into_statements_are_misunderstood(place, tokens):
    program = "tests.api.formatted"
    with serving(url_of(place), auth="tokens", token_file=tokens, program=program) as service:
        place.opened[0].delete()
        assert misunderstood(service, ["harmless", "é"]) == []
        place.opened[0].delete()
        assert misunderstood(service, USABLE)


@pytest.mark.promise("S3")
@pytest.mark.parametrize("text", TEXTS)
def test_texts_in_every_parameter_are_no_failure(service, text):
    for path in (
        "/v2/dataframes",
        "/v2/summary",
        "/v2/scope",
        "/v1/report/summary",
        "/v1/storage/dataframes",
        "/v1/report/tenants",
    ):
        for name in (
            "begin",
            "limit",
            "offset",
            "filters",
            "groupby",
            "custom_fields",
            "tenant_id",
            "scope_id",
            "service",
            "response_format",
        ):
            answer = service.get(path, ADMIN, **{name: text})
            assert answer.status_code in (200, 400, 404), (path, name, answer.text)
            assert "x-injected" not in answer.headers
    for name in ("Idempotency-Key", "X-Auth-Token"):
        visible = text.encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "").replace("\x00", "").strip()
        answer = service.client.post("/rating/v2/dataframes", content=GOOD, headers={**HEADERS, name: visible})
        assert answer.status_code in (204, 400, 401, 409), answer.text
