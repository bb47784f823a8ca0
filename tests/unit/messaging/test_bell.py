"""What tells those who wait, in a forked process."""

from __future__ import annotations

import os
import signal

from undercroft.engines.sql import Database, EngineOptions
from undercroft.messaging.drivers.sql.dialects.bell import Bell


def test_a_fork_while_another_thread_rings():
    """The child has nothing of it: neither the lock, which would be held for ever, nor what the parent tells later."""
    db = Database("sqlite://", EngineOptions())
    bell = Bell(db, "undercroft")
    bell._later[1] = 1
    with bell._lock:
        child = os.fork()
        if not child:
            signal.alarm(10)
            with bell._lock:
                os._exit(bool(bell._later))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert bell._later == {1: 1}
    db.close()
