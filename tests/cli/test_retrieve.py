"""`undercroft rating retrieve`."""

from __future__ import annotations

import csv
import datetime as dt
import io
import pathlib
import subprocess
import sys
from decimal import Decimal

import pytest

from undercroft.rating import DataFrame, DataPoint

PERIOD = ("--begin", "2026-01-01", "--end", "2027-01-01")


@pytest.fixture
def various() -> list[DataFrame]:
    """Frames with everything that may be stored."""
    start = dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC)
    groupby = {"id": "a", "day_of_the_year": "1", "=key": 'quote" , \n', "number": 1.5, "none": None, "list": [1, "x"], "yes": True}
    points = [
        DataPoint("GiB", Decimal("12345678901234567890.000000000000000001"), Decimal("-1E-20"), groupby, {"": "", "näme": "🜲"}),
        DataPoint("GiB", 1, 2, {"id": "a"}, {}),
        DataPoint("GiB", 1, 2, {"id": "a"}, {}),
    ]
    hour = dt.timedelta(hours=1)
    return [
        DataFrame(start, start + hour, {"cpu": points}),
        DataFrame(start, start + 24 * hour, {"day": points[1:2], "=cpu": points[1:2]}),
        DataFrame(start + hour, start + 2 * hour, {"cpu": points[:1]}),
    ]


@pytest.fixture
def filled(url, storage, various):
    storage.push(various)
    return url


@pytest.fixture
def other(run, tmp_path):
    """A second store."""
    url = f"sqlite:///{tmp_path}/other.db"
    run("db", "upgrade", "--store", url)
    return url


@pytest.mark.parametrize("batch", [1, 100])
def test_json_lines_can_be_pushed_again(run, filled, other, various, tmp_path, batch):
    path = tmp_path / "usage.jsonl"
    run("rating", "retrieve", *PERIOD, "--all", "--output", path, "--store", filled)
    run("rating", "push", path, "--batch", batch, "--store", other)
    again = run("rating", "retrieve", *PERIOD, "--all", "--format", "jsonl", "--store", other).stdout
    assert again == path.read_text("utf-8")
    assert [DataFrame.from_dict(frame.as_dict()) for frame in various] == sorted(
        (DataFrame.from_dict(_decoded(line)) for line in again.splitlines()), key=lambda frame: (frame.start, frame.end)
    )


def _decoded(line: str):
    from undercroft.rating.wire import parse

    return parse(line.encode()).as_dict()


def test_raw_csv_can_be_pushed_again_as_far_as_text_tells(run, filled, other, tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    run("rating", "retrieve", *PERIOD, "--all", "--raw", "--output", first, "--store", filled)
    run("rating", "push", first, "--store", other)
    run("rating", "retrieve", *PERIOD, "--all", "--raw", "--output", second, "--store", other)

    def points(path: pathlib.Path):
        with path.open(encoding="utf-8", newline="") as text:
            return [{name: cell for name, cell in row.items() if cell} for row in csv.DictReader(text)]

    assert points(first) == points(second)
    assert len(points(first)) == 6


def test_csv(run, filled):
    text = run("rating", "retrieve", *PERIOD, "--format", "csv", "--store", filled).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0])[:6] == ["begin", "end", "type", "unit", "qty", "price"]
    assert {name for name in rows[0] if name.startswith("metadata.")} == {"metadata.", "metadata.näme"}
    full = next(row for row in rows if row["groupby.number"])
    assert (full["qty"], full["price"]) == ("12345678901234567890.000000000000000001", "-0.00000000000000000001")
    wanted = ('quote" , \n', "1.5", "null", '[1,"x"]', "true", "🜲")
    names = ("groupby.=key", "groupby.number", "groupby.none", "groupby.list", "groupby.yes", "metadata.näme")
    assert tuple(full[name] for name in names) == wanted
    assert {row["type"] for row in rows} == {"cpu", "day", "'=cpu"}


def test_table(run, filled):
    shown = run("rating", "retrieve", *PERIOD, "--type", "day", "--store", filled).stdout
    _, head, _, row, *_ = shown.split("\n")
    assert head.split() == ["begin,", "UTC", "end,", "UTC", "type", "qty", "unit", "price", "groupby", "metadata"]
    assert row.split() == ["2026-01-01", "05:00", "2026-01-02", "05:00", "day", "1", "GiB", "2", "id=a"]


def test_pages(run, filled):
    def page(*more: object) -> list[str]:
        asked = ("rating", "retrieve", *PERIOD, "--format", "csv", "--raw", "--store", filled)
        return [
            line for line in run(*asked, "--type", "cpu", "--filter", "id=a", *more).stdout.splitlines() if line.startswith("2026")
        ]

    assert len(page("--all")) == 4
    assert [len(page("--limit", 3, "--offset", offset)) for offset in (0, 3, 6)] == [3, 1, 0]
    limited = run("rating", "retrieve", *PERIOD, "--limit", 2, "--store", filled)
    assert "2 of 6 points; --all" in limited.stderr


def test_a_table_of_everything_is_refused(run, url, tmp_path):
    for asked in (("--all",), ("--output", tmp_path / "x.txt")):
        message = run("rating", "retrieve", *asked, "--store", url, code=2).stderr
        assert "a table shows a page" in message


def test_a_file_appears_as_a_whole_or_not_at_all(run, filled, tmp_path, monkeypatch):
    target = tmp_path / "out" / "usage.jsonl"
    target.parent.mkdir()
    target.write_text("old")
    frames_of_two = iter(range(2))

    def fail(frame: DataFrame) -> str:
        next(frames_of_two)
        return "{}"

    monkeypatch.setattr(DataFrame, "json", fail)
    run("rating", "retrieve", *PERIOD, "--all", "--output", target, "--store", filled, code=1)
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]
    monkeypatch.undo()
    run("rating", "retrieve", *PERIOD, "--all", "--output", target, "--store", filled)
    assert target.read_text("utf-8").count("\n") == 3
    assert target.stat().st_mode & 0o077 == 0
    assert list(target.parent.iterdir()) == [target]


def test_nothing_found(run, url):
    found = run("rating", "retrieve", "--store", url)
    assert found.stdout == ""
    assert "no points found in this month" in found.stderr


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_closed_pipe_ends_quietly(url, storage, frame, form):
    for hour in range(40):
        storage.push([frame(hour, *(f"vm-{number}" for number in range(50)))])
    command = [
        sys.executable,
        "-m",
        "undercroft.cli.main",
        "rating",
        "retrieve",
        *PERIOD,
        "--all",
        "--format",
        form,
        "--store",
        url,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(30) == 141


def test_a_closed_pipe_under_a_table_ends_quietly(url, storage, frame):
    storage.push([frame(0, *(f"vm-{number}" for number in range(1000)))])
    command = [sys.executable, "-m", "undercroft.cli.main", "rating", "retrieve", *PERIOD, "--store", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
