"""Both modes of reading give the same samples, of an old Ceilometer and of Undercroft's own API."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from tests.api.answers import ADMIN
from tests.api.service import TOKENS, serving
from tests.conftest import opener_of, url_of
from tests.export.old_ceilometer import OldCeilometer, raw
from tests.export.reading import BOTH, MINUTE, START, asking, ids, made, reading, samples, whole
from undercroft.conformance.plugin import Target

TOKEN = {"auth": "token", "token": "t-admin-a"}
END = START + 100 * MINUTE
NAMES = ("cpu", "disk/read", "network incoming", "a+b%2F?&#é", "disk.read/x y")
HELD = [
    *(made(n) for n in range(12)),
    *(made(20 + n, meter=name, message_id=f"n{n}") for n, name in enumerate(NAMES[1:])),
    made(30, user_id=None, project_id=None, source=None, resource_metadata={}),
    made(31, resource_metadata={"n": "7", "flag": True, "size": 1.5, "name": "it's", "display name": "a b"}),
    made(32, resource_metadata={"flag": "True", "size": "1.5", "deep": {"er": {"x": 1}}}, resource_id="vm/1 %;="),
]  # fmt: skip


def published(sample: dict[str, Any]) -> dict[str, Any]:
    """A sample as our service takes it."""
    return {name: value for name, value in sample.items() if name != "recorded_at"}


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Roots of both APIs, with the same samples."""
    folder = tmp_path_factory.mktemp("ours")
    opener = opener_of(Target("metering", "sqlite", "sqlite:///{tmp}/m.db"), folder)
    opener()
    tokens = folder / "tokens"
    tokens.write_text(TOKENS)
    with (
        OldCeilometer(HELD, tokens={"t-admin-a": None}) as old,
        serving(None, metering=url_of(opener), auth="tokens", token_file=tokens) as ours,
    ):
        answer = ours.client.post("/metering/v1/ceilometer/samples", json=[published(each) for each in HELD], headers=ADMIN)
        assert answer.status_code == 200, answer.text
        yield {"old": old.url, "ours": f"{ours.url}/metering"}
    opener.clear()


def read(services: dict[str, str], query: str = "", meter: str = "cpu", begin: dt.datetime = START, **keys: Any) -> list[list[str]]:
    """Message ids from each service in each mode."""
    found = []
    for url in services.values():
        for mode in BOTH:
            with reading(url, **TOKEN, mode=mode, **keys) as source:
                assert source.mode == mode
                found.append(ids(whole(source, begin, END, asking(query), meter)))
    return found


def only(found: list[list[str]]) -> list[str]:
    """What all of them agree on."""
    assert all(each == found[0] for each in found), found
    return found[0]


@pytest.mark.parametrize("size", [2, 5, 1000])
def test_all_samples(services, size):
    assert only(read(services, page=size)) == sorted(each["message_id"] for each in HELD if each["counter_name"] == "cpu")


def test_the_mode_that_is_found(services):
    for url in services.values():
        with reading(url, **TOKEN) as source:
            assert (source.mode, source.endpoint) == ("complex", url)
        with reading(url + "/", **TOKEN) as source:
            assert source.endpoint == url
            assert len(ids(whole(source, START, END))) == 15


@pytest.mark.parametrize("name", NAMES[1:])
def test_names_of_meters_as_they_are(services, name):
    (one,) = only(read(services, meter=name))
    assert one == f"n{NAMES.index(name) - 1}"
    for url in services.values():
        for mode in BOTH:
            with reading(url, **TOKEN, mode=mode) as source:
                (found,) = samples(whole(source, START, END, meter=name))
                assert found.counter_name == name


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("project_id=p1", [1, 3, 5, 7, 9, 11, 31]),
        ("project_id=p1;resource_id=vm-1", [1, 7, 31]),
        ("user_id=u0;project_id=p0;resource_id=vm/1 %;=", None),
        ('[{"field": "resource_id", "value": "vm/1 %;="}]', [32]),
        ("source=openstack;user_id=u0", [0, 2, 4, 6, 8, 10, 32]),
        ("project_id=nothing", []),
        ("metadata.n=7", [7]),
        ("metadata.n=integer::7", [7]),
        ("resource_metadata.n=7", [7]),
        ("metadata.n=string::7", [31]),
        ("metadata.n='7'", [31]),
        ("metadata.n=7.0", []),
        ("metadata.flag=True", [31]),
        ("metadata.flag=boolean::true", [31]),
        ("metadata.flag=string::True", [32]),
        ("metadata.flag=true", []),
        ("metadata.size=1.5", [31]),
        ("metadata.size=float::1.5", [31]),
        ("metadata.size=string::1.5", [32]),
        ("metadata.size=1_5", []),
        ("metadata.name=it's", [31]),
        ("metadata.display name=a b", [31]),
        ("metadata.flavor.name=small;metadata.n=3", [3]),
        ("metadata.deep.er.x=1", [32]),
        ("metadata.nothing=1", []),
    ],
)
def test_conditions(services, query, wanted):
    if wanted is None:
        with pytest.raises(Exception, match="not a condition"):
            asking(query)
        return
    assert only(read(services, query)) == [f"m{n:05}" for n in wanted]


def test_operators_of_complex_queries(services):
    for url in services.values():
        with reading(url, **TOKEN, mode="complex") as source:
            for query, wanted in (
                ("project_id!=p1;resource_id=vm-1", [4, 10]), ("metadata.n>=integer::10", [10, 11]),
                ("metadata.n<integer::2", [0, 1]),
                ('[{"field": "volume", "op": "gt", "value": 9.5}, {"field": "volume", "op": "<=", "value": 11}]', [10, 11]),
            ):  # fmt: skip
                assert ids(whole(source, START, END, asking(query))) == [f"m{n:05}" for n in wanted], (url, query)


def test_meters(services):
    for url in services.values():
        with reading(url, **TOKEN) as source:
            assert source.meters(asking(meters="one, two, one")) == ["one", "two"]
            assert source.meters(asking(meters="*")) == sorted(NAMES)
            assert source.meters(asking(meters="other, disk*")) == ["other", "disk.read/x y", "disk/read"]
            assert source.meters(asking(meters="[cn]*")) == ["cpu", "network incoming"]
            assert source.meters(asking(meters="x*")) == []
            assert source.meters(asking('[{"field": "resource_id", "value": "vm/1 %;="}]', "*")) == ["cpu"]


def test_meters_of_a_service_that_does_not_know_unique():
    with (
        OldCeilometer([made(n, meter=f"meter-{n:04}") for n in range(1500)], knows_unique=False) as old,
        reading(old.url) as source,
    ):
        assert len(source.meters(asking(meters="*"))) == 1500
        # 1,000 fill an answer: it is asked for again with a higher limit.
        assert len(old.requests) == 4 - 1


def test_the_first_sample(services):
    for url in services.values():
        for mode in BOTH:
            with reading(url, **TOKEN, mode=mode) as source:
                first = source.first(asking(), "cpu")
                assert first == START
                assert source.first(asking("project_id=nothing"), "cpu") is None
                late = source.first(asking(), "cpu", START + 5 * MINUTE)
                assert late is not None
                assert START + 5 * MINUTE <= late <= START + 6 * MINUTE
                other = source.first(asking(), "network incoming")
                assert other is not None
                # Of all meters where only resources tell.
                assert other == START + 21 * MINUTE if mode == "complex" else other <= START + 21 * MINUTE
    with OldCeilometer() as empty:
        for mode in BOTH:
            with reading(empty.url, mode=mode) as source:
                assert source.first(asking(), "cpu") is None


def test_the_first_sample_is_the_oldest_of_many_resources():
    held = [made(n, START + n * MINUTE, resource_id=f"vm-{n}") for n in range(1100)]
    with OldCeilometer(held) as old, reading(old.url, mode="simple") as source:
        assert source.first(asking(), "cpu") == START
        assert source.first(asking(), "other") == START
        # Asked for once for all meters of a filter: with a limit, and once more with a higher one.
        assert [asked.path for asked in old.requests] == ["/v2/resources"] * 2


def test_samples_are_the_same_in_both_modes(services):
    columns = {"extra_columns": "user_id, recorded_at, resource_metadata"}
    for url in services.values():
        found = []
        for mode in BOTH:
            with reading(url, **TOKEN, mode=mode, page=3, **columns) as source:
                found.append(sorted(samples(whole(source, START, END)), key=lambda sample: sample.message_id))
        assert found[0] == found[1]
        assert len(found[0]) == 15


def test_samples_without_an_id_are_the_same_in_both_modes():
    held = [{**made(n % 3, START), "counter_volume": n} for n in range(30)]
    for each in held:
        del each["message_id"]
    with OldCeilometer(held, ties=False) as old:
        found = []
        for mode in BOTH:
            with reading(old.url, mode=mode, page=4) as source:
                found.append(ids(whole(source, START, END)))
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0]) == 30


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_bad_samples_do_not_stop_a_window(mode, size):
    bad = [
        made(3, message_id="b1", counter_volume=math.nan), made(3, message_id="b2", counter_volume=None),
        made(3, message_id="b3", counter_volume=raw("1e999")), made(4, message_id="b4", counter_volume="much"),
        made(5, message_id="b5", timestamp="never", _at=START + 5 * MINUTE), made(6, message_id="b6", project_id="\ud800"),
    ]  # fmt: skip
    with OldCeilometer([*(made(n) for n in range(10)), *bad]) as old, reading(old.url, mode=mode, page=size) as source:
        batches = whole(source, START, END)
        assert ids(batches) == [f"m{n:05}" for n in range(10)]
        refused = sorted(one.message_id for batch in batches for one in batch.refused)
        assert sorted(set(refused)) == ["b1", "b2", "b3", "b4", "b5", "b6"]
        assert len(refused) == 6
        assert len(old.requests) < 900


def test_a_prefix_of_the_endpoint():
    with OldCeilometer([made(1)], prefix="/metering/api") as old:
        for mode in ("auto", *BOTH):
            with reading(old.url + "/", mode=mode) as source:
                assert ids(whole(source, START, END)) == ["m00001"]
                assert source.meters(asking(meters="*")) == ["cpu"]


@pytest.mark.parametrize("mode", BOTH)
def test_years_of_nothing(mode):
    """From the first sample on; days without samples are one request where the service can say what comes next."""
    held = [made(0), made(1, START + dt.timedelta(days=700))]
    end = START + dt.timedelta(days=701)
    with OldCeilometer(held) as old, reading(old.url, mode=mode) as source:
        assert ids(whole(source, START - dt.timedelta(days=3), end)) == ["m00000", "m00001"]
        assert len(old.requests) <= (20 if mode == "complex" else 705)
