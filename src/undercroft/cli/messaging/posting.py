"""`undercroft queue post`."""

from __future__ import annotations

import datetime as dt
import hashlib
import pathlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import rich_click as click

from undercroft.cli import importing, progress, reporting, spans, stores
from undercroft.cli.messaging import bodies, metadata, options
from undercroft.core.lines import BadLine, Item, Refused, Source, check_text
from undercroft.core.plural import number
from undercroft.core.statefile import StateFile

if TYPE_CHECKING:
    from undercroft.core.lines import Mark
    from undercroft.messaging import DataDriverBase

Read = Callable[[Source], Iterator[Item | Refused]]
SUFFIX = ".post-state"
_AT_ONCE = 1_000
# Keys of messages as they are posted, and those that only `tail`, `pop` and the API write, which are passed over.
_KEPT = frozenset({"body", "ttl", "delay", "dedup_id"})
_KNOWN = _KEPT | {"id", "href", "age", "claim_id", "claim_count", "checksum", "created"}


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far the post of a file has come.

    Attributes:
        run: a name of this post, from which its receipts have their keys.
        target: the store, the project and the queue.
        offset, line: how many bytes and lines of the file are done.
        digest: BLAKE2b of those bytes.
        posted: messages so far.
    """

    run: str
    target: str
    offset: int
    line: int
    digest: str
    posted: int


@click.command()
@options.name
@click.argument("bodies_given", nargs=-1, metavar="[BODY...|-]")
@options.store
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Post the lines of this file: JSON lines."
)
@click.option(
    "--from",
    "form",
    type=click.Choice(["bodies", "messages"]),
    default="bodies",
    show_default=True,
    help="What a line holds: a body, or a message with body, ttl, delay and dedup_id, as `queue tail` writes it.",
)
@click.option("--text", is_flag=True, help="A BODY, or a line, is text and not JSON.")
@click.option(
    "--ttl", callback=spans.option(bare="s"), metavar="SPAN", help="How long a message lives: 1h. Default: that of the queue."
)
@click.option(
    "--delay",
    callback=spans.option(bare="s"),
    metavar="SPAN",
    help="How long a message cannot be claimed: 30s. Default: that of the queue.",
)
@click.option("--dedup-id", metavar="ID", help="Post one BODY only once under this id, for its ttl.")
@click.option("--state", metavar="FILE", help=f"Where --file keeps how far it has come. Default: FILE{SUFFIX}.")
@click.option("--restart", is_flag=True, help="Post all lines, whatever an earlier run has posted.")
@reporting.option("text")
def post(
    queue: str,
    bodies_given: tuple[str, ...],
    store: str | None,
    project: str | None,
    file: str | None,
    form: str,
    text: bool,
    ttl: dt.timedelta | None,
    delay: dt.timedelta | None,
    dedup_id: str | None,
    state: str | None,
    restart: bool,
    output_format: str,
) -> None:
    """Post messages: each BODY, the JSON lines of a file, or those of stdin (-). A queue that does not exist is created.

    All BODYs are posted in one transaction, and their ids are printed. Lines are posted in parts; at a line that cannot be posted
    the command stops, and the lines before it are posted. When the post of a file is interrupted, the same command continues, and
    posts each line once.

    \b
    Examples:
      undercroft queue post jobs '{"image": "cirros"}' '{"image": "fedora"}' --ttl 1h
      undercroft queue post jobs "good morning" --text --delay 30s
      undercroft queue post jobs --file jobs.jsonl
      undercroft queue tail jobs | undercroft queue post copy - --from messages
    """
    from undercroft.cli import output

    is_stdin = bodies_given == ("-",)
    _check(bodies_given, file, form, text, dedup_id)
    with stores.opened(store, "messaging") as opened:
        if not opened.queue_controller.exists(queue, project):
            metadata.check_name(queue)
            opened.queue_controller.create(queue, None, project)
            stores.note(f"the queue {queue!r} did not exist, and was created")
        made = bodies.Bodies(opened, queue, project)
        defaults = {"ttl": options.seconds(ttl) or made.default_ttl, "delay": options.seconds(delay) or made.default_delay}
        report: dict[str, Any] = {"queue": queue, "messages": 0}
        if file is None and not is_stdin:
            given = [_message({"body": _value(body, text)}, defaults, made) for body in bodies_given]
            if dedup_id is not None:
                given[0]["dedup_id"] = dedup_id
            report["ids"] = opened.message_controller.post(queue, given, None, project)
            report["messages"] = len(given)
        else:
            name = _target_name(stores.url(store, "messaging"), project, queue)
            read, make = _texts if text else importing.jsonl, _maker(form, defaults, made)
            job = _Posting(opened, queue, project, name, _state(file, state, restart))
            report["messages"], report["earlier"] = _lines(job, file, lambda source: read(source, make))
    if output_format == "json":
        click.echo(output.json_text(report))
    elif "ids" in report:
        for each in report["ids"]:
            click.echo(each)
    else:
        earlier = f", {report['earlier']:,} by an earlier run" if report["earlier"] else ""
        click.echo(f"{queue}: {number(report['messages'], 'messages')} posted{earlier}")


def _check(bodies_given: Sequence[str], file: str | None, form: str, text: bool, dedup_id: str | None) -> None:
    """Refuse options that contradict each other."""
    lines = file is not None or bodies_given == ("-",)
    if file is not None and bodies_given:
        raise click.UsageError("give BODY or --file, not both")
    if not lines and not bodies_given:
        raise click.UsageError("nothing to post: give BODY, --file FILE, or - for the lines of stdin")
    if not lines and form == "messages":
        raise click.UsageError("--from messages is for lines: give --file FILE, or - for stdin")
    if form == "messages" and text:
        raise click.UsageError("--text and --from messages contradict each other")
    if dedup_id is not None and (lines or len(bodies_given) != 1):
        raise click.UsageError("--dedup-id is for one BODY; lines have a dedup_id each, with --from messages")


def _target_name(url: str, project: str | None, queue: str) -> str:
    """What tells one queue from others, without a secret."""
    from undercroft.cli.state import store_name

    return f"{store_name(url)} {project or ''} {queue}"


def _state(file: str | None, state: str | None, restart: bool) -> StateFile[Checkpoint]:
    """Where the checkpoint is kept; nowhere for stdin, unless `--state` names a file."""
    path = pathlib.Path(state) if state else None if file is None else pathlib.Path(file + SUFFIX)
    found = StateFile(path, Checkpoint)
    if restart:
        found.clear()
    return found


def _value(body: str, text: bool) -> Any:
    from undercroft.core.errors import InvalidInput

    if text:
        return body
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInput("BODY", f"{body[:64]!r} is not JSON ({error}); --text posts it as text") from None
    except RecursionError:
        raise InvalidInput("BODY", "is nested too deep") from None


def _message(given: dict[str, Any], defaults: dict[str, Any], made: bodies.Bodies) -> dict[str, Any]:
    return {**defaults, **given, "body": made.sealed(given.get("body", {}))}


def _maker(form: str, defaults: dict[str, Any], made: bodies.Bodies) -> Callable[[Any], dict[str, Any]]:
    """What makes a message of the value of a line."""
    from undercroft.core import names
    from undercroft.core.errors import WrongType

    def of_message(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongType("line", "expected an object with body, ttl, delay and dedup_id")
        names.check_keys(value, _KNOWN, "line")
        return _message({key: value[key] for key in _KEPT & value.keys()}, defaults, made)

    return of_message if form == "messages" else lambda value: _message({"body": value}, defaults, made)


def _texts(source: Source, make: Callable[[Any], dict[str, Any]]) -> Iterator[Item | Refused]:
    """Messages of lines of text; their ends do not belong to them, and blank lines are passed over."""
    from undercroft.core.errors import InvalidInput

    while line := source.read():
        try:
            if value := line.data.decode().rstrip("\r\n"):
                yield Item(make(value), [line])
        except UnicodeError:
            yield Refused([line], InvalidInput("line", "is not UTF-8"))


def _lines(job: _Posting, file: str | None, read: Read) -> tuple[int, int]:
    """Post the lines of a file, or of stdin; how many messages this run has posted, and how many earlier ones had."""
    name = file or "stdin"
    size = None if file is None else pathlib.Path(file).stat().st_size
    with click.open_file(file or "-", "rb") as stream, progress.bar(name, size, in_bytes=True) as show:
        check_text(stream, name)
        return job.run(Source(stream, name), read, show)


class _Posting:
    """The post of lines, each once, also when it breaks off and is repeated.

    A part is posted under a receipt whose key is made of its place in the file. When the process dies after the post and before the
    checkpoint is written, the next run finds the receipt, which says how many messages the part had.
    """

    def __init__(self, opened: DataDriverBase, queue: str, project: str | None, target: str, state: StateFile[Checkpoint]) -> None:
        self._opened = opened
        self._queue = queue
        self._project = project
        self._target = target
        self._state = state
        self._run = uuid.uuid4().hex
        self._earlier = 0
        self._posted = 0

    def run(self, source: Source, read: Read, show: Callable[[int, str], None]) -> tuple[int, int]:
        """Post the lines; how many this run has posted, and how many earlier ones had."""
        self._go_on(source)
        try:
            for part in self._parts(read(source), source.name):
                self._post(part, show)
        except BaseException as error:
            error.add_note(self._note(error))
            raise
        self._state.clear()
        return self._posted, self._earlier

    def _parts(self, items: Iterator[Item | Refused], file: str) -> Iterator[list[Item]]:
        part: list[Item] = []
        for item in items:
            if isinstance(item, Refused):
                yield part
                raise item.located(file)
            part.append(item)
            if len(part) == _AT_ONCE:
                yield part
                part = []
        yield part

    def _go_on(self, source: Source) -> None:
        from undercroft.core.errors import ConfigInvalid

        done = self._state.load()
        if done is None:
            self._save(source.mark())
            return
        if done.target != self._target:
            raise ConfigInvalid(f"{self._state.path}: the post began to another queue; --restart begins anew")
        source.skip(done.offset, done.line, done.digest)
        self._run, self._earlier = done.run, done.posted

    def _post(self, part: list[Item], show: Callable[[int, str], None]) -> None:
        from undercroft.core.receipt import Receipt

        while part:
            key = hashlib.sha256(f"{self._run} {part[0].lines[0].number}".encode()).hexdigest()
            answer = self._opened.message_controller.post_once(
                self._queue,
                [item.value for item in part],
                None,
                self._project,
                receipt=Receipt(key, self._run, b""),
                answer=lambda ids: str(len(ids)).encode(),
            )
            done = int(answer)
            self._posted += done
            self._save(part[done - 1].after)
            show(part[done - 1].after.offset, number(self._posted + self._earlier, "messages"))
            part = part[done:]

    def _save(self, mark: Mark) -> None:
        if self._state.path is not None:
            self._state.save(
                Checkpoint(
                    run=self._run,
                    target=self._target,
                    offset=mark.offset,
                    line=mark.line,
                    digest=mark.digest,
                    posted=self._posted + self._earlier,
                )
            )

    def _note(self, error: BaseException) -> str:
        posted = f"{number(self._posted + self._earlier, 'messages')} posted"
        if self._state.path is None:
            return f"{posted}; the lines of stdin that come behind these are not"
        mend = f"mend line {error.line}, and " if isinstance(error, BadLine) else ""
        return f"{posted}; {mend}run the same command again: it continues"
