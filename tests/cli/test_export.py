"""`undercroft rating export`: whole files only, a resumed export is the same as one run, and nothing outside of the folder."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import pathlib
import resource
import signal
import stat
import subprocess
import sys
import threading
from decimal import Decimal

import msgspec
import pyarrow.parquet
import pytest

import undercroft
from undercroft.cli.folder import Folder
from undercroft.core.errors import ConfigInvalid, Conflict
from undercroft.rating import DataFrame, DataPoint

pytestmark = pytest.mark.one_per_family

RANGE = ("--begin", "2026-01-01", "--end", "2026-02-01")
FORMATS = ("jsonl", "csv", "parquet")
decode = msgspec.json.Decoder(float_hook=Decimal).decode


@pytest.fixture
def filled(storage, frame):
    """Three days and a bit, two points an hour; then a gap; then an hour of the 20th."""
    hours = [*range(75), 19 * 24 + 23]
    storage.push([frame(hour, "a", "b", price="0.123456789012345678") for hour in hours])
    return storage


def files(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def manifest(folder: pathlib.Path):
    return decode((folder / "manifest.json").read_bytes())


def rows(folder: pathlib.Path, form: str) -> list[tuple[object, ...]]:
    """What the files of an export hold, as far as every format tells."""
    found: list[tuple[object, ...]] = []
    for path in sorted(folder.glob(f"*.{form}")):
        if form == "parquet":
            table = pyarrow.parquet.read_table(path).to_pylist()
            places = [(row["begin"].isoformat(), row["type"], dict(row["groupby"])["id"]) for row in table]
            numbers = [(Decimal(row["qty"]), Decimal(row["price"])) for row in table]
            found += [(begin, type_, *pair, id_) for (begin, type_, id_), pair in zip(places, numbers, strict=True)]
        elif form == "csv":
            with path.open(newline="") as text:
                for r in csv.DictReader(text):
                    start = dt.datetime.fromisoformat(r["begin"]).isoformat()
                    found.append((start, r["type"], Decimal(r["qty"]), Decimal(r["price"]), r["groupby.id"]))
        else:
            for line in path.read_bytes().splitlines():
                one = DataFrame.from_dict(decode(line))
                found += [(one.start.isoformat(), type_, p.qty, p.price, p.groupby["id"]) for type_, p in one.iterpoints()]
    return found


def held(store) -> list[tuple[object, ...]]:
    month = (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    frames = store.retrieve(*month, paginate=False)["dataframes"]
    return [(f.start.isoformat(), type_, p.qty, p.price, p.groupby["id"]) for f in frames for type_, p in f.iterpoints()]


@pytest.mark.parametrize("form", FORMATS)
def test_every_point_is_in_the_file_of_its_day(run, url, filled, tmp_path, form):
    folder = tmp_path / "out"
    out = run("rating", "export", folder, "--store", url, *RANGE, "--format", form).stdout
    assert out == f"{folder}: 152 points in 5 files; they cost 18.765431929876543056\n"
    names = [f"usage-2026-01-{day}.{form}" for day in ("01", "02", "03", "04", "20")]
    assert sorted(files(folder)) == ["manifest.json", *names]
    assert rows(folder, form) == held(filled)
    found = manifest(folder)
    assert found["complete"] is True
    assert (found["points"], found["qty"], found["price"]) == (152, 228, Decimal("18.765431929876543056"))
    for part in found["parts"]:
        content = (folder / part["file"]).read_bytes()
        assert (part["bytes"], part["digest"]) == (len(content), hashlib.blake2b(content, digest_size=32).hexdigest())
    assert [part["points"] for part in found["parts"]] == [48, 48, 48, 6, 2]


@pytest.mark.parametrize("form", FORMATS)
def test_only_the_owner_may_read(run, url, filled, tmp_path, form):
    folder = tmp_path / "out"
    run("rating", "export", folder, "--store", url, *RANGE, "--format", form)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_json_lines_come_back_as_they_were(run, url, filled, stored, tmp_path):
    folder = tmp_path / "out"
    run("rating", "export", folder, "--store", url, *RANGE)
    before = stored()
    filled.delete()
    run("rating", "push", *sorted(folder.glob("*.jsonl")), "--store", url)
    assert stored() == before


def test_selection_and_loose_edges(run, url, filled, tmp_path):
    folder = tmp_path / "out"
    bounds = ("--begin", "2026-01-01T22:00", "--end", "2026-01-03T02:00")
    found = decode(run("rating", "export", folder, "--store", url, *bounds, "--filter", "id=a", "--type", "cpu", "--json").stdout)
    assert found["points"] == 28
    assert [part["points"] for part in found["parts"]] == [2, 24, 2]
    assert found["parts"][-1]["end"] == "2026-01-03T02:00:00Z"
    assert found["asked"]["filters"] == {"id": ["a"]}


def test_nothing_to_export_is_a_complete_export(run, url, filled, tmp_path):
    for number, more in enumerate((("--begin", "2030-01-01", "--end", "2030-02-01"), (*RANGE, "--type", "none"))):
        folder = tmp_path / str(number)
        assert " 0 points in 0 files" in run("rating", "export", folder, "--store", url, *more).stdout
        assert manifest(folder)["complete"] is True


def test_in_a_store_with_days_of_its_own(run, tmp_path, frame):
    """A day begins at 18:30 UTC in Kolkata; files go by UTC all the same, and the last day is whole."""
    url = f"sqlite:///{tmp_path}/kolkata.db?timezone=Asia/Kolkata"
    store = undercroft.connect("rating", url)
    store.init()
    store.push([frame(hour, "a") for hour in range(40)])
    folder = tmp_path / "out"
    run("rating", "export", folder, "--store", url, *RANGE)
    assert [(part["file"], part["points"]) for part in manifest(folder)["parts"]] == [
        ("usage-2026-01-01.jsonl", 24),
        ("usage-2026-01-02.jsonl", 16),
    ]
    store.close()


# -- CSV and Parquet -------------------------------------------------------------------------------------------------


@pytest.mark.promise("S11")
def test_csv_guards_against_formulas(run, url, storage, frame, tmp_path):
    storage.push([frame(0, "=1+1", "@x", "plain")])
    for folder, more, ids in (("guarded", (), {"'=1+1", "'@x", "plain"}), ("raw", ("--raw",), {"=1+1", "@x", "plain"})):
        run("rating", "export", tmp_path / folder, "--store", url, *RANGE, "--format", "csv", *more)
        assert {row[-1] for row in rows(tmp_path / folder, "csv")} == ids


def test_parquet_keeps_every_digit(run, url, storage, tmp_path):
    """Each day has numbers of another width; a column is text only where no decimal of 38 digits holds them all."""
    prices = {
        1: ["12345678901234567890.123456789012345678", "-0.000000000000000001"],
        2: ["0.0000000000000000000000000001", "1234567890"],
        3: ["0.12345678901234567890123456789012345678"],
        4: ["0.12345678901234567890123456789012345678", "12345678901234567890"],
        5: ["0"],
    }
    for day, texts in prices.items():
        start = dt.datetime(2026, 1, day, tzinfo=dt.UTC)
        points = [DataPoint("h", 1, text, {"id": str(number)}, {"n": number, "t": None}) for number, text in enumerate(texts)]
        storage.push([DataFrame(start, start + dt.timedelta(hours=1), {"cpu": points})])
    folder = tmp_path / "out"
    run("rating", "export", folder, "--store", url, *RANGE, "--format", "parquet")
    types = [str(pyarrow.parquet.read_schema(path).field("price").type) for path in sorted(folder.glob("*.parquet"))]
    assert types == ["decimal128(38, 18)", "decimal128(38, 28)", "decimal128(38, 38)", "string", "decimal128(38, 18)"]
    assert [row[3] for row in rows(folder, "parquet")] == [Decimal(text) for texts in prices.values() for text in texts]
    one = pyarrow.parquet.read_table(folder / "usage-2026-01-01.parquet")
    assert str(one.schema.field("begin").type) == "timestamp[us, tz=UTC]"
    assert dict(one.to_pylist()[1]["metadata"]) == {"n": "1", "t": "null"}


def test_parquet_without_its_library(url, tmp_path):
    code = "import sys; sys.modules['pyarrow'] = None; from undercroft.cli.main import root; root(sys.argv[1:])"
    command = [sys.executable, "-c", code, "rating", "export", str(tmp_path / "out"), "--store", url, "--format", "parquet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'undercroft[parquet]'" in done.stderr
    assert not (tmp_path / "out").exists()


# -- going on --------------------------------------------------------------------------------------------------------


@pytest.mark.promise("D2")
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_killed_again_and_again_it_ends_as_one_run_would(run, url, storage, frame, tmp_path, form):
    storage.push([frame(hour, *(f"vm-{n}" for n in range(8))) for hour in range(30 * 24)])
    whole, folder = tmp_path / "whole", tmp_path / "out"
    run("rating", "export", whole, "--store", url, *RANGE, "--format", form)
    command = [
        sys.executable,
        "-m",
        "undercroft.cli.main",
        "rating",
        "export",
        str(folder),
        "--store",
        url,
        *RANGE,
        "--format",
        form,
    ]
    pause = threading.Event()

    def complete() -> int:
        try:
            return len(manifest(folder)["parts"])
        except FileNotFoundError:
            return 0

    for more in (2, 5, 9):
        before = complete()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and complete() < before + more:
            pause.wait(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL, "it ended before it could be killed"
        # Whatever has its name is whole: the same bytes as in the other folder.
        assert all(content == (whole / name).read_bytes() for name, content in files(folder).items() if name.startswith("usage-"))
        assert manifest(folder)["complete"] is False
    message = run("rating", "export", folder, "--store", url, *RANGE, "--format", form).stderr
    assert " points from an earlier run; --restart" in message
    assert files(folder) == files(whole)


def test_a_complete_export_is_left_alone_and_restart_writes_it_anew(run, url, filled, frame, tmp_path):
    folder = tmp_path / "out"
    export = ("rating", "export", folder, "--store", url, *RANGE)
    run(*export)
    before = files(folder)
    filled.push([frame(0, "new"), frame(24 * 25, "new")])
    run(*export)
    assert files(folder) == before
    filled.delete(dt.datetime(2026, 1, 2, tzinfo=dt.UTC), dt.datetime(2026, 1, 3, tzinfo=dt.UTC))
    run(*export, "--restart")
    assert [part["file"][10:16] for part in manifest(folder)["parts"]] == ["-01-01", "-01-03", "-01-04", "-01-20", "-01-26"]
    assert len(files(folder)) == 6
    assert rows(folder, "jsonl") == held(filled)


def test_another_export_may_not_go_into_the_same_folder(run, url, filled, tmp_path):
    folder = tmp_path / "out"
    run("rating", "export", folder, "--store", url, *RANGE)
    before = files(folder)
    for more in (("--format", "csv"), ("--type", "cpu"), ("--begin", "2026-01-02")):
        message = run("rating", "export", folder, "--store", url, *RANGE, *more, code=2).stderr
        assert "holds an export of something else" in message
    assert files(folder) == before


def test_a_file_that_was_changed_is_noticed(run, url, filled, tmp_path):
    folder = tmp_path / "out"
    run("rating", "export", folder, "--store", url, *RANGE)
    with (folder / "usage-2026-01-02.jsonl").open("a") as file:
        file.write("more")
    assert "usage-2026-01-02.jsonl is not as" in run("rating", "export", folder, "--store", url, *RANGE, code=2).stderr


def test_a_folder_of_other_things_is_not_written_to(run, url, filled, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "is not empty" in run("rating", "export", tmp_path, "--store", url, *RANGE, code=2).stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    assert "no manifest" in run("rating", "export", tmp_path / "other", "--store", url, *RANGE, code=2).stderr


@pytest.mark.promise("D6")
def test_where_no_more_may_be_written_whole_files_stay_and_it_goes_on(run, url, storage, frame, tmp_path):
    """A limit on the size of files, which a day of many points breaks."""
    storage.push([frame(0, "a"), frame(30, *(f"vm-{n}" for n in range(900)))])
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "undercroft.cli.main", "rating", "export", str(folder), "--store", url, *RANGE]

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert sorted(files(folder)) == ["manifest.json", "usage-2026-01-01.jsonl"]
    run("rating", "export", folder, "--store", url, *RANGE)
    assert rows(folder, "jsonl") == held(storage)


# -- nothing outside of the folder -----------------------------------------------------------------------------------


@pytest.mark.promise("S14")
def test_no_link_is_followed(run, url, filled, tmp_path):
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    victim = elsewhere / "victim"
    victim.write_text("keep me")
    folder.symlink_to(elsewhere)
    assert "symbolic link" in run("rating", "export", folder, "--store", url, *RANGE, code=2).stderr
    folder.unlink()
    folder.mkdir()
    (folder / ".usage-2026-01-01.jsonl.part").symlink_to(victim)
    (folder / ".manifest.json.part").symlink_to(victim)
    run("rating", "export", folder, "--store", url, *RANGE)
    assert victim.read_text() == "keep me"
    assert not any(path.is_symlink() for path in folder.iterdir())
    part = folder / "usage-2026-01-02.jsonl"
    part.unlink()
    part.symlink_to(victim)
    run("rating", "export", folder, "--store", url, *RANGE, "--restart")
    assert victim.read_text() == "keep me"
    assert not part.is_symlink()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["victim"]


@pytest.mark.promise("S14")
def test_a_manifest_cannot_have_others_removed(run, url, filled, tmp_path):
    folder = tmp_path / "out"
    run("rating", "export", folder, "--store", url, *RANGE)
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("usage-2026-01-01.jsonl", "../victim"))
    run("rating", "export", folder, "--store", url, *RANGE, "--restart")
    assert victim.read_text() == "keep me"


@pytest.mark.promise("S14")
def test_a_link_in_the_folders_place_leads_nothing_away(tmp_path):
    path, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Folder(str(path)) as folder, folder.file("one") as out:
        path.rename(tmp_path / "moved")
        path.symlink_to(elsewhere)
        out.write(b"1")
    assert files(tmp_path / "moved") == {"one": b"1"}
    assert files(elsewhere) == {}


def test_a_folder_is_for_one_at_a_time(tmp_path):
    with Folder(str(tmp_path / "out")), pytest.raises(Conflict):
        Folder(str(tmp_path / "out"))
    with pytest.raises(ZeroDivisionError), Folder(str(tmp_path / "out")) as again, again.file("one") as out:
        out.write(bytes(1 // 0))
    assert files(tmp_path / "out") == {}
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigInvalid):
        Folder(str(tmp_path / "file"))
    (tmp_path / "out" / "link").symlink_to(tmp_path / "file")
    with Folder(str(tmp_path / "out")) as folder, pytest.raises(OSError, match="link"):
        folder.read("link")
