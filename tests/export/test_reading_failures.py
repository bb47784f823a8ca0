"""What a service may answer instead of samples, and what each answer is taken for."""

from __future__ import annotations

import datetime as dt
import email.utils
import time
from typing import Any

import pytest

from tests.engines.run import free_ports
from tests.export.certificates import self_signed
from tests.export.old_ceilometer import Fault, OldCeilometer
from tests.export.reading import BOTH, MINUTE, START, asking, ids, made, reading, settings_of, whole
from undercroft.conformance.limits import within
from undercroft.core.errors import ConfigInvalid
from undercroft.engines import http
from undercroft.export.client import Client
from undercroft.export.errors import FilterRefused, MetricsMoved, SourceForbidden, SourceUnavailable
from undercroft.export.login import login

END = START + 100 * MINUTE
PATHS = {"complex": "/v2/query/samples", "simple": "/v2/meters/cpu"}


@pytest.fixture
def old():
    with OldCeilometer([made(number) for number in range(10)]) as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("certificate"))


def failure(old: OldCeilometer, fault: Fault, mode: str = "simple", **keys: Any) -> Exception:
    """What reading raises when a request for samples meets a fault."""
    old.faults = lambda asked: fault if asked.path == PATHS[mode] else None
    with reading(old.url, mode=mode, **keys) as source:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its class is what the tests are about
            whole(source, START, END)
        old.faults = []
        # The next request is answered.
        assert len(ids(whole(source, START, END))) == 10
    return caught.value


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, MetricsMoved), (308, MetricsMoved), (400, FilterRefused), (401, SourceForbidden), (403, SourceForbidden),
        (404, MetricsMoved), (405, MetricsMoved), (408, SourceUnavailable), (410, MetricsMoved), (422, FilterRefused),
        (429, SourceUnavailable), (500, SourceUnavailable), (501, MetricsMoved), (502, SourceUnavailable), (503, SourceUnavailable),
        (504, SourceUnavailable), (599, SourceUnavailable), (204, SourceUnavailable),
    ],
)  # fmt: skip
def test_a_status_and_its_error(old, mode, status, error):
    found = failure(old, Fault(status, {"Location": "http://127.0.0.1:1/elsewhere"}), mode)
    assert type(found) is error
    assert str(status) in str(found)
    if status >= 300:
        assert "The service says so." in str(found)
    if isinstance(found, FilterRefused):
        assert found.field == "[filter:f]"
    if isinstance(found, SourceUnavailable):
        assert not found.is_everything
    # Nobody followed the redirect.
    assert all(asked.path.startswith("/v2/") for asked in old.requests)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("7", 7, 7), (" 12 ", 12, 12), ("0", 0, 0), ("99999999999999", 86_400, 86_400), ("date", 80, 91), ("past", 0, 0)],
)
def test_retry_after(old, status, text, low, high):
    if text in ("date", "past"):
        moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90 if text == "date" else -90)
        text = email.utils.format_datetime(moment, usegmt=True)
    found = failure(old, Fault(status, {"Retry-After": text}))
    assert isinstance(found, SourceUnavailable)
    assert low <= (found.retry_after if found.retry_after is not None else -1) <= high


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "٣", "Thu, 99 Foo 2026 99:99:99 GMT"])
def test_a_retry_after_that_cannot_be_read_is_none(old, text):
    found = failure(old, Fault(503, {"Retry-After": text} if text.isascii() else {}))
    assert isinstance(found, SourceUnavailable)
    assert found.retry_after is None


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut=100), Fault(cut=0), Fault(cut=100, chunked=True), Fault(cut=0, chunked=True), Fault(closes=True),
        Fault(status=200, body=b"<html>maintenance</html>"), Fault(status=200, body=b""),
        Fault(status=200, body=b'{"samples": []}'), Fault(status=200, headers={"Content-Encoding": "gzip"}, body=b"not gzip"),
    ],
    ids=["cut", "no byte", "cut chunks", "no chunk", "closed", "html", "empty", "an object", "not gzip"],
)  # fmt: skip
def test_half_of_an_answer_is_unavailable(old, mode, fault):
    found = failure(old, fault, mode)
    assert type(found) is SourceUnavailable
    assert not found.is_everything


@pytest.mark.parametrize("fault", [Fault(delay=30), Fault(drip=0.2), Fault(503, drip=0.2, chunked=True)])
def test_a_request_has_a_deadline(old, fault):
    began = time.monotonic()
    old.faults = lambda _: fault
    with reading(old.url, timeout=1, mode="simple") as source, pytest.raises(SourceUnavailable):
        whole(source, START, END)
    within(time.monotonic() - began, 10)


def test_an_answer_in_chunks(old):
    old.faults = lambda _: Fault(chunked=True)
    with reading(old.url) as source:
        assert len(ids(whole(source, START, END))) == 10


def test_an_answer_is_bounded(old, monkeypatch):
    monkeypatch.setattr(http, "LARGEST", 3 * 2**20)
    body = b"[" + b" " * (2**22) + b"]"
    for fault in (Fault(200, body=body), Fault(200, body=body, chunked=True), Fault(500, body=body)):
        found = failure(old, fault)
        assert isinstance(found, SourceUnavailable)
        assert "larger than 3 MiB" in str(found)


def test_a_service_that_cannot_be_reached():
    (port,) = free_ports(1)
    with reading(f"http://127.0.0.1:{port}") as source:
        with pytest.raises(SourceUnavailable) as caught:
            whole(source, START, END)
        assert caught.value.is_everything
        with OldCeilometer([made(1)], port=port):
            assert ids(whole(source, START, END)) == ["m00001"]
        with pytest.raises(SourceUnavailable) as caught:
            whole(source, START, END)
        with OldCeilometer([made(2)], port=port):
            assert ids(whole(source, START, END)) == ["m00002"]


def test_moved_metrics(old):
    old.moved = True
    for mode in ("auto", *BOTH):
        with reading(old.url, mode=mode) as source, pytest.raises(MetricsMoved, match="410: This telemetry installation"):
            whole(source, START, END)
    with reading(old.url) as source, pytest.raises(MetricsMoved):
        source.meters(asking(meters="*"))


def test_a_refused_filter_names_its_section(old):
    bad = asking("nope=1", "*")
    for mode in BOTH:
        with reading(old.url, mode=mode) as source:
            for ask in (
                lambda s=source: whole(s, START, END, bad), lambda s=source: s.meters(bad), lambda s=source: s.first(bad, "cpu"),
            ):  # fmt: skip
                with pytest.raises(FilterRefused) as caught:
                    ask()
                assert caught.value.field == "[filter:f]"
                assert "nope" in caught.value.problem
            assert len(ids(whole(source, START, END))) == 10
    # Simple queries have no other operators; the service says so.
    with reading(old.url, mode="simple") as source, pytest.raises(FilterRefused, match="unimplemented operator"):
        whole(source, START, END, asking("project_id!=p1"))


# -- tokens --------------------------------------------------------------------------------------------------------------


class Tokens:
    """A login whose tokens run out."""

    def __init__(self, endpoint: str, *tokens: str) -> None:
        self.endpoint = endpoint
        self.tokens = list(tokens)
        self.renewed = 0

    def headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self.tokens[0]}

    def renew(self) -> None:
        self.renewed += 1
        if len(self.tokens) > 1:
            del self.tokens[0]

    def roles(self) -> frozenset[str] | None:
        return None

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("mode", BOTH)
def test_a_token_is_renewed_once(old, mode):
    old.tokens = {"s3cret-2": None}
    tokens = Tokens(old.url, "s3cret-1", "s3cret-2", "s3cret-3")
    with reading(old.url, tokens, mode=mode) as source:
        assert len(ids(whole(source, START, END))) == 10
        assert tokens.renewed == 1
        assert len(old.requests) == 2
        # The token runs out in the middle.
        old.tokens = {"s3cret-3": None}
        assert len(ids(whole(source, START, END))) == 10
        old.tokens = {}
        with pytest.raises(SourceForbidden) as caught:
            whole(source, START, END)
    assert tokens.renewed == 3
    assert "s3cret" not in str(caught.value)
    assert "401: The request you have made requires authentication." in str(caught.value)


def test_a_fixed_token(old):
    old.tokens = {"t0ken": None, "0ne": "p1"}
    with reading(old.url, auth="token", token="t0ken") as source:
        assert len(ids(whole(source, START, END))) == 10
    with reading(old.url, auth="token", token="0ne") as source:
        assert ids(whole(source, START, END)) == [f"m{n:05}" for n in (1, 3, 5, 7, 9)]
    with reading(old.url, auth="token", token="wr0ng") as source, pytest.raises(SourceForbidden) as caught:
        whole(source, START, END)
    assert "wr0ng" not in repr(caught.value)


def test_what_a_service_says_is_one_short_line(old):
    text = b'{"error_message": {"faultstring": "' + b"a\\n\\u0007 b" * 1000 + b'"}}'
    found = str(failure(old, Fault(500, body=text)))
    assert "\n" not in found
    assert len(found) < 400
    for body in (b"", b"[]", b"\xff", b'{"error_message": 5}', b'{"error_message": null, "faultstring": 7}', b"[" * 5000):
        assert str(failure(old, Fault(500, body=body))) == "GET /v2/meters/cpu: 500"
    for body in (b'{"error_message": "Oh."}', b'{"error": {"message": "Oh.", "code": 500}}', b'{"title": "Oh."}'):
        assert str(failure(old, Fault(500, body=body))) == "GET /v2/meters/cpu: 500: Oh."


# -- which queries -------------------------------------------------------------------------------------------------------


def test_the_mode_is_found_once(old):
    with reading(old.url) as source:
        assert source.mode == source.mode == "complex"
        whole(source, START, END)
    assert [asked.path for asked in old.requests] == ["/v2/capabilities", "/v2/query/samples"]
    old.complex_queries = False
    with reading(old.url) as source:
        assert source.mode == "simple"


@pytest.mark.parametrize("status", [400, 404, 405, 410, 501])
def test_without_capabilities_queries_are_simple(old, status):
    old.faults = lambda asked: Fault(status, path=asked.path) if asked.path == "/v2/capabilities" else None
    with reading(old.url) as source:
        assert source.mode == "simple"
        assert len(ids(whole(source, START, END))) == 10


@pytest.mark.parametrize("fault", [Fault(503), Fault(cut=10), Fault(200, body=b"<html>"), Fault(200, body=b"[]"), Fault(429)])
def test_capabilities_that_do_not_come_are_asked_for_again(old, fault):
    old.faults = [fault]
    with reading(old.url) as source:
        with pytest.raises(SourceUnavailable):
            whole(source, START, END)
        assert source.mode == "complex"


@pytest.mark.parametrize("status", [404, 405, 501])
def test_from_complex_queries_to_simple_ones(old, status, caplog):
    old.faults = lambda asked: Fault(status) if asked.path == "/v2/query/samples" else None
    with reading(old.url) as source:
        assert source.mode == "complex"
        assert source.first(asking(), "cpu") == START
        assert len(ids(whole(source, START, END))) == 10
        assert len(ids(whole(source, START, END))) == 10
        assert source.mode == "simple"
    assert [record.levelname for record in caplog.records if "complex" in record.message] == ["WARNING"]
    assert [asked.path for asked in old.requests].count("/v2/query/samples") == 1


def test_simple_queries_of_a_service_that_answers_410(old):
    """410 says that metrics have moved, not that complex queries are unknown."""
    old.faults = lambda asked: Fault(410) if asked.path == "/v2/query/samples" else None
    with reading(old.url) as source, pytest.raises(MetricsMoved):
        whole(source, START, END)


# -- servers that do not do what they are asked --------------------------------------------------------------------------

ODD = [made(n // 4, message_id=f"o{n:03}") for n in range(60)]
EVERY = sorted(each["message_id"] for each in ODD)


@pytest.mark.parametrize("mode", ["auto", "simple"])
@pytest.mark.parametrize("size", [8, 1000])
def test_a_server_that_does_not_sort(mode, size):
    with OldCeilometer(ODD, sorts=False) as old, reading(old.url, page=size, mode=mode) as source:
        assert sorted(set(ids(whole(source, START, END)))) == EVERY
        assert len(old.requests) < 1000


@pytest.mark.parametrize("size", [4, 8, 60])
def test_a_server_that_ignores_the_order(size):
    """It gives the newest first whatever it is asked for; a page of one timestamp does not show it."""
    with OldCeilometer(ODD, orders=False) as old:
        with reading(old.url, page=size) as source:
            assert sorted(set(ids(whole(source, START, END)))) == EVERY
            assert source.mode == "simple"
        assert len(old.requests) < 4000


@pytest.mark.parametrize("quiet", [dt.timedelta(), dt.timedelta(days=3)])
def test_the_first_sample_of_a_server_that_ignores_the_order(quiet):
    with OldCeilometer(ODD, orders=False) as old, reading(old.url) as source:
        assert source.first(asking(), "cpu", START - quiet) == START
        begin = START - quiet
    with OldCeilometer(ODD, orders=False) as old, reading(old.url) as source:
        assert sorted(set(ids(whole(source, begin, END)))) == EVERY
    with (
        OldCeilometer(ODD, orders=False) as old,
        reading(old.url, mode="complex") as source,
        pytest.raises(SourceUnavailable, match="write mode = simple"),
    ):
        source.first(asking(), "cpu")


@pytest.mark.parametrize("mode", ["auto", *BOTH])
@pytest.mark.parametrize("size", [1, 60, 1000])
def test_a_server_that_ignores_timestamps(mode, size):
    with OldCeilometer(ODD, bounds=False) as old, reading(old.url, page=size, mode=mode) as source:
        begin, end = START + 3 * MINUTE, START + 6 * MINUTE
        with pytest.raises(SourceUnavailable, match="ignores"):
            whole(source, begin, end)
        assert len(old.requests) < 100


def test_a_server_that_ignores_where_a_window_ends():
    """In order, what is behind the end is left for its own window; among the newest, it leaves no room for what was asked for."""
    begin, end = START, START + 3 * MINUTE
    with OldCeilometer(ODD, bounds=False) as old:
        with reading(old.url, mode="complex") as source:
            assert ids(whole(source, begin, end)) == [f"o{n:03}" for n in range(12)]
        with (
            reading(old.url, mode="simple") as source,
            pytest.raises(SourceUnavailable, match=r"ignores.*asked for samples before"),
        ):
            whole(source, begin, end)


@pytest.mark.parametrize("mode", BOTH)
def test_a_server_that_ignores_the_limit(mode):
    with OldCeilometer(ODD, limits=False) as old, reading(old.url, page=3, mode=mode) as source:
        assert sorted(set(ids(whole(source, START, END)))) == EVERY
        assert len(old.requests) < 4000


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("most", [100, 200])
def test_a_server_that_caps_its_answers(mode, most):
    held = [made(n, START + n * dt.timedelta(seconds=3)) for n in range(1000)]
    with OldCeilometer(held, most=most) as old, reading(old.url, page=1000, mode=mode) as source:
        assert len(set(ids(whole(source, START, END)))) == 1000
        assert len(old.requests) < 100


def test_samples_that_come_while_a_window_is_read():
    """What has come by the beginning is read; what comes in between may be, and does no harm."""
    with OldCeilometer([made(n) for n in range(0, 90, 2)]) as old:
        late = iter(range(1, 90, 2))

        def arrive(_: Any) -> None:
            old.add([made(next(late))])

        for mode in BOTH:
            old.faults = arrive
            with reading(old.url, page=10, mode=mode) as source:
                found = ids(whole(source, START, END))
            assert len(found) == len(set(found))
            assert {f"m{n:05}" for n in range(0, 90, 2)} <= set(found)


# -- TLS -----------------------------------------------------------------------------------------------------------------


def test_a_certificate_of_nobody_is_refused(certificate):
    context, file = certificate
    with OldCeilometer([made(1)], tls=context) as old:
        with reading(old.url) as source:
            with pytest.raises(SourceUnavailable, match=r"cannot be reached.*CERTIFICATE_VERIFY_FAILED") as caught:
                whole(source, START, END)
            assert caught.value.is_everything
        assert not old.requests
        with reading(old.url, cafile=file) as source:
            assert ids(whole(source, START, END)) == ["m00001"]
        with reading(old.url, insecure="true") as source:
            assert ids(whole(source, START, END)) == ["m00001"]
        old.faults = lambda _: Fault(drip=0.2)
        began = time.monotonic()
        with reading(old.url, cafile=file, timeout=1) as source, pytest.raises(SourceUnavailable):
            whole(source, START, END)
        within(time.monotonic() - began, 10)


def test_a_cafile_that_cannot_be_read(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for file, text in ((tmp_path / "nothing.pem", "No such file"), (empty, "holds no certificates")):
        settings = settings_of("https://127.0.0.1:1", cafile=file)
        with pytest.raises(ConfigInvalid, match=f"cafile: .*{text}"):
            Client(settings, login(settings))
