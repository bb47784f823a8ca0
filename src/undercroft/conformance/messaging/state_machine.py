"""A random walk through the contract: the same steps on every store and on the oracle, the same answers."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from undercroft.conformance.messaging.data import CLIENT, OTHER, arrival, at, claim, everything, items, make, page
from undercroft.conformance.messaging.oracle import Coming, Message, Oracle, Refused, Subscription, refusal
from undercroft.conformance.plugin import Opener
from undercroft.conformance.stateful import Walker
from undercroft.messaging import DataDriverBase, ExceptionBase

QUEUES = ["a", "b", "dead"]
_NAMES = st.sampled_from(QUEUES)
_CLIENTS = st.sampled_from([CLIENT, OTHER])
# Lives are whole tens of seconds and the clock goes by tens and a bit: nothing ends within a tenth of a second of a step.
_SPANS = st.sampled_from([10, 20, 60, 600])
_BIT = 0.17
_BODIES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1.5, 2**53 + 1, "", "a", "\u00e9", "\U0001f600", "a\x00b", [], {}, {"a.b": {"$c": [None]}}]
    ),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=4),
)
_MESSAGES = st.fixed_dictionaries(
    {"body": _BODIES, "ttl": _SPANS, "delay": st.sampled_from([0, 0, 0, 10, 30])},
    optional={"dedup_id": st.sampled_from(["x", "X", "\u00e9"])},
)
# Of another store: body, ttl, age and count of claims.
_COMING = st.tuples(_BODIES, _SPANS, st.sampled_from([0, 0, 10, 30]), st.integers(0, 2))
_METADATA = st.sampled_from([
    {}, {}, {"k": 1, "\u00e9": ["\U0001f600"]}, {"_max_claim_count": 1, "_dead_letter_queue": "dead"},
    {"_max_claim_count": 2, "_dead_letter_queue": "dead", "_dead_letter_queue_messages_ttl": 50}, {"_max_claim_count": 1},
])  # fmt: skip
_LIMITS = st.integers(1, 6)
# Places in the lists of messages, claims, markers and subscriptions that the walk has seen.
_PICKS = st.integers(0, 200)
_SUBSCRIBERS = st.sampled_from(["http://a", "http://A", "mailto:\u00e9"])
_WALKS = itertools.count()


class MessagingMachine(Walker):
    """One walk, in a project of its own.

    Args:
        openers: one for each store.
    """

    oracle: Oracle
    stores: list[DataDriverBase]
    refused, refusal = Refused, ExceptionBase

    def __init__(self, openers: Sequence[Opener]) -> None:
        super().__init__(openers, Oracle())
        self.project = f"walk {next(_WALKS)}"
        self.step = 0
        self.bit = _BIT
        # What the stores call the oracle's messages, claims and subscriptions.
        self.names: list[dict[int, str]] = [{} for _ in self.stores]
        self.seen: list[tuple[str, int]] = []
        self.made: list[tuple[str, int]] = []
        self.subscribed: list[tuple[str, int]] = []
        self.markers: list[tuple[str, int, list[str]]] = []
        self.moved: set[int] = set()
        # What another store has sent to each queue, and the numbers of what it will send.
        self.sent: dict[str, list[Coming]] = {name: [] for name in QUEUES}
        self.coming = itertools.count()

    @initialize(late=st.booleans(), first=_METADATA, batch=st.lists(_MESSAGES, max_size=6))
    def begin(self, late: bool, first: dict[str, Any], batch: list[dict[str, Any]]) -> None:
        """Most walks start with something stored. The clock is a bit behind, or before, whole tens of seconds."""
        self.bit = _BIT if late else -_BIT
        for name in QUEUES:
            metadata = first if name == "a" else {}
            self.oracle.create(name, metadata)
            with at(0):
                for store in self.stores:
                    make(store, name, project=self.project, **metadata)
        if batch:
            self.post("a", batch, CLIENT)

    # -- time --------------------------------------------------------------------------------------------------------

    @rule(tens=st.sampled_from([1, 1, 1, 2, 3, 6, 60]))
    def wait(self, tens: int) -> None:
        """Let time pass."""
        self.oracle.clock += 10 * tens + self.bit
        self._compare()

    @rule(count=st.integers(1, 3))
    def clean(self, count: int) -> None:
        """Remove what has expired."""
        with self._now():
            for store in self.stores:
                for _ in range(count):
                    store.clean()
                store.gc()
        self._compare()

    # -- queues ------------------------------------------------------------------------------------------------------

    @rule(name=_NAMES, metadata=_METADATA)
    def create(self, name: str, metadata: dict[str, Any]) -> None:
        """Make a queue, which may be there."""
        self._both(
            lambda: self.oracle.create(name, metadata),
            lambda store, _: store.queue_controller.create(name, metadata, self.project),
        )

    @rule(name=_NAMES, metadata=_METADATA)
    def set_metadata(self, name: str, metadata: dict[str, Any]) -> None:
        """Replace a queue's metadata."""
        self._both(
            lambda: self.oracle.set_metadata(name, metadata),
            lambda store, _: store.queue_controller.set_metadata(name, metadata, self.project),
        )

    @rule(name=_NAMES, again=st.booleans())
    def drop(self, name: str, again: bool) -> None:
        """Delete a queue, and mostly make it anew."""
        # Where the markers of a queue that is gone lie in the next one of its name, the contract does not say.
        self.markers = [one for one in self.markers if one[0] != name]
        self.sent[name] = []
        self.moved |= {number for queue, number in self.seen if queue == name}
        self._both(lambda: self.oracle.drop(name), lambda store, _: store.queue_controller.delete(name, self.project))
        if again:
            self.create(name, {})

    # -- messages ----------------------------------------------------------------------------------------------------

    @rule(queue=_NAMES, batch=st.lists(_MESSAGES, min_size=1, max_size=5), client=_CLIENTS)
    def post(self, queue: str, batch: list[dict[str, Any]], client: Any) -> None:
        """Post."""
        wanted = self.oracle.post(queue, batch, str(client))
        with self._now():
            for store, names in zip(self.stores, self.names, strict=True):
                found = store.message_controller.post(queue, batch, client, self.project)
                assert len(found) == len(wanted)
                for number, name in zip(wanted, found, strict=True):
                    assert names.setdefault(number, name) == name
        self.seen += [(queue, number) for number in wanted if (queue, number) not in self.seen]
        self._compare()

    @rule(queue=_NAMES, batch=st.lists(_COMING, max_size=3), client=_CLIENTS, again=st.lists(_PICKS, max_size=3))
    def receive(self, queue: str, batch: list[tuple[Any, int, int, int]], client: Any, again: list[int]) -> None:
        """Receive messages of another store, some of them again."""
        if queue not in self.oracle.queues:
            return
        clock, sent = self.oracle.clock, self.sent[queue]
        sent += [Coming(f"~{next(self.coming)}", body, ttl, clock - age, str(client), count) for body, ttl, age, count in batch]
        given = sent[len(sent) - len(batch) :] + [sent[pick % len(sent)] for pick in again if sent]
        found = self.oracle.receive(queue, given)
        arrivals = [arrival(one.id, one.body, born=one.born, ttl=one.ttl, claims=one.count, client=one.client) for one in given]
        with self._now():
            for store, names in zip(self.stores, self.names, strict=True):
                store.message_controller.receive(queue, arrivals, self.project)
                names.update(found)
        self.seen += [(queue, number) for number in found]
        self._compare()

    @precondition(lambda self: self.seen)
    @rule(message=_PICKS, held=st.none() | _PICKS, elsewhere=st.booleans())
    def delete(self, message: int, held: int | None, elsewhere: bool) -> None:
        """Delete a message, with or without a claim; now and then by way of another queue."""
        queue, number = self.seen[message % len(self.seen)]
        queue = QUEUES[0] if elsewhere else queue
        by = None if held is None or not self.made else self.made[held % len(self.made)][1]
        if self.oracle.find(queue, number) is None and by is not None:
            # The contract does not say which of two errors comes first.
            return
        self._both(
            lambda: self.oracle.delete(queue, number, by),
            lambda store, names: store.message_controller.delete(
                queue, names[number], self.project, None if by is None else names[by]
            ),
        )

    @precondition(lambda self: self.seen)
    @rule(queue=_NAMES, messages=st.lists(_PICKS, max_size=4), held=st.none() | st.lists(_PICKS, max_size=2))
    def bulk_delete(self, queue: str, messages: list[int], held: list[int] | None) -> None:
        """Delete some messages."""
        numbers = [self.seen[pick % len(self.seen)][1] for pick in messages]
        claims = None if held is None else [self.made[pick % len(self.made)][1] for pick in held if self.made]
        self._both(
            lambda: self.oracle.bulk_delete(queue, numbers, claims),
            lambda store, names: store.message_controller.bulk_delete(
                queue,
                [names[number] for number in numbers],
                self.project,
                claim_ids=None if claims is None else [names[number] for number in claims],
            ),
        )

    @rule(queue=_NAMES, limit=_LIMITS)
    def pop(self, queue: str, limit: int) -> None:
        """Take messages away."""
        gone = self.oracle.pop(queue, limit)
        with self._now():
            for store, names in zip(self.stores, self.names, strict=True):
                self._same(store.message_controller.pop(queue, limit, self.project), gone, names)
        self._compare()

    @rule(queue=_NAMES, to=_NAMES, limit=_LIMITS)
    def redrive(self, queue: str, to: str, limit: int) -> None:
        """Move messages to another queue."""
        if queue == to:
            return
        self._moving(
            lambda: self.oracle.redrive(queue, to, limit),
            lambda store, _: store.message_controller.redrive(queue, to, self.project, limit=limit),
        )

    @rule(
        queue=_NAMES, limit=_LIMITS, client=st.none() | _CLIENTS, echo=st.booleans(), claimed=st.booleans(), delayed=st.booleans()
    )
    def pages(self, queue: str, limit: int, client: Any, echo: bool, claimed: bool, delayed: bool) -> None:
        """Read a queue by pages; remember the markers."""
        without = "" if echo or client is None else str(client)
        given = {"echo": echo, "client_uuid": client, "include_claimed": claimed, "include_delayed": delayed}
        place, markers = 0, [""] * len(self.stores)
        with self._now():
            while True:
                wanted = self.oracle.page(queue, place, limit, without, claimed, delayed)
                for number, (store, names) in enumerate(zip(self.stores, self.names, strict=True)):
                    found, markers[number] = page(store, queue, project=self.project, marker=markers[number], limit=limit, **given)
                    self._same(found, wanted, names)
                if not wanted:
                    break
                place = wanted[-1].place
                self.markers.append((queue, place, list(markers)))

    @precondition(lambda self: self.markers or self.seen)
    @rule(pick=_PICKS, limit=_LIMITS, by_id=st.booleans())
    def behind(self, pick: int, limit: int, by_id: bool) -> None:
        """Read on behind any marker, whatever became of its message; or behind the id of any message."""
        if by_id or not self.markers:
            queue, place = self.seen[pick % len(self.seen)] if self.seen else ("a", 0)
            markers = [names.get(place, "") for names in self.names]
            if place in self.moved or not place:
                return
        else:
            queue, place, markers = self.markers[pick % len(self.markers)]
        wanted = self.oracle.page(queue, place, limit, claimed=True, delayed=True)
        with self._now():
            for store, names, marker in zip(self.stores, self.names, markers, strict=True):
                given = {"include_claimed": True, "include_delayed": True}
                found, _ = page(store, queue, project=self.project, marker=marker, limit=limit, **given)
                self._same(found, wanted, names)

    # -- claims ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.can("claims"))
    @rule(queue=_NAMES, ttl=_SPANS, grace=_SPANS, limit=_LIMITS)
    def claim(self, queue: str, ttl: int, grace: int, limit: int) -> None:
        """Make a claim."""

        def ours() -> None:
            made = self.oracle.claim(queue, ttl, grace, limit)
            with self._now():
                for store, names in zip(self.stores, self.names, strict=True):
                    name, found = claim(store, ttl, grace, limit, queue, self.project)
                    assert (name is None) == (made is None)
                    if made is not None and name is not None:
                        names[made[0]] = name
                    self._same(found, made[1] if made else [], names)
            if made:
                self.made.append((queue, made[0]))

        self._moving(ours)

    @precondition(lambda self: self.made)
    @rule(pick=_PICKS, ttl=_SPANS, grace=_SPANS)
    def renew(self, pick: int, ttl: int, grace: int) -> None:
        """Renew a claim, which may be over."""
        queue, number = self.made[pick % len(self.made)]
        self._both(
            lambda: self.oracle.renew(queue, number, ttl, grace),
            lambda store, names: store.claim_controller.update(queue, names[number], {"ttl": ttl, "grace": grace}, self.project),
        )

    @precondition(lambda self: self.made)
    @rule(pick=_PICKS)
    def release(self, pick: int) -> None:
        """Release a claim, which may be over."""
        queue, number = self.made[pick % len(self.made)]
        self._both(
            lambda: self.oracle.release(queue, number),
            lambda store, names: store.claim_controller.delete(queue, names[number], self.project),
        )

    # -- subscriptions -----------------------------------------------------------------------------------------------

    @rule(queue=_NAMES, subscriber=_SUBSCRIBERS, ttl=_SPANS, options=st.sampled_from([{}, {"k": ["\u00e9"]}]))
    def subscribe(self, queue: str, subscriber: str, ttl: int, options: dict[str, Any]) -> None:
        """Make a subscription."""
        made = self.oracle.subscribe(queue, subscriber, ttl, options)
        with self._now():
            for store, names in zip(self.stores, self.names, strict=True):
                name = store.subscription_controller.create(queue, subscriber, ttl, options, self.project)
                assert (name is None) == (made is None)
                if made is not None and name is not None:
                    names[made] = name
        if made is not None:
            self.subscribed.append((queue, made))
        self._compare()

    @precondition(lambda self: self.subscribed)
    @rule(
        pick=_PICKS,
        changes=st.one_of(
            st.fixed_dictionaries({"subscriber": _SUBSCRIBERS}, optional={"options": st.just({"x": 1})}),
            st.fixed_dictionaries({"ttl": _SPANS}),
        ),
    )
    def change(self, pick: int, changes: dict[str, Any]) -> None:
        """Change a subscription, which may have expired."""
        queue, number = self.subscribed[pick % len(self.subscribed)]
        self._both(
            lambda: self.oracle.change(queue, number, changes),
            lambda store, names: store.subscription_controller.update(queue, names[number], self.project, **changes),
        )

    @precondition(lambda self: self.subscribed)
    @rule(pick=_PICKS, confirmed=st.booleans(), gone=st.booleans())
    def confirm(self, pick: int, confirmed: bool, gone: bool) -> None:
        """Confirm a subscription, or remove it."""
        queue, number = self.subscribed[pick % len(self.subscribed)]
        if gone:
            self._both(
                lambda: self.oracle.unsubscribe(queue, number),
                lambda store, names: store.subscription_controller.delete(queue, names[number], self.project),
            )
        else:
            self._both(
                lambda: self.oracle.confirm(queue, number, confirmed),
                lambda store, names: store.subscription_controller.confirm(queue, names[number], self.project, confirmed),
            )

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _now(self) -> Any:
        return at(self.oracle.clock)

    def _both(self, model: Callable[[], Any], call: Callable[[DataDriverBase, dict[int, str]], Any]) -> None:
        """The same call of the oracle and of every store: the same answer, or an error that the oracle allows."""
        errors, wanted = refusal(model)
        with self._now():
            for store, names in zip(self.stores, self.names, strict=True):
                name, answer = _outcome(functools.partial(call, store, names))
                assert (name in errors) if errors else (name is None), (name, errors)
                assert answer == wanted
        self._compare()

    def _moving(self, model: Callable[[], Any], call: Callable[[DataDriverBase, dict[int, str]], Any] | None = None) -> None:
        """A call that may move messages from queue to queue."""
        before = {one.id: queue for queue in QUEUES for one in self.oracle.live(queue)}
        if call is None:
            model()
            self._compare()
        else:
            self._both(model, call)
        for queue in QUEUES:
            for one in self.oracle.live(queue):
                if before.get(one.id, queue) != queue:
                    self.moved.add(one.id)
                    self.seen.append((queue, one.id))

    def _same(self, found: Sequence[dict[str, Any]], wanted: Sequence[Message], names: dict[int, str]) -> None:
        """Messages of a store are those of the oracle."""
        assert [self._exact(one) for one in found] == [
            repr((names[one.id], one.ttl, one.body, self._claim_of(one, names), one.count)) for one in wanted
        ]
        for one, model in zip(found, wanted, strict=True):
            _is_age(one["age"], self.oracle.clock - model.born)

    @staticmethod
    def _exact(one: dict[str, Any]) -> str:
        return repr((one["id"], one["ttl"], one["body"], one["claim_id"], one["claim_count"]))

    def _claim_of(self, message: Message, names: dict[int, str]) -> str | None:
        found = self.oracle.claim_of(message)
        return None if found is None else names[found.id]

    def _compare(self) -> None:
        with self._now():
            for store, names in zip(self.stores, self.names, strict=True):
                self._compare_queues(store)
                for queue in QUEUES:
                    self._compare_messages(store, queue, names)
                    self._compare_subscriptions(store, queue, names)
                for queue, number in self.made[-5:]:
                    self._compare_claim(store, queue, number, names)

    def _compare_queues(self, store: DataDriverBase) -> None:
        found, _ = items(store.queue_controller.list(self.project, detailed=True))
        assert [(one["name"], one["metadata"]) for one in found] == sorted(self.oracle.queues.items())
        assert store.queue_controller.calculate_resource_count(self.project) == len(found)

    def _compare_messages(self, store: DataDriverBase, queue: str, names: dict[int, str]) -> None:
        wanted = self.oracle.live(queue)
        self._same(everything(store, queue, self.project), wanted, names)
        first, last = (store.message_controller.first(queue, self.project, sort) for sort in (1, -1))
        assert [one and one["id"] for one in (first, last)] == (
            [names[wanted[0].id], names[wanted[-1].id]] if wanted else [None, None]
        )
        stats = store.message_controller.stats(queue, self.project)["messages"]
        free, claimed = self.oracle.stats(queue)
        assert (stats["free"], stats["claimed"], stats["total"]) == (free, claimed, free + claimed)
        assert ("oldest" in stats) == ("newest" in stats) == bool(wanted)
        if wanted:
            assert (stats["oldest"]["id"], stats["newest"]["id"]) == (names[wanted[0].id], names[wanted[-1].id])
        if queue in self.oracle.queues:
            assert store.queue_controller.stats(queue, self.project)["messages"] == stats

    def _compare_claim(self, store: DataDriverBase, queue: str, number: int, names: dict[int, str]) -> None:
        errors, wanted = refusal(lambda: self.oracle.get_claim(queue, number))
        name, answer = _outcome(lambda: store.claim_controller.get(queue, names[number], self.project))
        assert (name in errors) if errors else (name is None), (name, errors)
        if errors:
            return
        found, messages = answer
        assert (found["id"], found["ttl"]) == (names[number], wanted[0].ttl)
        _is_age(found["age"], self.oracle.clock - wanted[0].made)
        self._same(messages, wanted[1], names)

    def _compare_subscriptions(self, store: DataDriverBase, queue: str, names: dict[int, str]) -> None:
        found, _ = items(store.subscription_controller.list(queue, self.project))
        wanted = self.oracle.subscribed(queue)
        assert [(one["id"], one["source"], one["subscriber"], one["ttl"], one["options"], one["confirmed"]) for one in found] == [
            _told(one, names) for one in wanted
        ]
        for one, model in zip(found, wanted, strict=True):
            _is_age(one["age"], self.oracle.clock - model.born)


def _told(one: Subscription, names: dict[int, str]) -> tuple[Any, ...]:
    return names[one.id], one.queue, one.subscriber, one.ttl, one.options, one.confirmed


def _outcome(call: Callable[[], Any]) -> tuple[str | None, Any]:
    """The name of the contract's error that a call raises, or its answer."""
    try:
        return None, call()
    except ExceptionBase as error:
        return type(error).__name__, None


def _is_age(age: int, exact: float) -> None:
    """An age in whole seconds, by a clock that may be a bit ahead or behind."""
    assert math.floor(exact - 0.1) <= age <= math.floor(exact + 0.1)
