"""total: rows, groups, order, aggregates of one's own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from undercroft.conformance.markers import clause, needs, promise
from undercroft.conformance.rating.data import ALWAYS, everything, frame, hour, of, point, quantity, same_rows, sums, table
from undercroft.conformance.rating.oracle import Oracle, add, identity
from undercroft.conformance.rows import rows
from undercroft.rating import BaseStorage, DataFrame


@pytest.fixture
def filled(store: BaseStorage) -> BaseStorage:
    """Two projects, two types, three hours of 1 March and one of 1 April 2024."""
    for n in (0, 1, 2, 744):
        store.push(
            [
                DataFrame(
                    hour(n),
                    hour(n + 1),
                    {
                        "cpu": [of("a", 1, "0.5", flavor="m"), of("b", 2, "0.25", flavor="l")],
                        "disk": [of("a", 10, "0.1"), of("b", 20, "0.2", flavor="")],
                    },
                )
            ]
        )
    return store


@clause("R15", "R16")
def test_no_groupby_is_one_row(filled: BaseStorage) -> None:
    nothings: tuple[Any, ...] = (None, [], ())
    for groupby in nothings:
        answer = filled.total(groupby, hour(0), hour(3))
        assert answer == {"total": 1, "results": [{"begin": hour(0), "end": hour(3), "qty": 99, "rate": Decimal("3.15")}]}
        assert list(answer["results"][0]) == ["begin", "end", "qty", "rate"]


@clause("R16")
@rows("groupby", [None, ["type"], ["project_id", "time"]])
def test_no_row_where_no_point_matches(filled: BaseStorage, groupby: list[str] | None) -> None:
    _no_row(filled, groupby)


@clause("R16")
@needs("group_calendar")
def test_no_day_where_no_point_matches(filled: BaseStorage) -> None:
    _no_row(filled, ["time-d"])


def _no_row(filled: BaseStorage, groupby: list[str] | None) -> None:
    nothing = {"total": 0, "results": []}
    assert filled.total(groupby, hour(3), hour(700)) == nothing
    assert filled.total(groupby, hour(0), hour(0)) == nothing
    assert filled.total(groupby, **ALWAYS, filters={"project_id": "nobody"}) == nothing
    assert filled.total(groupby, **ALWAYS, filters={"nobody": "a"}) == nothing
    assert filled.total(groupby, **ALWAYS, metric_types=["nobody"]) == nothing
    assert filled.total(groupby, **ALWAYS, paginate=False, filters={"project_id": []}) == nothing


@clause("R15")
@needs("group_calendar")
def test_the_keys_of_a_row_come_in_order(filled: BaseStorage) -> None:
    rows = sums(filled, ["project_id", "time", "time-m", "type", "nobody"])
    assert {tuple(row) for row in rows} == {("begin", "end", "qty", "rate", "project_id", "month", "type", "nobody")}


@clause("R15")
def test_begin_and_end_are_the_querys(filled: BaseStorage) -> None:
    begin, end = hour(0.25).replace(tzinfo=None), hour(2.75)
    rows = filled.total(["type"], begin, end)["results"]
    assert {(row["begin"], row["end"]) for row in rows} == {(hour(0.25), hour(2.75))}
    assert all(row["begin"].tzinfo is not None for row in rows)


@clause("R17")
@rows(
    ("groupby", "wanted"),
    [
        (["type"], {"cpu": 12, "disk": 120}),
        (["project_id"], {"a": 44, "b": 88}),
        (["project_id", "type"], {("a", "cpu"): 4, ("a", "disk"): 40, ("b", "cpu"): 8, ("b", "disk"): 80}),
        (["type", "project_id"], {("cpu", "a"): 4, ("cpu", "b"): 8, ("disk", "a"): 40, ("disk", "b"): 80}),
        (["flavor"], {"": 120, "l": 8, "m": 4}),
        (["type", "flavor"], {("cpu", "l"): 8, ("cpu", "m"): 4, ("disk", ""): 120}),
        (["nobody"], {"": 132}),
        (["time"], {(hour(n), hour(n + 1)): 33 for n in (0, 1, 2, 744)}),
        (["time", "type"], {((hour(n), hour(n + 1)), t): q for n in (0, 1, 2, 744) for t, q in (("cpu", 3), ("disk", 30))}),
        (["type", "time"], {(t, (hour(n), hour(n + 1))): q for t, q in (("cpu", 3), ("disk", 30)) for n in (0, 1, 2, 744)}),
        (["month"], {"": 132}),
    ],
)
def test_groups(filled: BaseStorage, groupby: list[str], wanted: dict[Any, int]) -> None:
    _are_the_groups(filled, groupby, wanted)


@clause("R17")
@needs("group_calendar")
@rows(
    ("groupby", "wanted"),
    [
        (["time-d"], {"61": 99, "92": 33}),
        (["time-w"], {"08": 99, "13": 33}),
        (["time-m"], {"3": 99, "4": 33}),
        (["time-y"], {"2024": 132}),
        (["time-y", "time-m", "time-d"], {("2024", "3", "61"): 99, ("2024", "4", "92"): 33}),
        (["time-m", "type"], {("3", "cpu"): 9, ("3", "disk"): 90, ("4", "cpu"): 3, ("4", "disk"): 30}),
    ],
)
def test_groups_of_the_calendar(filled: BaseStorage, groupby: list[str], wanted: dict[Any, int]) -> None:
    _are_the_groups(filled, groupby, wanted)


def _are_the_groups(store: BaseStorage, groupby: list[str], wanted: dict[Any, int]) -> None:
    found = table(store, *groupby)
    assert list(found.items()) == list(wanted.items())
    assert sum(found.values()) == quantity(store)


@clause("R17")
def test_a_row_of_time_has_the_periods_bounds_and_no_key_of_its_own(filled: BaseStorage) -> None:
    rows = filled.total(["time", "type"], hour(1), hour(2), metric_types="cpu")["results"]
    assert rows == [{"begin": hour(1), "end": hour(2), "qty": 3, "rate": Decimal("0.75"), "type": "cpu"}]
    assert sums(filled, ["time"], begin=hour(0), end=hour(700))[-1]["end"] == hour(3)


@clause("R17")
@rows(
    ("given", "plain"),
    [
        (["type", "type"], ["type"]),
        (["time", "type", "time"], ["time", "type"]),
        (["flavor", "type", "flavor"], ["flavor", "type"]),
    ],
)
def test_a_name_given_twice_counts_once(filled: BaseStorage, given: list[str], plain: list[str]) -> None:
    assert sums(filled, given) == sums(filled, plain)


@clause("R17")
def test_a_name_with_more_dashes_is_an_attributes(store: BaseStorage, caplog: pytest.LogCaptureFixture) -> None:
    store.push([frame(0, point(1, 1, {"time-to-live": "9", "a-time": 1}))])
    assert table(store, "time-to-live", "a-time") == {("9", 1): 1}
    assert store.parse_groupby_syntax_to_groupby_elements(["type", "time-d", "time", "time-to-live"]) == [
        "type", "day_of_the_year", "time", "time-to-live",
    ]  # fmt: skip
    assert "time-to-live" in caplog.text


@clause("R18")
def test_a_point_without_the_attribute_is_in_the_group_of_the_empty_text(store: BaseStorage) -> None:
    store.push(
        [
            frame(
                0,
                point(1, 1, {}),
                point(2, 1, {"x": ""}),
                point(4, 1, {"x": "v"}),
                point(8, 1, {"y": "v"}, {"x": "of the metadata"}),
            )
        ]
    )
    assert table(store, "x") == {"": 11, "v": 4}
    assert table(store, "x", "y") == {("", ""): 3, ("", "v"): 8, ("v", ""): 4}
    assert table(store, "nobody", "type") == {("", "cpu"): 15}


@clause("R18")
@needs("group_calendar")
def test_groups_keep_the_type_of_their_value(store: BaseStorage) -> None:
    values: list[Any] = [1, 1.0, True, "1", "True", None, "None", [1], [1.0], {"k": 1}, {"k": True}, 0, False, ""]
    store.push([frame(n, *(of("a", 2**k, x=value) for k, value in enumerate(values))) for n in range(2)])
    for groupby in (["x"], ["x", "type"], ["time-m", "x"]):
        assert {identity(row["x"]): row["qty"] for row in sums(store, groupby)} == {
            identity(value): 2 * 2**k for k, value in enumerate(values)
        }


@clause("R18", "R19")
@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", "a b", "a\x00", 'a"', "é", "\uffff", "\U0001f600", "B"],
        ["", "a", None],
        ["", "a"],
        [1, "1", True, "True", 1.0, [1], {"k": 1}, {"k": True}],
    ],
    ids=["texts", "none beside an empty one", "an empty one", "values of all types"],
)
@pytest.mark.parametrize("months", [1, 2])
def test_groups_of_scopes(store: BaseStorage, values: list[Any], months: int) -> None:
    """The scope is an attribute like any other, though sums are kept by it; two points in each group have none."""
    frames = [
        frame(800 * n, *(of(value, 2**k) for k, value in enumerate(values)), point(1000, 1, {"x": n}), metric=metric)
        for n in range(months)
        for metric in ("b", "a")
    ]
    store.push(frames)
    oracle = Oracle()
    oracle.points = everything(store)
    for groupby in ["project_id", "type"], ["type", "project_id"], ["project_id"], ["type", "project_id", "x"]:
        for bounds in ALWAYS, {"begin": hour(0), "end": hour(24)}:
            wanted = oracle.total(groupby, **bounds)
            same_rows(sums(store, groupby, **bounds), wanted, groupby)
            same_rows(store.total(groupby, **bounds, limit=100)["results"], wanted, groupby)


@clause("R19")
def test_rows_are_sorted_by_text_in_the_order_of_the_names(store: BaseStorage) -> None:
    values: list[Any] = [
        "b",
        "a",
        "",
        "B",
        10,
        9,
        "é",
        "z",
        "\U0001f600",
        "\uffff",
        "a b",
        "a",
        None,
        True,
        -1,
        [2],
        "_",
        "~",
        "a\x00",
        "aa",
    ]
    store.push([frame(0, *(of(project, 1, x=value, n=n) for n, value in enumerate(values) for project in ("p", "P")))])
    assert [str(row["x"]) for row in sums(store, ["x"])] == sorted({str(value) for value in values})
    assert [(row["project_id"], str(row["x"])) for row in sums(store, ["project_id", "x"])] == sorted(
        {(project, str(value)) for value in values for project in ("p", "P")}
    )
    assert [(str(row["x"]), row["project_id"]) for row in sums(store, ["x", "project_id"])] == sorted(
        {(str(value), project) for value in values for project in ("p", "P")}
    )


@clause("R19")
@needs("group_calendar")
def test_numbers_are_sorted_as_text_and_periods_as_times(store: BaseStorage) -> None:
    store.push([frame(24 * n, of("a", 1)) for n in (0, 5, 40, 100, 200, 300)])
    days = [row["day_of_the_year"] for row in sums(store, ["time-d"])]
    assert days == sorted(days)
    assert days == ["101", "161", "261", "361", "61", "66"]
    periods = [row["begin"] for row in sums(store, ["time"])]
    assert periods == sorted(periods)


@clause("R15", "R18")
@promise("M2")
@needs("group_calendar")
def test_rows_add_up_to_the_ungrouped_total(filled: BaseStorage) -> None:
    names = ["type", "project_id", "flavor", "time", "time-d", "time-w", "time-m", "time-y", "nobody", "month"]
    for arguments in ({}, {"begin": hour(0.5), "end": hour(744.5)}, {"filters": {"project_id": "a"}}, {"metric_types": "cpu"}):
        (whole,) = sums(filled, **arguments)
        for name in names:
            for other in ("type", "flavor", "time"):
                rows = sums(filled, [name, other], **arguments)
                assert (add(row["qty"] for row in rows), add(row["rate"] for row in rows)) == (whole["qty"], whole["rate"])
        points = everything(filled, **arguments)
        assert (add(p.qty for p in points), add(p.price for p in points)) == (whole["qty"], whole["rate"])


@clause("R15")
@promise("M2")
@pytest.mark.parametrize("size", [1, 3, 1000])
@needs("group_calendar")
def test_totals_do_not_depend_on_the_order_and_the_size_of_pushes(store: BaseStorage, size: int) -> None:
    oracle = Oracle()
    frames = [frame(n * 7 % 97 * 5, of("abc"[n % 3], f"{n}.{n:030}", f"-{n}E-30", id=n % 4), metric="xy"[n % 2]) for n in range(97)]
    oracle.push(frames)
    mixed = [frames[n * 31 % 97] for n in range(97)] if size > 1 else frames[::-1]
    for n in range(0, 97, size):
        store.push(mixed[n : n + size])
    for groupby in ([], ["type"], ["project_id", "id"], ["time"], ["time-d", "type"], ["time-m"]):
        same_rows(sums(store, groupby), oracle.total(groupby, **ALWAYS), groupby)


# -- custom_fields ---------------------------------------------------------------------------------------------------


@clause("R20")
@needs("custom_fields")
def test_aggregates_of_ones_own_take_the_place_of_the_sums(filled: BaseStorage) -> None:
    fields = (
        "SUM(qty) AS qty, SUM(price) AS rate, MIN(qty) AS least, MAX(price) AS dearest, COUNT(qty) AS points, MEAN(qty) AS mean"
    )
    (row,) = sums(filled, custom_fields=fields)
    assert list(row) == ["begin", "end", "qty", "rate", "least", "dearest", "points", "mean"]
    assert {name: row[name] for name in list(row)[2:]} == {
        "qty": 132, "rate": Decimal("4.2"), "least": 1, "dearest": Decimal("0.5"), "points": 16, "mean": Decimal("8.25"),
    }  # fmt: skip
    assert not any(isinstance(value, float) for value in row.values())


@clause("R20")
@needs("custom_fields")
@rows("groupby", [["type"], ["project_id", "type"], ["time", "flavor"], ["time-d"], ["time-m", "project_id"], ["nobody"]])
def test_aggregates_by_group(filled: BaseStorage, groupby: list[str]) -> None:
    fields = "MAX(qty) AS most,MIN(price) AS cheapest , count(price) as n, Sum(qty) As total, mean(price) AS middle"
    for arguments in ({}, {"filters": {"project_id": "a"}}, {"begin": hour(0.5), "end": hour(744.5)}):
        plain = sums(filled, groupby, **arguments)
        rows = sums(filled, groupby, custom_fields=fields, **arguments)
        points = everything(filled, **arguments)
        assert [row["total"] for row in rows] == [row["qty"] for row in plain]
        assert [{k: row[k] for k in row if k in plain[0]} for row in rows] == [
            {k: row[k] for k in row if k not in ("qty", "rate")} for row in plain
        ]
        assert sum(row["n"] for row in rows) == len(points)
        assert max(row["most"] for row in rows) == max(p.qty for p in points)
        assert min(row["cheapest"] for row in rows) == min(p.price for p in points)
        assert [row["middle"] * row["n"] for row in rows] == [row["rate"] for row in plain]


@clause("R20")
@needs("custom_fields")
def test_a_mean_that_does_not_end(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 1, id=1), of("a", 1, id=2), of("a", 0, id=3))])
    (row,) = sums(store, custom_fields="MEAN(qty) AS mean")
    assert abs(row["mean"] * 3 - 2) < Decimal("1E-37")


@clause("R20")
@needs("custom_fields")
def test_extremes_follow_what_is_deleted_and_replaced(store: BaseStorage) -> None:
    fields = "MIN(qty) AS low, MAX(qty) AS high, COUNT(qty) AS n"
    store.push([frame(n, of("a", n, id=n)) for n in range(48)])
    store.delete(filters={"id": [0, 47]})
    store.push([frame(46, of("a", 5, id=46))])
    (row,) = sums(store, custom_fields=fields)
    assert (row["low"], row["high"], row["n"]) == (1, 45, 46)
    assert sums(store, ["time-d"], custom_fields=fields)[-1]["high"] == 45
