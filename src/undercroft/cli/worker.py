"""`undercroft worker`: periodic work on a store. Any number may run; one of them does each job."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures, stores

if TYPE_CHECKING:
    from undercroft.core.jobs import Job
    from undercroft.events import Store
    from undercroft.rating import BaseStorage

LOG = logging.getLogger(__name__)
# Events deleted between two looks at whether to stop.
_EVENTS_AT_ONCE = 20_000


@click.command()
@stores.one_kind_option
@stores.any_store_option
@click.option("--once", is_flag=True, help="Do each job once, unless another worker has just done it, and end.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log, on stderr.")
@click.pass_context
def worker(ctx: click.Context, kind: str, store: str | None, once: bool, log_format: str) -> None:
    """Do the periodic work on a store, until SIGTERM or SIGINT.

    rating.expire deletes usage that is older than [storage] retention_period, each [worker] expire_interval seconds;
    rating.maintain does what the driver puts off, such as sums by series, each [worker] maintain_interval seconds. With --kind
    events, events.expire deletes events that are older than [events] time_to_live. Any number of workers may run on one database:
    a lease in it lets one of them do a job in each period, and when one dies, another goes on. A signal ends the batch that is
    under way, then the worker.

    \b
    Examples:
      undercroft worker --store postgresql://undercroft@127.0.0.1/undercroft
      undercroft worker --log-format json 2>> worker.log
      undercroft worker --once

    \b
    Exit codes:
      0    stopped by a signal, or --once is done
      1    with --once: a job failed
    """
    from undercroft.cli import logs
    from undercroft.core.jobs import Runner

    handler = logs.start(log_format, debug=bool(ctx.find_root().params.get("debug")))
    ctx.call_on_close(lambda: logging.getLogger().removeHandler(handler))
    with stores.opened(store, kind) as storage, _until_signal() as stop:
        failed: list[str] = []
        jobs = [_watched(job, failed) for job in _jobs(kind, storage, stop)]
        runner = Runner(jobs, storage.locks())
        names = ", ".join(job.name for job in jobs) or "none: all intervals of [worker] are 0"
        LOG.info("worker begins", extra={"jobs": names})
        if once:
            for job in jobs:
                if not runner.run_once(job) and job.name not in failed:
                    LOG.info("job passed over: another worker has done it in this period", extra={"job": job.name})
        else:
            runner.run(stop)
            # Without a job there is nothing that the runner could wait for.
            stop.wait()
        LOG.info("worker ends", extra={"signalled": stop.is_set()})
    if once and failed:
        raise Exit(failures.FAILED)


def _jobs(kind: str, storage: Any, stop: threading.Event) -> list[Job]:
    from undercroft.core import settings
    from undercroft.core.jobs import Job

    work = {"expire": lambda: _expire(storage, stop), "maintain": lambda: _maintain(storage)}
    if kind == "events":
        work = {"expire": lambda: _expire_events(storage, stop)}
    seconds = {name: settings.get("worker", f"{name}_interval") for name in work}
    return [Job(f"{kind}.{name}", dt.timedelta(seconds=seconds[name]), run) for name, run in work.items() if seconds[name]]


def _expire_events(store: Store, stop: threading.Event) -> None:
    """Delete events that are older than they are kept for, in turns, until done or told to stop."""
    from undercroft.core import settings

    ttl = settings.get("events", "time_to_live")
    if ttl <= 0:
        LOG.info("everything is kept", extra={"job": "events.expire"})
        return
    deleted = 0
    while not stop.is_set() and (gone := store.clear_expired_data(ttl, _EVENTS_AT_ONCE)):
        deleted += gone
    LOG.info(
        "expired events are deleted" if not stop.is_set() else "stopped while deleting expired events",
        extra={"job": "events.expire", "events": deleted},
    )


def _expire(storage: BaseStorage, stop: threading.Event) -> None:
    """Delete what is older than the retention, until done or told to stop; what is left waits for the next run."""
    before = storage.expiry()
    if before is None:
        LOG.info("everything is kept", extra={"job": "rating.expire"})
        return
    points = batches = 0
    for batch in storage.expire_before(before):
        points, batches = points + batch.points, batches + 1
        if stop.is_set():
            break
    LOG.info(
        "expired usage is deleted" if not stop.is_set() else "stopped while deleting expired usage",
        extra={"job": "rating.expire", "points": points, "batches": batches, "before": before.isoformat()},
    )


def _maintain(storage: BaseStorage) -> None:
    points = storage.maintain()
    LOG.info("what was put off is done", extra={"job": "rating.maintain", "points": points})


def _watched(job: Job, failed: list[str]) -> Job:
    """The job, noting its name when it fails."""
    from undercroft.core.jobs import Job

    def run() -> None:
        try:
            job.run()
        except BaseException:
            failed.append(job.name)
            raise

    return Job(job.name, job.every, run)


@contextlib.contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; a second one of them ends the process at once, as it would have without us."""
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def told(*_: object) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in (signal.SIGTERM, signal.SIGINT):
        before[each] = signal.signal(each, told)
    try:
        yield stop
    finally:
        restore()
