"""One bad line harms no other: what is good is stored, the bad lines are named, counted and reported."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

import undercroft
from undercroft.core import lines
from undercroft.core.errors import Unavailable
from undercroft.core.lines import Refused, Source
from undercroft.events import EventFilter
from undercroft.events.contract import Store
from undercroft.rating import parsing

GOOD = [json.dumps({"message_id": f"m{n}", "event_type": "t", "generated": "2026-01-01", "traits": []}).encode() for n in range(6)]
CUT, BINARY, NUMBER = GOOD[0][:40], b"\x80\xff\x00", b"5"
NOT_STORABLE = json.dumps({"message_id": "m" * 256, "event_type": "t", "generated": "2026-01-01"}).encode()
BAD = [CUT, BINARY, NUMBER, b'{"a": 1}', NOT_STORABLE, b"[" * 5_000, b'{"message_id": "x"}']


@pytest.fixture
def place(tmp_path, run):
    url = f"sqlite:///{tmp_path}/events.db"
    run("db", "upgrade", "--kind", "events", "--store", url)
    return url


def ids(url: str) -> list[str]:
    with contextlib.closing(undercroft.connect("events", url)) as store:
        return [event.message_id for event in store.get_events(EventFilter())]


def written(path: pathlib.Path, *content: bytes) -> pathlib.Path:
    path.write_bytes(b"\n".join(content) + b"\n")
    return path


def report_of(path: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pathlib.Path(f"{path}.refused.jsonl").read_text().splitlines()]


# -- events --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_an_import_stops_at_a_bad_line_with_the_lines_before_it_stored(run, place, tmp_path, bad):
    file = written(tmp_path / "e.jsonl", *GOOD[:2], bad, *GOOD[2:])
    message = run("events", "import", file, "--store", place, code=2).stderr
    assert f"error: {file}:3: " in message
    assert "2 events of" in message or bad == NOT_STORABLE
    assert "mend line 3, or pass over bad lines with --skip-bad, and run the same command again" in message
    assert ids(place)[:2] == ["m0", "m1"]
    assert not pathlib.Path(f"{file}.refused.jsonl").exists()


def test_with_skip_bad_what_is_good_is_stored_and_the_rest_reported(run, place, tmp_path):
    file = written(tmp_path / "e.jsonl", *(line for pair in zip(GOOD, BAD, strict=False) for line in pair), BAD[-1])
    told = run("events", "import", file, "--skip-bad", "--store", place, code=1).stdout
    assert told == f"{file}: 6 events stored, 0 already there; 7 lines refused, listed in {file}.refused.jsonl\n"
    assert ids(place) == [f"m{n}" for n in range(6)]
    rows = report_of(file)
    assert [(row["file"], row["line"]) for row in rows] == [(str(file), n) for n in (2, 4, 6, 8, 10, 12, 13)]
    kept = [row["content"].encode() if "content" in row else base64.b64decode(row["content_base64"]) for row in rows]
    assert kept == BAD
    assert "--from raw" in rows[3]["reason"]
    assert pathlib.Path(f"{file}.refused.jsonl").stat().st_mode & 0o777 == 0o600
    # The same again: what is there stays, the report is that of this run.
    (again,) = json.loads(run("events", "import", file, "--skip-bad", "--format", "json", "--store", place, code=1).stdout)
    assert again.pop("seconds") >= 0
    assert again == {
        "file": str(file), "stored": 0, "known": 6, "refused": 7, "report": f"{file}.refused.jsonl", "left_out": {}
    }  # fmt: skip
    assert report_of(file) == rows
    # Mended: no report is left.
    written(file, *GOOD)
    run("events", "import", file, "--skip-bad", "--store", place)
    assert not pathlib.Path(f"{file}.refused.jsonl").exists()


def test_a_line_that_is_too_long_is_not_read_into_memory(run, place, tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST", 200)
    file = written(tmp_path / "e.jsonl", GOOD[0], b"x" * 5_000, GOOD[1], b"y" * 201)
    run("events", "import", file, "--skip-bad", "--store", place, code=1)
    assert ids(place) == ["m0", "m1"]
    assert [(row["line"], row["reason"], row["is_cut"]) for row in report_of(file)] == [
        (line, "line: is longer than 200 bytes", True) for line in (2, 4)
    ]


def test_where_the_report_goes(run, place, tmp_path):
    report = tmp_path / "refused.jsonl"
    run("events", "import", "--skip-bad", "--report", report, "--store", place, stdin=b"5\n" + GOOD[0], code=1)
    assert json.loads(report.read_text())["file"] == "stdin"
    assert "--skip-bad" in run("events", "import", "--report", report, "--store", place, code=2).stderr
    file = written(tmp_path / "e.jsonl", *GOOD)
    told = run("events", "import", file, file, "--skip-bad", "--report", report, "--store", place, code=2).stderr
    assert "--report is for one input" in told
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    run("events", "import", "--skip-bad", "--report", tmp_path / "link", "--store", place, stdin=b"5\n", code=1)
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_that_is_away_is_not_the_fault_of_a_line(run, place, tmp_path, monkeypatch):
    def away(*_):
        raise Unavailable("the store is away")

    monkeypatch.setattr(Store, "store_events", away)
    file = written(tmp_path / "e.jsonl", *GOOD, CUT)
    message = run("events", "import", file, "--skip-bad", "--store", place, code=75).stderr
    assert "run the same command again" in message
    assert not pathlib.Path(f"{file}.refused.jsonl").exists()


def test_any_object_is_kept_only_with_from_raw(run, place):
    told = run("events", "import", "--store", place, stdin=b'{"a": 1}\n', code=2).stderr
    assert "--from raw" in told
    assert "1 event stored" in run("events", "import", "--from", "raw", "--store", place, stdin=b'{"a": 1}\n').stdout
    run("events", "import", "--from", "raw", "--store", place, stdin=b"[1]\n", code=2)
    with contextlib.closing(undercroft.connect("events", place)) as store:
        assert [(event.event_type, event.raw) for event in store.get_events(EventFilter())] == [("raw", {"a": 1})]


def test_an_envelope_and_traits_that_are_left_out(run, place, tmp_path):
    definitions = tmp_path / "own.yaml"
    definitions.write_text("- {event_type: x, traits: {size: {type: int, fields: payload.size}}}")
    note = {"event_type": "x", "message_id": "n", "timestamp": "2026-01-01", "payload": {"size": 2**64}}
    text = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(note)})
    arguments = ("events", "import", "--from", "notifications", "--definitions", definitions, "--store", place)
    ended = run(*arguments, stdin=text)
    assert ended.stdout == "stdin: 1 event stored, 0 already there\n"
    assert "traits whose values cannot be stored were left out: size (1)" in ended.stderr
    (report,) = json.loads(run(*arguments, "--format", "json", stdin=text).stdout)
    assert (report["known"], report["left_out"]) == (1, {"size": 1})


# -- rated usage ---------------------------------------------------------------------------------------------------------

PERIOD = '"period":{"begin":"2026-01-01T05:00:00Z","end":"2026-01-01T06:00:00Z"}'
TOO_LARGE = f'{{{PERIOD},"usage":{{"cpu":[{{"vol":{{"unit":"h","qty":1e21}},"groupby":{{}},"metadata":{{}}}}]}}}}'


def state_of(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".push-state")


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_push_passes_over_bad_lines(run, url, jsonl, frame, stored, batch):
    good = [frame(hour, "a") for hour in range(5)]
    # Line 4 is within the third hour, whose other lines stay together.
    path = jsonl("{", good[0], good[1], good[2], "5", good[2], TOO_LARGE, good[3], good[4], '{"period": 1}')
    (out,) = json.loads(
        run("rating", "push", path, "--skip-bad", "--batch", batch, "--format", "json", "--store", url, code=1).stdout
    )
    assert (out["points"], out["refused"], out["report"]) == (6, 4, f"{path}.refused.jsonl")
    assert [row["line"] for row in report_of(path)] == [1, 5, 7, 10]
    assert [len(list(got.iterpoints())) for got in stored()] == [1, 1, 2, 1, 1]
    assert not state_of(path).exists()


def test_what_was_stored_before_a_bad_line_is_pushed_again_with_the_rest_of_its_period(run, url, jsonl, frame, stored):
    """Equal keys of one period: cut at the bad line, the second part would replace the first."""
    path = jsonl(frame(0, "a"), frame(1, "a"), "{", frame(1, "a"))
    run("rating", "push", path, "--store", url, code=2)
    assert [len(list(got.iterpoints())) for got in stored()] == [1, 1]
    path = jsonl(frame(0, "a"), frame(1, "a"), frame(1, "a"), frame(1, "a"))
    (out,) = json.loads(run("rating", "push", path, "--format", "json", "--store", url).stdout)
    assert (out["skipped_points"], out["points"]) == (1, 3)
    assert [len(list(got.iterpoints())) for got in stored()] == [1, 3]


def test_with_append_a_period_is_not_stored_twice_after_a_bad_line(run, url, jsonl, frame, stored):
    path = jsonl(frame(0, "a"), frame(1, "a"), "{", frame(1, "b"))
    for code in (2, 2):
        run("rating", "push", path, "--store", f"{url}?on_conflict=append", code=code)
        assert [len(list(got.iterpoints())) for got in stored()] == [1]
    run("rating", "push", path, "--skip-bad", "--store", f"{url}?on_conflict=append", code=1)
    assert [len(list(got.iterpoints())) for got in stored()] == [1, 2]


def test_a_stop_after_a_skipping_run_goes_on_with_the_right_counts(run, url, jsonl, frame, stored, monkeypatch):
    path = jsonl(frame(0, "a"), "{", frame(1, "a"), frame(2, "a"), "[", frame(3, "a"), frame(4, "a"))
    store_type = type(undercroft.connect("rating", url))
    push, calls = store_type.push, []

    def twice(self, frames):
        calls.append(frames)
        if len(calls) == 3:
            raise Unavailable("away")
        push(self, frames)

    arguments = ("rating", "push", path, "--skip-bad", "--batch", 1, "--store", url)
    monkeypatch.setattr(store_type, "push", twice)
    run(*arguments, code=75)
    monkeypatch.setattr(store_type, "push", push)
    # What a run wrote that was killed before it noted so.
    with pathlib.Path(f"{path}.refused.jsonl").open("a") as report:
        report.write('{"torn')
    (out,) = json.loads(run(*arguments, "--format", "json", code=1).stdout)
    assert (out["skipped_points"], out["points"], out["refused"]) == (2, 3, 2)
    assert [row["line"] for row in report_of(path)] == [2, 5]
    assert len(stored()) == 5


def test_what_the_store_refuses_for_its_values_is_the_fault_of_its_line(run, url, jsonl, frame, stored, monkeypatch):
    """No value is known that the parser takes and the store refuses; this is the one by which a later one would go."""
    store_type = type(undercroft.connect("rating", url))
    push = store_type.push

    def picky(self, frames):
        from undercroft.core.errors import InvalidInput

        for position, each in enumerate(frames):
            if any(point.groupby["id"] == "bad" for _, point in each.iterpoints()):
                raise InvalidInput(f"dataframes[{position}].usage['cpu'][0].qty", "is not to its taste")
        push(self, frames)

    monkeypatch.setattr(store_type, "push", picky)
    path = jsonl(frame(0, "a"), frame(1, "bad"), frame(2, "a"), frame(2, "bad"), frame(3, "a"))
    message = run("rating", "push", path, "--store", url, code=2).stderr
    assert message.startswith(f"error: {path}:2: usage['cpu'][0].qty: is not to its taste")
    assert "1 point of" in message
    assert len(stored()) == 1
    run("rating", "push", path, "--skip-bad", "--store", url, code=1)
    assert [row["line"] for row in report_of(path)] == [2, 4]
    assert len(stored()) == 3


HEADER = "begin,end,type,unit,qty,price,groupby.id,metadata.name"


def row(hour: int, qty: object = 1, name: str = "") -> str:
    return f"2026-01-01T{hour:02}:00Z,2026-01-01T{hour + 1:02}:00Z,cpu,h,{qty},1,a,{name}"


def test_push_passes_over_bad_rows(run, url, tmp_path, stored):
    rows = [
        HEADER, row(0), row(0, "many"), row(0, 2), row(1, name='"open'), row(1, 3), row(2, name='"x"y'),
        row(2, name='"two\nlines"'), "1,2", row(3), row(3, name="\udcff"), row(4),
    ]  # fmt: skip
    path = written(tmp_path / "u.csv", *(each.encode(errors="surrogateescape") for each in rows))
    told = run("rating", "push", path, "--skip-bad", "--store", url, code=1).stdout
    assert "6 points in" in told
    assert [each["line"] for each in report_of(path)] == [3, 5, 7, 10, 12]
    assert [len(list(got.iterpoints())) for got in stored()] == [2, 1, 1, 1, 1]
    assert "not UTF-8" in report_of(path)[-1]["reason"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=60)
def test_garbage_between_good_lines_costs_none_of_them(form, data, tmp_path_factory):
    """Whatever is between them, what is good is parsed; the lines of garbage are refused, or were good themselves."""
    import io

    good = row(5).encode() if form == "csv" else b'{"period":{"begin":"2026-01-01","end":"2026-01-02"},"usage":{"t":[]}}'
    # A quote that is closed in a later line makes one row of all between, which CSV cannot tell from a row of several lines.
    garbage = data.draw(st.lists(st.binary(max_size=40).map(lambda each: each.replace(b"\n", b"")), max_size=5))
    garbage = [each.replace(b"\r", b"") for each in garbage]
    content = [line for each in garbage for line in (each, good)] + [good]
    stream = io.BytesIO(b"\n".join(([HEADER.encode()] if form == "csv" else []) + content) + b"\n")
    found = list(parsing.opened(Source(stream, "x"), form)())
    kept = [line.data for each in found if not isinstance(each, Refused) for line in each.lines]
    assert kept.count(good + b"\n") == len(garbage) + 1
