"""Push a file into a store, batch by batch, so that a broken import goes on where it stopped."""

from __future__ import annotations

import pathlib
import re
import time as clock
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import msgspec

from undercroft.cli.rating.batches import Batch, period_of
from undercroft.cli.rating.checkpoint import Checkpoint
from undercroft.cli.refused import Report
from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.core.lines import BadLine, Refused, Source
from undercroft.core.plural import number
from undercroft.core.statefile import StateFile
from undercroft.rating import BaseStorage, parsing

# How a store names the frame that it refuses.
_FRAME = re.compile(r"dataframes\[([0-9]+)\]\.?")


class Outcome(msgspec.Struct, kw_only=True):
    """What one run did with one file.

    Attributes:
        file: its name.
        points, frames, batches: how many this run pushed.
        seconds: how long it took.
        skipped_points: how many an earlier run had pushed.
        reopened_periods: how often a period came again after its batch had been sent.
        refused: how many lines were passed over, those of earlier runs included.
        report: the file that says which; None where there are none.
    """

    file: str
    points: int = 0
    frames: int = 0
    batches: int = 0
    seconds: float = 0.0
    skipped_points: int = 0
    reopened_periods: int = 0
    refused: int = 0
    report: str | None = None


class Import:
    """The import of one file.

    Args:
        store: where to.
        name: the store's name in the checkpoint.
        state: where the checkpoint is kept.
        size: points a batch.
        on_progress: called with the bytes and the points that are done.
        report: where to report refused lines, which are passed over; None to stop at the first.
        replaces: whether pushing a key again replaces its points in this store.
    """

    def __init__(
        self,
        store: BaseStorage,
        name: str,
        state: StateFile[Checkpoint],
        size: int,
        on_progress: Callable[[int, int], None],
        report: pathlib.Path | None = None,
        replaces: bool = True,
    ) -> None:
        self._store = store
        self._name = name
        self._state = state
        self._size = size
        self._on_progress = on_progress
        self._path = report
        self._replaces = replaces
        self._done: Checkpoint | None = None
        # Points, and the last line, of a period that is stored and will be pushed again.
        self._open = 0, 0

    def run(self, stream: IO[bytes], file: str, form: str) -> Outcome:
        """Push the file, or what an earlier run left of it.

        Args:
            stream: the file's bytes, at its beginning.
            file: its name for messages.
            form: `jsonl` or `csv`.

        Raises:
            InvalidInput: the file is wrong somewhere; what is before that is stored.
            ConfigInvalid: the checkpoint does not belong to this file and store.
            UndercroftError: what the store raises; the batches before that are stored.
        """
        began = clock.monotonic()
        out = Outcome(file=file)
        source = Source(stream, file)
        frames = parsing.opened(source, form)
        self._done = done = self._state.load()
        if done is not None:
            self._check(done, file)
            source.skip(done.offset, done.line, done.digest)
            out.skipped_points, out.refused = done.points, done.refused
            self._on_progress(done.offset, done.points)
        report = None
        if self._path is not None:
            report = Report(self._path, file, out.refused, done.report_size if done else 0)
            out.report = str(self._path)
        sent: set[tuple[int, int]] = set()
        try:
            for batch in self._batches(frames(), out):
                self._push(batch, out, report)
                periods = {period_of(each.frame) for each in batch.parsed}
                out.reopened_periods += len(periods & sent)
                sent |= periods
        except BaseException as error:
            # The state file knows better when a signal came just after it was written.
            error.add_note(self._note(self._state.load() or self._done, file, error))
            raise
        finally:
            out.seconds = round(clock.monotonic() - began, 3)
        if not out.refused:
            out.report = None
        self._state.clear()
        return out

    def _batches(self, items: Iterable[parsing.Parsed | Refused], out: Outcome) -> Iterator[Batch]:
        """Batches of `size` points or a little more."""
        batch, points = Batch(), 0
        for item in items:
            if isinstance(item, Refused):
                if self._path is None:
                    yield from self._before(batch)
                    raise item.located(out.file)
            elif not batch.takes(period_of(item.frame), self._size, points):
                yield batch
                batch, points = Batch(), 0
            batch.add(item)
            points += item.points if isinstance(item, parsing.Parsed) else 0
        if batch.after is not None:
            yield batch

    def _before(self, batch: Batch) -> Iterator[Batch]:
        """What is stored of a batch before the import stops at a line.

        The frames of the last period are pushed, too, where that can be repeated: they are not noted as done, because the rest of
        their period may be behind that line, and is to be pushed with them.
        """
        whole, open_ = batch.parted()
        if whole.parsed:
            yield whole
        if open_ and self._replaces:
            self._store.push([each.frame for each in open_])
            self._open = sum(each.points for each in open_), open_[-1].after.line

    def _push(self, batch: Batch, out: Outcome, report: Report | None) -> None:
        try:
            self._store_what_is_good(batch, out, report)
        except Exception as error:
            if batch.parsed and not isinstance(error, BadLine):
                first, last = batch.parsed[0].lines[0], batch.parsed[-1].lines[-1]
                error.add_note(f"while pushing lines {first.number} to {last.number} of {out.file}")
            raise
        if batch.after is None:
            return
        if report is not None:
            report.add(sorted(batch.refused, key=lambda each: each.lines[0].number))
            out.refused = report.count
        out.points += batch.points
        out.frames += len(batch.parsed)
        out.batches += bool(batch.parsed)
        with_points = [each.frame.start for each in batch.parsed if each.points]
        done = self._done
        earlier = done.last if done else None
        checkpoint = Checkpoint(
            store=self._name,
            offset=batch.after.offset,
            line=batch.after.line,
            digest=batch.after.digest,
            points=out.skipped_points + out.points,
            frames=(done.frames if done else 0) + len(batch.parsed),
            batches=(done.batches if done else 0) + bool(batch.parsed),
            last=time.as_utc(with_points[-1]) if with_points else earlier,
            refused=out.refused,
            report_size=report.size if report else 0,
        )
        self._state.save(checkpoint)
        self._done = checkpoint
        self._on_progress(checkpoint.offset, checkpoint.points)

    def _store_what_is_good(self, batch: Batch, out: Outcome, report: Report | None) -> None:
        """Push a batch; frames that the store refuses for their values become refused lines of it."""
        while batch.parsed:
            try:
                self._store.push([each.frame for each in batch.parsed])
            except InvalidInput as error:
                place = _FRAME.match(error.field)
                if place is None or int(place[1]) >= len(batch.parsed):
                    raise
                bad = batch.parsed[int(place[1])]
                refused = Refused(bad.lines, InvalidInput(error.field[place.end() :] or "frame", error.problem))
                if self._path is None:
                    for part in self._before(Batch(batch.parsed[: int(place[1])])):
                        self._push(part, out, report)
                    raise refused.located(out.file) from None
                batch.parsed.remove(bad)
                batch.refused.append(refused)
            else:
                return

    def _check(self, done: Checkpoint, file: str) -> None:
        """Refuse to go on in a store that is not the one where the import began."""
        if done.store != self._name:
            raise ConfigInvalid(
                f"{self._state.path}: the import of {file} began in {done.store}, not in {self._name}; --restart begins anew"
            )
        if done.last is None:
            return
        end = time.from_micros(time.to_micros(done.last) + 1)
        if not self._store.retrieve(begin=done.last, end=end, limit=0)["total"]:
            raise ConfigInvalid(
                f"{self._state.path}: says that {file} is stored up to line {done.line}, but this store has no point of "
                f"{done.last.isoformat()}, the last period before it; --restart begins anew"
            )

    def _note(self, done: Checkpoint | None, file: str, error: BaseException) -> str:
        points, line = self._open
        points, line = (done.points if done else 0) + points, line or (done.line if done else 0)
        stored = f"{number(points, 'points')} of {file} stored, up to line {line}" if line else f"nothing of {file} is stored"
        if self._state.path or not done:
            again = f"run the same command{' to go on from there' if line else ' again'}"
        else:
            again = "pushing the whole again does no harm"
        if isinstance(error, BadLine):
            again = f"mend line {error.line}, or pass over bad lines with --skip-bad, and {again}"
        return f"{stored}; {again}"
