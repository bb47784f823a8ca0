"""URLs and logins of datasources that are asked over HTTP; their client itself is tested in tests/unit/engines/test_http.py."""

from __future__ import annotations

import base64
import contextlib
import logging
import pathlib
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

import undercroft
from tests.datasources.answering import answering
from tests.datasources.broken import broken, in_turn, told
from tests.export.certificates import self_signed
from undercroft.core.errors import ConfigInvalid

SECRET = "pa ss/w@rd"
QUOTED = "pa%20ss%2Fw%40rd"
READY = {"status": "success", "data": {}}


@contextlib.contextmanager
def source(url: str, **options: Any) -> Iterator[Any]:
    with contextlib.closing(
        undercroft.connect("datasources", url, **{"query_max_retries": 1, "query_interval": 0, **options})
    ) as found:
        yield found


class Session:
    """The part of a keystoneauth1 session that is used: one that is refused once."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint, self.made = endpoint, 1
        self.wanted: list[dict[str, Any]] = []

    def get_endpoint(self, **wanted: Any) -> str:
        self.wanted.append(wanted)
        return f"{self._endpoint}/"

    def get_auth_headers(self) -> dict[str, str]:
        return {"X-Auth-Token": f"token{self.made}"}

    def invalidate(self) -> None:
        self.made += 1


class Clients:
    """The OpenStack clients of a host program."""

    def __init__(self, session: Session) -> None:
        self.session = session


def _authorization(headers: dict[str, str]) -> str | None:
    return headers.get("authorization")


def test_a_user_is_sent_as_basic_authentication() -> None:
    with answering(READY) as server, source(f"prometheus://a%3Ab:{QUOTED}@{server.place}/prefix/") as found:
        assert found.check_availability() == "available"
    (asked,) = server.asked
    assert asked.path.startswith("/prefix/api/v1/")
    scheme, _, pair = asked.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair).decode()) == ("Basic", f"a:b:{SECRET}")


def test_a_token_is_sent_as_a_bearer() -> None:
    with answering(READY) as server, source(f"prometheus://{server.place}?token=t1") as found:
        assert found.check_availability() == "available"
    assert [_authorization(each.headers) for each in server.asked] == ["Bearer t1"]


def test_without_a_user_nothing_is_sent() -> None:
    with answering(READY) as server, source(f"prometheus://{server.place}") as found:
        assert found.check_availability() == "available"
    assert [_authorization(each.headers) for each in server.asked] == [None]


def test_the_session_of_the_host_program_logs_in_and_renews_its_token() -> None:
    with broken(in_turn(told(401), told(200, **READY))) as server:
        session = Session(server.url)
        with source("aetos://?region=R1&interface=internal", osc=Clients(session)) as found:
            assert found.check_availability() == "available"
            assert found.check_availability() == "available"
    assert session.wanted == [{"service_type": "metric-storage", "interface": "internal", "region_name": "R1"}]
    assert session.made == 2
    assert [b"token1" in each for each in server.requests] == [True, False, False]
    assert [b"token2" in each for each in server.requests] == [False, True, True]


def test_a_token_of_the_url_outranks_the_session() -> None:
    with answering(READY) as server:
        session = Session("http://127.0.0.1:1")
        with source(f"aetos://{server.place}?token=t1", osc=Clients(session)) as found:
            assert found.check_availability() == "available"
    assert (session.wanted, [_authorization(each.headers) for each in server.asked]) == ([], ["Bearer t1"])


def test_no_certificate_of_an_unknown_authority_is_accepted(tmp_path: pathlib.Path) -> None:
    context, file = self_signed(tmp_path)
    with broken(told(200, **READY), context=context) as server:
        place = f"prometheus+https://u:{QUOTED}@127.0.0.1:{server.port}"
        with source(place) as found:
            assert found.check_availability() == "not available"
        assert server.requests == []
        for option in (f"cafile={file}", "insecure=true"):
            with source(f"{place}?{option}") as found:
                assert found.check_availability() == "available"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("prometheus://u:{}@h?tokn=x", "did you mean 'token'"),
        ("prometheus://u:{}@h?request_timeout=soon", "request_timeout"),
        ("prometheus://u:{}@h?insecure=perhaps", "insecure"),
        ("prometheus://u:{}@h:port", "is not a URL"),
        ("prometheus+ftp://u:{}@h", r"write \+https"),
        ("prometheus://u:{}@", "names no host"),
        ("aetos://", "names no host"),
        ("prometheus://u:{}@h?cafile=/nowhere/ca.pem", "cafile: /nowhere/ca.pem: No such file"),
    ],
)
def test_what_is_wrong_in_a_url_is_told_without_its_password(url: str, text: str) -> None:
    with pytest.raises(ConfigInvalid, match=text) as caught:
        undercroft.connect("datasources", url.format(QUOTED))
    shown = "".join(traceback.format_exception_only(caught.value))
    assert QUOTED not in shown
    assert SECRET not in shown


def test_the_log_of_a_failure_has_no_password(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), broken(told(500, error="oops")) as server:
        with source(f"prometheus://u:{QUOTED}@127.0.0.1:{server.port}?token=s3cr3t-token", query_max_retries=2) as found:
            assert found.statistic_aggregation({"hypervisor_hostname": "c1"}, None, "host_cpu_usage") is None
            assert found.check_availability() == "not available"
        assert server.requests
    assert "oops" in caplog.text
    for each in (QUOTED, SECRET, "s3cr3t-token"):
        assert each not in caplog.text
