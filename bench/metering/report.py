"""From results.json to a table, and to docs/metering-speed.md."""

from __future__ import annotations

import pathlib
from typing import Any

from bench.tables import HEAD, aligned, conditions, markdown, row

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
RESULTS = HERE / "results.json"
# Percent of the raw bulk rate; times as fast as Gnocchi; times the time of the smaller store; bytes.
SHARE, PER_RESOURCE, WISHED, ONE, GROWTH = 25, 10, 20, 5, 1.3
AIMED = ("1000000", "10000000")
# Percent of the raw bulk insert; times the memory at a tenth of the samples.
EXPORTED, FLAT = 50, 1.2
BYTES = {"sqlite": 110, "postgresql": 150}
BUSY = """ The machine did other work, too: compare what took turns (raw and ours, Gnocchi and ours), not absolute figures and not
the sizes of a store with each other."""
METHOD = """\
1,000 resources have 5 meters each, polled every 5 minutes: integers (those of `cpu` above 2^53) and floats, with metadata of 5 keys
and uuid1 message ids as Ceilometer makes them. Samples are stored in the order of time, 1,000 a call, which mixes all meters. The
time to make them is not counted.

- **ingest**: the raw bulk rate is the engine's own client writing the same rows, made before, into an identical empty table, with
  the same batches, commits, keys, indexes and conflict clause. Our driver then writes the same samples into another empty store,
  checks and dictionaries and the folding of every hour included. Both twice in turns; the faster counts.
- **http**: 16 connections post to the endpoint of Ceilometer's publisher: first empty lists, then one sample a request.
- **gnocchi**: a real Gnocchi 4.7.1 with its index in the same PostgreSQL and its files in memory, two metricd workers, an archive
  policy of 5 minutes and of a day: the day is one stored point of each aggregate, its fastest way to answer. Both give count, min,
  max, sum and mean of one meter for the day over HTTP, JSON parsed, in turns; each answer is compared with plain arithmetic first.
- **growth**: questions to the library about the first hours and the newest samples, with other values each time: the median.
- **bytes**: all tables and indexes after the load, divided by samples.
- **export**: the target of the [export worker](bi.md) stores pages of 1,000 samples of one meter, each in a transaction with its
  point. The raw bulk insert is the engine's own client inserting the same rows into an identical empty table, with the same
  batches, commits, keys and indexes, passing over ids that are there. Where a client makes SQL text of values, this is
  counted; a second figure is without it. Reading from the API is not counted. Twice in turns; the faster counts.
- **export-memory**: the whole worker, a process of its own, reads one meter from an API whose samples are made by a formula, by
  complex queries of 1,000 samples, into a SQLite file: its highest resident memory after a tenth of the samples, and after all.
"""


def rows(results: dict[str, Any]) -> list[list[str]]:
    """What was measured, with its aim."""
    found: list[list[str]] = []
    for part, make in _PARTS.items():
        if part in results:
            found += make(results[part]["engines"])
    return found


def _ingest(engines: dict[str, Any]) -> list[list[str]]:
    found = []
    for engine, each in engines.items():
        share = each["folded"] / each["raw"] * 100
        found += [
            row(engine, f"raw bulk rate, {each['samples']:,} samples, 1,000 a call, samples/s", each["raw"]),
            row(engine, "our driver, samples/s", each["ours"]),
            row(engine, "our driver with the folding of every hour, samples/s", each["folded"]),
            row(engine, "in % of the raw bulk rate", share, f"{SHARE}", met=share >= SHARE),
        ]
    return found


def _http(engines: dict[str, Any]) -> list[list[str]]:
    found = []
    for engine, each in engines.items():
        found += [
            row(engine, "single samples over HTTP, 16 senders, samples/s", each["single"]),
            row(engine, "the same requests without a sample, requests/s", each["nothing"]),
            row(engine, "single samples in % of these", each["single"] / each["nothing"] * 100),
        ]
    return found


def _gnocchi(engines: dict[str, Any]) -> list[list[str]]:
    theirs = engines["gnocchi"]
    found = []
    for engine, each in engines.items():
        found += [
            row(engine, f"{each['samples']:,} samples stored and aggregated, samples/s", each["samples"] / each["fill"]),
            row(engine, "statistics of a day over HTTP, 1,000 resources, per resource, ms", each["per resource"] * 1e3),
        ]
        if each is not theirs:
            times = theirs["per resource"] / each["per resource"]
            found.append(row(engine, "times as fast as Gnocchi", times, f"{PER_RESOURCE} ({WISHED})", met=times >= PER_RESOURCE))
        found.append(row(engine, "the same of one resource, ms", each["one"] * 1e3))
        if each is theirs:
            found.append(row(engine, "1,000 resources, the mean alone, ms", each["mean"] * 1e3))
        else:
            times = theirs["one"] / each["one"]
            found.append(row(engine, "times as fast as Gnocchi", times, f"{ONE}", met=times >= ONE))
    return found


def _growth(engines: dict[str, Any]) -> list[list[str]]:
    found = []
    for engine, sizes in engines.items():
        (small, first), (large, last) = sorted(sizes.items(), key=lambda each: int(each[0]))
        found += [row(engine, f"ingest up to {int(size):,} samples, samples/s", each["rate"]) for size, each in sizes.items()]
        for question, seconds in last["ask"].items():
            times = seconds / first["ask"][question]
            told = f"{question}: {int(small):,} samples, ms", f"{question}: {int(large):,} samples, ms", "times as long"
            found += [
                row(engine, told[0], first["ask"][question] * 1e3),
                row(engine, told[1], seconds * 1e3),
                # The aim is about these sizes only.
                row(engine, told[2], times, **({"aim": f"{GROWTH:g}", "met": times <= GROWTH} if (small, large) == AIMED else {})),
            ]
    return found


def _bytes(engines: dict[str, Any]) -> list[list[str]]:
    found = []
    for engine, each in engines.items():
        for ids in ("uuid1", "uuid4"):
            told, most = each[ids], BYTES.get(engine) if ids == "uuid1" else None
            aim = {} if most is None else {"aim": f"{most}", "met": told["total"] <= most}
            found.append(row(engine, f"bytes a sample, {each['samples']:,} samples, {ids}", told["total"], **aim))
            parts = sorted(told["parts"].items(), key=lambda part: -part[1])
            found += [row(engine, f"{ids}: {name}", size) for name, size in parts if size >= 1]
        found += [row(engine, f"a row's column {name}", size) for name, size in each["uuid1"]["columns"].items()]
    return found


def _export(engines: dict[str, Any]) -> list[list[str]]:
    found = []
    for engine, each in engines.items():
        share = each["ours"] / each["raw"] * 100
        found += [
            row(engine, f"raw bulk insert, {each['samples']:,} samples, 1,000 a transaction, samples/s", each["raw"]),
            row(engine, "the worker's target with its points, samples/s", each["ours"]),
            row(engine, "in % of the raw bulk insert", share, f"{EXPORTED}", met=share >= EXPORTED),
        ]
        if "text" in each:
            found += [
                row(engine, "raw bulk insert of SQL text that was made before, samples/s", each["text"]),
                row(engine, "in % of this", each["ours"] / each["text"] * 100),
            ]
    return found


def _memory(engines: dict[str, Any]) -> list[list[str]]:
    found = []
    for engine, each in engines.items():
        times = each["whole"] / each["tenth"]
        found += [
            row(engine, f"memory of the worker after {each['samples'] // 10:,} samples, MiB", each["tenth"] / 2**20),
            row(engine, f"after {each['samples']:,} samples, MiB", each["whole"] / 2**20),
            row(engine, "times as much", times, f"{FLAT:g}", met=times <= FLAT),
            row(engine, "read, stored and committed, samples/s", each["rate"]),
        ]
    return found


_PARTS = {
    "ingest": _ingest,
    "http": _http,
    "gnocchi": _gnocchi,
    "growth": _growth,
    "bytes": _bytes,
    "export": _export,
    "export-memory": _memory,
}


def text(results: dict[str, Any]) -> str:
    """The table for a terminal."""
    return aligned([HEAD, *rows(results)])


def page(results: dict[str, Any]) -> str:
    """docs/metering-speed.md."""
    found = []
    for part, make in _PARTS.items():
        if part not in results:
            continue
        run = results[part]
        busy = "" if max(run["load"]) <= run["machine"]["processors"] else BUSY
        body = markdown([HEAD, *make(run["engines"])])
        found.append(f"""## {part}

`make bench-metering ARGS='{run["arguments"]}'`, {conditions(run)}{busy}

{body}""")
    head = "# Speed of the store of samples\n\n<!-- Generated by make bench-metering from bench/metering/results.json. -->\n"
    return "\n".join([head, METHOD, *found])
