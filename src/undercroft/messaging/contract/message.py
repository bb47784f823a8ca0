"""Messages: post, list, get, delete, pop."""

from __future__ import annotations

import abc
import hashlib
import json  # noqa: TID251 - the host's clients compare checksums of what this library writes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from undercroft.core import bounds, document
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.receipt import Receipt
from undercroft.messaging.contract import arguments
from undercroft.messaging.contract.queue import created, statistics
from undercroft.messaging.errors import MessageDoesNotExist
from undercroft.messaging.models import Arrival, NewMessage, Page, Stats, Stored
from undercroft.messaging.waiting import Hub
from undercroft.messaging.waiting.hub import Look

# Messages of one post; the HTTP API allows fewer bytes.
MOST_POSTED = 10_000
# What ids of messages of other stores begin with.
FOREIGN = "~"
# What a body may be; text is not bytes.
_JSON = (dict, list, str, int, float, bool, type(None))
# The class has a method of the name `list`.
Ids = list[str]
Shown = list[dict[str, Any]]
New = list[NewMessage]
Listed = tuple[Sequence[Stored], str | None]
_decode = msgspec.json.Decoder().decode


class Message(abc.ABC):
    """Posts messages, lists and deletes them.

    A message is `{"id", "ttl", "age", "body", "claim_id", "claim_count"}`, and `"checksum"` where the option `enable_checksum` is
    on.

    Q11 Ids and markers are opaque texts. An id means nothing outside its queue and project: get, bulk_get, delete and bulk_delete
        by way of another do not find it.
    Q12 A message is there until its `ttl` seconds are over; from that moment on nothing shows it, whoever removes it when.

    Args:
        driver: the data driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def list(
        self,
        queue: str,
        project: str | None = None,
        marker: str | None = None,
        limit: int = 10,
        echo: bool = False,
        client_uuid: Any = None,
        include_claimed: bool = False,
        *,
        include_delayed: bool = False,
        wait: int | None = None,
    ) -> Iterator[Any]:
        """A page of messages in the order in which they were posted, then the marker of the next page.

        Q13 An iterator of two items: an iterable of messages, and the marker, which is the one that was given for an empty page. An
            unknown queue has no messages; neither is there anything behind a marker that is malformed.
        Q14 `echo` has messages that this client posted, too; `include_claimed` those under a live claim; `include_delayed` those
            whose delay has not passed. All of that comes before the limit.
        Q15 A reader that follows the markers sees every message exactly once, with any limit, also while others post, claim and
            delete: a marker marks the same place when its message is gone, and the id of a message is a marker, too.
        Q16 What a post that has returned stored is on the next list, unless an older post of the same queue is still open: then the
            list waits for that up to 50 ms, and may end before it, but a reader never skips it later.
        Q46 `wait` (ours), 1 to 20 seconds: where the page is empty, the call waits that long for a message that belongs on it, and
            gives an empty page then. It has the message within a second, and as `Claim.create` only where there is room to wait;
            every call that waits has it.
        """
        without = None if echo or client_uuid is None else arguments.client(client_uuid)
        page = Page(arguments.marker(marker), arguments.limit(limit), without, bool(include_claimed), bool(include_delayed))
        own, scope, seconds = arguments.name(queue), arguments.project(project), arguments.wait(wait)
        if seconds is None:
            found, last = self._list(own, scope, page)
        else:
            waiting: Hub = self.driver.waiting
            found, last = waiting.wait((scope, own), seconds, lambda asks: self._look(own, scope, page, asks=asks), reads=True) or (
                [],
                None,
            )
        return iter((self.shown(found), last or page.marker or ""))

    def first(self, queue: str, project: str | None = None, sort: int = 1) -> dict[str, Any] | None:
        """The oldest message of the queue, claimed ones included, or the newest; it has `created`, too.

        Q17 `sort` is 1 for the oldest, -1 for the newest; anything else is a ValueError. None for a queue that is empty or unknown.
        """
        if sort not in {1, -1}:
            raise InvalidInput("sort", f"{sort!r} is neither 1, the oldest first, nor -1, the newest first")
        found = self._first(arguments.name(queue), arguments.project(project), sort)
        return None if found is None else {**self.shown([found])[0], "created": created(found.created)}

    def get(self, queue: str, message_id: str, project: str | None = None) -> dict[str, Any]:
        """One message.

        Q18 Raises MessageDoesNotExist for an id that is unknown, malformed or expired.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        found = self._get(own, [str(message_id)], scope)
        if not found:
            raise MessageDoesNotExist(str(message_id), own, project)
        return self.shown(found)[0]

    def bulk_get(self, queue: str, message_ids: Iterable[str], project: str | None = None) -> Iterator[dict[str, Any]]:
        """Those of the messages that there are, in the order of the queue; unknown ids are passed over."""
        found = self._get(arguments.name(queue), self._ids(message_ids), arguments.project(project))
        return iter(self.shown(found))

    def post(self, queue: str, messages: Iterable[Mapping[str, Any]], client_uuid: Any, project: str | None = None) -> Ids:
        """Store messages.

        Q19 Each is `{"ttl": seconds, "body": any JSON, "delay": seconds}`; `body` is `{}` and `delay` 0 when left out, `ttl` is
            the option `default_message_ttl`. Other keys but `dedup_id` are not kept. The ids come back in the order of the
            messages.
        Q20 All are stored, durably, when it returns, or none; then everybody sees them. They stay together, in their order.
        Q21 The queue need not exist: a post makes it, and so does a message that is moved to it.
        Q22 `dedup_id` (ours), text: for the ttl of the first message of this `dedup_id` in the queue, also after that was
            deleted, a post gives back its id and stores nothing. Of equal posts at once one stores.
        """
        own, scope, client = arguments.name(queue), arguments.project(project), arguments.client(client_uuid)
        found = self._new(messages)
        if not found:
            return []
        ids = self._post(own, found, client, scope)
        self._tell(own, scope, found)
        return ids

    def post_once(
        self,
        queue: str,
        messages: Iterable[Mapping[str, Any]],
        client_uuid: Any,
        project: str | None = None,
        *,
        receipt: Receipt,
        answer: Callable[[Sequence[str]], bytes],
    ) -> bytes:
        """`post`, unless it was done under the receipt's key; what `answer` makes of the ids, or what it made the first time.

        Q23 The receipt and the messages are stored together. The same key with another digest is a Conflict.

        Args:
            receipt: its own answer is not used.
            answer: makes the answer of the ids.
        """
        own, scope, client = arguments.name(queue), arguments.project(project), arguments.client(client_uuid)
        found = self._new(messages)
        told = self._post_once(own, found, client, scope, receipt, answer)
        self._tell(own, scope, found)
        return told

    def delete(self, queue: str, message_id: str, project: str | None = None, claim: str | None = None) -> None:
        """Delete one message.

        Q24 Unknown messages and queues are ignored. Without `claim`, a message under a live claim raises MessageIsClaimed.
            With `claim`: ClaimDoesNotExist where that is malformed, unknown or over; MessageNotClaimed where the message has no
            live claim; MessageNotClaimedBy where another claim has it.
        """
        self._delete(
            arguments.name(queue), str(message_id), arguments.project(project), None if claim is None else str(claim), project
        )

    def bulk_delete(
        self, queue: str, message_ids: Iterable[str], project: str | None = None, *, claim_ids: Iterable[str] | None = None
    ) -> None:
        """Delete messages, all or none.

        Q25 Unknown ids are passed over. Without `claim_ids` claimed messages go, too. With them: MessageNotClaimed where a
            message has no live claim, ClaimDoesNotMatch where its claim is not among them; nothing is deleted then.
        """
        own, scope, ids = arguments.name(queue), arguments.project(project), self._ids(message_ids)
        claims = None if claim_ids is None else self._ids(claim_ids, "claim_ids")
        if ids:
            self._bulk_delete(own, ids, scope, claims, project)

    def pop(self, queue: str, limit: int, project: str | None = None) -> Shown:
        """Remove the oldest messages that may be claimed, and give them back.

        Q26 Claimed and delayed ones are passed over. No message is given to two callers. An unknown queue is empty.
        """
        found = self._pop(arguments.name(queue), arguments.limit(limit), arguments.project(project))
        return self.shown(found)

    def redrive(self, queue: str, target: str, project: str | None = None, *, limit: int = 1_000) -> int:
        """Move messages that may be claimed from a queue, such as one of dead letters, to another one of the project (ours).

        Q27 The oldest ones move first, at most `limit`, in one transaction, and come behind what the target has. They keep id,
            body and order, may be claimed at once, have a `claim_count` of 0 and live as long as when they were posted. Claimed
            and delayed ones stay. It returns how many it moved: call it until that is 0. A target that does not exist
            is made when something moves.
        """
        source, goal = arguments.name(queue), arguments.name(target, "target")
        if source == goal:
            raise InvalidInput("target", "is the queue itself")
        scope = arguments.project(project)
        moved = self._redrive(source, goal, scope, arguments.limit(limit))
        if moved:
            self.driver.waiting.signal((scope, goal), moved)
        return moved

    # -- for a control plane that is elsewhere ---------------------------------------------------------------------

    def stats(self, queue: str, project: str | None = None) -> dict[str, Any]:
        """How full the queue is, in the form of `Queue.stats` (ours).

        Also of a queue that this store's own control plane does not know; zeros for one without messages.
        """
        return statistics(self._stats(arguments.name(queue), arguments.project(project)))

    def forget(self, queue: str, project: str | None = None) -> None:
        """Remove every message and claim of the queue, as `Queue.delete` does (ours)."""
        self._forget(arguments.name(queue), arguments.project(project))

    # -- for messages that come from another store -----------------------------------------------------------------

    def receive(self, queue: str, arrivals: Sequence[Arrival], project: str | None = None) -> None:
        """Store messages that were posted to another store, each once, behind those that are there (ours).

        Q47 They keep their ids, ages, lives and counts of claims, may be claimed at once, and are found by their ids as any
            other; these are markers, too. One whose id was received before is passed over, also when it is gone, until a day
            after it expired; so is one that has expired. All are stored when it returns. The queue need not exist. Several calls
            at once that have some of the same keep the order that all of them give.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        for one in arrivals:
            if not arguments.text(one.id, "id", arguments.LONGEST_NAME).startswith(FOREIGN):
                raise InvalidInput("id", f"{one.id!r} is not one of another store: it does not begin with {FOREIGN}")
        if arrivals:
            self._receive(own, arrivals, scope)
            self.driver.waiting.signal((scope, own), len(arrivals))

    def known(self, queue: str, dedup_ids: Iterable[str], project: str | None = None) -> dict[str, str]:
        """Which of these `dedup_id`s the queue remembers, each with the id of its message (ours).

        Q48 What Q22 would pass over is here, and nothing else.
        """
        wanted = {digest(one): one for one in dedup_ids}
        found = self._known(arguments.name(queue), list(wanted), arguments.project(project)) if wanted else {}
        return {wanted[key]: message for key, message in found.items()}

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _look(self, queue: str, project: str, page: Page, *, asks: bool) -> Look[Listed]:
        found, last = self._list(queue, project, page)
        if found:
            return Look((found, last))
        # Where claimed and delayed ones are listed, too, time brings nothing.
        asks = asks and not (page.claimed and page.delayed)
        return Look(None, self.driver.outlooks([(project, queue)])[0] if asks else None)

    def _tell(self, queue: str, project: str, messages: Sequence[NewMessage]) -> None:
        """Wake those who wait in this process."""
        waiting: Hub = self.driver.waiting
        if not waiting.is_awaited((project, queue)):
            return
        now = sum(not message.delay for message in messages)
        if now:
            waiting.signal((project, queue), now)
        if now < len(messages):
            waiting.expect((project, queue), min(message.delay for message in messages if message.delay))

    # -- forms -----------------------------------------------------------------------------------------------------

    def shown(self, found: Sequence[Stored]) -> Shown:
        """Messages in the contract's form."""
        messages = [
            {
                "id": one.id,
                "ttl": one.ttl,
                "age": one.age,
                "body": _decode(one.body),
                "claim_id": one.claim,
                "claim_count": one.claims,
            }
            for one in found
        ]
        # Asked once an answer: to ask the configuration takes longer than to make a message.
        if self._with_checksum:
            for message in messages:
                message["checksum"] = checksum(message["body"])
        return messages

    @property
    def _with_checksum(self) -> bool:
        return bool(getattr(self.driver.conf, "enable_checksum", False))

    def _new(self, messages: Iterable[Mapping[str, Any]]) -> New:
        return [
            self._one(place, message) for place, message in enumerate(bounds.counted("messages", messages, MOST_POSTED, "messages"))
        ]

    def _one(self, place: int, message: Mapping[str, Any]) -> NewMessage:
        field = f"messages[{place}]"
        if not isinstance(message, Mapping):
            raise WrongType(field, f"expected a mapping, got {type(message).__name__}")
        ttl, body = message.get("ttl"), message.get("body", {})
        if not isinstance(body, _JSON):
            raise WrongType(f"{field}.body", f"expected JSON, got {type(body).__name__}")
        dedup = message.get("dedup_id")
        if dedup is not None and (not isinstance(dedup, str) or not dedup or len(dedup) > arguments.LONGEST_NAME):
            raise InvalidInput(f"{field}.dedup_id", f"expected text of 1 to {arguments.LONGEST_NAME} characters")
        return NewMessage(
            arguments.seconds(self.driver.default_message_ttl if ttl is None else ttl, f"{field}.ttl"),
            arguments.seconds(message.get("delay") or 0, f"{field}.delay"),
            document.encoded(body, f"{field}.body").encode(),
            None if dedup is None else digest(dedup),
        )

    @staticmethod
    def _ids(given: Iterable[str], field: str = "message_ids") -> Ids:
        """Ids without repetitions."""
        return list(dict.fromkeys(map(str, bounds.counted(field, given, arguments.MOST, "ids"))))

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _list(self, queue: str, project: str, page: Page) -> Listed:
        """The messages of the page, and the marker behind the last one; None for an empty page."""

    @abc.abstractmethod
    def _first(self, queue: str, project: str, sort: int) -> Stored | None:
        """The oldest message (1) or the newest (-1)."""

    @abc.abstractmethod
    def _get(self, queue: str, ids: Sequence[str], project: str) -> Sequence[Stored]:
        """Those that there are, in the order of the queue; malformed ids are passed over."""

    @abc.abstractmethod
    def _post(self, queue: str, messages: Sequence[NewMessage], client: str, project: str) -> Ids:
        """Store messages, one or more; their ids."""

    @abc.abstractmethod
    def _post_once(
        self,
        queue: str,
        messages: Sequence[NewMessage],
        client: str,
        project: str,
        receipt: Receipt,
        answer: Callable[[Sequence[str]], bytes],
    ) -> bytes:
        """See `post_once`; there may be no messages."""

    @abc.abstractmethod
    def _delete(self, queue: str, message_id: str, project: str, claim: str | None, given: str | None) -> None:
        """See `delete`; `given` is the project as the caller wrote it, for errors."""

    @abc.abstractmethod
    def _bulk_delete(self, queue: str, ids: Sequence[str], project: str, claims: Sequence[str] | None, given: str | None) -> None:
        """See `bulk_delete`."""

    @abc.abstractmethod
    def _pop(self, queue: str, limit: int, project: str) -> Sequence[Stored]:
        """See `pop`."""

    @abc.abstractmethod
    def _redrive(self, queue: str, target: str, project: str, limit: int) -> int:
        """See `redrive`."""

    @abc.abstractmethod
    def _stats(self, queue: str, project: str) -> Stats:
        """See `stats`."""

    @abc.abstractmethod
    def _forget(self, queue: str, project: str) -> None:
        """See `forget`."""

    @abc.abstractmethod
    def _receive(self, queue: str, arrivals: Sequence[Arrival], project: str) -> None:
        """See `receive`; there is one at least."""

    @abc.abstractmethod
    def _known(self, queue: str, keys: Sequence[bytes], project: str) -> dict[bytes, str]:
        """See `known`; keys are those of `NewMessage.dedup`, and none is there twice."""


def digest(dedup: str) -> bytes:
    """What a `dedup_id` is remembered by."""
    return hashlib.blake2b(dedup.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def checksum(body: Any) -> str:
    """The checksum of a body, as the host and its clients make it."""
    return f"MD5:{hashlib.md5(json.dumps(body).encode(), usedforsecurity=False).hexdigest()}"
