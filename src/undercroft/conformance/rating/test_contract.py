"""The object itself: signatures, construction, options, init, an engine that does not answer."""

from __future__ import annotations

import datetime as dt
import inspect
import pathlib
import socket
import urllib.parse
from decimal import Decimal
from typing import Any

import pytest

import undercroft
from undercroft.conformance.markers import clause, essential
from undercroft.conformance.plugin import Target
from undercroft.conformance.rating.data import OpenStore, everything, frame, hour, of, quantity, sums
from undercroft.conformance.rows import rows
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.rating import BaseStorage, DataFrame, DataPoint

pytestmark = essential

METHODS = [
    "init", "push", "retrieve", "iter_frames", "total", "delete", "replace", "get_retention", "get_tenants", "expire", "close",
    "parse_groupby_syntax_to_groupby_elements", "push_once", "scopes", "expiry", "expire_before", "span", "locks", "diagnose",
]  # fmt: skip
# They check arguments and make rows and frames, for all drivers.
INHERITED = [
    "push", "push_once", "retrieve", "iter_frames", "total", "delete", "replace", "get_tenants", "get_retention", "scopes",
    "expire", "expiry", "expire_before", "span", "parse_groupby_syntax_to_groupby_elements",
]  # fmt: skip


@clause("R1")
def test_the_base_class_checks_the_arguments(store: BaseStorage) -> None:
    """What it refuses is tested with it, not with every driver; a driver writes the methods that begin with `_`."""
    assert [name for name in INHERITED if getattr(type(store), name) is not getattr(BaseStorage, name)] == []


@clause("R1")
@rows("method", METHODS)
def test_signatures_are_the_contracts(store: BaseStorage, method: str) -> None:
    wanted, found = getattr(BaseStorage, method), getattr(type(store), method)
    assert list(inspect.signature(found).parameters.values()) == list(inspect.signature(wanted).parameters.values())
    static = [isinstance(inspect.getattr_static(owner, method), staticmethod) for owner in (BaseStorage, type(store))]
    assert static[0] is static[1]


@clause("R1")
def test_the_store_is_one_of_the_contract(store: BaseStorage) -> None:
    assert isinstance(store, BaseStorage)
    assert store.TIME_COMMANDS_MAP == {"d": "day_of_the_year", "w": "week_of_the_year", "m": "month", "y": "year"}


@clause("R1")
def test_every_argument_may_be_given_by_name_or_in_order(store: BaseStorage) -> None:
    store.push(dataframes=[frame(0, of("a", 1)), frame(1, of("b", 2), metric="disk")], scope_id="x")
    begin, end = hour(0), hour(9)
    named = store.retrieve(begin=begin, end=end, filters={"project_id": "b"}, metric_types="disk", offset=0, limit=5, paginate=True)
    ordered = store.retrieve(begin, end, {"project_id": "b"}, "disk", 0, 5, True)
    assert [one.as_dict() for one in named["dataframes"]] == [one.as_dict() for one in ordered["dataframes"]]
    by_name = store.total(
        groupby=["type"], begin=begin, end=end, metric_types=["disk"], filters={"project_id": "b"}, offset=0, limit=5, paginate=True
    )
    assert by_name == store.total(["type"], begin, end, ["disk"], {"project_id": "b"}, 0, 5, True)
    assert by_name["results"][0]["qty"] == 2
    assert store.get_tenants(begin=begin, end=end) == store.get_tenants(begin, end)
    store.delete(begin, end, {"project_id": "a"})
    assert quantity(store) == 2


@clause("R2")
def test_a_constructor_takes_arguments_that_it_does_not_know(store: BaseStorage) -> None:
    parameters = inspect.signature(type(store).__init__).parameters.values()
    assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


@clause("R4")
def test_answers_are_of_the_contracts_types(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 1))])
    answer = store.retrieve(hour(0), hour(1))
    assert type(answer["total"]) is int
    (found,) = answer["dataframes"]
    assert isinstance(found, DataFrame)
    ((type_, point),) = found.iterpoints()
    assert isinstance(point, DataPoint)
    assert (type_, point.description) == ("cpu", None)
    assert (type(point.qty), type(point.price)) == (Decimal, Decimal)
    with pytest.raises(TypeError):
        point.groupby["x"] = 1
    assert {moment.utcoffset() for moment in (found.start, found.end)} == {dt.timedelta(0)}
    (row,) = sums(store, ["project_id"])
    assert [type(value) for value in row.values()] == [dt.datetime, dt.datetime, Decimal, Decimal, str]


@clause("R3")
def test_init_twice_is_harmless(store: BaseStorage, open_store: OpenStore) -> None:
    store.push([frame(0, of("a", 1))])
    store.init()
    store.init()
    assert quantity(store) == 1


@clause("R3")
def test_before_init_the_store_says_what_is_missing(open_store: OpenStore) -> None:
    fresh = open_store(init=False)
    for ask in (lambda: fresh.push([frame(0, of("a"))]), fresh.retrieve, fresh.total, fresh.delete, fresh.get_tenants):
        with pytest.raises(ConfigInvalid):
            ask()
    fresh.init()
    assert everything(fresh) == []


@clause("R1")
def test_namespaces_share_nothing(store: BaseStorage, open_store: OpenStore) -> None:
    other = undercroft.connect("rating", open_store.url, namespace=f"{open_store.namespace}x")  # type: ignore[attr-defined]
    try:
        other.init()
        store.push([frame(0, of("a", 1))])
        other.push([frame(0, of("b", 2))])
        assert (quantity(store), quantity(other)) == (1, 2)
        other.delete()
        other.drop()
        assert quantity(store) == 1
    finally:
        other.drop()
        other.close()


@clause("R1")
@rows("option", ["colour", "on_conflicts", "Namespace"])
def test_an_option_that_nobody_knows(open_store: OpenStore, option: str) -> None:
    with pytest.raises(ConfigInvalid, match=option):
        open_store(**{option: "x"})
    url = str(open_store.url)  # type: ignore[attr-defined]
    with pytest.raises(ConfigInvalid, match=option):
        undercroft.connect("rating", f"{url}{'&' if '?' in url else '?'}{option}=x")


@clause("R6")
@rows("wrong", ["merge", "", "REPLACE", 1])
def test_a_way_to_settle_conflicts_that_nobody_knows(open_store: OpenStore, wrong: Any) -> None:
    with pytest.raises(ConfigInvalid):
        open_store(on_conflict=wrong)


@clause("R4")
def test_a_store_out_of_reach(target: Target, tmp_path: pathlib.Path) -> None:
    """A server whose port is closed, or a path that leads through a file. The error holds no password."""
    parts = urllib.parse.urlsplit(target.url)
    if not target.host:
        (tmp_path / "file").write_text("not a folder")
        assert isinstance(_refusal(f"{parts.scheme}:///{tmp_path / 'file' / 'folder' / 'store'}"), (Unavailable, ConfigInvalid))
        return
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = _refusal(parts._replace(netloc=f"someone:secret-word@127.0.0.1:{unused.getsockname()[1]}").geturl())
    assert isinstance(error, Unavailable)
    assert error.retryable
    assert "secret-word" not in str(error)


def _refusal(url: str) -> BaseException:
    def connect() -> None:
        store = undercroft.connect("rating", url)
        try:
            store.init()
        finally:
            store.close()

    with pytest.raises((Unavailable, ConfigInvalid)) as caught:
        connect()
    return caught.value
