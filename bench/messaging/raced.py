"""Tables of the race with Zaqar's own driver for Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Messages of a call, and times Zaqar's rate.
RATES = {
    "each": ("claim 10, then delete each", 4.0),
    "bulk": ("claim 10, then delete them at once", 10.0),
    "pop_1": ("pop 1", 5.0),
    "pop_10": ("pop 10", 5.0),
    "stats": ("statistics, 5,000 claimed", 5.0),
    "post_1": ("post 1", 1.3),
    "post_10": ("post 10", 1.3),
    "list": ("20 free ones behind 5,000 claimed", 100.0),
}
COUNTS = {
    "claim": "claim 10",
    "delete": "delete one of a claim",
    "bulk_delete": "delete 10 at once",
    "pop_10": "pop 10",
    "stats": "statistics",
    "post_1": "post 1",
    "post_10": "post 10",
    "list": "20 free ones",
}
# By the part's key: what the table says of it.
QUEUES = {
    "one queue": "in one queue",
    "1,000 queues": "in 1,000 queues",
    "one queue, always": "in one queue, flushed at each write",
}
METHOD = """\
Zaqar's driver is driven as Zaqar loads it, ours through the driver's interface, which is the same one: four processes each, with
the same client library and parser, on one Redis whose log is flushed every second, or at each write where that is said. A rate is
of calls of all four, a claim with its deletions being one. Claims and deletions have their counterparts in Zaqar's driver: each
message with the claim's id, or all by one bulk deletion. Round trips are counted on the wire, commands by the server, with those
within scripts.
"""


def told(ratio: float, aim: float) -> str:
    """An aim, and whether it is met."""
    return f"{aim:g}, {'met' if ratio >= aim else 'NOT MET'}"


def tables(found: dict[str, Any]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, head and rows of each."""
    head = ["what", "Zaqar's driver, calls/s", "ours, calls/s", "ratio", "aim"]
    yield "Redis beside Zaqar's own driver, 200,000 messages", head, list(_rates(found))
    head = ["messages", "claimed", "Zaqar's driver, ms", "ours, ms"]
    yield "Statistics on Redis, one client", head, list(_stats(found["stats"]))
    head = ["what", "claimed before", "Zaqar's round trips", "ours", "Zaqar's commands", "ours"]
    yield "What an operation exchanges with Redis", head, list(_counts(found["counted"]))


def _rates(found: dict[str, Any]) -> Iterator[list[str]]:
    for key, where in QUEUES.items():
        for what, (name, aim) in RATES.items():
            if what in found[key]:
                zaqar, ours, broken = (found[key][what][name] for name in ("zaqar", "ours", "broken"))
                lost = f" ({broken} broke off)" if broken else ""
                ratio = ours / zaqar
                # Where both wait for the disk, no aim is set.
                aimed = "" if key.endswith("always") else told(ratio, aim)
                yield [f"{name}, {where}", f"{zaqar:,.0f}{lost}", f"{ours:,.0f}", f"{ratio:.1f}", aimed]


def _stats(found: dict[str, Any]) -> Iterator[list[str]]:
    for key, each in found.items():
        yield [*key.split(", "), f"{each['zaqar']:.2f}", f"{each['ours']:.2f}"]


def _counts(found: dict[str, Any]) -> Iterator[list[str]]:
    for what, name in COUNTS.items():
        for claimed, each in found[what].items():
            zaqar, ours = each["zaqar"], each["ours"]
            trips = [f"{one['trips']:,}" for one in (zaqar, ours)]
            yield [name, f"{int(claimed):,}", *trips, *(f"{one['commands']:,}" for one in (zaqar, ours))]
