"""`undercroft events`: in from files, out as tables, lines and files, counted, followed, expired."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pathlib

import pyarrow.parquet
import pytest

import undercroft
from tests.cli.expiring import half_goes
from undercroft.core import settings
from undercroft.events import Event, EventFilter, Trait

START = dt.datetime(2026, 1, 1)
NOVA = pathlib.Path(__file__).parent.parent / "events" / "data" / "nova.jsonl"


def made(number: int) -> Event:
    traits = [Trait("host", 1, f"h{number % 3}"), Trait("inf", 3, float("inf")), Trait("size", 2, number)]
    return Event(f"m{number:02}", f"k{number % 2}", START + dt.timedelta(minutes=number), traits, {"n": None})


@pytest.fixture
def place(tmp_path):
    """A store of twelve events."""
    url = f"sqlite:///{tmp_path}/events.db"
    with contextlib.closing(undercroft.connect("events", url)) as store:
        store.upgrade()
        store.record_events([made(n) for n in range(12)])
    return url


def everything(url):
    with contextlib.closing(undercroft.connect("events", url)) as store:
        return list(store.get_events(EventFilter()))


def test_lines_are_what_can_be_imported_again(run, place, tmp_path):
    out = run("events", "list", "--store", place, "--format", "jsonl").stdout
    other = f"sqlite:///{tmp_path}/other.db"
    run("db", "upgrade", "--kind", "events", "--store", other)
    assert run("events", "import", "--store", other, stdin=out).stdout == "stdin: 12 events stored, 0 already there\n"
    assert run("events", "import", "--store", other, stdin=out).stdout == "stdin: 0 events stored, 12 already there\n"
    assert everything(other) == everything(place) == [made(n) for n in range(12)]


def test_what_is_listed(run, place):
    def ids(*options):
        lines = run("events", "list", "--store", place, "--format", "jsonl", *options).stdout.splitlines()
        return [json.loads(line)["message_id"] for line in lines]

    assert ids("--newest", "--limit", 2) == ["m11", "m10"]
    assert ids("--after", "m09") == ["m10", "m11"]
    assert ids("--type", "k1", "--trait", "host=h0") == ["m03", "m09"]
    assert ids("--where", 'size < 2 or host = "h2" and size > 8') == ["m00", "m01", "m11"]
    assert ids("--begin", "2026-01-01T00:03:00", "--end", "2026-01-01T00:04:00") == ["m03", "m04"]
    assert "host=h2 inf=inf size=11" in run("events", "list", "--store", place, "--newest", "--limit", 1).stdout
    run("events", "list", "--store", place, "--where", "size >", code=2)
    run("events", "list", "--store", place, "--trait", "size", code=2)


def test_types_and_counts(run, place):
    assert run("events", "types", "--store", place).stdout == "k0\nk1\n"
    assert "size integer" in " ".join(run("events", "types", "k0", "--store", place).stdout.split())
    found = run("events", "count", "--store", place, "--by", "event_type,host", "--format", "csv").stdout
    assert found.splitlines() == ["event_type,host,events", *(f"k{k},h{h},2" for k in (0, 1) for h in (0, 1, 2))]
    found = json.loads(run("events", "count", "--store", place, "--interval", "5m", "--format", "json").stdout)
    assert [row["events"] for row in found] == [5, 5, 2]


def test_the_tail_is_gone_on_with(run, place):
    first = run("events", "tail", "--store", place, "--from", "start", "--no-follow")
    assert len(first.stdout.splitlines()) == 12
    cursor = first.stderr.removeprefix("cursor: ").strip()
    with contextlib.closing(undercroft.connect("events", place)) as store:
        store.record_events([made(-5)])
    again = run("events", "tail", "--store", place, "--from", cursor, "--no-follow")
    assert [json.loads(line)["message_id"] for line in again.stdout.splitlines()] == ["m-5"]
    assert run("events", "tail", "--store", place, "--no-follow").stdout == ""


@pytest.mark.promise("S14")
def test_files(run, place, tmp_path):
    folder = tmp_path / "out"
    for form in ("jsonl", "csv", "parquet"):
        run("events", "export", folder, "--store", place, "--format", form, "--where", "size >= 6")
    assert pyarrow.parquet.read_table(folder / "events.parquet").num_rows == 6
    assert len((folder / "events.csv").read_text().splitlines()) == 7
    assert (folder / "events.jsonl").stat().st_mode & 0o777 == 0o600
    for name in ("../x", "", ".x"):
        run("events", "export", folder, "--store", place, "--name", name, code=2)
    (tmp_path / "link").symlink_to(folder)
    run("events", "export", tmp_path / "link", "--store", place, code=2)


@pytest.mark.promise("S11")
def test_cells_are_no_formulas(run, tmp_path):
    url = f"sqlite:///{tmp_path}/events.db"
    run("db", "upgrade", "--kind", "events", "--store", url)
    with contextlib.closing(undercroft.connect("events", url)) as store:
        store.record_events([Event("=1+1", "@x", START, [Trait("a", 1, "=2")], {})])
    (row,) = run("events", "list", "--store", url, "--format", "csv").stdout.splitlines()[1:]
    assert row.startswith("'=1+1,'@x,2026-01-01T00:00:00,")


def test_notifications(run, tmp_path):
    url = f"sqlite:///{tmp_path}/events.db"
    run("db", "upgrade", "--kind", "events", "--store", url)
    assert "140 events stored" in run("events", "import", "--from", "notifications", NOVA, "--store", url).stdout
    file = tmp_path / "own.yaml"
    file.write_text("- {event_type: x, traits: {a: payload.b}}")
    note = json.dumps({"event_type": "x", "message_id": "own", "timestamp": "2026-01-01", "payload": {"b": "c"}})
    run("events", "import", "--from", "notifications", "--definitions", file, "--keep-raw", "--store", url, stdin=note)
    (event,) = [event for event in everything(url) if event.message_id == "own"]
    assert ([(t.name, t.value) for t in event.traits or ()], event.raw) == ([("a", "c")], json.loads(note))


def test_a_wrong_line_is_named(run, place):
    for line, told in (("{", "line 2"), ('{"message_id": "x"}', "line 2"), ("5", "line 2")):
        assert told in run("events", "import", "--store", place, stdin=f"\n{line}\n", code=2).stderr


@pytest.mark.usefixtures("later")
def test_expiry(run, place, monkeypatch):
    expire = ("events", "expire", "--store", place)
    assert "everything is kept" in run(*expire).stdout
    half_goes(run, expire, "events", "generated", lambda: len(everything(place)))
    monkeypatch.setenv("UNDERCROFT_EVENTS__TIME_TO_LIVE", "58m")
    settings.current.cache_clear()
    assert run(*expire, "--yes").stdout == "deleted 2 events\n"
    monkeypatch.setenv("UNDERCROFT_EVENTS__TIME_TO_LIVE", "3360")
    settings.current.cache_clear()
    assert "[events] time_to_live = 3360 is taken as seconds; write 3360s" in run(*expire, "--dry-run").stderr
    settings.current.cache_clear()
    assert "expired events are deleted" in run("worker", "--kind", "events", "--store", place, "--once").stderr
    assert [event.message_id for event in everything(place)] == ["m10", "m11"]
    for span in ("0d", "x", "-1h", "90"):
        run("events", "expire", "--store", place, "--older-than", span, code=2)


def test_a_list_that_is_cut_says_so(run, place):
    ask = ("events", "list", "--store", place)
    cut = run(*ask, "--limit", 5, "--format", "jsonl")
    assert [json.loads(line)["message_id"] for line in cut.stdout.splitlines()] == [f"m{n:02}" for n in range(5)]
    assert cut.stderr == "note: the first 5 events; there are more: --all gives all of them, --after m04 goes on\n"
    rest = run(*ask, "--limit", 7, "--after", "m04", "--format", "jsonl")
    assert (len(rest.stdout.splitlines()), rest.stderr) == (7, "")
    for form in ("table", "csv"):
        assert "there are more" in run(*ask, "--limit", 11, "--format", form).stderr
        assert run(*ask, "--limit", 1, "--all", "--format", form).stderr == ""
    assert len(run(*ask, "--limit", 1, "--all", "--format", "jsonl").stdout.splitlines()) == 12
    assert run(*ask, "--type", "none").stderr == "note: no events found\n"


def test_the_default_of_a_hundred_is_told(run, place):
    with contextlib.closing(undercroft.connect("events", place)) as store:
        store.record_events([made(n) for n in range(12, 101)])
    assert "the first 100 events; there are more" in run("events", "list", "--store", place).stderr


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("hots", "no event has the trait 'hots', so it makes one empty group; did you mean 'host'?"),
        ("event_type,Host", "'Host', so it makes one empty group; did you mean 'host'?"),
        ("evnt_type", "did you mean 'event_type'?"),
        ("colour", "'colour', so it makes one empty group; known are event_type, host"),
        ("size", "the trait 'size' is of type integer, and events are grouped by text only: it makes one empty group"),
    ],
)
def test_a_group_that_no_event_has_is_told(run, place, by, told):
    for form in ("table", "json", "csv"):
        done = run("events", "count", "--by", by, "--store", place, "--format", form)
        assert told in done.stderr
        assert "note" not in done.stdout
    assert run("events", "count", "--by", "host,event_type", "--store", place).stderr == ""
