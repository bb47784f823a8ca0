"""Store the items of files, batch by batch; a line that cannot be stored does not keep the others out."""

from __future__ import annotations

import pathlib
import time as clock
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import rich_click as click

from undercroft.cli import progress
from undercroft.cli.refused import Report
from undercroft.core.errors import ConfigInvalid, InvalidInput
from undercroft.core.lines import BadLine, Item, Mark, Refused, Source, check_text, too_long
from undercroft.core.plural import number
from undercroft.core.statefile import StateFile

# The file beside the input that says how far an import has come.
SUFFIX = ".import-state"
_AT_ONCE = 2_000


F = TypeVar("F", bound=Callable[..., Any])
State = StateFile["Checkpoint"]


class Result(Protocol):
    """What a store says of one item."""

    @property
    def is_new(self) -> bool:
        """Whether it was stored now."""
        ...

    @property
    def error(self) -> Exception | None:
        """Why it was not stored."""
        ...


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the store acknowledged.

    Attributes:
        store: the store's URL without password and options, and its namespace.
        offset, line: how many bytes and lines of the input are done.
        digest: BLAKE2b of those bytes.
        stored, known: items that were new, and that were there.
        refused, report_size: lines passed over, and the bytes of the report of them.
        last: identifies the last item that the store has.
    """

    store: str
    offset: int
    line: int
    digest: str
    stored: int
    known: int
    refused: int = 0
    report_size: int = 0
    last: str | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What one run did with one file.

    Attributes:
        file: its name.
        stored: items that are new.
        known: items that were there.
        refused: lines that were passed over, those of earlier runs included.
        report: the file that lists them; None where there are none.
        seconds: how long it took.
    """

    file: str
    stored: int = 0
    known: int = 0
    refused: int = 0
    report: str | None = None
    seconds: float = 0.0


class Target(NamedTuple):
    """Where items are stored.

    Attributes:
        store: stores items, and says of each what became of it.
        things: what they are, in the plural.
        name: the store's name in the checkpoint.
        key: identifies an item.
        holds: whether the store has an item with that key; None where checkpoints are not kept.
    """

    store: Callable[[list[Any]], Sequence[Result]]
    things: str
    name: str = ""
    key: Callable[[Any], str | None] = lambda _: None
    holds: Callable[[str], bool] | None = None


files = click.argument("files", nargs=-1, metavar="[FILE...|-]", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
form = click.option(
    "--from", "form", type=click.Choice(["jsonl", "csv"]), help="The input's format. Default: by the file's name; jsonl for stdin."
)


def form_of(file: str, form: str | None) -> str:
    """The input's format: what `--from` says, else by the file's name."""
    return form or ("csv" if file.lower().endswith(".csv") else "jsonl")


def options(command: F) -> F:
    """The options `--state` and `--restart` of a command whose imports go on where they broke off."""
    state = click.option(
        "--state", metavar="FILE", help=f"Where the import keeps how far it has come. Default: FILE{SUFFIX}; stdin keeps nothing."
    )
    restart = click.option("--restart", is_flag=True, help="Begin anew, whatever an earlier run has stored.")
    return state(restart(command))


def check(files: Sequence[str], state: str | None) -> None:
    """Refuse options that contradict each other.

    Raises:
        click.UsageError: `--state` is for one input.
    """
    if state is not None and len(files) > 1:
        raise click.UsageError("--state is for one input; each of several files keeps its own state beside it")


def state_file(file: str, state: str | None, restart: bool) -> State:
    """Where the checkpoint of an input is kept.

    Args:
        file: the input; `-` for stdin.
        state: the option `--state`.
        restart: the option `--restart`: an earlier checkpoint is removed.
    """
    path = pathlib.Path(state) if state else None if file == "-" else pathlib.Path(file + SUFFIX)
    found = StateFile(path, Checkpoint)
    if restart:
        found.clear()
    return found


def jsonl(source: Source, make: Callable[[Any], Any]) -> Iterator[Item | Refused]:
    """The items of JSON lines; blank lines are passed over.

    Args:
        source: the input.
        make: an item of the JSON value of a line.
    """
    while line := source.read():
        if not line.data.strip():
            continue
        try:
            if not line.is_whole:
                raise too_long()
            value = make(msgspec.json.decode(line.data))
        except InvalidInput as error:
            yield Refused([line], error)
        except (msgspec.DecodeError, UnicodeError) as error:
            yield Refused([line], InvalidInput("line", f"is not JSON: {error}"))
        except RecursionError:
            yield Refused([line], InvalidInput("line", "is nested too deep"))
        else:
            yield Item(value, [line])


class Import:
    """The import of one file.

    Args:
        target: where to.
        report: where to report refused lines, which are passed over; None to stop at the first.
        on_progress: called with the bytes and the items that are done.
        state: where the checkpoint is kept; None for an import that begins anew each time.

    Attributes:
        skipped: items that an earlier run has stored.
    """

    def __init__(
        self,
        target: Target,
        report: pathlib.Path | None,
        on_progress: Callable[[int, int], None],
        state: State | None = None,
    ) -> None:
        self._target = target
        self._path = report
        self._report: Report | None = None
        self._on_progress = on_progress
        self._state = state or StateFile(None, Checkpoint)
        self._before: Checkpoint | None = None
        self._last: str | None = None
        self.skipped = 0

    def run(self, source: Source, read: Callable[[], Iterator[Item | Refused]], file: str) -> Outcome:
        """Store the items of a file, or what an earlier run left of it.

        Args:
            source: the file's lines; a header is read.
            read: begins to read the items.
            file: its name for messages.

        Raises:
            InvalidInput: a line cannot be stored; those before it are.
            ConfigInvalid: the checkpoint does not belong to this file and store.
            UndercroftError: what the store raises; the batches before that are stored.
        """
        began = clock.monotonic()
        out = Outcome(file=file)
        self._go_on(source, out)
        try:
            for batch in self._batches(read(), file):
                self._put(batch, out)
        except BaseException as error:
            error.add_note(self._note(out, error))
            raise
        if self._report is not None and self._report.count:
            out.refused, out.report = self._report.count, str(self._report.path)
        out.seconds = round(clock.monotonic() - began, 3)
        self._state.clear()
        return out

    def _go_on(self, source: Source, out: Outcome) -> None:
        """Go to the place that an earlier run came to."""
        done = self._before = self._state.load()
        if done is not None:
            self._check(done, out.file)
            source.skip(done.offset, done.line, done.digest)
            self.skipped, self._last = done.stored + done.known, done.last
            self._on_progress(done.offset, self.skipped)
        if self._path is not None:
            self._report = Report(self._path, out.file, done.refused if done else 0, done.report_size if done else 0)

    def _check(self, done: Checkpoint, file: str) -> None:
        if done.store != self._target.name:
            raise ConfigInvalid(
                f"{self._state.path}: the import of {file} began in {done.store}, not in {self._target.name}; --restart begins anew"
            )
        if done.last is not None and self._target.holds is not None and not self._target.holds(done.last):
            raise ConfigInvalid(
                f"{self._state.path}: says that {file} is stored up to line {done.line}, but the store does not have the last of "
                f"these {self._target.things}; --restart begins anew"
            )

    def _batches(self, items: Iterator[Item | Refused], file: str) -> Iterator[list[Item | Refused]]:
        batch: list[Item | Refused] = []
        for item in items:
            if isinstance(item, Refused) and self._report is None:
                yield batch
                raise item.located(file)
            batch.append(item)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
        yield batch

    def _put(self, batch: list[Item | Refused], out: Outcome) -> None:
        """Store the items of a batch, and report the rest of it."""
        refused = [entry for entry in batch if isinstance(entry, Refused)]
        good = [entry for entry in batch if isinstance(entry, Item)]
        for item, result in zip(good, self._target.store([item.value for item in good]), strict=True):
            if result.error is None:
                out.stored, out.known = out.stored + result.is_new, out.known + (not result.is_new)
                self._last = self._target.key(item.value)
            elif isinstance(result.error, InvalidInput):
                refused.append(Refused(item.lines, result.error))
            else:
                result.error.add_note(f"line {item.lines[0].number} of {out.file}")
                raise result.error
        refused.sort(key=lambda entry: entry.lines[0].number)
        if self._report is None and refused:
            raise refused[0].located(out.file)
        if self._report is not None:
            self._report.add(refused)
        if batch:
            self._save(batch[-1].after, out)

    def _save(self, after: Mark, out: Outcome) -> None:
        before = self._before
        if self._state.path is not None:
            self._state.save(
                Checkpoint(
                    store=self._target.name,
                    offset=after.offset,
                    line=after.line,
                    digest=after.digest,
                    stored=out.stored + (before.stored if before else 0),
                    known=out.known + (before.known if before else 0),
                    refused=self._report.count if self._report else 0,
                    report_size=self._report.size if self._report else 0,
                    last=self._last,
                )
            )
        self._on_progress(after.offset, out.stored + out.known + self.skipped)

    def _note(self, out: Outcome, error: BaseException) -> str:
        things = self._target.things
        earlier = f", {self.skipped:,} by an earlier run" if self.skipped else ""
        noted = f"{number(out.stored, things)} of {out.file} stored, {out.known:,} already there{earlier}"
        again = f"run the same command again, {things} that are there stay as they are"
        if isinstance(error, BadLine):
            again = f"mend line {error.line}, or pass over bad lines with --skip-bad, and {again}"
        return f"{noted}; {again}"


def run(
    target: Target,
    file: str,
    begin: Callable[[Source], Callable[[], Iterator[Item | Refused]]],
    report: pathlib.Path | None,
    state: State | None = None,
) -> tuple[Outcome, int]:
    """Import a file, or stdin, and show the progress.

    Args:
        target: where to.
        file: its path; `-` for stdin.
        begin: reads the header, if there is one, and returns what reads the items.
        report: where to report refused lines, which are passed over; None to stop at the first.
        state: where the checkpoint is kept; None for an import that begins anew each time.

    Returns:
        what was done, and how many items an earlier run has stored.

    Raises:
        InvalidInput: see `Import.run`; the input is not text.
    """
    name = "stdin" if file == "-" else file
    size = None if file == "-" else pathlib.Path(file).stat().st_size
    with click.open_file(file, "rb") as stream, progress.bar(name, size, in_bytes=True) as show:
        check_text(stream, name)
        job = Import(target, report, lambda done, count: show(done, number(count, target.things)), state)
        source = Source(stream, name)
        return job.run(source, begin(source), name), job.skipped
