"""A process that spools: spooling.py SPOOL RECEIVED NAME COUNT [LIMIT].

Puts `NAME-0`, `NAME-1` ... and prints each when it is acknowledged; what the spool sends is appended to the file RECEIVED. After
COUNT it prints `done`, and sends until its stdin ends. With LIMIT no file may become larger than so many bytes, and the receiver is
away, until the first item is refused; when everything before it was received, it prints `refused` and goes on without the limit.
"""

from __future__ import annotations

import contextlib
import pathlib
import resource
import sys
import time

from undercroft.core.errors import Unavailable
from undercroft.core.forward import Forwarder
from undercroft.core.spool import Spool

BOUND = 10_000_000


def main(spool: pathlib.Path, received: pathlib.Path, name: str, count: int, limit: int = 0) -> None:
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    away = bool(limit)

    def send(items: list[bytes]) -> None:
        if away:
            raise ConnectionError("away")
        with received.open("ab", buffering=0) as file:
            file.write(b"".join(item.partition(b" ")[0] + b"\n" for item in items))

    forwarder = Forwarder(Spool(spool, BOUND), send, "items")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    acknowledged = 0
    for number in range(count):
        try:
            forwarder.put([b"%s-%d %s" % (name.encode(), number, b"x" * 200)])
        except Unavailable:
            assert limit, "nothing else refuses"
            away = False
            while not received.exists() or received.read_bytes().count(b"\n") < acknowledged:
                time.sleep(0.01)
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            limit = 0
            print("refused", flush=True)
        else:
            acknowledged += 1
            print(f"{name}-{number}", flush=True)
    print("done", flush=True)
    sys.stdin.read()
    forwarder.close()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
