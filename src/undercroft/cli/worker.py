"""`undercroft worker`: periodic work on stores. Any number may run; one of them does each job."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime as dt
import functools
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from click.exceptions import Exit

from undercroft.cli import failures, stopping, stores
from undercroft.core import kinds

if TYPE_CHECKING:
    from undercroft.core.jobs import Job, Runner

LOG = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


def _tell_jobs(command: F) -> F:
    """Let the help tell the jobs of every kind."""
    told = [
        f"{kind.name}.{task.name} {task.does}, each [worker] {task.interval} seconds"
        for kind in kinds.installed().values()
        for task in kind.load_tasks()
    ]
    command.__doc__ = (command.__doc__ or "").replace("JOBS", "; ".join(told))
    return command


@click.command()
@stores.options
@click.option("--once", is_flag=True, help="Do each job once, unless another worker has just done it, and end.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log, on stderr.")
@click.pass_context
@_tell_jobs
def worker(ctx: click.Context, kind: str | None, given: tuple[str, ...], once: bool, log_format: str) -> None:
    """Do the periodic work on stores, until SIGTERM or SIGINT.

    JOBS. Any number of workers may run on one database: a lease in it lets one of them do a job in each period, and when one dies,
    another goes on. A signal ends the batch that is under way, then the worker.

    \b
    Examples:
      undercroft worker
      undercroft worker --store rating=postgresql://undercroft@127.0.0.1/undercroft --log-format json 2>> worker.log
      undercroft worker --once

    \b
    Exit codes:
      0    stopped by a signal, or --once is done
      1    with --once: a job failed
    """
    from undercroft.cli import logs
    from undercroft.core import settings

    handler = logs.start(log_format, debug=bool(ctx.find_root().params.get("debug")))
    ctx.call_on_close(lambda: logging.getLogger().removeHandler(handler))
    for note in settings.notes():
        LOG.warning(note)
    chosen = stores.chosen(kind, given, LOG.warning)
    failed: list[str] = []
    with contextlib.ExitStack() as stack, stopping.until_signal() as stop:
        opened = {name: stack.enter_context(stores.opened(url, name)) for name, url in chosen.items()}
        runners = _runners(opened, stop, failed)
        names = ", ".join(job.name for runner in runners for job in runner.jobs) or f"none: {_why_none(chosen)}"
        LOG.info("worker begins", extra={"jobs": names})
        if once:
            _run_once(runners, failed)
        else:
            with concurrent.futures.ThreadPoolExecutor(len(runners), thread_name_prefix="kind") as pool:
                for runner in runners:
                    pool.submit(runner.run, stop)
                # Without a job there is nothing that a runner could wait for.
                stop.wait()
        LOG.info("worker ends", extra={"signalled": stop.is_set()})
    if once and failed:
        raise Exit(failures.FAILED)


def _why_none(chosen: Iterable[str]) -> str:
    """The reason for an empty list of jobs."""
    if any(kinds.installed()[name].load_tasks() for name in chosen):
        return "all intervals of [worker] are 0"
    return f"stores of {', '.join(chosen)} need no periodic jobs"


def _runners(opened: Mapping[str, Any], stop: threading.Event, failed: list[str]) -> list[Runner]:
    """One runner for each store: its jobs are agreed upon by its own locks."""
    from undercroft.core import settings
    from undercroft.core.jobs import Job, Runner

    found = []
    for name, store in opened.items():
        jobs = [
            _watched(Job(f"{name}.{task.name}", dt.timedelta(seconds=seconds), functools.partial(task.run, store, stop)), failed)
            for task in kinds.installed()[name].load_tasks()
            if (seconds := settings.get("worker", task.interval))
        ]
        found.append(Runner(jobs, store.locks()))
    return found


def _run_once(runners: Sequence[Runner], failed: list[str]) -> None:
    for runner in runners:
        for job in runner.jobs:
            if not runner.run_once(job) and job.name not in failed:
                LOG.info("job passed over: another worker has done it in this period", extra={"job": job.name})


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
