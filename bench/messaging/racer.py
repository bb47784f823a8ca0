"""One client of the race in a process of its own: our store on Redis, or Zaqar's own driver, by the interface that both have.

python -m bench.messaging.racer ours|zaqar URL NUMBER CLIENTS
"""

from __future__ import annotations

import collections
import itertools
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from bench.harness import obey, own_stdout
from bench.messaging import workload

# Seconds of a claim, and of a message: longer than any run.
LEASE, LIFE = {"ttl": 3_600, "grace": 60}, 86_400
# Messages of a claim, and of a page.
TEN, PAGE = 10, 20
ZAQAR = """
[DEFAULT]
admin_mode = True
[drivers]
message_store = redis
management_store = redis
[drivers:message_store:redis]
uri = {url}
[drivers:management_store:redis]
uri = {url}
"""


class Empty(Exception):
    """A queue has no more messages."""


class Ours:
    """Our driver."""

    def __init__(self, url: str) -> None:
        import undercroft

        store = undercroft.connect("messaging", url)
        store.init()
        self.queues, self.messages, self.claims = store.queue_controller, store.message_controller, store.claim_controller
        self.stats = store.queue_controller.stats


class Zaqar:
    """Zaqar's driver, as Zaqar loads it."""

    def __init__(self, url: str) -> None:
        from oslo_config import cfg
        from oslo_log import log
        from osprofiler import opts
        from zaqar.conf import default, drivers, profiler
        from zaqar.storage import utils
        from zaqar.storage.redis.messages import MessageQueueHandler

        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "zaqar.conf"
            file.write_text(ZAQAR.format(url=url))
            conf = cfg.ConfigOpts()
            log.register_options(conf)
            conf(args=[], default_config_files=[str(file)])
        conf.register_opts(default.ALL_OPTS)
        conf.register_opts(drivers.ALL_OPTS, group=drivers.GROUP_NAME)
        opts.set_defaults(conf)
        conf.register_opts(profiler.ALL_OPTS, group=profiler.GROUP_NAME)
        control = utils.load_storage_driver(conf, None, control_mode=True)
        store = utils.load_storage_driver(conf, None, control_driver=control)
        self.queues, self.messages, self.claims = store.queue_controller, store.message_controller, store.claim_controller
        # Where its pipeline counts the messages of a queue.
        self.stats = MessageQueueHandler(store, control).stats


class Racer:
    """Takes orders.

    Args:
        name: of the side.
        url: of its store.
        number: of this client.
        clients: how many there are.
    """

    def __init__(self, name: str, url: str, number: int, clients: int) -> None:
        self._number, self._clients = number, clients
        self._side: Any = {"ours": Ours, "zaqar": Zaqar}[name](url)
        self._bodies = [{"ttl": LIFE, "body": workload.BODY}] * workload.MOST
        self._queues: list[str] = []
        self._held: list[tuple[str, Any]] = []
        # What each queue has got more than before.
        self._more: collections.Counter[str] = collections.Counter()
        self._next: Any = None
        self._taken: tuple[Any, list[str]] = None, []

    def prepare(self, queues: list[str]) -> dict[str, Any]:
        """Make queues, the client's part of them."""
        self._queues, self._held = queues, []
        self._more.clear()
        for queue in queues[self._number :: self._clients]:
            self._side.queues.create(queue, project=workload.PROJECT)
        # Clients are in different queues at a time, where there are several.
        begin = len(queues) * self._number // self._clients
        self._next = itertools.cycle(queues[begin:] + queues[:begin])
        return {}

    def fill(self, count: int) -> dict[str, Any]:
        """Post the client's part of so many messages to each queue."""
        for queue in self._queues if len(self._queues) == 1 else self._queues[self._number :: self._clients]:
            self._fill(queue, count // self._clients if len(self._queues) == 1 else count)
        return {}

    def _fill(self, queue: str, count: int) -> None:
        for begin in range(0, count, workload.MOST):
            self._post(queue, min(workload.MOST, count - begin))

    def hold(self, count: int) -> dict[str, Any]:
        """Claim so many messages of the first queue, ten at a time, and keep them."""
        queue = self._queues[0]
        for _ in range(count // TEN):
            claim, messages = self._claim(queue)
            assert len(messages) == TEN, messages
            self._held.append((queue, claim))
        return {}

    def release(self) -> dict[str, Any]:
        """Release what is held."""
        for queue, claim in self._held:
            self._side.claims.delete(queue, claim, workload.PROJECT)
        self._held.clear()
        return {}

    def restore(self) -> dict[str, Any]:
        """Let each queue have as many messages as before."""
        for queue, more in self._more.items():
            self._fill(queue, -more)
            for begin in range(0, more, workload.MOST):
                _, messages = self._claim(queue, min(workload.MOST, more - begin))
                self._side.messages.bulk_delete(queue, messages, workload.PROJECT)
        self._more.clear()
        return {}

    def run(self, what: str, seconds: float) -> dict[str, Any]:
        """Do one thing for a time: how often, how often it broke off, and how long it took."""
        step: Callable[[str], int] = getattr(self, what)
        done, broken, began = 0, 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            queue = next(self._next)
            try:
                self._more[queue] += step(queue)
            except Empty:
                # The time until then counts.
                break
            except (TypeError, AttributeError):
                # Zaqar's pop claims for a second of its clock. Where that ends amid the call, another one takes the messages, too.
                broken += 1
            done += 1
        return {"calls": done, "broken": broken, "seconds": spent}

    def take(self) -> dict[str, Any]:
        """Claim what an operation deletes that is done once afterwards."""
        self._taken = self._claim(self._queues[0])
        return {}

    def one(self, what: str) -> dict[str, Any]:
        """Do an operation once."""
        getattr(self, what)(self._queues[0])
        return {}

    def claim(self, queue: str) -> None:
        """Claim ten, and keep them."""
        claim, messages = self._claim(queue)
        assert len(messages) == TEN, messages
        self._held.append((queue, claim))

    def delete(self, queue: str) -> None:
        """Delete one of those taken, with the claim's id."""
        claim, messages = self._taken
        self._side.messages.delete(queue, messages[0], workload.PROJECT, claim)

    def bulk_delete(self, queue: str) -> None:
        """Delete those taken."""
        self._side.messages.bulk_delete(queue, self._taken[1], workload.PROJECT)

    def _claim(self, queue: str, count: int = TEN) -> tuple[Any, list[str]]:
        claim, messages = self._side.claims.create(queue, LEASE, workload.PROJECT, count)
        return claim, [message["id"] for message in messages]

    def _post(self, queue: str, count: int) -> None:
        assert len(self._side.messages.post(queue, self._bodies[:count], workload.CLIENT, workload.PROJECT)) == count

    def _ten(self, queue: str) -> tuple[Any, list[str]]:
        claim, messages = self._claim(queue)
        if len(messages) < TEN:
            self._side.claims.delete(queue, claim, workload.PROJECT)
            raise Empty
        return claim, messages

    def each(self, queue: str) -> int:
        """Claim ten, delete each."""
        claim, messages = self._ten(queue)
        for message in messages:
            self._side.messages.delete(queue, message, workload.PROJECT, claim)
        return -TEN

    def bulk(self, queue: str) -> int:
        """Claim ten, delete them at once."""
        _, messages = self._ten(queue)
        self._side.messages.bulk_delete(queue, messages, workload.PROJECT)
        return -TEN

    def pop_1(self, queue: str) -> int:
        """Pop one."""
        return self._pop(queue, 1)

    def pop_10(self, queue: str) -> int:
        """Pop ten."""
        return self._pop(queue, TEN)

    def _pop(self, queue: str, count: int) -> int:
        messages = self._side.messages.pop(queue, count, workload.PROJECT)
        if not messages:
            raise Empty
        return -len(messages)

    def post_1(self, queue: str) -> int:
        """Post one."""
        self._post(queue, 1)
        return 1

    def post_10(self, queue: str) -> int:
        """Post ten."""
        self._post(queue, TEN)
        return TEN

    def stats(self, queue: str) -> int:
        """Statistics."""
        assert self._side.stats(queue, workload.PROJECT)["messages"]["total"]
        return 0

    def list(self, queue: str) -> int:
        """A page of free messages."""
        page = self._side.messages.list(queue, workload.PROJECT, limit=PAGE, echo=True)
        assert len([*next(page)]) == PAGE
        assert next(page)
        return 0


def main() -> None:
    """Obey."""
    answers = own_stdout()
    name, url, number, clients = sys.argv[1:]
    obey(Racer(name, url, int(number), int(clients)), answers)


if __name__ == "__main__":
    main()
