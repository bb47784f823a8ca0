"""The exceptions of the messaging contract, by the names and in the hierarchy of the host, each in the tree of `core.errors`.

DoesNotExist (NotFound)      QueueDoesNotExist, MessageDoesNotExist, ClaimDoesNotExist, QueueNotMapped, PoolDoesNotExist,
                             PoolGroupDoesNotExist, FlavorDoesNotExist, SubscriptionDoesNotExist, TopicDoesNotExist
NotPermitted (NotPermitted)  MessageIsClaimed, MessageNotClaimed, MessageNotClaimedBy, PoolInUseByFlavor
Conflict (Conflict)          MessageConflict, ClaimConflict, PoolAlreadyExists, SubscriptionAlreadyExists
and QueueIsEmpty, TopicIsEmpty, ClaimDoesNotMatch, NoPoolFound, PoolCapabilitiesMismatch, PoolRedisNotSupportGroup
"""

from __future__ import annotations

from typing import Any, ClassVar

from undercroft.core import errors


class ExceptionBase(errors.UndercroftError):
    """Base of these exceptions: the message is made of the fields, which are attributes.

    Args:
        fields: by the names that the template has.
    """

    http = 500
    template: ClassVar[str] = ""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(self.template.format(**fields))


def _scope(project: str | None) -> str:
    return f" for project {project or ''}"


class DoesNotExist(ExceptionBase, errors.NotFound):
    """What was asked for does not exist, or belongs to somebody else."""

    http = 404


class NotPermitted(ExceptionBase, errors.NotPermitted):
    """A message, a claim or a pool is in a state that does not allow this."""

    http = 403


class Conflict(ExceptionBase, errors.Conflict):
    """What was asked contradicts what is stored."""

    http = 409


class QueueDoesNotExist(DoesNotExist):
    """There is no queue of that name in the project."""

    template = "Queue {name} does not exist{scope}"

    def __init__(self, name: str, project: str | None = None) -> None:
        super().__init__(name=name, project=project, scope=_scope(project))


class TopicDoesNotExist(DoesNotExist):
    """There is no topic of that name in the project."""

    template = "Topic {name} does not exist{scope}"

    def __init__(self, name: str, project: str | None = None) -> None:
        super().__init__(name=name, project=project, scope=_scope(project))


class MessageDoesNotExist(DoesNotExist):
    """There is no message of that id in the queue, or it has expired."""

    template = "Message {mid} does not exist in queue {queue}{scope}"

    def __init__(self, mid: str, queue: str, project: str | None = None) -> None:
        super().__init__(mid=mid, queue=queue, project=project, scope=_scope(project))


class ClaimDoesNotExist(DoesNotExist):
    """There is no claim of that id in the queue, or it has expired."""

    template = "Claim {cid} does not exist in queue {queue}{scope}"

    def __init__(self, cid: str, queue: str, project: str | None = None) -> None:
        super().__init__(cid=cid, queue=queue, project=project, scope=_scope(project))


class QueueNotMapped(DoesNotExist):
    """The catalogue has no pool for the queue."""

    template = "No pool found for queue {queue}{scope}"

    def __init__(self, queue: str, project: str | None = None) -> None:
        super().__init__(queue=queue, project=project, scope=_scope(project))


class PoolDoesNotExist(DoesNotExist):
    """There is no pool of that name."""

    template = "Pool {pool} does not exist"

    def __init__(self, pool: str) -> None:
        super().__init__(pool=pool)


class PoolGroupDoesNotExist(DoesNotExist):
    """There is no group of pools of that name."""

    template = "Pool group {pool_group} does not exist"

    def __init__(self, pool_group: str) -> None:
        super().__init__(pool_group=pool_group)


class FlavorDoesNotExist(DoesNotExist):
    """There is no flavor of that name."""

    template = "Flavor {flavor} does not exist"

    def __init__(self, flavor: str) -> None:
        super().__init__(flavor=flavor)


class SubscriptionDoesNotExist(DoesNotExist):
    """There is no subscription of that id to the queue, or it has expired."""

    template = "Subscription {subscription_id} does not exist"

    def __init__(self, subscription_id: str) -> None:
        super().__init__(subscription_id=subscription_id)


class MessageIsClaimed(NotPermitted):
    """The message is under a live claim, which was not named."""

    template = "Message {mid} is claimed"

    def __init__(self, mid: str) -> None:
        super().__init__(mid=mid)


class MessageNotClaimed(NotPermitted):
    """A claim was named, and the message is under none."""

    template = "Message {mid} is not claimed"

    def __init__(self, mid: str) -> None:
        super().__init__(mid=mid)


class MessageNotClaimedBy(NotPermitted):
    """The message is under another claim than the one that was named."""

    template = "Message {mid} is not claimed by {cid}"

    def __init__(self, mid: str, cid: str) -> None:
        super().__init__(mid=mid, cid=cid)


class PoolInUseByFlavor(NotPermitted):
    """The pool is the last one of a flavor."""

    template = "Pool {pid} is in use by flavor {fid}"

    def __init__(self, pid: str, fid: str) -> None:
        super().__init__(pid=pid, fid=fid)
        self._flavor = fid

    @property
    def flavor(self) -> str:
        """The flavor that uses it."""
        return self._flavor


class MessageConflict(Conflict):
    """Messages could not be stored because others were stored at the same time."""

    template = "Messages could not be posted to queue {queue}{scope}: others were stored at the same time"

    def __init__(self, queue: str, project: str | None = None) -> None:
        super().__init__(queue=queue, project=project, scope=_scope(project))


class ClaimConflict(Conflict):
    """Messages could not be claimed because others claimed at the same time."""

    template = "Messages could not be claimed in queue {queue}{scope}: others claimed at the same time"

    def __init__(self, queue: str, project: str | None = None) -> None:
        super().__init__(queue=queue, project=project, scope=_scope(project))


class PoolAlreadyExists(Conflict):
    """Another pool has this URI."""

    template = "The database URI is in use by another pool"


class SubscriptionAlreadyExists(Conflict):
    """The queue has a subscription of this subscriber."""

    template = "Such subscription already exists. Subscriptions are unique by project + queue + subscriber URI"


class QueueIsEmpty(ExceptionBase, errors.NotFound):
    """The queue has no message."""

    http = 404
    template = "Queue {name} in project {project} is empty"

    def __init__(self, name: str, project: str | None = None) -> None:
        super().__init__(name=name, project=project or "")


class TopicIsEmpty(ExceptionBase, errors.NotFound):
    """The topic has no message."""

    http = 404
    template = "Topic {name} in project {project} is empty"

    def __init__(self, name: str, project: str | None = None) -> None:
        super().__init__(name=name, project=project or "")


class ClaimDoesNotMatch(ExceptionBase, errors.NotPermitted):
    """A message is under a claim that is not among those that were named."""

    http = 403
    template = "Claim {cid} does not match the messages of queue {queue}{scope}"

    def __init__(self, cid: str, queue: str, project: str | None = None) -> None:
        super().__init__(cid=cid, queue=queue, project=project, scope=_scope(project))


class NoPoolFound(ExceptionBase, errors.Unavailable):
    """There is no pool that could take the queue."""

    http = 503
    template = "No pools registered"
    _public = None


class PoolCapabilitiesMismatch(ExceptionBase, errors.InvalidInput):
    """The pools of a flavor do not offer the same."""

    http = 400
    template = "The pool's capabilities do not match those of the flavor's other pools"

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        errors.InvalidInput.__init__(self, "flavor", self.template)


class PoolRedisNotSupportGroup(ExceptionBase, errors.InvalidInput):
    """Redis takes no groups of pools."""

    http = 400
    template = "Redis does not take groups of pools"

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        errors.InvalidInput.__init__(self, "pool_group", self.template)
