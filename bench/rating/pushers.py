"""Eight processes that push at once, as CloudKitty's workers do: each has projects of its own, and a push is one project's hour."""

from __future__ import annotations

import contextlib
import json
import pathlib
import statistics
import time
from typing import Any

from bench.harness import Process, say
from bench.rating.workload import OWN, SMALL

PUSHERS = 8
ROUNDS = 3
# Of each process in a round.
PUSHES = 150
# So that each waits for the moment when the last of them hears of it.
NOTICE = 0.2


class Team:
    """A subject's processes, on one store."""

    def __init__(
        self, stack: contextlib.ExitStack, name: str, python: pathlib.Path, kind: str, url: str, folder: pathlib.Path,
        data: dict[str, Any], size: int = PUSHERS,
    ) -> None:  # fmt: skip
        self.name = name
        self.ours = kind == "ours"
        self._points = 0
        self._members: list[Process] = []
        for number in range(size):
            command = ("bench.rating.worker", kind, url, "--folder", folder, "--data", json.dumps(data), "--pusher", number)
            self._members.append(Process(f"{name} {number}", python, *command))
            stack.callback(self._members[-1].close)

    def race(self, pushes: int) -> dict[str, Any]:
        """Every process pushes so often, all from one moment on.

        Returns:
            points a second, from that moment to the end of the last push, what they put off included, and each push's seconds.
        """
        for member in self._members:
            member.send("make", pushes=pushes)
        for member in self._members:
            member.answer()
        at = time.monotonic() + NOTICE
        for member in self._members:
            member.send("race", at=at)
        answers = [member.answer() for member in self._members]
        taken = max(each["ended"] for each in answers) - min(each["began"] for each in answers)
        taken += self._members[0].order("settle")["seconds"]
        points = pushes * SMALL * len(self._members)
        self._points += points
        return {"points/s": points / taken, "pushes": [seconds for each in answers for seconds in each["pushes"]]}

    def check(self) -> None:
        """Every point must be there."""
        found = self._members[0].order("count")["points"]
        if found != self._points:
            raise SystemExit(f"{self.name}: {self._points:,} points were pushed, {found:,} are stored")


def measure(teams: list[Team], pushes: int = PUSHES, rounds: int = ROUNDS) -> dict[str, dict[str, Any]]:
    """Race them in turns. The first hour, in which every resource is new, is not counted; the median of the rounds is.

    Returns:
        by name of the subject, points a second, and the median and the 99th percentile of the seconds of a push.
    """
    found: dict[str, list[dict[str, Any]]] = {team.name: [] for team in teams}
    for team in teams:
        team.race(OWN)
    for _ in range(rounds):
        for team in teams:
            found[team.name].append(team.race(pushes))
            say(f"{team.name:12} at once: {found[team.name][-1]['points/s']:>9,.0f} points/s")
    for team in teams:
        if team.ours:
            team.check()
    results = {}
    for name, races in found.items():
        middle = sorted(races, key=lambda race: float(race["points/s"]))[len(races) // 2]
        shares = statistics.quantiles(middle["pushes"], n=100)
        results[name] = {"points/s": round(middle["points/s"]), "p50": shares[49], "p99": shares[98]}
    return results
