"""Many processes claim at once: no message is in two live claims (C1), and what a dead process had comes back in time (C2)."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import subprocess
import time
from typing import Any

import pytest

from tests.chaos.messaging import claimers, means
from tests.chaos.messaging.claimers import QUEUE, Event
from tests.chaos.processes import PATIENCE, life
from undercroft.conformance.plugin import Opener

pytestmark = pytest.mark.timeout(7200)
WORKERS = 8
ENGINES = pathlib.Path(__file__).parent.parent.parent / "engines"
# Of claims whose makers die; how far apart two clocks may be.
TTL, LATE, APART = 2, 2, 0.1


@pytest.fixture(scope="session")
def checker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that goes through a history with porcupine."""
    if shutil.which("go") is None:
        pytest.skip("NOT RUN: needs go")
    script = [str(ENGINES / "need-porcupine.sh"), str(tmp_path_factory.mktemp("porcupine")), "1"]
    return subprocess.run(script, check=True, capture_output=True, text=True).stdout.strip()


def post(store: Any, many: int) -> None:
    """Messages to be claimed."""
    store.queue_controller.create(QUEUE)
    for first in range(0, many, 1_000):
        store.message_controller.post(QUEUE, [{"ttl": 3_600, "body": n} for n in range(first, min(many, first + 1_000))], None)


def worked(opener: Opener, seed: int, many: int, twin: str | None = None) -> list[Event]:
    """What eight processes have done until no message was left."""
    post(opener(), many)
    options = {"namespace": opener.namespace}
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(life(claimers.work, opener.url, options, seed, number, twin)) for number in range(WORKERS)]
        for each in workers:
            assert each.hear() == "ready"
        for each in workers:
            each.tell("go")
        return [event for each in workers for event in json.loads(each.hear(PATIENCE + many))]


def is_legal(checker: str, history: list[Event]) -> bool:
    """What porcupine says."""
    done = subprocess.run(
        [checker], input="".join(f"{json.dumps(event)}\n" for event in history), capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


def figures(history: list[Event]) -> dict[str, Any]:
    """For the record."""
    claims = [event for event in history if event["kind"] == "claim"]
    return {
        "processes": WORKERS,
        "claims": len(claims),
        "after_a_claim_that_ran_out_or_was_released": len(claims) - len({event["message"] for event in claims}),
        "overlaps": len(claimers.overlaps(history)),
    }


@pytest.mark.promise("C1")
def test_no_message_is_in_two_live_claims(opener: Opener, seed: int, checker: str, record, figure):
    many = figure(200, 40_000)
    history = worked(opener, seed, many)
    record(**figures(history))
    assert {event["message"] for event in history if event["kind"] == "delete" and event["done"]} == {
        event["message"] for event in history
    }
    assert len({event["message"] for event in history}) == many
    assert claimers.overlaps(history) == []
    assert claimers.resurrected(history) == []
    assert is_legal(checker, history)


@pytest.mark.promise("C1")
def test_twin_that_claims_without_a_lock_is_rejected(opener: Opener, seed: int, checker: str, record):
    means.of(opener())
    history = worked(opener, seed, 200, "without lock")
    record(**figures(history))
    assert claimers.overlaps(history)
    assert not is_legal(checker, history)


@pytest.mark.parametrize(
    ("second", "renewed", "overlap"),
    [
        # In milliseconds. The first call starts at 0 and returns at 50; its claim expires 1,000 after the start or the renewal.
        ((500, 550), None, True),
        ((880, 890), None, True),
        ((880, 910), None, False),
        ((1_200, 1_300), None, False),
        ((1_200, 1_300), 500, True),
        ((1_700, 1_800), 500, False),
        # The call outlasts its claim, which expires before the first one is made; then a call that does not.
        ((-1_700, 60), None, False),
        ((-700, 60), None, True),
    ],
)
def test_overlaps_are_those_that_no_order_explains(second: tuple[int, int], renewed: int | None, overlap: bool):
    def event(kind: str, claim: str, call: int, end: int) -> Event:
        ms = claimers.SECOND // 1_000
        times = {"call": call * ms, "return": end * ms, "ttl": claimers.SECOND}
        return {"kind": kind, "message": "m", "claim": claim, "done": True, **times}

    history = [event("claim", "a", 0, 50), event("claim", "b", *second)]
    history += [event("renew", "a", renewed, renewed + 10)] if renewed else []
    assert bool(claimers.overlaps(history)) is overlap
    # A claim that is renewed after the other one was made had not expired.
    history += [event("renew", "b", 70, 80)] if second[1] == 60 else []
    assert bool(claimers.overlaps(history)) is (overlap or second[1] == 60)


# -- claimers that die -----------------------------------------------------------------------------------------------


def returned(opener: Opener, kills: int, twin: str | None = None) -> tuple[list[float], list[float], int]:
    """Seconds from the last call that claimed a message, or from the death of all, to its return; what came back, too."""
    many = 5 * kills
    store = opener()
    post(store, many)
    claimed: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        holders = [
            stack.enter_context(life(claimers.hold, opener.url, {"namespace": opener.namespace}, 3, TTL, twin))
            for _ in range(kills)
        ]
        for each in holders:
            assert each.hear() == "ready"
        for each in holders:
            each.tell("go")
        # Each has something when it dies, at any moment.
        told = [each.hear() for each in holders]
        for each in holders:
            each.kill()
        died = time.monotonic()
        for each in holders:
            with contextlib.suppress(EOFError):
                while True:
                    told.append(each.hear())
    for call, ids in sorted(told):
        claimed |= dict.fromkeys(ids, call)
    early: list[float] = []
    late: list[float] = []
    back: set[str] = set()
    # Far above what is promised, so that a twin can be seen to be late.
    while len(back) < many and time.monotonic() < died + TTL + LATE + 5:
        _, found = store.claim_controller.create(QUEUE, {"ttl": 600, "grace": 60}, None, 100)
        now = time.monotonic()
        for each in found:
            back.add(each["id"])
            if each["id"] in claimed:
                early.append(now - claimed[each["id"]])
                late.append(now - died)
        time.sleep(0.02)
    return early, late, many - len(back)


def in_time(early: list[float], late: list[float], missing: int) -> bool:
    """Whether all came back within the ttl and two seconds, and not before."""
    return not missing and min(early) >= TTL - APART and max(late) <= TTL + LATE


@pytest.mark.promise("C2")
def test_what_dead_claimers_had_comes_back_in_time(opener: Opener, record, figure):
    kills = figure(5, 40)
    early, late, missing = returned(opener, kills)
    record(kills=kills, messages=len(early), first=f"{min(early):.2f} s", last=f"{max(late):.2f} s", ttl=f"{TTL} s")
    assert in_time(early, late, missing)
    assert len(early) >= kills


@pytest.mark.promise("C2")
@pytest.mark.parametrize("twin", ["too short", "too long"])
def test_twin_whose_claims_end_at_another_time_is_caught(opener: Opener, twin: str, record):
    early, late, missing = returned(opener, 5, twin)
    record(first=f"{min(early, default=0):.2f} s", last=f"{max(late, default=0):.2f} s", missing=missing)
    assert not in_time(early, late, missing)
