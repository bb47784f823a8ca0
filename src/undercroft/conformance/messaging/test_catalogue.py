"""The catalogue: entries by the host's interface, and as a driver of pools changes them."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import pytest

from undercroft.conformance import processes
from undercroft.conformance.markers import assumes, clause, promise
from undercroft.conformance.messaging import workers
from undercroft.conformance.messaging.data import OpenStore
from undercroft.conformance.plugin import Opener
from undercroft.conformance.threads import numbered, together
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.messaging import CatalogueBase, DataDriverBase, QueueNotMapped

NAMES = ["q", "Q", "q ", "q.a", "q%", "q'", "\u00e9", "e\u0301", "\uffff", "\U0001f600", "a" * 255, "topic/q", "q\n"]


@pytest.fixture
def catalogue(store: DataDriverBase) -> CatalogueBase:
    found: CatalogueBase = store.control_driver.catalogue_controller
    return found


def walked(catalogue: CatalogueBase, limit: int) -> list[tuple[str, str]]:
    """The entries of all pages, of all projects."""
    seen: list[tuple[str, str]] = []
    after: tuple[str, str] | None = None
    while page := catalogue._page(after, limit):
        assert len(page) <= limit
        assert after is None or (page[-1].project, page[-1].queue) != after
        seen += [(each.project, each.queue) for each in page]
        after = seen[-1]
    return seen


@clause("P13", "P14")
def test_an_entry_is_made_and_found(catalogue: CatalogueBase) -> None:
    assert catalogue.exists("p", "q") is False
    assert list(catalogue.list("p")) == []
    catalogue.insert("p", "q", "a")
    assert catalogue.exists("p", "q") is True
    assert catalogue.get("p", "q") == {"project": "p", "queue": "q", "pool": "a"}
    catalogue.insert(pool="b", queue="q", project="p")
    assert catalogue.get("p", "q")["pool"] == "b"
    for project, queue in (("p", "other"), ("other", "q"), (None, "q")):
        assert catalogue.exists(project, queue) is False
        with pytest.raises(QueueNotMapped, match=f"No pool found for queue {queue} for project {project or ''}"):
            catalogue.get(project, queue)


@clause("P15")
def test_the_pool_of_an_entry_is_changed(catalogue: CatalogueBase) -> None:
    catalogue.insert("p", "q", "a")
    catalogue.insert(None, "q", "a")
    for pool in ("b", "b", "c"):
        catalogue.update("p", "q", pool=pool)
        assert catalogue.get("p", "q")["pool"] == pool
    catalogue.update("p", "q")
    assert [catalogue.get(project, "q")["pool"] for project in ("p", None)] == ["c", "a"]
    for given in (("p", "other", "a"), ("other", "q", "a"), ("p", "other")):
        with pytest.raises(QueueNotMapped):
            catalogue.update(*given)
    assert catalogue.exists("p", "other") is False


@clause("P13")
def test_an_entry_is_removed(catalogue: CatalogueBase) -> None:
    for project in ("p", None):
        for queue in ("q", "r"):
            catalogue.insert(project, queue, "a")
    for _ in range(2):
        catalogue.delete("p", "q")
        catalogue.delete("p", "unknown")
    assert [each["queue"] for each in catalogue.list("p")] == ["r"]
    assert [each["queue"] for each in catalogue.list(None)] == [each["queue"] for each in catalogue.list("")] == ["q", "r"]
    catalogue.drop_all()
    catalogue.drop_all()
    assert walked(catalogue, 10) == []


@clause("P13", "P14")
@promise("C7", "S1", "S3")
def test_names_are_what_they_are(catalogue: CatalogueBase) -> None:
    for project in ("p", "P", None):
        for name in NAMES:
            catalogue.insert(project, name, f"{project}-{name[:100]}")
    for project in ("p", "P", None):
        wanted = [{"project": project or "", "queue": name, "pool": f"{project}-{name[:100]}"} for name in sorted(NAMES)]
        assert list(catalogue.list(project)) == wanted
        assert [catalogue.get(project, each["queue"]) for each in wanted] == wanted
    catalogue.delete("P", "Q")
    assert len(list(catalogue.list("p"))) == len(NAMES)
    assert catalogue.exists("P", "q") is True


@clause("P12")
def test_many_entries_are_found_together(catalogue: CatalogueBase) -> None:
    made = [(project, f"q{number}") for project in ("p", "r") for number in range(150)]
    for project, queue in made:
        assert catalogue._put(project, queue, "a", b"", None) is True
    found = catalogue._find_all([*made, ("p", "none"), ("none", "q1"), ("", "q1")])
    assert sorted((each.project, each.queue) for each in found) == sorted(made)
    assert catalogue._find_all(made[:1]) == [catalogue._find(*made[0])]
    assert catalogue._find_all([]) == []


@clause("P12")
def test_an_entry_is_put_on_the_state_that_was_read(catalogue: CatalogueBase) -> None:
    assert catalogue._find("p", "q") is None
    assert catalogue._put("p", "q", "a", b"\x00\xff{}", None) is True
    assert catalogue._put("p", "q", "b", b"", None) is False
    first = catalogue._find("p", "q")
    assert first is not None
    assert first[:4] == ("p", "q", "a", b"\x00\xff{}")
    assert catalogue._put("p", "q", "b", b"two", first.version + 1) is False
    assert catalogue._put("p", "q", "b", b"two", first.version) is True
    assert catalogue._put("p", "q", "c", b"three", first.version) is False
    second = catalogue._find("p", "q")
    assert second is not None
    assert second[:4] == ("p", "q", "b", b"two")
    # As it is already, but for its version.
    assert catalogue._put("p", "q", "b", b"two", second.version) is True
    third = catalogue._find("p", "q")
    assert third is not None
    assert third.version not in {first.version, second.version}
    assert catalogue._remove("p", "q", second.version) is False
    assert catalogue._find("p", "q") == third
    assert catalogue._remove("p", "q", third.version) is True
    assert catalogue._remove("p", "q", third.version) is False
    assert catalogue._remove("p", "q", None) is False
    assert catalogue._put("p", "q", "d", b"", third.version) is False
    assert catalogue._find("p", "q") is None


@clause("P12")
def test_an_entry_that_was_made_again_is_another_one(catalogue: CatalogueBase) -> None:
    versions = set()
    for n in range(10):
        assert catalogue._put("p", "q", "a", b"", None) is True
        found = catalogue._find("p", "q")
        assert found is not None
        versions.add(found.version)
        if n % 2:
            catalogue.delete("p", "q")
        else:
            assert catalogue._remove("p", "q", None) is True
        assert catalogue._put("p", "q", "b", b"", found.version) is False
        assert catalogue._remove("p", "q", found.version) is False
    assert len(versions) == 10


@clause("P12", "P14", "P15")
def test_the_host_s_changes_take_what_a_driver_of_pools_keeps(catalogue: CatalogueBase) -> None:
    """A host that puts a queue elsewhere knows nothing of it."""
    for change in (catalogue.insert, catalogue.update):
        catalogue._put("p", "q", "a", b"kept", None)
        before = catalogue._find("p", "q")
        catalogue.update("p", "q")
        assert catalogue._find("p", "q") == before
        change("p", "q", "b")
        found = catalogue._find("p", "q")
        assert before is not None
        assert found is not None
        assert (found.pool, found.state) == ("b", b"")
        assert found.version != before.version
        catalogue.delete("p", "q")


@clause("P12")
def test_the_state_of_an_entry_may_be_large(catalogue: CatalogueBase) -> None:
    state = bytes(range(256)) * 400
    assert catalogue._put("p", "q", "a", state, None) is True
    found = catalogue._find("p", "q")
    assert found is not None
    assert found.state == state
    assert [each.state for each in catalogue._page(None, 10)] == [each.state for each in catalogue._list("p")] == [state]


@clause("P12")
def test_all_projects_are_walked_through(catalogue: CatalogueBase) -> None:
    wanted = {(project, name) for project in ("", "p", "P", "\u00e9", "x" * 256) for name in ("q", "a", "\U0001f600")}
    for project, name in wanted:
        catalogue.insert(project, name, "a")
    for limit in (1, 2, 7, 100):
        seen = walked(catalogue, limit)
        assert set(seen) == wanted
        assert len(seen) == len(wanted)
    assert catalogue._page(("p", "q"), 100) != catalogue._page(None, 100)


@clause("P12")
def test_more_entries_than_are_read_at_once(catalogue: CatalogueBase) -> None:
    names = [f"q{n:04}" for n in range(1_050)]
    for name in names:
        catalogue._put("p", name, f"pool{name[-1]}", b"", None)
    assert [each["queue"] for each in catalogue.list("p")] == names
    assert catalogue.counts() == {f"pool{n}": 105 for n in range(10)}


@clause("P12")
def test_how_many_queues_pools_have(catalogue: CatalogueBase) -> None:
    assert catalogue.counts() == {}
    for project, queue, pool in (("p", "q", "a"), ("p", "r", "b"), (None, "q", "a")):
        catalogue.insert(project, queue, pool)
    assert catalogue.counts() == {"a": 2, "b": 1}
    catalogue.update("p", "q", "b")
    catalogue.delete(None, "q")
    assert catalogue.counts() == {"b": 2}


@clause("P13", "P14")
def test_bad_arguments_of_the_catalogue_are_refused(catalogue: CatalogueBase) -> None:
    for given in (
        ("p", "", "a"),
        ("p", "q", ""),
        ("p" * 257, "q", "a"),
        ("p", "q" * 256, "a"),
        ("p", "q\0", "a"),
        ("p", "q", "\ud800"),
    ):
        with pytest.raises(InvalidInput):
            catalogue.insert(*given)
    wrong: list[tuple[Any, ...]] = [(1, "q", "a"), ("p", None, "a"), ("p", "q", None), ("p", "q", b"a")]
    for each in wrong:
        with pytest.raises(WrongType):
            catalogue.insert(*each)
    assert walked(catalogue, 10) == []


@clause("P12")
def test_a_change_is_seen_through_every_object_at_once(store: DataDriverBase, open_store: OpenStore) -> None:
    mine, other = (each.control_driver.catalogue_controller for each in (store, open_store(init=False)))
    for pool in ("a", "b"):
        mine.insert("p", "q", pool)
        assert other.get("p", "q")["pool"] == pool
        other.update("p", "q", "c")
        assert mine.get("p", "q")["pool"] == "c"
        mine.delete("p", "q")
        assert other.exists("p", "q") is False
        assert list(other.list("p")) == []


@clause("P12")
@assumes("concurrent_writers")
def test_of_changes_at_once_on_one_version_one_is_made(catalogue: CatalogueBase) -> None:
    def put(n: int, version: int, number: int) -> bool:
        return catalogue._put("p", "q", f"{n}-{number}", b"", version)

    catalogue.insert("p", "q", "a")
    for n in range(10):
        before = catalogue._find("p", "q")
        assert before is not None
        done = numbered(6, functools.partial(put, n, before.version))
        assert done.count(True) == 1
        after = catalogue._find("p", "q")
        assert after is not None
        assert after.pool == f"{n}-{done.index(True)}"


@clause("P12")
@assumes("concurrent_writers")
def test_of_entries_at_once_one_is_made_and_one_removed(catalogue: CatalogueBase) -> None:
    for n in range(10):
        made = numbered(6, lambda number: catalogue._put("p", "q", str(number), b"", None))
        assert made.count(True) == 1
        found = catalogue._find("p", "q")
        assert found is not None
        assert found.pool == str(made.index(True))
        removing = functools.partial(catalogue._remove, "p", "q", found.version if n % 2 else None)
        assert together(*[removing] * 6).count(True) == 1


@clause("P12", "P14")
@assumes("concurrent_writers")
def test_inserts_at_once_leave_one_of_them(catalogue: CatalogueBase) -> None:
    numbered(6, lambda number: catalogue.insert("p", "q", str(number)))
    assert catalogue.get("p", "q")["pool"] in set(map(str, range(6)))
    assert walked(catalogue, 10) == [("p", "q")]


@clause("P12")
@assumes("concurrent_writers")
@assumes("survives_restart")
def test_processes_that_count_in_one_entry(catalogue: CatalogueBase, open_store: Opener) -> None:
    processes.run(workers.count_in_catalogue, open_store.url, open_store.namespace)
    found = catalogue._find("p", "q")
    assert found is not None
    assert int(found.state) == processes.PROCESSES * workers.COUNTED
    assert Counter(each.pool for each in catalogue._page(None, 10)) == {found.pool: 1}
