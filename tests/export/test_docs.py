"""The page about feeding a BI database: what it shows is run, on each SQL engine, against a table that the worker has filled."""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import yaml

import undercroft
from tests.api.service import serving
from tests.cli.conftest import runner
from tests.cli.test_docs import DOCS, blocks
from tests.export.places import Place
from undercroft.cli.main import root
from undercroft.export import load
from undercroft.export.metrics import Metrics

PAGE = "bi.md"
MARCH = dt.datetime(2026, 3, 1)
# Those that end and begin an hour, a day and the month count, too; the last one is of April.
POLLS = [MARCH + dt.timedelta(minutes=minutes) for minutes in (0, 5, 59, 60, 24 * 60 - 1, 31 * 24 * 60 - 1, 31 * 24 * 60)]
# Virtual CPUs and memory at each of them, by server.
SERVERS = {"web": ([1, 1, 2, 2, 4, 4, 8], 2_048), "db": ([8] * 7, 16_384), "tool": ([1] * 7, 512)}
PROJECTS = {"web": "shop", "db": "shop", "tool": "lab"}
HOUR = 3_600_000_000_000
# CPU time on 14 March; `db` was started again, and its counter with it.
CPU = {"web": [HOUR, 2 * HOUR, 4 * HOUR], "db": [100 * HOUR, 104 * HOUR, HOUR, 3 * HOUR], "tool": [7 * HOUR, 7 * HOUR]}
USED = {"web": 3.0, "db": 7.0, "tool": 0.0}
FILES = dict(zip(("quickstart", "cloud"), [text for text in blocks(PAGE, "ini") if "[exporter]" in text], strict=True))


def sample(meter: str, kind: str, unit: str, server: str, volume: int, timestamp: dt.datetime) -> dict[str, Any]:
    return {
        "counter_name": meter, "counter_type": kind, "counter_unit": unit, "counter_volume": volume, "source": "openstack",
        "user_id": "u", "project_id": PROJECTS[server], "resource_id": server, "timestamp": timestamp,
        "resource_metadata": {}, "message_id": f"{meter}-{server}-{timestamp.isoformat()}", "message_signature": None,
    }  # fmt: skip


def samples() -> Iterator[dict[str, Any]]:
    for server, (vcpus, memory) in SERVERS.items():
        for timestamp, count in zip(POLLS, vcpus, strict=True):
            yield sample("vcpus", "gauge", "vcpu", server, count, timestamp)
            yield sample("memory", "gauge", "MB", server, memory, timestamp)
    morning, now = dt.datetime(2026, 3, 14, 6), dt.datetime.now(dt.UTC).replace(tzinfo=None)
    for server, volumes in CPU.items():
        for place, volume in enumerate(volumes):
            yield sample("cpu", "cumulative", "ns", server, volume, morning + dt.timedelta(hours=place))
            yield sample("cpu", "cumulative", "ns", server, volume, now + dt.timedelta(hours=place - 5))
        # Of the day before, and of the next one.
        yield sample("cpu", "cumulative", "ns", server, 0, morning - dt.timedelta(days=1))
        yield sample("cpu", "cumulative", "ns", server, 500 * HOUR, morning + dt.timedelta(days=1))


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Our API over those samples, which takes the token of the page."""
    folder = tmp_path_factory.mktemp("source")
    url = f"sqlite:///{folder}/metering.db"
    with contextlib.closing(undercroft.connect("metering", url)) as store:
        store.upgrade()
        store.record_metering_data_batch(list(samples()))
    tokens = folder / "tokens"
    tokens.write_text("READER - - admin\n")
    with serving(None, metering=url, auth="tokens", token_file=tokens) as service:
        yield f"{service.url}/metering"


def replaced(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    return text


@pytest.fixture
def folder(endpoint: str, place: Place, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder with the file of the quickstart, which reads from the API and fills the test's table."""
    changes = {"http://127.0.0.1:8889/metering": endpoint, "sqlite:///bi.db": f"{place.url}\ntable = {place.table}"}
    (tmp_path / "export.ini").write_text(replaced(FILES["quickstart"], changes))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> list[list[str]]:
    """The commands of the quickstart; `run` without `--once` does not end."""
    (block,) = [text for text in blocks(PAGE, "sh") if "export.ini --once" in text]
    return [shlex.split(line, comments=True)[1:] for line in block.splitlines()]


def run(words: list[str], code: int | None = 0) -> str:
    result = runner().invoke(root, words, prog_name="undercroft")
    assert code in (result.exit_code, None), f"{words}: {result.exit_code}: {result.stderr}{result.stdout}"
    return result.stdout


def statement(beginning: str, place: Place) -> str:
    (found,) = [text for text in blocks(PAGE, "sql") if text.startswith(beginning)]
    return re.sub(r"\bprices\b", f"{place.table}_prices", re.sub(r"\bsamples\b", place.table, found))


def cost() -> dict[str, Decimal]:
    """Plain arithmetic: the largest quantity of each hour of March, at its price."""
    largest: dict[tuple[str, str, dt.datetime], int] = defaultdict(int)
    for server, (vcpus, memory) in SERVERS.items():
        for timestamp, count in zip(POLLS, vcpus, strict=True):
            if timestamp < dt.datetime(2026, 4, 1):
                hour = timestamp.replace(minute=0)
                for meter, quantity in (("vcpus", count), ("memory", memory)):
                    largest[server, meter, hour] = max(largest[server, meter, hour], quantity)
    price = {"vcpus": Decimal("0.0125"), "memory": Decimal("0.000003")}
    found: dict[str, Decimal] = defaultdict(Decimal)
    for (server, meter, _), quantity in largest.items():
        found[PROJECTS[server]] += quantity * price[meter]
    return dict(found)


def test_the_quickstart_and_the_queries_run_as_printed(folder, place):
    check, once, for_ever, status = commands()
    assert for_ever == once[:-1]
    # The table is yet to be made.
    assert "the worker makes it when it starts" in " ".join(run(check, code=1).split())
    run(once)
    # The engines of the tests do not flush to disk, which is a warning.
    findings = msgspec.json.decode(run([*check, "--format", "json"], code=None))
    assert {each["level"] for each in findings if not each["check"].startswith("durability")} == {"ok"}
    run(status)
    assert place.count() == len(list(samples()))
    create, insert = (line.rstrip(";") for line in statement("CREATE TABLE prices", place).strip().splitlines())
    # As in a database of a usual MariaDB; that of the tests has another collation.
    collation = "" if place.engine in ("sqlite", "postgresql") else " DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"
    try:
        place.run(create + collation, insert)
        found = place.ask(statement("SELECT hours.project_id", place))
        assert {name: Decimal(str(amount)) for name, amount in found} == cost()
        assert [name for name, _ in found] == ["shop", "lab"]
    finally:
        place.run("DROP TABLE {t}_prices")
    busiest = statement("SELECT resource_id", place)
    wanted = [("db", 7.0), ("web", 3.0), ("tool", 0.0)]
    assert [(resource, hours) for resource, _, hours in place.ask(busiest)] == wanted
    day = "timestamp >= '2026-03-14' AND timestamp < '2026-03-15'"
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(place.engine, "MariaDB")
    (since,) = re.findall(rf"^\| {name} \| `(.*)` \|$", (DOCS / PAGE).read_text("utf-8"), re.MULTILINE)
    today = replaced(busiest, {day: f"timestamp >= {since}"})
    assert [(resource, hours) for resource, _, hours in place.ask(today)] == wanted


def test_every_file_of_the_page_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("CEILOMETER_KEY", "k")
    monkeypatch.setenv("BI_PASSWORD", "p")
    file = tmp_path / "export.ini"
    filters = [text for text in blocks(PAGE, "ini") if "[exporter]" not in text]
    assert filters
    for text in [*FILES.values(), *(FILES["quickstart"] + text for text in filters)]:
        file.write_text(text)
        assert load(file).filters
    file.write_text(FILES["cloud"])
    read = load(file)
    assert (read.key, read.connection, read.filters[0].meters) == ("k", "postgresql://bi:p@db.example/bi", ("*",))


def test_the_rules_of_alerts_name_counters_that_there_are():
    (rules,) = blocks(PAGE, "yaml")
    known = {family.name + ("_total" if family.type == "counter" else "") for family in Metrics().registry.collect()}
    named = {
        name
        for group in yaml.safe_load(rules)["groups"]
        for rule in group["rules"]
        for name in re.findall(r"undercroft_\w+", rule["expr"])
    }
    assert named
    assert named <= known
