"""The forms of what goes in and out about messages."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from undercroft.messaging.contract.arguments import LONGEST_WAIT
from undercroft.messaging.contract.message import MOST_POSTED


class ApiMedia(Struct):
    """A form in which answers come."""

    base: str
    type: str


class ApiLink(Struct):
    """Where a version is."""

    href: str
    rel: str


class ApiVersion(Struct, rename={"media_types": "media-types"}):
    """A version of the API."""

    id: str
    media_types: list[ApiMedia]
    links: list[ApiLink]
    status: str = "CURRENT"
    updated: str = "2014-9-24T04:06:47Z"


class ApiVersions(Struct):
    """The versions there are."""

    versions: list[ApiVersion]


class HomeResource(Struct, rename="kebab"):
    """What there is below a path."""

    href_template: str
    href_vars: dict[str, str]
    hints: dict[str, Any]


class Home(Struct):
    """The resources of this version."""

    resources: dict[str, HomeResource]


# -- queries -----------------------------------------------------------------------------------------------------------

# Filters on metadata of a list, and ids of a request: what the settings allow may be less.
MOST_FILTERS = 20
MOST_IDS = 200
MOST_CHANGES = 200
MOST_WORDS = 20

Marker = Annotated[str | None, Meta(description="Where the page begins: behind this; that of a `next` link.")]
Limit = Annotated[int | None, Meta(description="The most items; 10 when left out. The settings say how many it may be.")]
Wait = Annotated[
    Annotated[int, Meta(ge=1, le=LONGEST_WAIT)] | None,
    Meta(
        description="Seconds to wait where there is nothing: the answer comes as soon as there is something, else empty after that "
        "time; at once where too many wait already.",
    ),
]
Ids = Annotated[list[str], Meta(max_length=MOST_IDS)]


class QueuesQuery(Struct, forbid_unknown_fields=True):
    """Which page of queues or topics."""

    marker: Marker = None
    limit: Limit = None
    detailed: bool = False
    name: str | None = None
    with_count: bool = False
    metadata: Annotated[dict[str, Any], Meta(max_length=MOST_FILTERS, description="Any other key filters on metadata.")] = {}


class MessagesQuery(Struct, forbid_unknown_fields=True):
    """Which page of messages, or which messages."""

    marker: Marker = None
    limit: Limit = None
    echo: bool = False
    include_claimed: bool = False
    include_delayed: bool = False
    ids: Ids = []
    wait: Wait = None


class DeleteMessagesQuery(Struct, forbid_unknown_fields=True):
    """Which messages are deleted."""

    ids: Ids = []
    claim_ids: Ids = []
    pop: int | None = None


class DeleteMessageQuery(Struct, forbid_unknown_fields=True):
    """With which claim a message is deleted."""

    claim_id: str | None = None


class ClaimQuery(Struct, forbid_unknown_fields=True):
    """How many messages are claimed."""

    limit: Limit = None
    wait: Wait = None


class PageQuery(Struct, forbid_unknown_fields=True):
    """Which page."""

    marker: Marker = None
    limit: Limit = None


# -- bodies ------------------------------------------------------------------------------------------------------------

Metadata = dict[str, Any]
Changes = Annotated[list[Any], Meta(max_length=MOST_CHANGES)]
Words = Annotated[list[str], Meta(max_length=MOST_WORDS)]


class NewMessage(Struct):
    """A message that is posted."""

    body: Any = {}
    ttl: int | None = None
    delay: int | None = None
    dedup_id: str | None = None


class Posted(Struct):
    """Messages that are posted."""

    messages: Annotated[list[NewMessage], Meta(max_length=MOST_POSTED)]


class Lease(Struct):
    """How long a claim and its messages live, in seconds."""

    ttl: int | None = None
    grace: int | None = None


class NewSubscription(Struct):
    """A subscription that is made."""

    subscriber: str
    ttl: int | None = None
    options: dict[str, Any] | None = None


class SubscriptionChanges(Struct):
    """What is changed of a subscription."""

    subscriber: str | None = None
    ttl: int | None = None
    options: dict[str, Any] | None = None


class Confirmation(Struct):
    """Whether a receiver agrees."""

    confirmed: bool


class Purge(Struct, forbid_unknown_fields=True):
    """What is removed: `messages`, `subscriptions`."""

    resource_types: Words = field(default_factory=lambda: ["messages", "subscriptions"])


class Share(Struct, forbid_unknown_fields=True):
    """What is signed."""

    paths: Words = field(default_factory=lambda: ["messages"])
    methods: Words = field(default_factory=lambda: ["GET"])
    expires: str | None = None


# -- answers -----------------------------------------------------------------------------------------------------------


class NextLink(Struct):
    """Where the next page is."""

    rel: str
    href: str


class QueueOut(Struct, omit_defaults=True):
    """A queue or topic."""

    name: str
    href: str
    metadata: dict[str, Any] | None = None


class Queues(Struct, omit_defaults=True):
    """A page of queues."""

    queues: list[QueueOut]
    links: list[NextLink]
    count: int | None = None


class Topics(Struct, omit_defaults=True):
    """A page of topics."""

    topics: list[QueueOut]
    links: list[NextLink]
    count: int | None = None


class Edge(Struct):
    """The first or the last message of a queue."""

    href: str
    age: int
    created: str


class MessageCounts(Struct, omit_defaults=True):
    """How many messages a queue has."""

    claimed: int
    free: int
    total: int
    oldest: Edge | None = None
    newest: Edge | None = None


class StatsOut(Struct):
    """How full a queue is."""

    messages: MessageCounts


class MessageOut(Struct, omit_defaults=True):
    """A message."""

    id: str
    href: str
    ttl: int
    age: int
    body: Any
    checksum: str | None = None


class Messages(Struct, omit_defaults=True):
    """Messages: a page, which has links, or those that were claimed, or asked for by their ids."""

    messages: list[MessageOut]
    links: list[NextLink] | None = None


class PoppedMessage(Struct, omit_defaults=True):
    """A message that was removed."""

    id: str
    ttl: int
    age: int
    body: Any
    claim_id: str | None
    claim_count: int
    checksum: str | None = None


class Popped(Struct):
    """Messages that were removed."""

    messages: list[PoppedMessage]


class Resources(Struct):
    """Where the new messages are."""

    resources: list[str]


class ClaimOut(Struct):
    """A claim."""

    age: int
    ttl: int
    messages: list[MessageOut]
    href: str


class SubscriptionOut(Struct):
    """A subscription."""

    id: str
    source: str
    subscriber: str
    ttl: int
    age: int
    options: dict[str, Any]
    confirmed: bool


class Subscriptions(Struct):
    """A page of subscriptions."""

    subscriptions: list[SubscriptionOut]
    links: list[NextLink]


class SubscriptionId(Struct):
    """The id of a new subscription."""

    subscription_id: str


class Signed(Struct):
    """What gives access to paths without a token."""

    paths: list[str]
    methods: list[str]
    project: str
    expires: str
    signature: str
