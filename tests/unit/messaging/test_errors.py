"""The exceptions: texts, places in two hierarchies, HTTP status, fields."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from undercroft import messaging
from undercroft.core import errors as core
from undercroft.messaging import errors

# The exception; its bases among the contract's and in our tree, its status and its text.
MADE: list[tuple[Exception, type[Exception], type[Exception], int, str]] = [
    (errors.QueueDoesNotExist("q", "p"), errors.DoesNotExist, core.NotFound, 404, "Queue q does not exist for project p"),
    (errors.QueueDoesNotExist("q"), errors.DoesNotExist, core.NotFound, 404, "Queue q does not exist for project "),
    (errors.TopicDoesNotExist("t", "p"), errors.DoesNotExist, core.NotFound, 404, "Topic t does not exist for project p"),
    (
        errors.MessageDoesNotExist("1", "q", "p"), errors.DoesNotExist, core.NotFound, 404,
        "Message 1 does not exist in queue q for project p",
    ),
    (errors.ClaimDoesNotExist("1", "q", "p"), errors.DoesNotExist, core.NotFound, 404,
     "Claim 1 does not exist in queue q for project p"),
    (errors.QueueNotMapped("q", "p"), errors.DoesNotExist, core.NotFound, 404, "No pool found for queue q for project p"),
    (errors.PoolDoesNotExist("x"), errors.DoesNotExist, core.NotFound, 404, "Pool x does not exist"),
    (errors.PoolGroupDoesNotExist("x"), errors.DoesNotExist, core.NotFound, 404, "Pool group x does not exist"),
    (errors.FlavorDoesNotExist("x"), errors.DoesNotExist, core.NotFound, 404, "Flavor x does not exist"),
    (errors.SubscriptionDoesNotExist("x"), errors.DoesNotExist, core.NotFound, 404, "Subscription x does not exist"),
    (errors.MessageIsClaimed("1"), errors.NotPermitted, core.NotPermitted, 403, "Message 1 is claimed"),
    (errors.MessageNotClaimed("1"), errors.NotPermitted, core.NotPermitted, 403, "Message 1 is not claimed"),
    (errors.MessageNotClaimedBy("1", "2"), errors.NotPermitted, core.NotPermitted, 403, "Message 1 is not claimed by 2"),
    (errors.PoolInUseByFlavor("x", "f"), errors.NotPermitted, core.NotPermitted, 403, "Pool x is in use by flavor f"),
    (
        errors.MessageConflict("q", "p"), errors.Conflict, core.Conflict, 409,
        "Messages could not be posted to queue q for project p: others were stored at the same time",
    ),
    (
        errors.ClaimConflict("q", "p"), errors.Conflict, core.Conflict, 409,
        "Messages could not be claimed in queue q for project p: others claimed at the same time",
    ),
    (errors.PoolAlreadyExists(), errors.Conflict, core.Conflict, 409, "The database URI is in use by another pool"),
    (
        errors.SubscriptionAlreadyExists(), errors.Conflict, core.Conflict, 409,
        "Such subscription already exists. Subscriptions are unique by project + queue + subscriber URI",
    ),
    (errors.QueueIsEmpty("q", "p"), errors.ExceptionBase, core.NotFound, 404, "Queue q in project p is empty"),
    (errors.TopicIsEmpty("t", "p"), errors.ExceptionBase, core.NotFound, 404, "Topic t in project p is empty"),
    (
        errors.ClaimDoesNotMatch("1", "q", "p"), errors.ExceptionBase, core.NotPermitted, 403,
        "Claim 1 does not match the messages of queue q for project p",
    ),
    (errors.NoPoolFound(), errors.ExceptionBase, core.Unavailable, 503, "No pools registered"),
    (
        errors.PoolCapabilitiesMismatch(), errors.ExceptionBase, core.InvalidInput, 400,
        "flavor: The pool's capabilities do not match those of the flavor's other pools",
    ),
    (errors.PoolRedisNotSupportGroup(), errors.ExceptionBase, core.InvalidInput, 400,
     "pool_group: Redis does not take groups of pools"),
]  # fmt: skip
BASES = {errors.ExceptionBase, errors.DoesNotExist, errors.NotPermitted, errors.Conflict}


@pytest.mark.parametrize(("error", "base", "ours", "http", "text"), MADE, ids=[type(made[0]).__name__ for made in MADE])
def test_an_error_is_one_of_both_trees(error: Any, base: Any, ours: Any, http: int, text: str) -> None:
    assert isinstance(error, base)
    assert isinstance(error, errors.ExceptionBase)
    assert isinstance(error, ours)
    assert isinstance(error, core.UndercroftError)
    assert (type(error).http, error.code) == (http, http)
    assert str(error) == error.public == text


def test_every_error_is_here_and_the_contracts_are_exported() -> None:
    found = {value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__}
    assert found - BASES == {type(made[0]) for made in MADE}
    hidden = {"PoolGroupDoesNotExist", "PoolRedisNotSupportGroup"}
    assert {value.__name__ for value in found} - hidden <= set(messaging.__all__)


def test_fields_are_kept() -> None:
    assert errors.MessageNotClaimedBy("1", "2").fields == {"mid": "1", "cid": "2"}
    assert errors.QueueDoesNotExist("q").fields["project"] is None
    assert errors.PoolInUseByFlavor("x", "f").flavor == "f"


@pytest.mark.parametrize("name", ["{name}", "{0}", "%s", "\u00e9\U0001f600", "{", "a" * 255])
def test_names_are_no_templates(name: str) -> None:
    assert str(errors.QueueDoesNotExist(name, name)) == f"Queue {name} does not exist for project {name}"
