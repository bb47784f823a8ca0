"""Messages from another store, whose ids are any text."""

from __future__ import annotations

import pytest

from undercroft.conformance.messaging.data import at, claimed, counts, everything, ids, page, post, walk
from undercroft.messaging import MessageDoesNotExist, MessageIsClaimed
from undercroft.messaging.drivers.redis import DataDriver
from undercroft.messaging.models import Arrival

LONG = "~" + "\u00e9" * 254


def receive(store: DataDriver, *names: str, queue: str = "q", claims: int = 0, ttl: int = 3_600, client: str = "c\u00e9") -> None:
    born = store.now() - 5_000
    store.message_controller.receive(
        queue, [Arrival(name, born, ttl, born + ttl * 1000, claims, client, b'"%d"' % number) for number, name in enumerate(names)]
    )


def test_found_by_ids_as_given(store: DataDriver) -> None:
    with at(0):
        (own,) = post(store, "own")
        receive(store, "~1", LONG, "~" + "0" * 28, claims=2)
        names = [own, "~1", LONG, "~" + "0" * 28]
        found = everything(store)
        assert ids(found) == names
        assert [each["claim_count"] for each in found] == [0, 2, 2, 2]
        assert [each["age"] for each in found] == [0, 5, 5, 5]
        assert ids(store.message_controller.bulk_get("q", reversed(names))) == names
        assert counts(store)[0] == 4
        stats = store.queue_controller.stats("q")["messages"]
        assert stats["newest"]["id"] == names[3]
        assert walk(store, 1, marker="~1") == ["1", "2"]
        assert page(store, marker="~unknown") == ([], "~unknown")
        assert ids(page(store, client_uuid="c\u00e9")[0]) == [own]
        made, taken = claimed(store)
        assert ids(taken) == names
        assert taken[1]["claim_count"] == 3
        with pytest.raises(MessageIsClaimed):
            store.message_controller.delete("q", LONG)
        store.message_controller.delete("q", LONG, claim=made)
        store.message_controller.bulk_delete("q", ["~1"])
        with pytest.raises(MessageDoesNotExist):
            store.message_controller.get("q", LONG)
        assert ids(everything(store)) == [own, names[3]]


def test_what_a_driver_keeps(store: DataDriver) -> None:
    with at(0):
        receive(store, "~1", LONG, ttl=60)
        post(store, "own", ttl=60)
        for one in store.message_controller._get("q", ["~1", LONG], ""):
            assert (one.client, one.expires, one.created) == ("c\u00e9", store.now() + 55_000, store.now() - 5_000)
        base = [one for one in store.message_controller._pop("q", 10, "") if one.id[0] != "~"]
        assert (base[0].client, base[0].expires) == ("00000000-0000-0000-0000-000000000001", store.now() + 60_000)


def test_each_once_also_when_it_has_moved(store: DataDriver) -> None:
    with at(0):
        receive(store, "~1", "~2")
        store.message_controller.delete("q", "~1")
        receive(store, "~1", "~2", "~3")
        assert ids(everything(store)) == ["~2", "~3"]
        assert store.message_controller.redrive("q", "r") == 2
        receive(store, "~2")
        assert everything(store) == []
        assert ids(everything(store, "r")) == ["~2", "~3"]
        assert store.message_controller.redrive("r", "q") == 2
        receive(store, "~2", "~3")
        assert ids(everything(store)) == ["~2", "~3"]


def test_many_at_once(store: DataDriver) -> None:
    receive(store, *(f"~{number:04}" for number in range(2_500)))
    assert ids(page(store, limit=2_500)[0]) == [f"~{number:04}" for number in range(2_500)]


def test_which_posts_are_remembered(store: DataDriver) -> None:
    assert store.message_controller.known("q", ["x"]) == {}
    with at(0):
        (first,) = post(store, "a", dedup_id="x", ttl=5)
        (second,) = post(store, "b", dedup_id="y", ttl=50)
        store.message_controller.bulk_delete("q", [second])
        assert store.message_controller.known("q", ["x", "y", "z", "x"]) == {"x": first, "y": second}
    with at(5):
        assert store.message_controller.known("q", ["x", "y"]) == {"y": second}


def test_ids_that_no_store_keeps(store: DataDriver) -> None:
    receive(store, "~1")
    for name in ("~", "~\ud800", "~" * 256):
        assert list(store.message_controller.bulk_get("q", [name])) == []
        store.message_controller.delete("q", name)
