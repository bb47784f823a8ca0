"""The spool and its sender: what is acknowledged is sent once, in order, whatever is killed; what is not is counted."""

from __future__ import annotations

import logging
import pathlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from undercroft.core.errors import Denied, Unavailable
from undercroft.core.forward import Forwarder
from undercroft.core.spool import Spool, Total

PATIENCE = 60


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "spool" / "items.db"


class Receiver:
    """Keeps what it gets, unless it is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.asked = threading.Event()
        self.items: list[bytes] = []

    def __call__(self, items: list[bytes]) -> None:
        self.asked.set()
        if self.away:
            raise ConnectionError("the receiver is away")
        self.items.extend(items)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_items_wait_for_the_receiver_and_arrive_in_order(path, caplog):
    receiver = Receiver(away=True)
    spool = Spool(path, 10_000)
    forwarder = Forwarder(spool, receiver, "samples")
    items = [b"%d" % number for number in range(2_500)]
    forwarder.put(items[:1])
    receiver.asked.wait(PATIENCE)
    for number in range(1, 2_500, 100):
        forwarder.put(items[number : number + 100])
    assert spool.total() == Total(2_500, sum(map(len, items)), 0)
    assert receiver.items == []
    receiver.away = False
    wait_for(lambda: not spool.total().items)
    forwarder.close()
    spool.close()
    assert receiver.items == items
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"samples cannot be sent and wait in {path}; attempt 1 failed: the receiver is away" in told
    assert "samples are sent again; 2,499 wait, 0 dropped in all" in told


def test_what_waits_is_sent_after_a_restart(path):
    spool = Spool(path, 10_000)
    spool.put([b"one", b"two"])
    spool.close()
    receiver = Receiver()
    spool = Spool(path, 10_000)
    forwarder = Forwarder(spool, receiver, "samples")
    wait_for(lambda: not spool.total().items)
    forwarder.close()
    spool.close()
    assert receiver.items == [b"one", b"two"]


def test_a_full_spool_takes_all_of_a_call_or_nothing(path, caplog):
    spool = Spool(path, 10)
    forwarder = Forwarder(spool, Receiver(away=True), "samples")
    forwarder.put([b"12345", b"1234"])
    with pytest.raises(Unavailable, match=r"^2 dropped: the spool .* holds 9 of at most 10 bytes$"):
        forwarder.put([b"1", b"2"])
    forwarder.put([b"1"])
    forwarder.close()
    assert "samples: 2 dropped" in caplog.text
    spool.close()
    spool = Spool(path, 10)
    assert spool.total() == Total(3, 10, 2)
    spool.close()


def test_a_spool_that_was_full_takes_more_when_it_is_empty(path):
    spool = Spool(path, 100_000)
    for _ in range(100):
        spool.put([b"x" * 1_000])
    last, items = spool.take()
    spool.remove(last)
    assert len(items) == 100
    assert spool.total() == Total(0, 0, 0)
    spool.put([b"x" * 100_000])
    spool.close()


def test_an_empty_spool_gives_the_disk_back(path):
    spool = Spool(path, 100_000_000)
    spool.put([b"x" * 10_000] * 2_000)
    while (taken := spool.take())[1]:
        spool.remove(taken[0])
    spool.close()
    assert path.stat().st_size < 1_000_000


def test_one_part_of_many_items_is_bounded(path):
    spool = Spool(path, 100_000_000)
    spool.put([b"x" * 2**20] * 20)
    assert len(spool.take()[1]) == 8
    spool.put([b"x" * 2**24])
    spool.remove(20)
    assert len(spool.take()[1]) == 1
    spool.close()


def test_it_is_for_this_user_only(path):
    spool = Spool(path, 100)
    spool.put([b"x"])
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    spool.close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert modes
    assert set(modes.values()) == {0o600}


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Denied, match=r"^the spool .*/file/items.db cannot be opened: .*; name a file that this process may write$"):
        Spool(tmp_path / "file" / "items.db", 100)


class Process:
    """See `spooling`."""

    def __init__(self, path: pathlib.Path, received: pathlib.Path, name: str, count: int, *more: int) -> None:
        words = [sys.executable, "-m", "tests.unit.core.spooling", path, received, name, count, *more]
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.lines: Iterator[str] = map(str.strip, self.process.stdout)

    def acknowledged(self) -> list[str]:
        """What it said, to the end of the line `done`."""
        found = []
        for line in self.lines:
            if line == "done":
                break
            found.append(line)
        return found

    def kill(self) -> list[str]:
        """kill -9; what it had said but was not read yet."""
        self.process.kill()
        rest = [line for line in self.lines if line != "done"]
        self.close()
        return rest

    def close(self) -> None:
        self.process.communicate(timeout=PATIENCE)


def received_by(received: pathlib.Path) -> list[str]:
    return received.read_text().split() if received.exists() else []


def once(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))


def drain(path: pathlib.Path, received: pathlib.Path) -> list[str]:
    """Everything that a receiver has that passes over what it has already."""
    spool = Spool(path, 10_000_000)
    wait_for(lambda: not spool.total().items)
    spool.close()
    return once(received_by(received))


def test_kill_9_loses_nothing_that_was_acknowledged(path, tmp_path, seed):
    received, rng, said = tmp_path / "received", random.Random(seed), []
    for life in range(5):
        process = Process(path, received, f"life{life}", 100_000)
        said += [next(process.lines) for _ in range(rng.randrange(1, 300))]
        said += process.kill()
    process = Process(path, received, "last", 1)
    said += process.acknowledged()
    found = drain(path, received)
    process.close()
    # One more per life may have been kept whose acknowledgement was not said any more.
    assert [item for item in found if item in set(said)] == said
    assert len(found) <= len(said) + 5


def test_processes_share_a_spool_and_one_takes_over(path, tmp_path):
    received = tmp_path / "received"
    first = Process(path, received, "first", 100_000)
    said = {"first": [next(first.lines)]}
    wait_for(lambda: bool(received_by(received)))
    # The first one sends; the others only put.
    others = {name: Process(path, received, name, 200) for name in ("second", "third")}
    said |= {name: process.acknowledged() for name, process in others.items()}
    said["first"] += first.kill()
    found = drain(path, received)
    for process in others.values():
        process.close()
    for name, items in said.items():
        mine = [item for item in found if item.startswith(name)]
        assert mine[: len(items)] == items
    assert len(found) <= sum(map(len, said.values())) + 1


def test_a_full_disk_refuses_and_what_was_taken_is_sent(path, tmp_path):
    received = tmp_path / "received"
    process = Process(path, received, "x", 2_000, 300_000)
    said = process.acknowledged()
    found = drain(path, received)
    process.close()
    assert said.count("refused") == 1
    assert said.index("refused") > 10
    said.remove("refused")
    # The one that was refused, and no other, is missing.
    assert len(said) == 1_999
    assert found == said


def test_threads_put_side_by_side(path):
    receiver, spool = Receiver(), Spool(path, 1_000_000)
    forwarder = Forwarder(spool, receiver, "samples")

    def put(name: bytes) -> None:
        for number in range(50):
            forwarder.put([b"%s-%d" % (name, number)])

    threads = [threading.Thread(target=put, args=(b"%d" % thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: not spool.total().items)
    forwarder.close()
    spool.close()
    for name in range(8):
        mine = [item for item in receiver.items if item.startswith(b"%d-" % name)]
        assert mine == [b"%d-%d" % (name, number) for number in range(50)]
