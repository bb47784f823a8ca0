"""Push a file into a store, batch by batch, so that a broken import goes on where it stopped."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

import msgspec

from undercroft.cli.rating.checkpoint import Checkpoint
from undercroft.cli.state import StateFile
from undercroft.core import time
from undercroft.core.errors import ConfigInvalid
from undercroft.rating import BaseStorage, DataFrame, parsing


class Outcome(msgspec.Struct, kw_only=True):
    """What one run did with one file.

    Attributes:
        file: its name.
        points, frames, batches: how many this run pushed.
        seconds: how long it took.
        skipped_points: how many an earlier run had pushed.
        reopened_periods: how often a period came again after its batch had been sent.
    """

    file: str
    points: int = 0
    frames: int = 0
    batches: int = 0
    seconds: float = 0.0
    skipped_points: int = 0
    reopened_periods: int = 0


class Batch(NamedTuple):
    """What one push stores."""

    frames: list[DataFrame]
    points: int
    line: int
    after: parsing.Mark


def batches(parsed: Iterable[parsing.Parsed], size: int) -> Iterator[Batch]:
    """Join frames to batches of `size` points or a little more.

    Neighbouring frames of one period stay together, however many points they have: equal points of one push are several
    points, equal points of two pushes replace each other.
    """
    batch: Batch | None = None
    for item in parsed:
        if batch is None:
            batch = Batch([item.frame], item.points, item.line, item.after)
        elif batch.points >= size and _period(item.frame) != _period(batch.frames[-1]):
            yield batch
            batch = Batch([item.frame], item.points, item.line, item.after)
        else:
            batch.frames.append(item.frame)
            batch = batch._replace(points=batch.points + item.points, after=item.after)
    if batch is not None:
        yield batch


def _period(frame: DataFrame) -> tuple[int, int]:
    return time.to_micros(frame.start), time.to_micros(frame.end)


class Import:
    """The import of one file.

    Args:
        store: where to.
        name: the store's name in the checkpoint.
        state: where the checkpoint is kept.
        size: points a batch.
        on_progress: called with the bytes and the points that are done.
    """

    def __init__(
        self, store: BaseStorage, name: str, state: StateFile[Checkpoint], size: int, on_progress: Callable[[int, int], None]
    ) -> None:
        self._store = store
        self._name = name
        self._state = state
        self._size = size
        self._on_progress = on_progress

    def run(self, stream: IO[bytes], file: str, form: str) -> Outcome:
        """Push the file, or what an earlier run left of it.

        Args:
            stream: the file's bytes, at its beginning.
            file: its name for messages.
            form: `jsonl` or `csv`.

        Raises:
            InvalidInput: the file is wrong somewhere; the batches before that are stored.
            ConfigInvalid: the checkpoint does not belong to this file and store.
            UndercroftError: what the store raises; the batches before that are stored.
        """
        began = clock.monotonic()
        out = Outcome(file=file)
        source = parsing.Source(stream, file)
        frames = parsing.opened(source, form)
        done = self._state.load()
        if done is not None:
            self._check(done, file)
            source.skip(done.offset, done.line, done.digest)
            out.skipped_points = done.points
            self._on_progress(done.offset, done.points)
        sent: set[tuple[int, int]] = set()
        try:
            for batch in batches(frames(), self._size):
                done = self._push(batch, done, out)
                periods = {_period(frame) for frame in batch.frames}
                out.reopened_periods += len(periods & sent)
                sent |= periods
        except BaseException as error:
            # The state file knows better when a signal came just after it was written.
            error.add_note(self._note(self._state.load() or done, file))
            raise
        finally:
            out.seconds = round(clock.monotonic() - began, 3)
        self._state.clear()
        return out

    def _push(self, batch: Batch, done: Checkpoint | None, out: Outcome) -> Checkpoint:
        try:
            self._store.push(batch.frames)
        except Exception as error:
            error.add_note(f"while pushing lines {batch.line} to {batch.after.line} of {out.file}")
            raise
        out.points += batch.points
        out.frames += len(batch.frames)
        out.batches += 1
        with_points = [frame.start for frame in batch.frames if next(frame.iterpoints(), None)]
        earlier = done.last if done else None
        checkpoint = Checkpoint(
            store=self._name,
            offset=batch.after.offset,
            line=batch.after.line,
            digest=batch.after.digest,
            points=out.skipped_points + out.points,
            frames=(done.frames if done else 0) + len(batch.frames),
            batches=(done.batches if done else 0) + 1,
            last=time.as_utc(with_points[-1]) if with_points else earlier,
        )
        self._state.save(checkpoint)
        self._on_progress(checkpoint.offset, checkpoint.points)
        return checkpoint

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

    def _note(self, done: Checkpoint | None, file: str) -> str:
        if done is None:
            return f"nothing of {file} is stored"
        further = "run the same command to go on from there" if self._state.path else "pushing the whole again does no harm"
        return f"{done.points:,} points of {file} are stored, up to line {done.line}; {further}"
