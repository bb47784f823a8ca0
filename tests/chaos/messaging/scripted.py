"""Protections taken away where an operation is one script, which its engine runs as one step: scripts that are two, or forget."""

from __future__ import annotations

import contextlib
import importlib.resources
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.chaos.workloads import COMMIT_SECONDS
from undercroft.core import time
from undercroft.engines.redis import Call, Script
from undercroft.messaging.drivers.redis import claims, keeping, messages, rows
from undercroft.messaging.models import NewMessage

# Messages that a script cleans up: of 250 each those whose claims are over, and those that are free.
PART = 500
# Whether a post may be open while others are stored, and whether a question removes what has expired.
OPEN, CLEANS_WHEN_ASKED = False, True
_PRELUDE = (importlib.resources.files("undercroft.messaging.drivers.redis") / "scripts" / "queue.lua").read_text()
_PLACES = "new_numbers('place', last, count, now)"
_FREED = "spread('ZADD', FREE, "


def changed(script: Script, old: str, new: str) -> Script:
    """A script in which a part is another one."""
    text = script.text.decode()
    assert text.count(old) == 1, old
    return Script.from_text(script.name, text.replace(old, new).encode())


# -- posts and readers ---------------------------------------------------------------------------------------------------


def late(store: Any, wait: Callable[[], object]) -> None:
    """Let every script wait before it: it is done at once then."""
    run = store.message_controller._run

    def later(*arguments: Any) -> Any:
        wait()
        return run(*arguments)

    store.message_controller._run = later


def post_apart(store: Any, wait: Callable[[], object]) -> None:
    """Let posts take their places first, and store their messages a moment later."""
    controller = store.message_controller
    text = messages.POST.text.decode()
    first, _, _ = text.partition(f"local first = {_PLACES}")
    reserve = Script.from_text("reserve", f"{first}return {{inc, listed, {_PLACES}}}".encode())
    fill = changed(messages.POST, _PLACES, "tonumber(ARGV[2])")

    def run(script: Script, base: str, now: int, made: Any, *values: Any) -> Any:
        if script is not messages.POST:
            return store.store.redis.run(script, base, now, made, *values)
        found = store.store.redis.run(reserve, base, now, made, *values)
        if found is None:
            return None
        wait()
        return store.store.redis.run(fill, base, now, found[2], *values)

    controller._run = run


def blind(store: Any) -> None:
    """Nothing: a post is never open."""


def patient() -> contextlib.AbstractContextManager[None]:
    """Nothing: the same."""
    return contextlib.nullcontext()


def another_transaction(store: Any, name: str) -> contextlib.AbstractContextManager[None]:
    """Nothing: there are no transactions that stay open."""
    return contextlib.nullcontext()


def one_by_one(store: Any) -> None:
    """Nothing: scripts are one by one."""


def counted_apart(store: Any) -> None:
    """What is counted is what is free: let posts store messages first, and put them among those that are free a moment later."""
    controller = store.message_controller
    posts = {
        each: changed(each, f"{_FREED}{name})", "") for each, name in ((messages.POST, "places"), (messages.POST_EACH, "free"))
    }
    lines = (
        "open(ARGV[1])",
        "for index = 2, #ARGV do",
        "  if call('HEXISTS', BODY, ARGV[index]) == 1 and not call('ZSCORE', HELD, ARGV[index]) then",
        "    add_free({ARGV[index]})",
        "  end",
        "end",
    )
    free = Script.from_text("free", (_PRELUDE + "\n".join(lines)).encode())

    def run(script: Script, base: str, *arguments: Any) -> Any:
        found = store.store.redis.run(posts.get(script, script), base, *arguments)
        threading.Event().wait(COMMIT_SECONDS)
        # The script returns nil if the queue does not exist; the driver then creates the queue and runs it again.
        if script is messages.POST_EACH and found is not None and found[0] == 0:
            inc, joined = found[1], found[3].decode()
            store.store.redis.run(free, base, inc, *(joined[at : at + rows.PLACE] for at in range(0, len(joined), rows.PLACE)))
        return found

    def post(queue: str, given: list[NewMessage], client: str, project: str) -> list[str]:
        return controller._post_each(queue, given, client, project)  # type: ignore[no-any-return]

    controller._run, controller._post = run, post


def after_writing(store: Any, do: Callable[[], object]) -> None:
    """Do something when a script has run, before that is told."""
    run = store.message_controller._run

    def written(*arguments: Any) -> Any:
        found = run(*arguments)
        do()
        return found

    store.message_controller._run = written


# -- claims and clocks ---------------------------------------------------------------------------------------------------


def claim_in_two_steps(store: Any) -> None:
    """Let claims look for messages first, and take them a moment later without looking again."""
    look = Script.from_text("look", f"{_PRELUDE}open(call('HGET', QUEUE, 'inc')) return call('ZRANGE', FREE, 0, ARGV[1])".encode())
    lines = (
        "places = {}",
        "for index = 6, #ARGV do",
        "  if call('HEXISTS', BODY, ARGV[index]) == 1 then",
        "    places[#places + 1] = ARGV[index]",
        "    call('ZREM', FREE, ARGV[index])",
        "  end",
        "end",
    )
    take = changed(claims.CLAIM, "places, more = take(limit, now, more)", "\n".join(lines))

    def run(script: Script, base: str, *arguments: Any) -> Any:
        if script is not claims.CLAIM:
            return store.store.redis.run(script, base, *arguments)
        found = store.store.redis.run(look, base, arguments[3] - 1)
        threading.Event().wait(COMMIT_SECONDS)
        return store.store.redis.run(take, base, *arguments[:4], "", *found)

    store.claim_controller._run = run


def look_once_at_the_clock(store: Any) -> None:
    """A clock that is compared with the engine's once."""
    ahead = store.store.now() - time.to_micros(time.now()) // 1_000
    store.store.now = lambda: time.to_micros(time.now()) // 1_000 + ahead


# -- cleaning ------------------------------------------------------------------------------------------------------------


def watch_cleaning(store: Any, parts: list[int]) -> None:
    """Tell the messages that each script removes which cleans a queue."""
    run_many = store.store.redis.run_many

    def watched(calls: Sequence[Call]) -> list[Any]:
        found: list[Any] = run_many(calls)
        parts.extend(answer[0] for call, answer in zip(calls, found, strict=True) if call.script is keeping.CLEAN and answer)
        return found

    store.store.redis.run_many = watched


def clean_too_young(store: Any, ahead: int) -> None:
    """Let a store clean up what expires within so many milliseconds."""
    whole, now = store.clean, store.store.now

    def clean() -> int:
        store.store.now = lambda: now() + ahead
        try:
            return int(whole())
        finally:
            store.store.now = now

    store.clean = clean


@contextlib.contextmanager
def cleaned_all_at_once(store: Any) -> Iterator[None]:
    """The block, in which one script removes all that has expired."""
    before = keeping.CLEAN
    keeping.CLEAN = changed(before, "local AT_ONCE, PASSED = 250,", "local AT_ONCE, PASSED = 100000,")
    try:
        yield
    finally:
        keeping.CLEAN = before


def stored(store: Any) -> int:
    """Messages that are stored, whether anybody sees them or not."""
    keys = list(store.store.redis.scan(f"{{{store.store.options.namespace}:*:body"))
    return sum(store.store.redis.command(key.decode(), "HLEN", key) for key in keys)
