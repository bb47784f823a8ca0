"""Complex queries: filters and orders that are JSON in a text."""

from __future__ import annotations

from typing import Any

from undercroft.api.auth import Unauthorized
from undercroft.api.call import Answer
from undercroft.api.metering import query, v2
from undercroft.api.metering.ingest import MeteringCall
from undercroft.api.metering.schemas import ComplexQuery
from undercroft.api.questions import Refused
from undercroft.core import decoding
from undercroft.core.errors import InvalidInput
from undercroft.metering import expression
from undercroft.metering.query import PROJECT, complex_selection
from undercroft.metering.query import orderby as checked_order
from undercroft.metering.wire import new


def is_long(asked: ComplexQuery) -> bool:
    """Whether many samples are asked for, or many have to be looked into or sorted; those of one resource are few."""
    if query.is_above(asked.limit, v2.LONG):
        return True
    if not asked.filter and not asked.orderby:
        return False
    try:
        selection = complex_selection(_decoded(asked.filter, "filter"))
        order = checked_order(_decoded(asked.orderby, "orderby"))
    except InvalidInput:
        # It is refused later.
        return False
    return selection.resources is None and (selection.where is not None or [name for name, _ in order] != ["timestamp"])


def query_samples(call: MeteringCall) -> Answer:
    """Give the samples that a complex filter selects."""
    asked: ComplexQuery = call.body
    most = query.limit(asked.limit, call.conf.metering.default_limit)
    wanted, clause = _filter(asked.filter)
    order = _order(asked.orderby)
    if (own := query.own_project(call.caller)) is not None:
        _check_projects(clause, own)
        mine = {"=": {PROJECT: own}}
        wanted = {"and": [mine, wanted]} if wanted else mine
    return v2.listed(map(new, call.store.query_samples(wanted, order, most)), asked.limit)


def _decoded(text: str | None, field: str) -> Any:
    return decoding.decode(text.encode(), Any, field) if text else None


def _filter(text: str | None) -> tuple[Any, expression.Clause | None]:
    """What the text holds, and what it means."""
    try:
        found = _decoded(text, "filter")
        # One more comparison, and the level around it, is of the caller's own project.
        return found, expression.parse(found, spare=1)
    except InvalidInput as error:
        raise Refused(f"Filter expression not valid: {error.problem}") from None


def _order(text: str | None) -> Any:
    try:
        found = _decoded(text, "orderby")
        checked_order(found)
    except InvalidInput as error:
        raise Refused(f"Order-by expression not valid: {error.problem}") from None
    return found


def _check_projects(clause: expression.Clause | None, own: str) -> None:
    """Refuse a filter that names another project, wherever it does.

    Raises:
        Unauthorized: it does.
    """
    match clause:
        case expression.Every(parts) | expression.Either(parts):
            for part in parts:
                _check_projects(part, own)
        case expression.Except(part):
            _check_projects(part, own)
        case expression.Test() if clause.field == PROJECT and not clause.is_metadata:
            for value in clause.value if clause.op == "in" else (clause.value,):
                if not isinstance(value, str):
                    raise Unauthorized("Not Authorized to select projects by a regular expression")
                if value != own:
                    raise query.not_yours(value)
        case _:
            pass
