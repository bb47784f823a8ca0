"""Errors are sorted by what a caller can do."""

from __future__ import annotations

import inspect

import pytest

from undercroft.core import errors
from undercroft.core.capabilities import Gap, never, not_yet
from undercroft.core.errors import InvalidInput, UndercroftError, Unsupported, WrongType
from undercroft.rating import Capabilities

TREE = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, UndercroftError)]


@pytest.mark.parametrize(
    ("error", "http", "also"),
    [
        (errors.InvalidInput, 400, ValueError),
        (errors.WrongType, 400, TypeError),
        (errors.NotPermitted, 403, Exception),
        (errors.NotFound, 404, LookupError),
        (errors.Conflict, 409, Exception),
        (errors.ConfigInvalid, 500, Exception),
        (errors.Denied, 503, errors.ConfigInvalid),
        (errors.NotInitialized, 503, errors.ConfigInvalid),
        (errors.Unsupported, 501, NotImplementedError),
        (errors.Corrupt, 503, errors.Unavailable),
        (errors.Unavailable, 503, Exception),
        (errors.OutcomeUnknown, 503, errors.Unavailable),
    ],
)
def test_each_error_has_its_status_and_its_builtin(error: type[UndercroftError], http: int, also: type[Exception]) -> None:
    assert error.http == http
    assert issubclass(error, also)
    raised = error("a", "b") if issubclass(error, InvalidInput) else error("a")
    assert raised.code == http


def test_only_what_may_pass_is_retryable() -> None:
    assert {error for error in TREE if error.retryable} == {error for error in TREE if issubclass(error, errors.Unavailable)}


def test_the_module_lists_its_tree() -> None:
    text = errors.__doc__ or ""
    assert [error.__name__ for error in TREE if error.__name__ not in text] == []


def test_an_error_names_its_field() -> None:
    error = InvalidInput("qty", "is too large")
    assert (error.field, error.problem, str(error)) == ("qty", "is too large", "qty: is too large")


def test_a_field_is_named_from_further_out() -> None:
    error = WrongType("qty", "no number").within("usage['cpu'][3]").within("dataframes[0]")
    assert type(error) is WrongType
    assert error.field == "dataframes[0].usage['cpu'][3].qty"
    assert InvalidInput("[2]", "x").within("list").field == "list[2]"


def test_a_gap_is_false_and_says_why() -> None:
    assert not never("x")
    assert not_yet("#4") == Gap("not yet", "#4")
    assert never("x").when == "never"


def test_capabilities_are_full_but_for_the_gaps() -> None:
    assert list(Capabilities.full().gaps()) == []
    lacking = Capabilities.without(custom_fields=not_yet("#4"), conflict_error=never("keys are ids"))
    assert {name: gap.when for name, gap in lacking.gaps()} == {"custom_fields": "not yet", "conflict_error": "never"}
    lacking.require("push_atomic", "a driver")
    with pytest.raises(Unsupported, match=r"a driver does not support custom fields \(not yet: #4\)"):
        lacking.require("custom_fields", "a driver")


def test_capabilities_that_nobody_knows() -> None:
    with pytest.raises(TypeError):
        Capabilities.without(telepathy=never("no"))
    with pytest.raises(AttributeError):
        Capabilities.full().require("telepathy", "a driver")
