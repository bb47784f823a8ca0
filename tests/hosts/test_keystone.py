"""The export worker's login against a real Keystone: v3, which is all that a Keystone of today has."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import undercroft
from tests.api.service import serving
from tests.export.places import settings
from tests.hosts.conftest import make
from tests.hosts.identity import PASSWORD, Gate, Keystone, running
from undercroft.export.client import Client
from undercroft.export.errors import SourceForbidden, SourceUnavailable
from undercroft.export.login import Login, login
from undercroft.export.settings import Filter
from undercroft.export.source import Source

pytestmark = pytest.mark.timeout(300)
COUNT = 14
BEGUN = dt.datetime(2026, 3, 1)
READER = "canary-of-the-reader"


class Cloud(NamedTuple):
    """What the tests share."""

    keystone: Keystone
    brief: Keystone
    gate: Gate
    project: str
    admin: str
    reader: str


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder: pathlib.Path = tmp_path_factory.mktemp("keystone")
    url = f"sqlite:///{folder}/m.db"
    with contextlib.closing(undercroft.connect("metering", url)) as store:
        store.init()
        store.record_metering_data_batch([published(number) for number in range(COUNT)])
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(serving(None, metering=url))
        usual, brief = stack.enter_context(running(make("keystone"), folder))
        gate = stack.enter_context(contextlib.closing(Gate(usual, service.url + "/metering")))
        told = usual.client.get("/auth/projects", headers=usual.admin()).json()["projects"]
        project = next(each["id"] for each in told if each["name"] == "admin")
        admin = usual.client.get("/users", params={"name": "admin"}, headers=usual.admin()).json()["users"][0]["id"]
        reader = usual.create("user", name="reader", domain_id="default", password=READER)
        usual.grant(project, reader, "reader")
        metering = usual.create("service", name="ceilometer", type="metering")
        for region, interface, place in (
            ("R1", "public", gate.url),
            ("R1", "internal", gate.url + "/"),
            ("R2", "public", "http://r2"),
        ):
            with contextlib.suppress(AssertionError):
                usual.create("region", id=region)
            usual.create("endpoint", service_id=metering, region_id=region, interface=interface, url=place)
        yield Cloud(usual, brief, gate, project, admin, reader)


def published(number: int) -> dict[str, Any]:
    return {
        "counter_name": "cpu", "counter_type": "gauge", "counter_unit": "%", "counter_volume": number, "user_id": "u",
        "project_id": f"p{number % 2}", "resource_id": "r", "source": "openstack", "message_id": f"id-{number:02}",
        "timestamp": BEGUN + dt.timedelta(seconds=number), "resource_metadata": {}, "message_signature": None,
    }  # fmt: skip


def configured(auth_url: str, **over: Any) -> Any:
    given: dict[str, Any] = {
        "endpoint": None, "auth_url": auth_url, "auth": "auto", "tenant": "admin", "user": "admin", "key": PASSWORD, "page": 4,
    }  # fmt: skip
    return settings("sqlite://", **(given | over))


@contextlib.contextmanager
def logged_in(auth_url: str, **over: Any) -> Iterator[Login]:
    with contextlib.closing(login(configured(auth_url, **over))) as found:
        yield found


@pytest.mark.parametrize(("path", "auth"), [("", "auto"), ("/v3", "auto"), ("", "v3"), ("/v3", "v3"), ("/", "auto")])
def test_login_by_names(cloud, path, auth, caplog):
    for name in ("", "keystoneauth", "keystoneauth1", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, name)
    with logged_in(cloud.keystone.url + path, auth=auth) as found:
        assert found.endpoint == cloud.gate.url
        assert "admin" in (found.roles() or ())
        token = found.headers()["X-Auth-Token"]
    assert token
    assert token not in caplog.text
    assert PASSWORD not in caplog.text


def test_login_by_ids(cloud):
    ids = {"tenant": None, "user": None, "tenant_id": cloud.project, "user_id": cloud.admin}
    with logged_in(cloud.keystone.url, **ids) as found:
        assert found.endpoint == cloud.gate.url
    names = {"user_domain_id": "default", "project_domain_id": "default", "user_domain_name": "none", "project_domain_name": "none"}
    with logged_in(cloud.keystone.url, **names) as found:
        assert found.endpoint == cloud.gate.url


def test_region_and_interface_choose_the_endpoint(cloud):
    with logged_in(cloud.keystone.url, region="R2") as found:
        assert found.endpoint == "http://r2"
    with logged_in(cloud.keystone.url, interface="internal") as found:
        assert found.endpoint == cloud.gate.url
    with (
        logged_in(cloud.keystone.url, region="R3") as found,
        pytest.raises(SourceForbidden, match="region R3; it has R1/internal, R1/public, R2/public"),
    ):
        _ = found.endpoint


def read(cloud: Cloud, keystone: Keystone, between: Any = None) -> list[str]:
    """The ids of a whole read; `between` is called after the second batch."""
    filter_ = Filter("all", (), ("cpu",))
    config = configured(keystone.url)
    found: list[str] = []
    with contextlib.closing(login(config)) as mine, contextlib.closing(Client(config, mine)) as client:
        source = Source(config, client)
        for number, batch in enumerate(source.read(filter_, "cpu", BEGUN, BEGUN + dt.timedelta(seconds=COUNT))):
            found += [sample.message_id for sample in batch.samples]
            if number == 1 and between is not None:
                between(mine)
    return found


ALL = [f"id-{number:02}" for number in range(COUNT)]


def test_a_token_that_is_revoked_within_a_round_is_renewed_once(cloud):
    before = cloud.gate.answers[401]
    cloud.gate.tokens.clear()
    found = read(cloud, cloud.keystone, lambda mine: cloud.keystone.revoke(mine.headers()["X-Auth-Token"]))
    assert found == ALL
    assert cloud.gate.answers[401] == before + 1
    assert len(set(cloud.gate.tokens)) == 2


def test_a_token_that_expires_within_a_round_is_renewed_before_it_is_used(cloud):
    """Each has 62 seconds, and is renewed 60 before its end: after two there is another."""
    import time

    before = cloud.gate.answers[401]
    cloud.gate.tokens.clear()
    assert read(cloud, cloud.brief, lambda _: time.sleep(2.5)) == ALL
    assert cloud.gate.answers[401] == before
    assert len(set(cloud.gate.tokens)) > 1


def test_a_token_that_is_refused_again_is_an_error(cloud):
    config = configured(cloud.keystone.url, auth="token", token="gAAAAunknown", endpoint=cloud.gate.url)
    with contextlib.closing(login(config)) as mine, contextlib.closing(Client(config, mine)) as client:
        with pytest.raises(SourceForbidden, match="401") as caught:
            client.get("/v2/capabilities")
        assert "gAAAA" not in str(caught.value)


def test_a_wrong_password_and_a_disabled_user_are_refused(cloud):
    with (
        logged_in(cloud.keystone.url, key="canary-wrong") as found,
        pytest.raises(SourceForbidden, match="refuses the login") as caught,
    ):
        found.headers()
    assert "canary" not in str(caught.value)
    cloud.keystone.change(f"/users/{cloud.reader}", enabled=False)
    try:
        with logged_in(cloud.keystone.url, user="reader", key=READER) as found, pytest.raises(SourceForbidden):
            found.headers()
    finally:
        cloud.keystone.change(f"/users/{cloud.reader}", enabled=True)


def test_a_user_without_the_role_admin_is_told_once(cloud, caplog):
    with caplog.at_level(logging.WARNING), logged_in(cloud.keystone.url, user="reader", key=READER) as found:
        found.headers()
        found.renew()
    assert [record.message for record in caplog.records if "does not have the role admin" in record.message] != []
    assert caplog.text.count("does not have the role admin") == 1


def test_a_keystone_that_is_away_is_asked_again(cloud):
    with logged_in(cloud.brief.url, timeout=5.0) as found:
        found.headers()
        cloud.brief.stop()
        with pytest.raises(SourceUnavailable, match="cannot be asked") as caught:
            found.renew()
        assert caught.value.is_everything
        cloud.brief.start()
        assert found.headers()["X-Auth-Token"]
