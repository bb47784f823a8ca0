"""Pools: what it costs that queues are spread over them, beside the driver below."""

from __future__ import annotations

import pathlib
import statistics
import urllib.parse
from typing import Any

from bench.harness import Process, say
from bench.messaging import notify, waiters
from bench.messaging.sizes import Sizes

# What one client does, messages of a call, and messages that a second takes, about.
_STEPS = (("send", 1, 0), ("send", 10, 0), ("each", 10, 12_000))


def pooled(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Posts, and claims with deletions, through a pool and without, by turns; what is beside the pool is a file."""
    found: dict[str, Any] = {}
    for engine, url in urls.items():
        places = {"alone": waiters.place(url, "pooled_alone", folder), "beside": _through(url, engine, folder)}
        with notify.worker(engine, places["alone"]) as alone, notify.worker(engine, places["beside"]) as beside:
            found[engine] = _turns({"alone": alone, "beside": beside}, sizes)
        say(f"{engine}: {found[engine]}")
    return found


def _through(url: str, engine: str, folder: pathlib.Path) -> str:
    pool = urllib.parse.quote(waiters.place(url, "pooled_beside", folder), safe=":/")
    return f"pooled+sqlite:///{folder}/{engine}-control.db?pools={pool}"


def _turns(sides: dict[str, Process], sizes: Sizes) -> dict[str, dict[str, float]]:
    """Calls a second of each side, by the median call of its median turn."""
    for client in sides.values():
        client.order("prepare")
    found: dict[str, dict[str, float]] = {}
    for what, size, needs in _STEPS:
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(4 * sizes.rounds):
            for side in ("alone", "beside") if number % 2 else ("beside", "alone"):
                if needs:
                    sides[side].order("fill", count=int(needs * sizes.seconds / 2))
                answer = sides[side].order("run", what=what, seconds=sizes.seconds / 2, count=size)
                rates[side].append(1 / statistics.median(answer["taken"]))
        found[f"{what} {size}"] = {side: statistics.median(each) for side, each in rates.items()}
    return found
