"""Store the events of a file, batch by batch; a line that cannot be stored costs no other one."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import msgspec

from undercroft.core.errors import InvalidInput
from undercroft.core.lines import BadLine, Line, Refused, Source, too_long

if TYPE_CHECKING:
    from undercroft.cli.refused import Report
    from undercroft.events import Event, Store

_AT_ONCE = 2_000


class Outcome(msgspec.Struct, kw_only=True):
    """What one run did with one file.

    Attributes:
        file: its name.
        stored: events that are new.
        known: events that were there.
        refused: lines that were passed over.
        report: the file that says which; None where there are none.
        left_out: traits of notifications that were left out, by their names.
        seconds: how long it took.
    """

    file: str
    stored: int = 0
    known: int = 0
    refused: int = 0
    report: str | None = None
    left_out: dict[str, int] = {}
    seconds: float = 0.0


class Import:
    """The import of one file.

    Args:
        store: where to.
        make: an event of the JSON value of a line.
        report: where to report refused lines, which are passed over; None to stop at the first.
        on_progress: called with the bytes and the events that are done.
    """

    def __init__(
        self, store: Store, make: Callable[[Any], Event], report: Report | None, on_progress: Callable[[int, int], None]
    ) -> None:
        self._store = store
        self._make = make
        self._report = report
        self._on_progress = on_progress

    def run(self, stream: IO[bytes], file: str) -> Outcome:
        """Store the events of a file.

        Args:
            stream: the file's bytes.
            file: its name for messages.

        Raises:
            InvalidInput: a line cannot be stored; those before it are.
            UndercroftError: what the store raises; the batches before that are stored.
        """
        began = clock.monotonic()
        out = Outcome(file=file)
        try:
            for batch in self._batches(Source(stream, file), file):
                self._put(batch, out)
        except BaseException as error:
            error.add_note(self._note(out, error))
            raise
        if self._report is not None and self._report.count:
            out.refused, out.report = self._report.count, str(self._report.path)
        out.seconds = round(clock.monotonic() - began, 3)
        return out

    def _batches(self, source: Source, file: str) -> Iterator[list[tuple[Line, Event] | Refused]]:
        batch: list[tuple[Line, Event] | Refused] = []
        while line := source.read():
            if not line.data.strip():
                continue
            item = self._read(line)
            if isinstance(item, Refused) and self._report is None:
                yield batch
                raise item.located(file)
            batch.append(item)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
        yield batch

    def _read(self, line: Line) -> tuple[Line, Event] | Refused:
        try:
            if not line.is_whole:
                raise too_long()
            return line, self._make(msgspec.json.decode(line.data))
        except InvalidInput as error:
            return Refused([line], error)
        except (msgspec.DecodeError, UnicodeError) as error:
            return Refused([line], InvalidInput("line", f"is not JSON: {error}"))
        except RecursionError:
            return Refused([line], InvalidInput("line", "is nested too deep"))

    def _put(self, batch: list[tuple[Line, Event] | Refused], out: Outcome) -> None:
        """Store the events of a batch, and report the rest of it."""
        refused = [each for each in batch if isinstance(each, Refused)]
        good = [each for each in batch if not isinstance(each, Refused)]
        for (line, _), outcome in zip(good, self._store.store_events([event for _, event in good]), strict=True):
            if outcome.error is None:
                out.stored, out.known = out.stored + outcome.is_new, out.known + (not outcome.is_new)
            elif isinstance(outcome.error, InvalidInput):
                refused.append(Refused([line], outcome.error))
            else:
                outcome.error.add_note(f"line {line.number} of {out.file}")
                raise outcome.error
        refused.sort(key=lambda each: each.lines[0].number)
        if self._report is None and refused:
            raise refused[0].located(out.file)
        if self._report is not None:
            self._report.add(refused)
        if batch:
            last = batch[-1]
            after = last.after if isinstance(last, Refused) else last[0].after
            self._on_progress(after.offset, out.stored + out.known)

    def _note(self, out: Outcome, error: BaseException) -> str:
        noted = f"{out.stored:,} events of {out.file} are stored, {out.known:,} were there"
        again = "run the same command again, events that are there stay as they are"
        if isinstance(error, BadLine):
            again = f"mend line {error.line}, or pass over bad lines with --skip-bad, and {again}"
        return f"{noted}; {again}"
