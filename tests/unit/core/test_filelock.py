"""A lock on a file has one holder, in this process and in others."""

from __future__ import annotations

import threading

import pytest

from undercroft.core.errors import Denied, Unavailable
from undercroft.core.filelock import FileLock


def test_one_of_two_has_it(tmp_path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert not first.holds()
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    assert second.acquire()
    assert second.holds()
    assert not first.holds()


def test_a_file_that_was_removed_is_locked_anew(tmp_path):
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    (tmp_path / "lock").unlink()
    assert not first.holds()
    assert second.acquire()
    assert not first.acquire()


def test_holders_wait_for_each_other(tmp_path):
    inside: list[int] = []

    def work() -> None:
        with FileLock(tmp_path / "lock").held():
            inside.append(1)
            assert len(inside) == 1
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert FileLock(tmp_path / "lock").acquire()


def test_a_file_that_cannot_be_made_is_for_an_operator(tmp_path):
    with pytest.raises(Denied, match="lock file cannot be opened") as caught:
        FileLock(tmp_path / "missing" / "lock").acquire()
    assert isinstance(caught.value, Unavailable)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Denied):
        FileLock(tmp_path / "link").acquire()
    assert not (tmp_path / "elsewhere").exists()
