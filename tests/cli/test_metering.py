"""`undercroft meter`: in from files, out as tables, lines, files and statistics, expired."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import json
import pathlib
import signal
import subprocess
import sys
import threading

import pyarrow.parquet
import pytest

import undercroft
from tests.cli.expiring import half_goes
from undercroft.core import settings
from undercroft.core.errors import Unavailable
from undercroft.metering import SampleFilter, Store, wire

START = dt.datetime(2026, 1, 1)
# Beyond 2^53, 2^63 and what a double holds.
LARGE = 2**70 + 1
TEXT = "=1+1"


def made(number: int, **more):
    data = {
        "counter_name": f"m{number % 2}", "counter_type": "gauge", "counter_unit": "%", "counter_volume": float(number),
        "user_id": None, "project_id": f"p{number % 3}", "resource_id": f"r{number % 4}",
        "timestamp": START + dt.timedelta(minutes=number), "resource_metadata": {"flavor": {"vcpus": number % 2 + 1}, "n": number},
        "source": "s", "message_id": f"id{number:02}", "message_signature": None,
    }  # fmt: skip
    return {**data, **more}


@pytest.fixture
def place(tmp_path):
    """A store of twelve samples."""
    url = f"sqlite:///{tmp_path}/metering.db"
    with opened(url) as store:
        store.upgrade()
        store.record_metering_data_batch([made(n) for n in range(12)])
    return url


def opened(url):
    return contextlib.closing(undercroft.connect("metering", url))


def everything(url):
    with opened(url) as store:
        return {
            sample.message_id: {name: value for name, value in sample.as_dict().items() if name != "recorded_at"}
            for sample in store.get_samples(SampleFilter())
        }


@pytest.fixture
def other(run, tmp_path):
    """An empty store."""
    url = f"sqlite:///{tmp_path}/other.db"
    run("db", "upgrade", "--store", f"metering={url}")
    return url


# -- lists and samples ---------------------------------------------------------------------------------------------------


def test_meters(run, place):
    ask = ("meter", "list", "--store", place)
    rows = json.loads(run(*ask, "--format", "json").stdout)
    assert [(row["resource_id"], row["name"]) for row in rows] == [("r0", "m0"), ("r1", "m1"), ("r2", "m0"), ("r3", "m1")]
    assert [row["project_id"] for row in rows] == ["p2", "p0", "p1", "p2"]
    assert run(*ask, "--unique", "--format", "csv").stdout == "name,type,unit\nm0,gauge,%\nm1,gauge,%\n"
    cut = run(*ask, "--limit", 3)
    assert cut.stdout.count("gauge") == 3
    assert cut.stderr == "note: the first 3 meters; there are more: --all gives all of them\n"
    assert run(*ask, "--limit", 4).stderr == run(*ask, "--limit", 1, "--all").stderr == ""
    assert run(*ask, "--project", "nobody").stderr == "note: no meters found\n"


def test_resources(run, place):
    ask = ("meter", "resources", "--store", place)
    found = json.loads(run(*ask, "--resource", "r1", "--format", "json").stdout)
    assert found == [
        {
            "resource_id": "r1", "project_id": "p0", "user_id": None, "source": "s",
            "first_sample_timestamp": "2026-01-01T00:01:00Z", "last_sample_timestamp": "2026-01-01T00:09:00Z",
            "metadata": {"flavor": {"vcpus": 2}, "n": 9},
        }
    ]  # fmt: skip
    early = run(*ask, "--begin", "2026-01-01T00:00", "--end", "2026-01-01T00:02", "--format", "csv").stdout.splitlines()
    assert [line.partition(",")[0] for line in early] == ["resource_id", "r0", "r1"]
    assert early[0].split(",") == list(found[0])
    assert "flavor.vcpus=2 n=9" in run(*ask, "--resource", "r1").stdout
    assert "there are more" in run(*ask, "--limit", 2).stderr


def test_samples(run, place):
    def ids(*options):
        lines = run("meter", "samples", "--store", place, "--format", "jsonl", *options).stdout.splitlines()
        return [json.loads(line)["message_id"] for line in lines]

    assert ids("--limit", 2) == ["id11", "id10"]
    assert ids("--oldest", "--limit", 2) == ["id00", "id01"]
    assert ids("--meter", "m1", "--resource", "r1") == ["id09", "id05", "id01"]
    assert ids("--begin", "2026-01-01T01:03:00+01:00", "--end", "2026-01-01T00:05Z") == ["id04", "id03"]
    assert ids("--metadata", "flavor.vcpus=2", "--project", "p0") == ["id09", "id03"]
    assert ids("--metadata", 'flavor.vcpus="2"') == []
    assert ids("--metadata", "flavor.vcpus=2.0") == []
    assert len(ids("--user", "None", "--source", "s")) == 12
    assert ids("--project", "None") == []
    with opened(place) as store:
        store.record_metering_data(made(20, project_id=None))
    assert ids("--project", "None") == ["id20"]
    cut = run("meter", "samples", "--store", place, "--limit", 2)
    assert "flavor.vcpus=1 n=20" in cut.stdout
    assert "there are more" in cut.stderr
    assert "--all" in run("meter", "samples", "--store", place, "--all", code=2).stderr
    assert "--begin" in run("meter", "samples", "--store", place, "--begin", "x", code=2).stderr
    assert "KEY=VALUE" in run("meter", "samples", "--store", place, "--metadata", "x", code=2).stderr


# -- statistics ----------------------------------------------------------------------------------------------------------


def test_statistics(run, place):
    ask = ("meter", "statistics", "--store", place, "--meter", "m0")
    (row,) = json.loads(run(*ask, "--format", "json").stdout)
    assert (row["min"], row["max"], row["sum"], row["avg"], row["count"], row["unit"]) == (0, 10, 30, 5, 6, "%")
    assert row["period_start"] == "2026-01-01T00:00:00Z"
    table = run(*ask).stdout
    assert "period_start, UTC" in table
    assert " 30 " in table
    by = run(*ask, "--period", "5m", "--groupby", "resource_id", "--aggregate", "count,max", "--format", "csv").stdout
    assert by.splitlines()[0] == "period_start,period_end,resource_id,unit,count,max"
    assert sorted(line.split(",", 2)[2] for line in by.splitlines()[1:]) == sorted(
        ["r0,%,2,4.0", "r2,%,1,2.0", "r0,%,1,8.0", "r2,%,1,6.0", "r2,%,1,10.0"]
    )
    different = run(*ask, "--aggregate", "cardinality/resource_id", "--aggregate", "stddev", "--format", "json").stdout
    assert json.loads(different)[0]["aggregate"] == {"cardinality/resource_id": 2, "stddev": pytest.approx(3.4156502553198664)}
    bounded = run(*ask, "--begin", "2026-01-01T00:04+00:00", "--end", "2026-01-01T00:08", "--format", "json").stdout
    assert [row["sum"] for row in json.loads(bounded)] == [10]
    typed = run(*ask, "--metadata", "n=4", "--format", "json").stdout
    assert [row["count"] for row in json.loads(typed)] == [1]
    assert run(*ask, "--begin", "2027-01-01").stderr == "note: no samples found\n"


def test_statistics_that_cannot_be_meant(run, place):
    assert (
        "--meter NAME is required; `undercroft meter list --unique` lists the names"
        in run("meter", "statistics", "--store", place, code=2).stderr
    )
    ask = ("meter", "statistics", "--store", place, "--meter", "m0")
    assert "did you mean 'resource_id'" in run(*ask, "--groupby", "resource_ids", code=2).stderr
    assert "unknown function 'mean'" in run(*ask, "--aggregate", "mean", code=2).stderr
    assert "cardinality" in run(*ask, "--aggregate", "cardinality", code=2).stderr
    run(*ask, "--period", "5x", code=2)


def test_sums_are_exact_and_a_table_rounds(run, other):
    with opened(other) as store:
        cpu = {"counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns"}
        store.record_metering_data_batch([made(n, **cpu, counter_volume=LARGE) for n in range(3)])
        store.record_metering_data_batch([made(n, counter_name="f", counter_volume=1 / 3) for n in range(3, 6)])
    ask = ("meter", "statistics", "--store", other, "--meter")
    assert f'"sum": {3 * LARGE}' in run(*ask, "cpu", "--format", "json").stdout
    assert f"{3 * LARGE:,}" in run(*ask, "cpu").stdout
    assert f",{1 / 3!r}," in run(*ask, "f", "--format", "csv").stdout
    assert "0.333333" in run(*ask, "f").stdout
    assert repr(1 / 3) not in run(*ask, "f").stdout


# -- export and import -----------------------------------------------------------------------------------------------------


def strange(url):
    """Samples that a format could lose something of."""
    with opened(url) as store:
        store.record_metering_data_batch(
            [
                made(
                    20, counter_name=TEXT, counter_volume=LARGE, resource_id="'=x", project_id='a,"b"\r\nc', message_signature="\tx"
                ),
                made(21, counter_volume=7, counter_unit="", source=None, resource_metadata={"a": {"b": [1, None, "=x"]}}),
                made(22, counter_volume=7.0, timestamp=START + dt.timedelta(microseconds=1), user_id="-1"),
                made(23, counter_volume=-0.1, resource_metadata={}),
            ]
        )


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_is_exported_is_imported_again(run, place, other, tmp_path, form):
    strange(place)
    told = run("meter", "export", tmp_path / "out", "--store", place, "--format", form).stdout
    file = tmp_path / "out" / f"samples.{form}"
    assert told == f"{tmp_path}/out/samples.{form}: 16 samples, {file.stat().st_size:,} bytes\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("meter", "import", file, "--store", other).stdout.startswith(f"{file}: 16 samples stored, 0 already there, ")
    assert everything(other) == everything(place)
    assert [type(everything(other)[key]["counter_volume"]) for key in ("id20", "id21", "id22")] == [int, int, float]
    assert ": 0 samples stored, 16 already there, " in run("meter", "import", file, "--store", other).stdout


@pytest.mark.promise("S14")
def test_files(run, place, tmp_path):
    folder = tmp_path / "out"
    ask = ("meter", "export", folder, "--store", place)
    run(*ask, "--format", "jsonl", "--meter", "m1", "--begin", "2026-01-01T00:04", "--name", "part")
    lines = (folder / "part.jsonl").read_text().splitlines()
    assert [json.loads(line)["message_id"] for line in lines] == ["id05", "id07", "id09", "id11"]
    strange(place)
    run(*ask, "--format", "parquet")
    rows = {row["message_id"]: row for row in pyarrow.parquet.read_table(folder / "samples.parquet").to_pylist()}
    assert rows["id20"]["counter_volume"] == float(LARGE)
    assert rows["id20"]["counter_volume_integer"] == str(LARGE)
    assert (rows["id21"]["counter_volume"], rows["id21"]["counter_volume_integer"]) == (7.0, "7")
    assert json.loads(rows["id21"]["resource_metadata"]) == {"a": {"b": [1, None, "=x"]}}
    assert rows["id22"]["timestamp"] == (START + dt.timedelta(microseconds=1)).replace(tzinfo=dt.UTC)
    for name in ("../x", "", ".x"):
        run(*ask, "--name", name, code=2)
    (tmp_path / "link").symlink_to(folder)
    run("meter", "export", tmp_path / "link", "--store", place, code=2)


def test_an_export_that_breaks_off_leaves_the_older_file(run, place, tmp_path, monkeypatch):
    ask = ("meter", "export", tmp_path / "out", "--store", place)
    run(*ask)
    file = tmp_path / "out" / "samples.jsonl"
    before = file.read_bytes()
    samples = list(Store.query_samples(undercroft.connect("metering", place), None, [{"timestamp": "asc"}]))

    def broken(*_, **__):
        yield from samples[:5]
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "query_samples", broken)
    assert "interrupted" in run(*ask, code=130).stderr
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == before


def test_a_signal_leaves_nothing_of_an_export(run, other, tmp_path):
    with opened(other) as store:
        for first in range(0, 40_000, 2_000):
            store.store_samples([made(0, message_id=f"id{n}") for n in range(first, first + 2_000)])
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "undercroft.cli.main", "meter", "export", str(folder), "--store", other]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    pause = threading.Event()
    while process.poll() is None and not any(path.stat().st_size for path in folder.glob(".*")):
        pause.wait(0.002)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told.splitlines()[0]) == (130, "interrupted")
    assert list(folder.iterdir()) == []


def test_the_forms_of_ceilometer(run, other):
    common = {"user_id": "u", "project_id": "p", "resource_id": "r", "source": "openstack"}
    lines = [
        {
            **common, "name": "cpu", "type": "cumulative", "unit": "ns", "volume": LARGE, "user_name": "alice",
            "project_name": None, "timestamp": "2026-01-01T01:00:00+01:00", "resource_metadata": {"a": 1}, "id": "one",
            "monotonic_time": None,
        },
        {
            **common, "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns", "counter_volume": 1.5,
            "timestamp": "2026-01-01T00:00:00", "resource_metadata": {}, "message_id": "two", "recorded_at": "2026-01-01T00:00:01",
        },
        {
            **common, "meter": "cpu", "type": "cumulative", "unit": "ns", "volume": 3, "timestamp": "2026-01-01T00:00:00.5",
            "metadata": {"b": "2"}, "id": "three", "recorded_at": None,
        },
    ]  # fmt: skip
    text = "\n".join(json.dumps(line) for line in lines)
    assert run("meter", "import", "-", "--store", other, stdin=text).stdout.startswith("stdin: 3 samples stored")
    found = everything(other)
    assert {key: sample["counter_volume"] for key, sample in found.items()} == {"one": LARGE, "two": 1.5, "three": 3}
    assert found["one"]["timestamp"] == START
    assert found["one"]["resource_metadata"] == {"a": 1, "user_name": "alice"}


def jsonl(path: pathlib.Path, *lines: int | str) -> pathlib.Path:
    """Write samples, by their numbers, and other lines to a file."""
    with opened_memory() as store:
        path.write_text("".join((line if isinstance(line, str) else text_of(store, line)) + "\n" for line in lines))
    return path


@contextlib.contextmanager
def opened_memory():
    with contextlib.closing(undercroft.connect("metering", "sqlite://")) as store:
        store.upgrade()
        yield store


def text_of(store, number: int) -> str:
    store.record_metering_data(made(number))
    (sample,) = store.get_samples(SampleFilter(message_id=f"id{number:02}"))
    return json.dumps(wire.serialize(sample))


BAD = ["{", "5", '{"a": 1}', '{"counter_name": "x"}', "[" * 5_000]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_an_import_stops_at_a_bad_line(run, other, tmp_path, bad):
    file = jsonl(tmp_path / "s.jsonl", 0, 1, bad, 2)
    message = run("meter", "import", file, "--store", other, code=2).stderr
    assert f"error: {file}:3: " in message
    assert f"note: 2 samples of {file} stored, 0 already there; mend line 3, or pass over bad lines with --skip-bad" in message
    assert set(everything(other)) == {"id00", "id01"}
    file.write_text(file.read_text().replace(bad + "\n", ""))
    assert run("meter", "import", file, "--store", other).stdout.startswith(
        f"{file}: 1 sample stored, 0 already there, 2 by an earlier run, "
    )
    assert not pathlib.Path(f"{file}.import-state").exists()


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (gzip.compress(b"{}"), "is compressed by gzip: pass on what `zcat` gives"),
        (b"PAR1\0\n", "is a Parquet file: JSON lines and CSV"),
    ],
    ids=["gzip", "parquet"],
)
def test_a_file_that_is_not_text_is_told_at_once(run, other, tmp_path, head, told):
    file = tmp_path / "s.jsonl"
    file.write_bytes(head)
    for more in ((), ("--skip-bad",)):
        message = run("meter", "import", file, *more, "--store", other, code=2).stderr
        assert message.startswith(f"error: {file}: {told}")
        assert message.count("\n") == 1
    assert not pathlib.Path(f"{file}.refused.jsonl").exists()


def test_bad_lines_are_passed_over_and_reported(run, other, tmp_path):
    not_storable = json.dumps({**json.loads('{"name": "x", "type": "level", "unit": "", "volume": 1}'), "resource_id": "r",
                               "timestamp": "2026-01-01", "id": "x"})  # fmt: skip
    file = jsonl(tmp_path / "s.jsonl", 0, *BAD, 1, not_storable, 2)
    (out,) = json.loads(run("meter", "import", file, "--skip-bad", "--format", "json", "--store", other, code=1).stdout)
    assert out.pop("seconds") >= 0
    assert out == {
        "file": str(file), "stored": 3, "known": 0, "skipped": 0, "refused": 6, "report": f"{file}.refused.jsonl",
    }  # fmt: skip
    rows = [json.loads(line) for line in pathlib.Path(f"{file}.refused.jsonl").read_text().splitlines()]
    assert [(row["line"], row["content"]) for row in rows] == [*((n, bad) for n, bad in enumerate(BAD, start=2)), (8, not_storable)]
    assert "counter_type" in rows[-1]["reason"]


def test_bad_rows_of_csv(run, place, other, tmp_path):
    run("meter", "export", tmp_path, "--store", place, "--format", "csv")
    file = tmp_path / "samples.csv"
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([header, rows[0], "1,2", rows[1].replace("gauge", "level"), '"open', rows[2], rows[3] + ",x"]) + "\n")
    run("meter", "import", file, "--store", other, "--skip-bad", code=1)
    assert set(everything(other)) == {"id00", "id02"}
    reasons = [json.loads(line) for line in pathlib.Path(f"{file}.refused.jsonl").read_text().splitlines()]
    assert [row["line"] for row in reasons] == [3, 4, 5, 7]
    for bad, told in (
        (header + ",x", "unknown column 'x'"),
        ("message_id", "misses counter_name"),
        (f"{header},source", "more than once"),
    ):
        file.write_text(f"{bad}\n")
        assert told in run("meter", "import", file, "--store", other, code=2).stderr


# -- imports that break off --------------------------------------------------------------------------------------------------


def test_an_import_goes_on_where_it_broke_off(run, other, tmp_path, monkeypatch):
    file = jsonl(tmp_path / "s.jsonl", *range(6), "{", *range(6, 12))
    monkeypatch.setattr("undercroft.cli.importing._AT_ONCE", 3)
    store, calls = Store.store_samples, []

    def twice(self, samples):
        calls.append(len(samples))
        if len(calls) == 3:
            raise Unavailable("away")
        return store(self, samples)

    monkeypatch.setattr(Store, "store_samples", twice)
    ask = ("meter", "import", file, "--skip-bad", "--store", other)
    assert "6 samples of" in run(*ask, code=75).stderr
    state = json.loads(pathlib.Path(f"{file}.import-state").read_text())
    assert (state["line"], state["stored"], state["last"]) == (6, 6, "id05")
    (out,) = json.loads(run(*ask, "--format", "json", code=1).stdout)
    assert (out["skipped"], out["stored"], out["known"], out["refused"]) == (6, 6, 0, 1)
    assert len(everything(other)) == 12
    assert not pathlib.Path(f"{file}.import-state").exists()


def test_a_checkpoint_that_does_not_fit_is_refused(run, place, other, tmp_path):
    file = jsonl(tmp_path / "s.jsonl", *range(4), "{")
    ask = ("meter", "import", file, "--store")
    run(*ask, other, code=2)
    kept = pathlib.Path(f"{file}.import-state").read_text()
    assert "began in" in run(*ask, place, code=2).stderr
    changed = file.with_name("changed.jsonl")
    changed.write_text(file.read_text().replace("m1", "m2"))
    pathlib.Path(f"{changed}.import-state").write_text(kept)
    assert "has changed since the import broke off" in run("meter", "import", changed, "--store", other, code=2).stderr
    with opened(other) as store:
        store.clear()
    assert "does not have the last of these samples; --restart" in run(*ask, other, code=2).stderr
    pathlib.Path(f"{file}.import-state").write_text("{")
    assert "--restart begins anew" in run(*ask, other, code=2).stderr
    file = jsonl(file, *range(4))
    assert ": 4 samples stored" in run(*ask, other, "--restart").stdout
    state = tmp_path / "elsewhere"
    assert "--state is for one input" in run(*ask, other, "--state", state, file, code=2).stderr
    run("meter", "import", "--state", state, "--store", other, stdin=file.read_text() + "{\n", code=2)
    assert json.loads(state.read_text())["known"] == 4


@pytest.mark.promise("D2")
def test_killed_in_the_middle_every_sample_is_there_once(run, other, tmp_path):
    line = (
        '{{"name": "m", "type": "gauge", "unit": "", "volume": {0}, "resource_id": "r", "timestamp": "2026-01-01", "id": "{0}"}}\n'
    )
    file = tmp_path / "s.jsonl"
    file.write_text("".join(line.format(n) for n in range(20_000)))
    state = pathlib.Path(f"{file}.import-state")
    command = [sys.executable, "-m", "undercroft.cli.main", "meter", "import", str(file), "--store", other]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pause = threading.Event()
    while process.poll() is None and not state.exists():
        pause.wait(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL, "the import ended before it could be killed"
    done = json.loads(state.read_text())
    (out,) = json.loads(run("meter", "import", file, "--store", other, "--format", "json").stdout)
    # The batch that was under way may have been stored before it was noted.
    assert out["skipped"] == done["stored"]
    assert out["skipped"] + out["stored"] + out["known"] == 20_000
    assert out["known"] in (0, 2_000)
    with opened(other) as store:
        assert store.count_samples() == 20_000


# -- expiry --------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("later")
def test_expiry(run, place, monkeypatch):
    expire = ("meter", "expire", "--store", place)
    assert "everything is kept: [metering] time_to_live" in run(*expire).stdout
    half_goes(run, expire, "samples", "taken", lambda: len(everything(place)))
    monkeypatch.setenv("UNDERCROFT_METERING__TIME_TO_LIVE", "56m")
    settings.current.cache_clear()
    done = run("worker", "--kind", "metering", "--store", place, "--once").stderr
    assert "samples that are older than [metering] time_to_live are being deleted" in done
    assert "expired samples are deleted" in done
    assert "pre-aggregates are up to date" in done
    assert set(everything(place)) == {"id10", "id11"}
    resources = json.loads(run("meter", "resources", "--store", place, "--format", "json").stdout)
    assert [row["resource_id"] for row in resources] == ["r2", "r3"]


@pytest.mark.usefixtures("later")
def test_the_worker_s_intervals(run, place, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_WORKER__MAINTAIN_INTERVAL", "0")
    settings.current.cache_clear()
    done = run("worker", "--store", f"metering={place}", "--once").stderr
    assert "metering.expire" in done
    assert "metering.maintain" not in done


# -- what is shared by all kinds --------------------------------------------------------------------------------------------


def test_the_shared_commands_know_the_kind(run, place, tmp_path, monkeypatch):
    assert run("db", "check", "--store", f"metering={place}").stdout.startswith("metering: current, ")
    checks = {one["check"]: one for one in json.loads(run("doctor", "--store", f"metering={place}", "--format", "json").stdout)}
    assert "of 2 meters, the first of 2026-01-01" in checks["samples"]["found"]
    assert checks["retention"]["found"] == "everything is kept"
    monkeypatch.setenv("UNDERCROFT_METERING__CONNECTION", place)
    settings.current.cache_clear()
    shown = {f"{one['group']}.{one['option']}": one for one in json.loads(run("config", "show", "--format", "json").stdout)}
    assert shown["metering.connection"]["origin"] == "environment"
    assert {"metering.time_to_live", "metering.default_limit", "metering.on_error"} <= set(shown)
    assert "metering.maintain updates the pre-aggregates" in " ".join(run("worker", "--help").stdout.split())
    assert len(run("meter", "samples", "--format", "jsonl").stdout.splitlines()) == 12
    nowhere = f"sqlite:///{tmp_path}/none.db"
    assert "there are no metering tables" in run("db", "check", "--store", f"metering={nowhere}", code=1).stdout
    assert "undercroft db upgrade" in run("meter", "list", "--store", nowhere, code=2).stderr


@pytest.mark.usefixtures("later")
def test_the_doctor_tells_what_should_be_gone(run, place, monkeypatch):
    monkeypatch.setenv("UNDERCROFT_METERING__TIME_TO_LIVE", "1h")
    settings.current.cache_clear()
    found = json.loads(run("doctor", "--store", f"metering={place}", "--format", "json", code=1).stdout)
    (retention,) = [one for one in found if one["check"] == "retention"]
    assert retention["level"] == "warning"
    assert "6 of 12 (50 %) samples" in retention["found"]


@pytest.mark.usefixtures("later")
def test_an_expiry_that_breaks_off_says_what_is_gone(run, place, monkeypatch):
    with opened(place) as store:
        for hours in (1, 2, 3):
            store.record_metering_data(made(0, message_id=f"old{hours}", timestamp=START - dt.timedelta(hours=hours)))
    delete, turns = Store.expire_part, []

    def interrupted(self, ttl):
        turns.append(ttl)
        if len(turns) == 3:
            raise KeyboardInterrupt
        return delete(self, ttl)

    ask = ("meter", "expire", "--store", place, "--older-than", "1h", "--yes")
    monkeypatch.setattr(Store, "expire_part", interrupted)
    assert "note: 2 samples deleted; the same command continues" in run(*ask, code=130).stderr
    assert set(everything(place)) == {"old1", *(f"id{n:02}" for n in range(12))}
    monkeypatch.setattr(Store, "expire_part", delete)
    assert run(*ask, "--most", 2).stdout == "deleted 2 samples\n"
    assert run(*ask).stdout == "deleted 5 samples\n"
    assert set(everything(place)) == {f"id{n:02}" for n in range(6, 12)}
