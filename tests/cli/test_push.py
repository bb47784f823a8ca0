"""`undercroft rating push`: formats, exact numbers, errors with their lines, and imports that go on."""

from __future__ import annotations

import pathlib
from decimal import Decimal

import msgspec
import pytest

from undercroft.rating import DataFrame

LONG = Decimal("12345678901234567890.123456789012345678")
TINY = Decimal("-1E-37")
BAD_QTY = '{"period":{"begin":"2026-01-01T05:00:00Z","end":"2026-01-01T06:00:00Z"},"usage":{"cpu":[%s]}}'
POINT = '{"vol":{"unit":"h","qty":%s},"rating":{"price":0},"groupby":{},"metadata":{}}'


def state_of(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".push-state")


# -- JSON lines --------------------------------------------------------------------------------------------------------


def test_jsonl(run, url, jsonl, frame, stored):
    frames = [frame(0, "a", "b"), frame(1, "a", qty=LONG, price=TINY)]
    result = run("rating", "push", jsonl(*frames), "--store", url)
    assert "3 points in 2 frames, 1 batch" in result.stdout
    assert stored() == frames


def test_numbers_of_the_text_are_never_floats(run, url, jsonl, stored):
    point = POINT % "0.1234567890123456789012345678901234567"
    run("rating", "push", jsonl(BAD_QTY % point), "--store", url)
    ((_, got),) = stored()[0].iterpoints()
    assert got.qty == Decimal("0.1234567890123456789012345678901234567")


def test_attributes_keep_their_types(run, url, jsonl, frame, stored):
    given = frame(0, "a", text="1.0", number=1.0, whole=1, truth=True, nothing=None, several=[1, "1", {"x": 0.5}])
    run("rating", "push", jsonl(given), "--store", url)
    ((_, got),) = stored()[0].iterpoints()
    ((_, wanted),) = given.iterpoints()
    assert {name: (type(value), value) for name, value in got.groupby.items()} == {
        name: (type(value), value) for name, value in wanted.groupby.items()
    }


def test_numbers_may_be_text_and_the_rating_may_be_missing(run, url, jsonl, stored):
    run("rating", "push", jsonl(BAD_QTY % '{"vol":{"unit":"h","qty":"1.50"},"groupby":{},"metadata":{}}'), "--store", url)
    ((_, got),) = stored()[0].iterpoints()
    assert (got.qty, got.price) == (Decimal("1.5"), Decimal(0))


def test_byte_order_mark_and_blank_lines(run, url, tmp_path, frame, stored):
    path = tmp_path / "usage.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + frame(0, "a").json().encode() + b"\n\n  \n" + frame(1, "b").json().encode())
    run("rating", "push", path, "--store", url)
    assert stored() == [frame(0, "a"), frame(1, "b")]


def test_stdin(run, url, frame, stored):
    run("rating", "push", "--store", url, stdin=frame(0, "a").json())
    run("rating", "push", "-", "--store", url, stdin=frame(1, "b").json())
    assert stored() == [frame(0, "a"), frame(1, "b")]


def test_several_files(run, url, jsonl, frame, stored):
    one, two = jsonl(frame(0, "a"), name="one.jsonl"), jsonl(frame(1, "b"), name="two.jsonl")
    result = run("rating", "push", one, two, "--store", url)
    assert result.stdout.count("1 point ") == 2
    assert len(stored()) == 2
    assert "--state" in run("rating", "push", one, two, "--state", "x", "--store", url, code=2).stderr


def test_report_for_programs(run, url, jsonl, frame):
    path = jsonl(*(frame(hour, "a", "b") for hour in range(5)))
    (report,) = msgspec.json.decode(run("rating", "push", path, "--batch", 4, "--format", "json", "--store", url).stdout)
    assert report.pop("seconds") >= 0
    assert report == {
        "file": str(path), "points": 10, "frames": 5, "batches": 3, "skipped_points": 0, "reopened_periods": 0, "refused": 0,
        "report": None,
    }  # fmt: skip


def test_an_empty_file(run, url, jsonl, stored):
    assert "0 points" in run("rating", "push", jsonl(), "--store", url).stdout
    assert stored() == []


# -- batches -----------------------------------------------------------------------------------------------------------


def test_equal_points_of_one_period_stay_in_one_push(run, url, jsonl, frame, stored):
    """Cut between the two lines, the second push would replace the first one's point."""
    path = jsonl(frame(0, "a"), frame(0, "a"), frame(0, "a"), frame(1, "a"))
    run("rating", "push", path, "--batch", 1, "--store", url)
    assert [len(points) for got in stored() for _, points in got.itertypes()] == [3, 1]


def test_a_period_that_comes_again_is_told(run, url, jsonl, frame):
    path = jsonl(frame(0, "a"), frame(1, "a"), frame(0, "b"))
    assert "1 times" in run("rating", "push", path, "--batch", 1, "--store", url).stderr
    assert run("rating", "push", path, "--batch", 10, "--store", url).stderr == ""


def test_pushing_again_changes_nothing(run, url, jsonl, frame, stored):
    path = jsonl(*(frame(hour, "a", "b") for hour in range(6)))
    run("rating", "push", path, "--store", url)
    once = stored()
    run("rating", "push", path, "--batch", 3, "--store", url)
    assert stored() == once


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("{nonsense", "line: is not JSON"),
        ("[]", "frame: expected an object"),
        ('{"period": {"begin": "2026-01-01", "end": "2026-01-02"}}', "frame: misses usage"),
        ('{"period": {"begin": "2026-01-01"}, "usage": {}}', "period: misses end"),
        ('{"period": {"begin": "yesterday", "end": "2026-01-02"}, "usage": {}}', "period.begin: 'yesterday' is not"),
        ('{"period": {"begin": "2026-01-03", "end": "2026-01-02"}, "usage": {}}', "start: 2026-01-03"),
        (BAD_QTY % (POINT % '"many"'), "usage['cpu'][0].vol.qty: 'many' is not a number"),
        (BAD_QTY % (POINT % "true"), "usage['cpu'][0].vol.qty: expected a number, got bool"),
        (BAD_QTY % f"{POINT % 1},{POINT % '1e999'}", "usage['cpu'][1].vol.qty: 1E+999 is too large"),
        (BAD_QTY % (POINT % "NaN"), "line: is not JSON"),
        (BAD_QTY % (POINT % '"NaN"'), "usage['cpu'][0].vol.qty: NaN is not a finite number"),
        (BAD_QTY % "{}", "usage['cpu'][0].point: misses groupby, metadata, vol"),
        (BAD_QTY % '{"vol":{"unit":"h","qty":1},"groupby":{"x":1e400},"metadata":{}}', "usage['cpu'][0].groupby['x']: inf is not"),
        (BAD_QTY % '{"vol":{"unit":1,"qty":1},"groupby":{},"metadata":{}}', "usage['cpu'][0].vol.unit: expected text"),
        ("[" * 5000, "line: is nested too deep"),
    ],
    ids=range(15),
)  # fmt: skip
def test_a_wrong_line_is_named_and_the_lines_before_it_are_stored(run, url, jsonl, frame, stored, line, place):
    path = jsonl(frame(0, "a"), frame(1, "a"), frame(2, "a"), line, frame(3, "a"))
    message = run("rating", "push", path, "--batch", 2, "--store", url, code=2).stderr
    first, note = message.splitlines()
    assert first.startswith(f"error: {path}:4: {place}"), first
    told = "mend line 4, or pass over bad lines with --skip-bad, and run the same command to go on from there"
    assert note == f"note: 3 points of {path} stored, up to line 3; {told}"
    assert stored() == [frame(0, "a"), frame(1, "a"), frame(2, "a")]


def test_a_mended_file_goes_on(run, url, jsonl, frame, stored):
    path = jsonl(frame(0, "a"), frame(1, "a"), "{nonsense", frame(3, "a"))
    run("rating", "push", path, "--batch", 1, "--store", url, code=2)
    path = jsonl(frame(0, "a"), frame(1, "a"), frame(2, "a"), frame(3, "a"))
    assert "2 points in 2 frames" not in run("rating", "total", "--store", url).stdout
    result = run("rating", "push", path, "--batch", 1, "--store", url)
    assert "(after 1 of an earlier run)" in result.stdout
    assert stored() == [frame(hour, "a") for hour in range(4)]
    assert not state_of(path).exists()


def test_a_conflict_names_the_lines(run, url, jsonl, frame):
    path = jsonl(frame(0, "a"), frame(1, "a"))
    run("rating", "push", path, "--store", url)
    message = run("rating", "push", path, "--store", f"{url}?on_conflict=error", code=1).stderr
    assert f"note: while pushing lines 1 to 2 of {path}" in message


# -- going on ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(run, url, jsonl, frame) -> pathlib.Path:
    """A file of which the first two of four lines were stored when the import broke off, mended since."""
    run("rating", "push", jsonl(frame(0, "a"), frame(1, "a"), frame(2, "a"), "{"), "--batch", 1, "--store", url, code=2)
    path: pathlib.Path = jsonl(*(frame(hour, "a") for hour in range(4)))
    assert state_of(path).exists()
    return path


def test_the_state_holds_no_password_and_is_private(broken):
    assert state_of(broken).stat().st_mode & 0o077 == 0
    held = msgspec.json.decode(state_of(broken).read_bytes())
    assert {"store", "offset", "line", "digest"} <= held.keys()


def test_a_changed_beginning_is_refused(run, url, broken, jsonl, frame, stored):
    path = jsonl(frame(0, "a", qty=7), *(frame(hour, "a") for hour in range(1, 4)))
    message = run("rating", "push", path, "--store", url, code=2).stderr
    assert "its beginning" in message
    assert "--restart" in message
    run("rating", "push", path, "--restart", "--store", url)
    assert stored()[0] == frame(0, "a", qty=7)
    assert len(stored()) == 4


def test_a_shorter_file_is_refused(run, url, broken, jsonl):
    assert "its beginning" in run("rating", "push", jsonl(), "--store", url, code=2).stderr


def test_another_store_is_refused(run, url, broken):
    message = run("rating", "push", broken, "--store", f"{url}?namespace=other", code=2).stderr
    assert "--restart" in message


def test_a_store_that_lost_what_was_stored_is_refused(run, url, broken, storage):
    storage.delete()
    message = run("rating", "push", broken, "--store", url, code=2).stderr
    assert "this store has no point of" in message
    assert "1 point in" not in message


def test_a_state_that_is_none_is_refused(run, url, broken):
    state_of(broken).write_text("{}")
    assert "no state of an import" in run("rating", "push", broken, "--store", url, code=2).stderr


def test_stdin_goes_on_with_a_state_file(run, url, tmp_path, frame, stored):
    state = tmp_path / "state"
    arguments = ("rating", "push", "-", "--batch", 1, "--state", state, "--store", url)
    good = [frame(hour, "a").json() for hour in range(4)]
    run(*arguments, code=2, stdin="\n".join([*good[:2], "{"]))
    assert state.exists()
    assert "(after 1 of an earlier run)" in run(*arguments, stdin="\n".join(good)).stdout
    assert len(stored()) == 4
    assert not state.exists()


# -- CSV ---------------------------------------------------------------------------------------------------------------

HEADER = "begin,end,type,unit,qty,price,groupby.id,groupby.project_id,metadata.name"
ROW = "2026-01-01T{:02}:00Z,2026-01-01T{:02}:00Z,cpu,h,{},{},{},p,{}"


def row(hour: int, qty: object = 1, price: object = "0.5", id_: str = "a", name: str = "") -> str:
    return ROW.format(hour, hour + 1, qty, price, id_, name)


@pytest.fixture
def table(tmp_path):
    def write(*lines: str, end: str = "\n") -> pathlib.Path:
        path: pathlib.Path = tmp_path / "usage.csv"
        path.write_bytes("".join(line + end for line in lines).encode())
        return path

    return write


def test_csv(run, url, table, stored):
    path = table(HEADER, row(0, LONG, TINY, "a", '"x, ""y"""'), row(0, id_="b"), "", row(1, name='"two\nlines"'), row(2))
    result = run("rating", "push", path, "--store", url)
    assert "4 points in 3 frames" in result.stdout
    first, second, third, fourth = [point for got in stored() for _, point in got.iterpoints()]
    assert (first.qty, first.price, first.metadata) == (LONG, TINY, {"name": 'x, "y"'})
    assert first.groupby == {"id": "a", "project_id": "p"}
    assert second.metadata == {}
    assert third.metadata == {"name": "two\nlines"}
    assert fourth.unit == "h"


def test_csv_with_other_line_ends_and_columns_in_another_order(run, url, table, stored):
    path = table("price,qty,groupby.x,type,unit,end,begin", '0.5,1,"a\nb",cpu,,2026-01-02,2026-01-01', end="\r\n")
    run("rating", "push", path, "--store", url)
    ((type_, point),) = stored()[0].iterpoints()
    assert (type_, point.unit, point.price, point.groupby) == ("cpu", "undefined", Decimal("0.5"), {"x": "a\nb"})


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ([""], ":1: header: misses begin, end, type, unit, qty, price"),
        (["begin,end,type,unit,qty"], ":1: header: misses price"),
        ([HEADER + ",colour"], ":1: header: has unknown 'colour'"),
        ([HEADER + ",groupby.id"], ":1: header: has groupby.id more than once"),
        ([HEADER, row(0), "2026-01-01,cpu"], ":3: row: has 2 cells, the header has 9"),
        ([HEADER, row(0, name='"x\ny"'), row(1, qty="1,5")], ":4: row: has 10 cells"),
        ([HEADER, row(0, qty="many")], ":2: qty: 'many' is not a number"),
        ([HEADER, row(0, price="")], ":2: price: '' is not a number"),
        ([HEADER, row(0), row(1).replace("2026", "soon")], ":3: begin: 'soon-01-01T01:00Z' is not"),
        ([HEADER, row(0, name='"open')], ":2: row: is not CSV"),
        ([HEADER, row(0, name='"x"y')], ":2: row: is not CSV"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_wrong_row_is_named(run, url, table, lines, place):
    path = table(*lines)
    message = run("rating", "push", path, "--store", url, code=2).stderr
    assert message.startswith(f"error: {path}{place}"), message


def test_csv_that_is_not_utf8(run, url, tmp_path):
    path = tmp_path / "usage.csv"
    path.write_bytes(f"{HEADER}\n{row(0)}\n".encode() + row(1, name="é").encode("latin-1"))
    assert f"{path}:3: row: is not UTF-8" in run("rating", "push", path, "--store", url, code=2).stderr


def test_csv_goes_on_after_rows_of_several_lines(run, url, table, stored):
    lines = [HEADER, *(row(hour, name='"two\nlines"') for hour in range(4))]
    message = run("rating", "push", table(*lines, "wrong"), "--batch", 1, "--store", url, code=2).stderr
    assert ":10: row: has 1 cells" in message
    assert "4 points" in message
    result = run("rating", "push", table(*lines), "--batch", 1, "--store", url)
    assert "1 point in 1 frame" in result.stdout
    assert len(stored()) == 4


def test_rows_of_one_period_are_never_parted(run, url, table, stored):
    run("rating", "push", table(HEADER, row(0), row(0), row(0), row(1)), "--batch", 1, "--store", url)
    assert [len(points) for got in stored() for _, points in got.itertypes()] == [3, 1]


def test_format_by_option(run, url, stored):
    run("rating", "push", "--from", "csv", "--store", url, stdin=f"{HEADER}\n{row(0)}\n")
    assert isinstance(stored()[0], DataFrame)
