"""A real Aetos behind a real Keystone answers what the Prometheus behind it does, whatever way the source logs in."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import pathlib
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from keystoneauth1 import identity, session

import undercroft
from tests.conftest import stores
from tests.hosts.conftest import make
from tests.hosts.identity import Keystone
from tests.hosts.metric_storage import Aetos, registered
from undercroft.conformance.clock import now
from undercroft.conformance.datasources import data
from undercroft.conformance.datasources.asking import AGGREGATES, ALL
from undercroft.conformance.datasources.data import HOST_METERS, World
from undercroft.conformance.datasources.feeding import feeder
from undercroft.conformance.threads import numbered
from undercroft.core import time
from undercroft.datasources import DataSourceBase
from undercroft.engines import http

pytestmark = [pytest.mark.kind("datasources"), pytest.mark.timeout(300)]
PASSWORD = "canary/of the@watcher"
QUOTED = "canary%2Fof%20the%40watcher"
WAYS = ("catalogue", "url", "session")
# Words of hosts, and of instances.
WORDS = {True: ("random", "zero", "old", "window"), False: ("random", "zero", "old", "window", "digits")}
METER = "instance_ram_usage"


class Cloud(NamedTuple):
    """What the tests share."""

    keystone: Keystone
    brief: Keystone
    aetos: Aetos
    strict: Aetos
    prometheus: str
    world: World
    users: dict[str, str]

    @property
    def options(self) -> str:
        """Those that name the metrics."""
        return self.prometheus.partition("?")[2]


class Clients:
    """The OpenStack clients of Watcher: their session."""

    def __init__(self, auth_url: str) -> None:
        plugin = identity.v3.Password(
            auth_url, username="watcher", password=PASSWORD, project_name="admin", user_domain_id="default",
            project_domain_id="default",
        )  # fmt: skip
        self.session = session.Session(plugin)


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    url = next((each.url for each in stores(request.config, "datasources") if each.driver == "prometheus"), None)
    if url is None:
        pytest.skip("NOT RUN: no Prometheus among the engines of this run")
    folder: pathlib.Path = tmp_path_factory.mktemp("aetos")
    world = data.make(time.now().replace(second=0, microsecond=0) - dt.timedelta(minutes=1))
    with contextlib.ExitStack() as stack:
        identity_packages, packages = make("keystone"), make("aetos")
        keystone, brief = (
            stack.enter_context(contextlib.closing(Keystone(identity_packages, folder, name, expiration)))
            for name, expiration in (("keystone", 3_600), ("brief", 30))
        )
        # The second one asks Keystone at each request.
        aetos, strict = (
            stack.enter_context(contextlib.closing(Aetos(packages, folder / str(cached), keystone, url, cached)))
            for cached in (300, -1)
        )
        keystone.make()
        for each in (keystone, brief, aetos, strict):
            each.begin()
        with contextlib.closing(feeder(url)) as backend:
            backend.feed(list(world.series.values()))
        for each in (keystone, brief, aetos, strict):
            each.await_alive()
        project = registered(keystone, R1=aetos, R2=strict)
        users = {}
        for name, role in (("watcher", "service"), ("reader", "reader")):
            users[name] = keystone.create("user", name=name, domain_id="default", password=PASSWORD)
            keystone.grant(project, users[name], role)
        yield Cloud(keystone, brief, aetos, strict, url, world, users)


@pytest.fixture(autouse=True)
def clock(cloud: Cloud) -> Iterator[None]:
    """The clock stands where the samples end."""
    with now(cloud.world.now):
        yield


class Sent(NamedTuple):
    """A request to Aetos."""

    method: str
    query: str
    token: str
    status: int


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """What sources over HTTP have asked Aetos."""
    found: list[Sent] = []
    send = http.Requests.send

    def recorded(self: Any, method: str, url: str, what: str, headers: Any, **request: Any) -> http.Answer:
        answer = send(self, method, url, what, headers, **request)
        if "X-Auth-Token" in headers:
            query = dict(request.get("params", ())).get("query", "")
            found.append(Sent(method, query, headers["X-Auth-Token"], answer.status))
        return answer

    monkeypatch.setattr(http.Requests, "send", recorded)
    return found


@contextlib.contextmanager
def opened(
    cloud: Cloud, way: str = "catalogue", user: str = f"watcher:{QUOTED}", *, is_strict: bool = False, **options: Any
) -> Iterator[DataSourceBase]:
    auth_url = options.pop("keystone", cloud.keystone).url + "/v3"
    login = f"auth_url={auth_url}&project=admin&{cloud.options}"
    place = (cloud.strict if is_strict else cloud.aetos).url.partition("//")[2]
    options = {
        "request_timeout": 60.0,
        "query_max_retries": 1,
        "query_interval": 0.0,
        "region": "R2" if is_strict else "R1",
        **options,
    }
    url, osc = {
        "catalogue": (f"aetos://{user}@?{login}", None),
        "url": (f"aetos://{user}@{place}?{login}", None),
        "session": (f"aetos://?{cloud.options}", Clients(auth_url)),
    }[way]
    with contextlib.closing(undercroft.connect("datasources", url, osc=osc, **options)) as found:
        yield found


@pytest.fixture(scope="module")
def source(cloud: Cloud) -> Iterator[DataSourceBase]:
    """A source that has logged in."""
    with opened(cloud) as found:
        yield found


@pytest.fixture(scope="module")
def direct(cloud: Cloud) -> Iterator[DataSourceBase]:
    """A source that asks Prometheus itself."""
    with contextlib.closing(undercroft.connect("datasources", cloud.prometheus)) as found:
        yield found


def resource(cloud: Cloud, meter: str, word: str) -> dict[str, object]:
    return cloud.world.host(word) if meter in HOST_METERS else cloud.world.instance(word)


def values(cloud: Cloud, source: DataSourceBase, meter: str) -> list[float | None]:
    """Every aggregate of some resources."""
    return [
        source.statistic_aggregation(resource(cloud, meter, word), None, meter, 300, 60, aggregate)
        for word, aggregate in itertools.product(WORDS[meter in HOST_METERS], AGGREGATES)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_each_login_finds_the_endpoint(cloud, way, direct, sent):
    with opened(cloud, way) as source:
        assert source.check_availability() == "available"
        assert source.list_metrics() == direct.list_metrics()
        assert len(source.list_metrics()) == len(ALL)
        found = values(cloud, source, METER)
        assert found == values(cloud, direct, METER)
    assert any(found)
    assert {(each.method, each.status) for each in sent} == {("GET", 200)}
    assert len({each.token for each in sent}) == 1


@pytest.mark.parametrize("meter", ALL)
def test_every_value_is_that_of_prometheus(cloud, source, direct, meter):
    resources = [resource(cloud, meter, word) for word in WORDS[meter in HOST_METERS]]
    found = values(cloud, source, meter)
    assert found == values(cloud, direct, meter)
    # The one that has samples of every meter.
    assert None not in found[: len(AGGREGATES)]
    for period, aggregate in itertools.product((300, 7_200), AGGREGATES):
        asked = (None, meter, period, aggregate, 60)
        assert source.statistic_batch(resources, *asked) == direct.statistic_batch(resources, *asked)
    for each in resources:
        assert source.explain(each, None, meter, 900, "max", 60) == direct.explain(each, None, meter, 900, "max", 60)
        assert source.statistic_series(each, None, meter) == direct.statistic_series(each, None, meter)
    assert source.statistic_series(resources[0], None, meter)


def test_names_are_data_on_the_way_through_aetos(cloud, source, direct):
    hosts = [data.node(name) for name in data.names(cloud.world)]
    found = source.statistic_batch(hosts, "compute_node", "host_power")
    assert found == direct.statistic_batch(hosts, "compute_node", "host_power")
    assert None not in found.values()


@pytest.mark.parametrize("meter", [METER, "instance_cpu_usage"])
@pytest.mark.parametrize("many", [500, 10])
def test_a_batch_is_one_request_that_servers_before_aetos_take(cloud, source, direct, sent, meter, many):
    others = [{"uuid": str(uuid.uuid4()), "vcpus": 1} for _ in range(many - 2)]
    resources = [cloud.world.instance("random"), *others, cloud.world.instance("window")]
    found = source.statistic_batch(resources, "instance", meter)
    assert found == direct.statistic_batch(resources, "instance", meter)
    assert {key for key, value in found.items() if value is not None} == {
        cloud.world.instances["random"], cloud.world.instances["window"],
    }  # fmt: skip
    (asked,) = sent
    # What fits is asked for by name, and of more all are asked for.
    assert (str(resources[-1]["uuid"]) in asked.query) == (many == 10)


def test_the_server_refuses_a_query_that_names_many(cloud):
    """Without this bound the test above would show nothing."""
    query = {"query": "|".join(str(uuid.uuid4()) for _ in range(150))}
    assert httpx.get(f"{cloud.aetos.url}/api/v1/query", params=query, headers=cloud.keystone.admin()).status_code == 431


@pytest.mark.parametrize("way", ["catalogue", "session"])
def test_a_token_that_is_revoked_is_renewed_once(cloud, way, sent):
    asked = (cloud.world.instance("random"), None, METER)
    with opened(cloud, way, is_strict=True) as source:
        before = source.statistic_aggregation(*asked)
        assert before is not None
        cloud.keystone.revoke(sent[-1].token)
        assert source.statistic_aggregation(*asked) == before
        assert source.statistic_aggregation(*asked) == before
    assert [each.status for each in sent] == [200, 401, 200, 200]
    assert sent[0].token == sent[1].token != sent[2].token == sent[3].token


def test_threads_share_one_login(cloud, direct, sent):
    asked = (cloud.world.instance("random"), None, METER)
    with opened(cloud) as shared:
        found = numbered(4, lambda _: shared.statistic_aggregation(*asked))
    assert found == [direct.statistic_aggregation(*asked)] * 4
    assert len({each.token for each in sent}) == 1


def test_a_token_that_is_about_to_expire_is_not_used(cloud, direct, sent):
    """Each has 30 seconds, and is renewed 60 before its end: every request has another."""
    with opened(cloud, keystone=cloud.brief) as source:
        asked = (cloud.world.instance("random"), None, METER)
        assert [source.statistic_aggregation(*asked) for _ in range(2)] == [direct.statistic_aggregation(*asked)] * 2
    assert [each.status for each in sent] == [200, 200]
    assert sent[0].token != sent[1].token


def test_a_wrong_password_is_told_once_and_not_shown(cloud, caplog, sent):
    with opened(cloud, user="watcher:canary-wrong", query_max_retries=10) as source:
        assert source.check_availability() == "not available"
        assert source.statistic_aggregation(cloud.world.host("random"), None, "host_power") is None
        assert source.is_resting
    assert "refuses the login" in caplog.text
    assert "no answer after 1 of 10 attempts" in caplog.text
    assert "canary" not in caplog.text
    assert sent == []


def test_a_user_who_is_disabled_meanwhile_is_refused(cloud, caplog, sent):
    with opened(cloud, is_strict=True) as source:
        assert source.check_availability() == "available"
        cloud.keystone.change(f"/users/{cloud.users['watcher']}", enabled=False)
        try:
            assert source.statistic_aggregation(cloud.world.host("random"), None, "host_power") is None
        finally:
            cloud.keystone.change(f"/users/{cloud.users['watcher']}", enabled=True)
    # Keystone revokes the tokens of a user who is disabled, and gives no other.
    assert [each.status for each in sent] == [200, 401]
    assert "refuses the login" in caplog.text
    assert "canary" not in caplog.text


def test_a_user_without_the_role_service_or_admin_sees_no_hosts(cloud, caplog):
    """Aetos shows such a user the series of the project only, and neither status nor targets."""
    with opened(cloud, user=f"reader:{QUOTED}") as source:
        assert source.check_availability() == "not available"
        assert source.statistic_aggregation(cloud.world.host("random"), None, "host_power") is None
    assert "403" in caplog.text
