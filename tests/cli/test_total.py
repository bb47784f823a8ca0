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

from undercroft.core.cells import guarded
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


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@x", "\tx", "\rx", "-1e5", "+1,5"])
def test_what_a_spreadsheet_takes_for_a_formula_is_guarded(text):
    assert guarded(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a", "a=1", "-1", "+2.5", "1-2", "'=x", " =1"])
def test_other_text_is_left(text):
    assert guarded(text) == text


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
