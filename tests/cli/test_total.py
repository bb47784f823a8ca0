"""`undercroft rating total`."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from decimal import Decimal

import msgspec
import pytest

import undercroft
from undercroft.core.cells import guarded, unguarded
from undercroft.rating import DataFrame, DataPoint

PERIOD = ("--begin", "2026-01-01", "--end", "2026-02-01")
EXACT = Decimal("10000000000000000000.00000000000000001")
THRICE = Decimal("30000000000000000000.00000000000000003")


@pytest.fixture
def filled(url, storage):
    def point(qty: object, price: object, project: str, flavor: str = "1") -> DataPoint:
        return DataPoint("h", qty, price, {"id": f"vm-{project}", "project_id": project, "flavor_id": flavor}, {})

    for hour in range(3):
        start = dt.datetime(2026, 1, 1 + hour, 5, tzinfo=dt.UTC)
        usage = {"cpu": [point("1.5", EXACT, "p1"), point(2, "0.1", "p2", "2")], "disk": [point("0.25", "-3", "=1+1")]}
        storage.push([DataFrame(start, start + dt.timedelta(hours=1), usage)])
    return url


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def numbers(text: str):
    return msgspec.json.Decoder(float_hook=Decimal).decode(text)


def test_table(run, filled):
    lines = run("rating", "total", "--by", "type", *PERIOD, "--store", filled).stdout.split("\n")
    head, _, cpu, disk, *_ = [line for line in lines if line.strip()]
    assert head.split() == ["begin,", "UTC", "end,", "UTC", "qty", "rate", "type"]
    period = ["2026-01-01", "00:00", "2026-02-01", "00:00"]
    assert cpu.split() == [*period, "10.50", "30,000,000,000,000,000,000.30000000000000003", "cpu"]
    assert disk.split() == [*period, "0.75", "-9.00000000000000000", "disk"]
    # The decimal points stand below each other.
    assert cpu.index(".50") == disk.index(".75")


def test_json_has_every_digit(run, filled):
    found = numbers(run("rating", "total", *PERIOD, "--by", "project_id", "--format", "json", "--store", filled).stdout)
    assert found["total"] == 3
    assert list(found["results"][1]) == ["begin", "end", "qty", "rate", "project_id"]
    assert {row["project_id"]: row["rate"] for row in found["results"]} == {"p1": THRICE, "p2": Decimal("0.3"), "=1+1": -9}
    assert found["results"][0]["begin"] == "2026-01-01T00:00:00Z"


def test_csv_guards_text_and_leaves_numbers(run, filled):
    asked = ("rating", "total", *PERIOD, "--by", "project_id", "--format", "csv", "--store", filled)
    guarded_rows, raw_rows = rows(run(*asked).stdout), rows(run(*asked, "--raw").stdout)
    assert [row["project_id"] for row in guarded_rows] == ["'=1+1", "p1", "p2"]
    assert [row["project_id"] for row in raw_rows] == ["=1+1", "p1", "p2"]
    assert [row["rate"] for row in guarded_rows] == ["-9", str(THRICE), "0.3"]


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@x", "\tx", "\rx", "-1x5", "+1,5", "'=x", "''-1"])
def test_what_a_spreadsheet_takes_for_a_formula_is_guarded(text):
    assert guarded(text) == "'" + text
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "a", "a=1", "-1", "-1e5", "+2.5", "1-2", "'x", " =1"])
def test_other_text_is_left(text):
    assert guarded(text) == unguarded(text) == text


def test_groups_filters_types_and_resources(run, filled):
    def ask(*more: str) -> list[Decimal]:
        found = numbers(run("rating", "total", *PERIOD, "--format", "json", "--store", filled, *more).stdout)["results"]
        return [row["qty"] for row in found]

    assert ask() == [Decimal("11.25")]
    assert ask("--by", "project_id,type", "--by", "flavor_id") == [Decimal("0.75"), Decimal("4.5"), 6]
    assert ask("--by", "time-d") == [Decimal("3.75")] * 3
    assert ask("--by", "time") == [Decimal("3.75")] * 3
    assert ask("--filter", "project_id=p1") == [Decimal("4.5")]
    assert ask("--filter", "project_id=p1", "--filter", "project_id=p2") == [Decimal("10.5")]
    assert ask("--filter", "project_id=p1", "--filter", "flavor_id=2") == []
    assert ask("--filter", "project_id==1+1") == [Decimal("0.75")]
    assert ask("--type", "disk", "--type", "none") == [Decimal("0.75")]
    assert ask("--resource", "vm-p1") == [Decimal("4.5")]
    assert ask("--begin", "2026-01-02T05:00+00:00", "--end", "2026-01-03") == [Decimal("3.75")]


def test_pages(run, filled):
    first = run("rating", "total", *PERIOD, "--by", "project_id", "--limit", 2, "--format", "csv", "--store", filled)
    second = run(
        "rating", "total", *PERIOD, "--by", "project_id", "--limit", 2, "--offset", 2, "--format", "csv", "--store", filled
    )
    every = run("rating", "total", *PERIOD, "--by", "project_id", "--limit", 1, "--all", "--format", "csv", "--store", filled)
    assert "2 of 3 groups; --all" in first.stderr
    assert every.stderr == ""
    assert rows(first.stdout) + rows(second.stdout) == rows(every.stdout)


def test_own_aggregates(run, filled):
    asked = ("--custom", "MAX(price) AS dearest, COUNT(qty) AS points", "--by", "type", "--format", "csv")
    found = rows(run("rating", "total", *PERIOD, *asked, "--store", filled).stdout)
    assert [(row["type"], row["dearest"], row["points"]) for row in found] == [("cpu", f"{EXACT:f}", "6"), ("disk", "-3", "3")]


def test_nothing_found(run, url):
    asked = ("rating", "total", "--by", "type", "--store", url)
    table = run(*asked)
    assert table.stdout == ""
    assert "no groups found in this month" in table.stderr
    assert run(*asked, "--format", "csv").stdout == "begin,end,qty,rate,type\n"
    assert numbers(run(*asked, "--format", "json").stdout) == {"total": 0, "results": []}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "time-x"), "error: groupby: 'time-x' is not a time group"),
        (("--by", "qty"), "error: groupby: 'qty' cannot be grouped on"),
        (("--custom", "SUM(qty"), "error: custom_fields: 'SUM(qty' is not"),
        (("--begin", "soon"), "error: --begin: 'soon' is not an ISO 8601 time"),
        (("--begin", "2026-02-01", "--end", "2026-01-01"), "error: begin: 2026-02-01"),
    ],
)
def test_wrong_questions(run, url, arguments, message):
    assert run("rating", "total", *arguments, "--store", url, code=2).stderr.startswith(message)


def test_a_filter_without_a_value(run, url):
    assert "KEY=VALUE" in run("rating", "total", "--filter", "project_id", "--store", url, code=2).stderr


def test_stored_text_cannot_steer_the_terminal(run, url, storage):
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    point = DataPoint("h", 1, 1, {"project_id": "\x1b[31m[bold]red[/bold]\n"}, {})
    storage.push([DataFrame(start, start, {"cpu": [point]})])
    shown = run("rating", "total", *PERIOD, "--by", "project_id", "--store", url).stdout
    assert "\x1b" not in shown
    assert "\\x1b[31m[bold]red[/bold]\\n" in shown


@pytest.mark.parametrize("columns", [20, 60])
@pytest.mark.parametrize("kind", ["xterm", "dumb"])
def test_a_narrow_terminal_shows_every_digit(filled, columns, kind):
    """Run on a terminal of its own, which rich asks for its width."""
    command = [sys.executable, "-m", "undercroft.cli.main", "rating", "total", *PERIOD, "--by", "type", "--store", filled]
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(command, stdout=follower, stderr=follower, stdin=follower, env={**environment, "TERM": kind})
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):
        while block := os.read(leader, 4096):
            shown += block
    os.close(leader)
    assert process.wait(30) == 0
    assert b"30,000,000,000,000,000,000.30000000000000003" in shown
    assert b"2026-01-01 00:00" in shown


@pytest.fixture
def two_years(url, storage, frame):
    """A point in each month of two years, of which each costs its number."""
    for number in range(24):
        at = dt.datetime(2025 + number // 12, number % 12 + 1, 31 if number in (0, 12) else 1, 12, tzinfo=dt.UTC)
        point = DataPoint("h", 1, number, {"id": "a", "project_id": f"p{number % 2}"}, {"host": "h1"})
        storage.push([DataFrame(at, at + dt.timedelta(hours=1), {"cpu": [point]})])
    return url


YEARS = ("--begin", "2025-01-01", "--end", "2027-01-01")


def test_by_month_tells_the_years_apart(run, two_years):
    done = run("rating", "total", "--by", "month", *YEARS, "--store", two_years, "--format", "json")
    found = numbers(done.stdout)
    assert found["total"] == 24
    months = [f"{2025 + number // 12}-{number % 12 + 1:02}" for number in range(24)]
    assert [(row["month"], row["rate"]) for row in found["results"]] == list(zip(months, range(24), strict=True))
    assert done.stderr == ""
    assert "year" not in found["results"][0]


def test_pages_of_months_are_in_the_order_of_time(run, two_years):
    done = run("rating", "total", "--by", "month", *YEARS, "--store", two_years, "--limit", 2, "--offset", 8, "--format", "csv")
    assert [row["month"] for row in rows(done.stdout)] == ["2025-09", "2025-10"]
    assert "2 of 24 groups" in done.stderr
    everything = run("rating", "total", "--by", "month", *YEARS, "--store", two_years, "--limit", 2, "--all", "--format", "csv")
    assert len(rows(everything.stdout)) == 24


def test_by_year_and_by_day(run, two_years):
    ask = ("rating", "total", *YEARS, "--store", two_years, "--format", "csv", "--by")
    assert [(row["year"], row["qty"]) for row in rows(run(*ask, "year").stdout)] == [("2025", "12"), ("2026", "12")]
    assert [row["day"] for row in rows(run(*ask, "day").stdout)][:3] == ["2025-01-31", "2025-02-01", "2025-03-01"]
    both = rows(run(*ask, "project_id,year", "--custom", "MAX(price) AS dearest").stdout)
    assert [(row["project_id"], row["year"], row["dearest"]) for row in both] == [
        ("p0", "2025", "10"), ("p0", "2026", "22"), ("p1", "2025", "11"), ("p1", "2026", "23"),
    ]  # fmt: skip
    assert list(both[0]) == ["begin", "end", "dearest", "project_id", "year"]


def test_months_are_those_of_the_store_s_zone(run, tmp_path, frame):
    url = f"sqlite:///{tmp_path}/tokyo.db?timezone=Asia/Tokyo"
    with contextlib.closing(undercroft.connect("rating", url)) as store:
        store.init()
        at = dt.datetime(2025, 12, 31, 15, tzinfo=dt.UTC)
        for hours in (-1, 0):
            start = at + dt.timedelta(hours=hours)
            store.push([DataFrame(start, start + dt.timedelta(hours=1), {"cpu": [DataPoint("h", 1, 1, {"id": "a"}, {})]})])
    ask = ("rating", "total", *YEARS, "--store", url, "--format", "csv", "--by")
    assert [row["month"] for row in rows(run(*ask, "month").stdout)] == ["2025-12", "2026-01"]
    assert [row["day"] for row in rows(run(*ask, "day").stdout)] == ["2025-12-31", "2026-01-01"]
    # From midnight in Tokyo on: one year, and nothing to tell.
    year = ("--begin", "2025-12-31T15:00Z", "--end", "2026-12-31T15:00Z")
    assert run("rating", "total", *year, "--store", url, "--by", "time-m").stderr == ""


def test_cloudkitty_s_months_of_several_years_are_told(run, two_years):
    done = run("rating", "total", "--by", "time-m", *YEARS, "--store", two_years, "--format", "json")
    assert [row["qty"] for row in numbers(done.stdout)["results"]] == [2] * 12
    assert done.stderr == "note: time-m adds up the same month of 2025 to 2026; --by month tells the years apart\n"
    assert "--by time-y,time-w" in run("rating", "total", "--by", "time-w", *YEARS, "--store", two_years).stderr
    assert "--by day" in run("rating", "total", "--by", "time-d", *YEARS, "--store", two_years).stderr
    for quiet in (("time-m,time-y", *YEARS), ("time-m", "--begin", "2025-01-01", "--end", "2026-01-01")):
        assert run("rating", "total", "--by", *quiet, "--store", two_years).stderr == ""


def test_two_columns_of_one_name_are_refused(run, two_years):
    for by in ("month,time-m", "time-y,year"):
        assert "leave one of them out" in run("rating", "total", "--by", by, *YEARS, "--store", two_years, code=2).stderr
    ask = ("rating", "total", "--by", "day", "--custom", "MAX(qty) AS day", *YEARS, "--store", two_years)
    assert "alias 'day'" in run(*ask, code=2).stderr


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("projct_id", "no point has the attribute 'projct_id', so it makes one empty group; did you mean 'project_id'?"),
        ("type,monht", "'monht', so it makes one empty group; did you mean 'month'?"),
        ("host", "'host', so it makes one empty group: it is metadata, which cannot be grouped by"),
        ("colour", "'colour', so it makes one empty group: known are day, id, month, project_id, time, type, year"),
    ],
)
def test_a_group_that_no_point_has_is_told(run, two_years, by, told):
    for form in ("table", "json", "csv"):
        done = run("rating", "total", "--by", by, *YEARS, "--store", two_years, "--format", form)
        assert told in done.stderr
        assert "note" not in done.stdout
    numbers(run("rating", "total", "--by", by, *YEARS, "--store", two_years, "--format", "json").stdout)


def test_a_group_that_some_points_have_is_not_told(run, two_years, storage, frame):
    storage.push([frame(5, "b", colour="z")])
    for more in ((), ("--limit", 1)):
        assert "colour" not in run("rating", "total", "--by", "colour", *YEARS, *more, "--store", two_years).stderr
