"""`undercroft rating export`: rated usage to files, one a day, so that a broken export goes on with the day it was at."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import importlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Unpack

import msgspec
import rich_click as click

from undercroft.cli import exporting, stores
from undercroft.cli.rating import selection
from undercroft.core.plural import number

if TYPE_CHECKING:
    from undercroft.cli.folder import Folder
    from undercroft.rating import BaseStorage, DataFrame

    Write = Callable[[Iterable[DataFrame]], Iterator[bytes]]

MANIFEST = "manifest.json"
_DAY = dt.timedelta(days=1)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an export is of: a run goes on with an earlier one only when this is the same."""

    store: str
    begin: dt.datetime
    end: dt.datetime
    filters: dict[str, list[str]]
    types: list[str]
    resources: list[str]
    format: str
    raw: bool


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A complete file: the usage that starts in `[begin, end)`, what it adds up to, and BLAKE2b of its bytes."""

    file: str
    begin: dt.datetime
    end: dt.datetime
    points: int
    qty: Decimal
    price: Decimal
    bytes: int
    digest: str


class Manifest(msgspec.Struct, kw_only=True):
    """What a folder of an export holds.

    Attributes:
        asked: what the export is of.
        until: everything that starts before is in the parts; None before the first day is done.
        complete: the export is finished.
        points, qty, price: what all parts add up to.
    """

    asked: Asked
    until: dt.datetime | None = None
    complete: bool = False
    points: int = 0
    qty: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    parts: list[Part] = []


@click.command()
@click.argument("folder", type=click.Path(file_okay=False))
@stores.option("rating")
@selection.which_options
@exporting.form("The files' format.")
@click.option("--raw", is_flag=True, help="CSV: leave text that a spreadsheet takes for a formula as it is.")
@click.option("--restart", is_flag=True, help="Write everything anew, whatever an earlier run has written.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
def export(
    folder: str, store: str | None, form: str, raw: bool, restart: bool, as_json: bool, **which: Unpack[selection.Which]
) -> None:
    """Write the usage of a period to files in FOLDER, one for each day (UTC) that has any.

    Each file appears whole or not at all, readable by its owner only, and holds one state of its day. FOLDER/manifest.json lists
    the complete ones with their sums. When the export breaks off, the same command goes on with the first day that is missing.
    Without --begin and --end, it is this month's usage. Parquet needs: pip install 'undercroft[parquet]'.

    \b
    Examples:
      undercroft rating export january --begin 2026-01-01 --end 2026-02-01
      undercroft rating export p1 --filter project_id=p1 --begin 2026-01-01 --format csv
      undercroft rating export lake --begin 2025-01-01 --end 2026-01-01 --format parquet --json
    """
    from undercroft.cli import output
    from undercroft.cli import state as states
    from undercroft.cli.folder import Folder
    from undercroft.rating import query

    write = _writer(form, raw)
    chosen = selection.which(which)
    url = stores.url(store, "rating")
    with stores.opened(url, "rating") as storage, Folder(folder) as target:
        begin, end = query.this_month(chosen["begin"], chosen["end"], storage.zone)
        asked = Asked(
            store=states.store_name(url), begin=begin, end=end, filters=chosen["filters"] or {},
            types=sorted(which["types"]), resources=sorted(which["resources"]), format=form, raw=raw,
        )  # fmt: skip
        manifest = _begun(target, asked, restart)
        resumed = manifest.points if manifest.until is not None else None
        if not manifest.complete:
            _run(storage, target, manifest, write)
    if as_json:
        click.echo(output.json_text(manifest))
        return
    if resumed is not None:
        click.echo(f"note: {number(resumed, 'points')} from an earlier run; --restart writes everything anew", err=True)
    price = output.number(manifest.price)
    click.echo(f"{folder}: {number(manifest.points, 'points')} in {number(len(manifest.parts), 'files')}; they cost {price}")


def _begun(target: Folder, asked: Asked, restart: bool) -> Manifest:
    """The manifest of an earlier run, or a fresh one.

    Raises:
        ConfigInvalid: the folder holds something else.
    """
    from undercroft.core.errors import ConfigInvalid

    found = target.read(MANIFEST)
    if found is None:
        if target.names():
            raise ConfigInvalid(f"{target.path}: is not empty, and no export has begun there; name an empty folder")
        return Manifest(asked=asked)
    try:
        manifest = msgspec.json.decode(found, type=Manifest)
    except msgspec.DecodeError as error:
        raise ConfigInvalid(f"{target.path}/{MANIFEST}: is no manifest of an export ({error})") from None
    if restart:
        target.remove(MANIFEST)
        for part in manifest.parts:
            # The name comes from a file: only one in this folder is meant.
            if "/" not in part.file:
                target.remove(part.file)
        return Manifest(asked=asked)
    if manifest.asked != asked:
        raise ConfigInvalid(f"{target.path}: holds an export of something else; name another folder, or --restart")
    broken = [part.file for part in manifest.parts if target.size(part.file) != part.bytes]
    if broken:
        raise ConfigInvalid(f"{target.path}: {broken[0]} is not as the manifest says; --restart writes everything anew")
    return manifest


def _run(storage: BaseStorage, target: Folder, manifest: Manifest, write: Write) -> None:
    """Write the days that are missing."""
    from undercroft.cli import progress
    from undercroft.rating.numbers import CONTEXT, plain

    asked = manifest.asked
    days = list(_days(storage, asked))
    missing = [day for day in days if manifest.until is None or day[1] > manifest.until]
    which: dict[str, Any] = {
        "filters": asked.filters or None, "metric_types": asked.types or None, "resource": asked.resources or None,
    }  # fmt: skip
    with progress.bar("Exporting days", len(days)) as show:
        for done, (begin, end) in enumerate(missing, start=len(days) - len(missing) + 1):
            part = _write_part(target, begin, end, storage.iter_frames(begin, end, **which), asked.format, write)
            if part is not None:
                manifest.parts.append(part)
                manifest.points += part.points
                manifest.qty = plain(CONTEXT.add(manifest.qty, part.qty))
                manifest.price = plain(CONTEXT.add(manifest.price, part.price))
                manifest.until = end
                _save(target, manifest)
            show(done, number(manifest.points, "points"))
    manifest.until, manifest.complete = asked.end, True
    _save(target, manifest)


def _save(target: Folder, manifest: Manifest) -> None:
    from undercroft.cli import output

    with target.file(MANIFEST) as out:
        out.write(output.json_text(manifest).encode() + b"\n")


def _days(storage: BaseStorage, asked: Asked) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """The UTC days of the period, its first and last perhaps in part, as far as there is usage."""
    bounds = storage.span()
    if bounds is None:
        return
    # Midnights, whatever the store's days are: a later run must come to the same days.
    begin, newest = max(asked.begin, _midnight(bounds[0])), _midnight(bounds[1])
    last = asked.end if asked.end - newest <= _DAY else newest + _DAY
    while begin < last:
        end = last if last - _midnight(begin) <= _DAY else _midnight(begin) + _DAY
        yield begin, end
        begin = end


def _midnight(moment: dt.datetime) -> dt.datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _write_part(
    target: Folder,
    begin: dt.datetime,
    end: dt.datetime,
    frames: Iterator[DataFrame],
    form: str,
    write: Write,
) -> Part | None:
    """One day's file; None, and no file, when it has no usage."""
    from undercroft.cli.rating.totals import Tally

    first = next(frames, None)
    if first is None:
        return None
    name = f"usage-{begin:%Y-%m-%d}.{form}"
    tally = Tally()
    hashed = hashlib.blake2b(digest_size=32)
    size = 0
    with target.file(name) as out:
        for part in write(map(tally.add, itertools.chain([first], frames))):
            out.write(part)
            hashed.update(part)
            size += len(part)
    totals = tally.totals()
    return Part(
        file=name, begin=begin, end=end, points=totals.points, qty=totals.qty, price=totals.price,
        bytes=size, digest=hashed.hexdigest(),
    )  # fmt: skip


def _writer(form: str, raw: bool) -> Write:
    """What makes a file of frames, part by part."""
    from undercroft.rating import files

    if form == "parquet":
        # A missing library is told before anything is written.
        importlib.import_module("undercroft.rating.parquet")
    return functools.partial(files.csv_rows, raw=raw) if form == "csv" else files.FORMS[form][1]
