"""Gnocchi: roll-ups of each metric, by the granularities and aggregates of its archive policy.

A bucket counts where its start lies in the window: Gnocchi cuts moments down to it. Where each bucket has one sample, on its start,
answers are those of a store that keeps samples.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from undercroft.core import time
from undercroft.core.errors import InvalidInput, NotFound, Unavailable
from undercroft.datasources import hosts
from undercroft.datasources.meters import CEILOMETER, COMPUTE_NODE, COUNT, MAX, MEAN, MIN
from undercroft.datasources.question import Found, Point, Question
from undercroft.datasources.remote import Remote, RemoteOptions, decoded

LOG = logging.getLogger(__name__)

SUM, RATE = "sum", "rate:mean"
# What tells a counter's value in a bucket, the best first.
_COUNTED = ("last", MEAN, MAX, MIN)
_SECOND = 1_000_000
# Number of metrics per name whose policies are read. A rarer policy is noticed when Gnocchi refuses a request.
_LOOKED_AT = 100
# Gnocchi answers 500 to a search for other ids, and no instance has one.
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LENGTH = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")

Buckets = Mapping[str, list[tuple[dt.datetime, float, float]]]


@dataclasses.dataclass
class Policy:
    """What can be asked of a metric.

    Attributes:
        granularities: in seconds, ascending.
        aggregates: names of those that all metrics of the name have.
        is_mixed: metrics of this name have different granularities: requests name no granularity; it is chosen per resource.
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


class Options(RemoteOptions, frozen=True, kw_only=True):
    """Its aggregates of 1,000 resources take seconds.

    Attributes:
        request_timeout: seconds that one request may take.
    """

    request_timeout: float = 10.0


class Source(Remote):
    """Reads measures by the aggregates API: one request for all resources of a metric."""

    NAME = "gnocchi"
    SERVICE = "metric"
    PORT = 8041
    METRICS = CEILOMETER
    Options: ClassVar[type[RemoteOptions]] = Options
    reads = "roll-ups: the buckets that begin in the window, of a granularity of the archive policy"
    # Aggregates that not every archive policy keeps.
    approximates = dict.fromkeys(
        (MIN, MAX, COUNT), "yes; where the archive policy does not keep it, from the means of buckets, with a warning"
    )
    slices = True

    def _open(self, url: str, options: Mapping[str, Any], osc: Any) -> Any:
        self._policies: dict[str, Policy] = {}
        self._told: set[tuple[str, str]] = set()
        return super()._open(url, options, osc)

    # -- what the base class asks ----------------------------------------------------------------------------------

    def _values(self, question: Question) -> Mapping[str, Found]:
        policy = self._policy(question.metric.name)
        if policy is None:
            return {}
        found = {}
        answers = self._buckets(question, policy, lambda known: _needed(known, question.aggregate))
        self._tell(question, policy)
        for key, buckets in answers.items():
            value = _combined(buckets, question.aggregate)
            if value is not None:
                found[key] = Found(value)
        return found

    def _points(self, question: Question) -> Mapping[str, Sequence[Point]]:
        policy = self._policy(question.metric.name)
        if policy is None:
            return {}
        found = {}
        for key, buckets in self._buckets(question, policy, lambda known: (self._told_by(known, question),)).items():
            ((chosen, points),) = buckets.items()
            found[key] = _added_up(points) if chosen == RATE else [(time.to_micros(moment), value) for moment, _, value in points]
        return found

    def _names(self) -> Iterable[str]:
        wanted = {name for name in self.METRIC_MAP.values() if name is not None}
        return [name for name in wanted if self._metrics(name, 1)]

    def _ping(self) -> None:
        self.client.get("/v1/status", [("details", "False")])

    # -- requests --------------------------------------------------------------------------------------------------

    def _metrics(self, name: str, limit: int) -> list[_Metric]:
        answer = self.client.get("/v1/metric", [("name", name), ("limit", str(limit))])
        found: list[_Metric] = decoded(answer, list[_Metric], "Gnocchi")
        return found

    def _policy(self, name: str) -> Policy | None:
        """The granularities and aggregates of a metric's archive policies, read once; None if no metric has this name."""
        if name not in self._policies:
            policies = [metric.archive_policy for metric in self._metrics(name, _LOOKED_AT)]
            if not policies:
                return None
            lengths = {tuple(sorted(_seconds(each.granularity) for each in policy.definition)) for policy in policies}
            aggregates = frozenset.intersection(*(frozenset(policy.aggregation_methods) for policy in policies))
            self._policies[name] = Policy(min(lengths), aggregates, is_mixed=len(lengths) > 1)
        return self._policies[name]

    def _tell(self, question: Question, policy: Policy) -> None:
        """Warn once where an aggregate of all samples is made of means."""
        name, aggregate = question.metric.name, question.aggregate
        if aggregate != MEAN and aggregate not in policy.aggregates and (name, aggregate) not in self._told:
            self._told.add((name, aggregate))
            LOG.warning(
                "%s: the archive policy of %s does not keep %s: it is taken from the means of buckets; add it to the policy's"
                " aggregation methods", self.NAME, name, aggregate,
            )  # fmt: skip

    def _buckets(self, question: Question, policy: Policy, choose: Callable[[Policy], Sequence[str]]) -> dict[str, Buckets]:
        """The buckets of the window, by aggregate, of each resource that has any."""
        # One metric of another policy has the whole request refused: 400 for a granularity that it does not have, 404 for an
        # aggregate. What is asked then is in every policy that has means.
        try:
            return self._requested(question, policy, choose(policy))
        except (InvalidInput, NotFound) as error:
            if isinstance(error, NotFound) and "does not exist" in str(error):
                # No such resource has the metric. If a policy lacks an aggregate, the error has an object in place of this text.
                return {}
            LOG.info("%s: %s is asked again, for several archive policies: %s", self.NAME, question.metric.name, error)
        common = dataclasses.replace(policy, is_mixed=True)
        try:
            found = self._requested(question, common, choose(common))
        except NotFound:
            common.aggregates = frozenset({MEAN})
            try:
                found = self._requested(question, common, choose(common))
            except NotFound:
                # No such resource has the metric.
                return {}
        policy.is_mixed, policy.aggregates = True, common.aggregates
        return found

    def _requested(self, question: Question, policy: Policy, aggregates: Sequence[str]) -> dict[str, Buckets]:
        name, window = question.metric.name, question.window
        given = self._granularity_of(question)
        ids = None if question.ids is None else [each for each in question.ids if _UUID.fullmatch(each)]
        if ids == []:
            return {}
        body = {
            "operations": ["metric", *([name, each] for each in aggregates)],
            "resource_type": "generic",
            "search": _between(question.prefix) if ids is None else {"in": {"id": ids}},
        }
        parameters = [
            ("groupby", "id"), ("groupby", "original_resource_id"),
            ("start", _iso(window.after)), ("stop", _iso(window.until + 1)), ("refresh", "False"),
        ]  # fmt: skip
        if not policy.is_mixed:
            parameters.append(("granularity", f"{policy.granularity(given):g}"))
        answer = self.client.post("/v1/aggregates", body, parameters)
        found = {}
        for group in decoded(answer, list[_Group], "Gnocchi"):
            key = group.group.original_resource_id or group.group.id
            for of_metric in group.measures.measures.values():
                buckets = _within(of_metric.get(name, {}), question, given)
                if any(buckets.values()):
                    found[key] = buckets
        return hosts.by_host(found) if question.meter.of == COMPUTE_NODE else found

    def _told_by(self, policy: Policy, question: Question) -> str:
        """The aggregate that tells the values of buckets: of a level the mean, of a counter the last value.

        Ceilometer's own policies keep neither last values nor more than a sample a bucket. Where the window is too short for two
        buckets of them, Gnocchi's difference from the bucket before is all that can be known.
        """
        has = policy.aggregates
        if question.metric.kind != "cumulative":
            return next((each for each in (MEAN, *_COUNTED) if each in has), MEAN)
        last, *others = _COUNTED
        is_short = policy.granularity(self._granularity_of(question)) * 2 > question.window.seconds
        return next((each for each in (last, *((RATE,) if is_short else ()), *others) if each in has), RATE)

    @staticmethod
    def _granularity_of(question: Question) -> int | None:
        """The wanted granularity, which is not longer than the window: else no bucket would begin in it."""
        if question.granularity is None:
            return None
        return max(1, min(question.granularity, round(question.window.seconds)))


# -- buckets -------------------------------------------------------------------------------------------------------------------


def _between(prefix: str) -> dict[str, Any]:
    """A search for resources whose id begins so; for all without a prefix."""
    if not prefix:
        return {}
    first, last = (str(uuid.UUID(prefix.ljust(32, digit))) for digit in "0f")
    return {"and": [{">=": {"id": first}}, {"<=": {"id": last}}]}


def _needed(policy: Policy, aggregate: str) -> tuple[str, ...]:
    """The aggregates of buckets from which one of all samples is made."""
    has = policy.aggregates
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
