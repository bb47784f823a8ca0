"""Posts of files, redrives and purges that are killed or interrupted in earnest, in processes of their own."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from tests.conftest import url_of
from undercroft.conformance.clock import now
from undercroft.core import time
from undercroft.messaging import QueueDoesNotExist

pytestmark = [pytest.mark.kind("messaging"), pytest.mark.one_per_family]
MANY = 10_000
# After a process died; messages live longer.
LATER = dt.timedelta(seconds=10)


# Many small parts: as they are, all could be done before this process sees the first.
SMALL = "from undercroft.cli import main; from undercroft.cli.messaging import moving; moving._AT_ONCE = 20; main.main()"


def start(command, url, *more):
    arguments = [sys.executable, "-c", SMALL, "queue", command, *map(str, more), "--store", url]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop_when(process, condition, how=signal.SIGKILL):
    """Send a signal as soon as something is so; the exit code."""
    pause = threading.Event()
    while process.poll() is None and not condition():
        pause.wait(0.002)
    process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode


def bodies(store, queue):
    found: list[object] = []
    marker = None
    while True:
        page = store.message_controller.list(queue, None, marker, 10_000, echo=True, include_claimed=True)
        messages, marker = list(next(page)), next(page)
        if not messages:
            return found
        found += [message["body"] for message in messages]


def total(store, queue):
    try:
        return store.queue_controller.stats(queue)["messages"]["total"]
    except QueueDoesNotExist:
        return 0


@pytest.fixture
def filled(opener):
    """A store with a full queue, and its URL."""
    store = opener()
    for name in ("jobs", "target"):
        store.queue_controller.create(name)
    # In posts as large as services make them: a store may change a post as a whole.
    for first in range(0, MANY, 100):
        store.message_controller.post("jobs", [{"ttl": 3600, "body": body} for body in range(first, first + 100)], None)
    return store, url_of(opener)


@pytest.mark.promise("D2")
def test_a_post_that_is_killed_again_and_again_posts_each_line_once(opener, tmp_path):
    store, url = opener(), url_of(opener)
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(f"{number}\n" for number in range(MANY)))
    state = pathlib.Path(f"{file}.post-state")

    def noted():
        with contextlib.suppress(FileNotFoundError):
            return json.loads(state.read_text())["posted"]
        return 0

    for most in (1, 2_500, 4_500):
        code = stop_when(start("post", url, "jobs", "--file", file), lambda most=most: noted() >= most)
        assert code == -signal.SIGKILL, "it ended before it could be killed"
    assert 0 < noted() <= total(store, "jobs") < MANY
    done = start("post", url, "jobs", "--file", file, "--format", "json")
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    report = json.loads(out)
    assert report["messages"] + report["earlier"] == MANY
    assert bodies(store, "jobs") == list(range(MANY))
    assert not state.exists()


@pytest.mark.promise("D2")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_redrive_that_is_broken_off_loses_nothing_and_goes_on(filled, how):
    store, url = filled
    code = stop_when(start("redrive", url, "jobs", "--to", "target"), lambda: total(store, "target") > 0, how)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL), "it ended before it could be stopped"
    # What was on its way arrives with the next claim or cleaning, where the queues are not in one place, or with the next
    # redrive. It comes later: its mover might be alive.
    with now(time.now() + LATER):
        store.clean()
    moved = total(store, "target")
    assert 0 < moved < MANY
    assert bodies(store, "target") + bodies(store, "jobs") == list(range(MANY))
    again = start("redrive", url, "jobs", "--to", "target", "--format", "json")
    out, _ = again.communicate(timeout=60)
    assert json.loads(out)["messages"] == MANY - moved
    assert (bodies(store, "target"), total(store, "jobs")) == (list(range(MANY)), 0)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_purge_that_is_broken_off_goes_on(filled, how):
    store, url = filled
    code = stop_when(start("purge", url, "jobs", "--yes"), lambda: total(store, "jobs") < MANY, how)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL), "it ended before it could be stopped"
    left = total(store, "jobs")
    assert 0 < left < MANY
    assert bodies(store, "jobs") == list(range(MANY - left, MANY))
    again = start("purge", url, "jobs", "--yes", "--format", "json")
    out, _ = again.communicate(timeout=60)
    assert json.loads(out)["messages"] == left
    assert total(store, "jobs") == 0
