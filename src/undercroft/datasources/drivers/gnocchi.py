"""Gnocchi: roll-ups of each metric, by the granularities and aggregates of its archive policy.

A bucket counts where its start lies in the window: Gnocchi cuts moments down to it. Where each bucket has one sample, on its start,
answers are those of a store that keeps samples.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from undercroft.core import time
from undercroft.core.errors import InvalidInput, NotFound, Unavailable
from undercroft.datasources import hosts
from undercroft.datasources.meters import CEILOMETER, COMPUTE_NODE, COUNT, MAX, MEAN, MIN
from undercroft.datasources.question import Found, Point, Question
from undercroft.datasources.remote import Remote

LOG = logging.getLogger(__name__)

SUM, RATE = "sum", "rate:mean"
# What tells a counter's value in a bucket, the best first.
_COUNTED = ("last", MEAN, MAX, MIN)
_SECOND = 1_000_000
_LONGEST_ID = 255
_LENGTH = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")

Buckets = Mapping[str, list[tuple[dt.datetime, float, float]]]


@dataclasses.dataclass
class Policy:
    """What can be asked of a metric.

    Attributes:
        granularities: in seconds, ascending.
        aggregates: names.
        is_mixed: metrics of this name have several policies: a request names no granularity, and only the mean.
    """

    granularities: tuple[float, ...]
    aggregates: frozenset[str]
    is_mixed: bool = False

    def granularity(self, wanted: int | None) -> float:
        """The coarsest that is not above the wanted one, else the finest."""
        return suitable(self.granularities, wanted)


def suitable(granularities: Iterable[float], wanted: int | None) -> float:
    """The coarsest of granularities that is not above the wanted one, else the finest."""
    known = sorted(granularities)
    return max((each for each in known if wanted is not None and each <= wanted), default=known[0])


class Source(Remote):
    """Reads measures by the aggregates API: one request for all resources of a metric."""

    NAME = "gnocchi"
    SERVICE = "metric"
    PORT = 8041
    METRICS = CEILOMETER

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> Any:
        self._policies: dict[str, Policy] = {}
        return super()._open(url, options, osc)

    # -- what the base class asks ----------------------------------------------------------------------------------

    def _values(self, question: Question) -> Mapping[str, Found]:
        policy = self._policy(question.metric.name)
        question = _possible(question)
        if policy is None or question.ids == []:
            return {}
        wanted = _needed(policy, question.aggregate)
        found = {}
        for key, buckets in self._buckets(question, policy, wanted).items():
            value = _combined(buckets, question.aggregate)
            if value is not None:
                newest = max(moment for points in buckets.values() for moment, *_ in points)
                found[key] = Found(value, time.to_micros(newest))
        return found

    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        policy = self._policy(question.metric.name)
        question = _possible(question)
        if policy is None or question.ids == []:
            return {}
        # Of a counter, the last value of a bucket; of a level, its mean.
        is_counter = question.metric.kind == "cumulative"
        kept = (
            [MEAN]
            if policy.is_mixed
            else [each for each in (_COUNTED if is_counter else (MEAN, *_COUNTED)) if each in policy.aggregates]
        )
        chosen = kept[0] if kept else RATE
        found = {}
        for key, buckets in self._buckets(question, policy, (chosen,)).items():
            points = [(time.to_micros(moment), value) for moment, _, value in buckets[chosen]]
            found[key] = points if chosen != RATE else _added_up(buckets[chosen])
        return found

    def _names(self) -> Iterable[str]:
        wanted = {name for name in self.METRIC_MAP.values() if name is not None}
        return [name for name in wanted if self._metrics(name)]

    def _ping(self) -> None:
        self.client.get("/v1/status", [("details", "False")])

    # -- requests --------------------------------------------------------------------------------------------------

    def _metrics(self, name: str) -> list[_Metric]:
        answer = self.client.get("/v1/metric", [("name", name), ("limit", "1")])
        found: list[_Metric] = _decoded(answer, list[_Metric])
        return found

    def _policy(self, name: str) -> Policy | None:
        """What the archive policy of a metric has, read once; None where there is no metric of this name."""
        if name not in self._policies:
            metrics = self._metrics(name)
            if not metrics:
                return None
            policy = metrics[0].archive_policy
            lengths = tuple(sorted(_seconds(each.granularity) for each in policy.definition))
            self._policies[name] = Policy(lengths, frozenset(policy.aggregation_methods))
        return self._policies[name]

    def _buckets(self, question: Question, policy: Policy, aggregates: Sequence[str]) -> dict[str, Buckets]:
        """The buckets of the window, by aggregate, of each resource that has any."""
        try:
            found = self._requested(question, policy, aggregates)
        except (InvalidInput, NotFound) as error:
            # Not every metric of this name has the policy of the first one.
            if policy.is_mixed or not ("Granularities are missing" in str(error) or "unknown aggregation" in str(error)):
                raise
            LOG.warning("%s: metrics named %s have several archive policies: their means are read", self.NAME, question.metric.name)
            policy.is_mixed = True
            found = self._requested(question, policy, (MEAN,))
        return found

    def _requested(self, question: Question, policy: Policy, aggregates: Sequence[str]) -> dict[str, Buckets]:
        name, window = question.metric.name, question.window
        given = self._granularity_of(question)
        names = (MEAN,) if policy.is_mixed and RATE not in aggregates else tuple(aggregates)
        body = {
            "operations": ["metric", *([name, each] for each in names)],
            "resource_type": "generic",
            "search": {} if question.ids is None else {"in": {"id": list(question.ids)}},
        }
        parameters = [
            ("groupby", "id"), ("groupby", "original_resource_id"),
            ("start", _iso(window.after)), ("stop", _iso(window.until + 1)), ("refresh", "False"),
        ]  # fmt: skip
        if not policy.is_mixed:
            parameters.append(("granularity", f"{policy.granularity(given):g}"))
        try:
            answer = self.client.post("/v1/aggregates", body, parameters)
        except NotFound as error:
            if "unknown aggregation" in str(error):
                raise
            # No such resource has the metric.
            return {}
        found = {}
        for group in _decoded(answer, list[_Group]):
            key = group.group.original_resource_id or group.group.id
            for of_metric in group.measures.measures.values():
                buckets = _within(of_metric.get(name, {}), question, given)
                if any(buckets.values()):
                    found[key] = buckets
        return hosts.by_host(found) if question.meter.of == COMPUTE_NODE else found

    @staticmethod
    def _granularity_of(question: Question) -> int | None:
        """The wanted granularity, which is not longer than the window: else no bucket would begin in it."""
        if question.granularity is None:
            return None
        return max(1, min(question.granularity, round(question.window.seconds)))


def _possible(question: Question) -> Question:
    """The question without ids that no resource of Gnocchi can have: it fails on those."""
    if question.ids is None:
        return question
    return question._replace(ids=[each for each in question.ids if "/" not in each and len(each) <= _LONGEST_ID])


# -- buckets -------------------------------------------------------------------------------------------------------------------


def _needed(policy: Policy, aggregate: str) -> tuple[str, ...]:
    """The aggregates of buckets from which one of all samples is made."""
    has = policy.aggregates if not policy.is_mixed else frozenset({MEAN})
    if aggregate == COUNT:
        return (COUNT,) if COUNT in has else (MEAN,)
    if aggregate in (MIN, MAX):
        return (aggregate,) if aggregate in has else (MEAN,)
    if {SUM, COUNT} <= has:
        return (SUM, COUNT)
    return (MEAN, COUNT) if COUNT in has else (MEAN,)


def _combined(buckets: Buckets, aggregate: str) -> float | None:
    """An aggregate of all samples from those of buckets; where the policy does not keep what it takes, from their means."""
    of = {name: [value for _, _, value in points] for name, points in buckets.items()}
    counts = of.get(COUNT)
    if aggregate == COUNT:
        # Without counts: one sample a bucket.
        return sum(counts) if counts else float(len(of.get(MEAN, ()))) or None
    if aggregate in (MIN, MAX):
        kept = of.get(aggregate) or of.get(MEAN)
        return (min if aggregate == MIN else max)(kept) if kept else None
    if counts and SUM in of and sum(counts):
        return sum(of[SUM]) / sum(counts)
    means = of.get(MEAN)
    if not means:
        return None
    if counts and len(counts) == len(means) and sum(counts):
        return sum(mean * count for mean, count in zip(means, counts, strict=True)) / sum(counts)
    return sum(means) / len(means)


def _within(buckets: Buckets, question: Question, wanted: int | None) -> Buckets:
    """Those that begin in the window, of one granularity."""
    first, last = question.window.start, question.window.end
    found = {}
    for name, points in buckets.items():
        lengths = {length for _, length, _ in points}
        length = suitable(lengths, wanted) if lengths else 0.0
        found[name] = [each for each in points if first < each[0] <= last and each[1] == length]
    return found


def _added_up(buckets: Sequence[tuple[dt.datetime, float, float]]) -> list[Point]:
    """A counter from its differences: of a bucket, one from the sample before it."""
    if not buckets:
        return []
    moment, length, _ = buckets[0]
    total = 0.0
    points = [(time.to_micros(moment) - round(length * _SECOND), total)]
    for moment, _, difference in buckets:
        total += difference
        points.append((time.to_micros(moment), total))
    return points


def _iso(micros: int) -> str:
    return time.from_micros(micros).replace(tzinfo=None).isoformat()


def _seconds(text: str) -> float:
    """The length of a granularity, as Gnocchi writes it: `1 day, 0:05:00`.

    Raises:
        Unavailable: it is something else.
    """
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise Unavailable(f"Gnocchi: {text[:50]!r} is not a granularity")
    days, hours, minutes, seconds = found.groups()
    return int(days or 0) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(seconds)


# -- answers -------------------------------------------------------------------------------------------------------------------


class _Definition(msgspec.Struct):
    granularity: str


class _ArchivePolicy(msgspec.Struct):
    definition: list[_Definition]
    aggregation_methods: list[str]


class _Metric(msgspec.Struct):
    archive_policy: _ArchivePolicy


class _Key(msgspec.Struct):
    id: str
    original_resource_id: str | None = None


class _Measures(msgspec.Struct):
    measures: dict[str, dict[str, dict[str, list[tuple[dt.datetime, float, float]]]]]


class _Group(msgspec.Struct):
    group: _Key
    measures: _Measures


def _decoded(answer: bytes, type_: Any) -> Any:
    """An answer.

    Raises:
        Unavailable: it is not one of this API.
    """
    try:
        return msgspec.json.decode(answer, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(f"the answer is not one of Gnocchi: {error}") from None
