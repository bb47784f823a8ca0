"""Many resources at once, threads, and what the source tells of itself."""

from __future__ import annotations

import uuid

import pytest

from undercroft.conformance.datasources.asking import AGGREGATES, ALL, Asked, calls, close
from undercroft.conformance.datasources.data import HOST_METERS, INSTANCE_METERS, names, node
from undercroft.conformance.datasources.feeding import CPU
from undercroft.conformance.markers import clause
from undercroft.conformance.rows import part, rows
from undercroft.conformance.threads import numbered
from undercroft.datasources import MetricNotAvailable
from undercroft.datasources.resources import refer

WORDS = {True: ("random", "other", "zero", "old", "window", "cold"), False: ("random", "other", "zero", "old", "window", "digits")}


def words(meter: str) -> tuple[str, ...]:
    return WORDS[meter in HOST_METERS]


@clause("S2")
@rows("meter", ALL)
def test_a_batch_is_what_single_questions_give(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        resources = [ask.resource(meter, word) for word in words(meter)]
        for aggregate in part(AGGREGATES, ALL.index(meter), 4):
            with calls(ask.source) as made:
                found = ask.source.statistic_batch(resources, None, meter, 600, aggregate, 60)
            assert len(made) <= 1
            singles = {
                str(each["uuid"]): ask.source.statistic_aggregation(each, None, meter, 600, 60, aggregate) for each in resources
            }
            assert found == singles
            for word, each in zip(words(meter), resources, strict=True):
                assert close(found[str(each["uuid"])], ask.expected(meter, word, 600, aggregate)), (word, aggregate)


@clause("S2")
@rows("meter", [CPU, "instance_ram_usage"])
def test_a_thousand_instances_are_two_calls(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        others = [{"uuid": str(uuid.uuid4()), "vcpus": 1} for _ in range(998)]
        resources = [ask.world.instance("random"), *others, ask.world.instance("other")]
        with calls(ask.source) as made:
            found = ask.source.statistic_batch(resources, "instance", meter, 600)
        assert len(made) == 2
        assert len(found) == 1_000
        assert {key: value for key, value in found.items() if value is not None}.keys() == {
            ask.world.instances["random"], ask.world.instances["other"],
        }  # fmt: skip
        assert close(found[ask.world.instances["random"]], ask.expected(meter, "random", 600))


@clause("S2")
def test_a_thousand_hosts_are_one_call(ask: Asked) -> None:
    for meter in ask.served("host_cpu_usage", "host_power"):
        others = [node(f"none{number}.example.com") for number in range(999)]
        with calls(ask.source) as made:
            found = ask.source.statistic_batch([ask.world.host("random"), *others], "compute_node", meter, 600)
        assert len(made) == 1
        assert [value for value in found.values() if value is not None] == [found[str(ask.world.host("random")["uuid"])]]


@clause("S2")
def test_a_batch_of_nothing_asks_nothing(ask: Asked) -> None:
    for meter in ask.served("host_cpu_usage", CPU):
        with calls(ask.source) as made:
            assert ask.source.statistic_batch([], None, meter) == {}
            assert ask.source.statistic_batch([{"uuid": "u", "human_id": "h"}], "bare_metal", meter) == {"u": None}
        assert made == []


@clause("S10", "S11")
@rows("meter", ["host_cpu_usage", "host_power"])
def test_a_batch_of_hostile_names(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        found = ask.source.statistic_batch([node(name) for name in names(ask.world)], "compute_node", meter)
        assert found == {str(node(name)["uuid"]): pytest.approx(value) for name, value in names(ask.world).items()}


@clause("S2")
@rows("meter", ALL)
def test_all_answers_by_one_call(ask: Asked, meter: str) -> None:
    if not ask.serves(meter):
        return
    if ask.kinds[meter] == "inventory":
        with pytest.raises(MetricNotAvailable):
            ask.source.answers(meter)
        return
    for aggregate in AGGREGATES:
        with calls(ask.source) as made:
            answers = ask.source.answers(meter, 600, aggregate, 60)
        assert len(made) == 1
        assert answers is not None
        assert len(answers) >= 2
        for word in words(meter):
            assert close(answers.of(refer(ask.resource(meter, word), None)), ask.expected(meter, word, 600, aggregate)), word


@clause("S2")
@rows("meter", INSTANCE_METERS)
def test_the_parts_of_a_large_cloud_make_up_the_whole(ask: Asked, meter: str) -> None:
    if not ask.source.slices or not ask.serves(meter) or ask.kinds[meter] == "inventory":
        return
    for aggregate in AGGREGATES:
        whole = ask.source.answers(meter, 600, aggregate, 60)
        ask.source.slicer.digits[ask.source.METRIC_MAP[meter] or ""] = 1
        with calls(ask.source) as made:
            parts = ask.source.answers(meter, 600, aggregate, 60)
        ask.source.slicer.digits.clear()
        assert len(made) == 16
        assert whole is not None
        assert parts is not None
        # Other processes may feed the same server.
        assert len(parts) >= 2
        for word in words(meter):
            reference = refer(ask.resource(meter, word), None)
            assert parts.of(reference) == whole.of(reference), (word, aggregate)


@clause("S9")
@rows("meter", ALL)
def test_explanations_name_the_samples(ask: Asked, meter: str) -> None:
    if not ask.serves(meter):
        return
    told = ask.source.explain(ask.resource(meter, "random"), None, meter, 600, "max", 60)
    assert (told.meter, told.metric, told.aggregate) == (meter, ask.source.METRIC_MAP[meter], "max")
    assert told.value == ask.value(meter, "random", 600, "max")
    assert (told.until - told.after).total_seconds() == 600
    assert told.until == ask.world.now
    if ask.kinds[meter] == "inventory":
        assert told.note
        return
    # Of a level that is stored as a counter, pairs of samples are read.
    pairs = ask.is_paired(meter)
    assert told.samples == 10 - pairs
    assert told.last == ask.world.now
    assert told.age == 0
    assert told.first is not None
    assert (told.last - told.first).total_seconds() == 540 - 60 * pairs
    (nothing,) = ask.source.explain_batch([ask.resource(meter, "old")], None, meter, 600)
    assert (nothing.value, nothing.samples, nothing.first, nothing.last, nothing.age) == (None, 0, None, None, None)
    assert nothing.note


@clause("S9")
@rows("meter", ALL)
def test_explanations_of_many_are_two_calls(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        resources = [ask.resource(meter, word) for word in words(meter)]
        for aggregate in part(AGGREGATES, ALL.index(meter), 4):
            with calls(ask.source) as made:
                found = ask.source.explain_batch(resources, None, meter, 600, aggregate, 60)
            assert len(made) <= 2
            assert found == [ask.source.explain(each, None, meter, 600, aggregate, 60) for each in resources]
            batch = ask.source.statistic_batch(resources, None, meter, 600, aggregate, 60)
            assert [each.value for each in found] == list(batch.values())


@clause("S9")
@rows("meter", ALL)
def test_a_survey_counts_resources(ask: Asked, meter: str) -> None:
    if not ask.serves(meter):
        return
    found = ask.source.survey(meter, 600)
    assert found is not None
    if ask.kinds[meter] != "inventory":
        # Other runs may have fed the same server: at least ours are counted.
        assert found.resources >= 2
        assert found.newest is not None
        assert found.newest >= ask.world.now


@clause("S2")
def test_threads_share_a_source(ask: Asked) -> None:
    meters = ask.served(*ALL)

    def asks(number: int) -> None:
        for step in range(6):
            meter = meters[(number + step) % len(meters)]
            ask.same(meter, ("random", "other")[step % 2], 600, AGGREGATES[number % 3])

    numbered(6, asks)


@clause("S1")
def test_metrics_that_have_samples_are_listed(ask: Asked) -> None:
    found = ask.source.list_metrics()
    assert isinstance(found, set)
    assert {ask.source.METRIC_MAP[meter] for meter in ask.served(*ALL)} <= found


@clause("S1")
def test_the_source_is_available(ask: Asked) -> None:
    assert ask.source.check_availability() == "available"
    assert [finding.level.name for finding in ask.source.diagnose() if finding.level.name == "ERROR"] == []
