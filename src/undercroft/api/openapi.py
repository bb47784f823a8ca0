"""The OpenAPI 3.1 document: made of the types and of the table of routes, never written by hand."""

from __future__ import annotations

import functools
import re
from http import HTTPStatus
from typing import Any

import falcon
import msgspec

import undercroft
from undercroft.api import idempotency, kind, wire
from undercroft.api.call import Rule
from undercroft.api.kind import Api
from undercroft.api.routes import Route

_REF = "#/components/schemas/{name}"
# Answers that are no JSON: text, and bytes.
_OTHER: dict[Any, dict[str, Any]] = {str: {"type": "string"}, bytes: {"type": "string", "format": "binary"}}
_RETRY = {"Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "string"}}}


class Page:
    """`/openapi.json`."""

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """The document."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = wire.encode(document())


@functools.cache
def document() -> dict[str, Any]:
    """The whole document."""
    routes = list(kind.routes())
    bodies = [route.body for _, route in routes if route.body is not None]
    answers = [type_ for _, route in routes for type_ in route.answers.values() if type_ is not None]
    errors = [api.error(route.path).type for api, route in routes]
    answers = [type_ for type_ in answers if type_ not in _OTHER]
    wanted = list(dict.fromkeys([*bodies, *answers, *errors]))
    schemas, components = msgspec.json.schema_components(wanted, ref_template=_REF)
    by_type = dict(zip(wanted, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for api, route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(api, route, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Undercroft", "version": undercroft.__version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _operation(api: Api, route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    text = (route.handler.__doc__ or "").partition("\n")[0]
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()} {route.path}").strip("_"),
        "summary": text,
        "description": f"May be asked by: {route.rule.value}.",
        "parameters": [*_path(route), *_query(route), *_headers(route)],
        "responses": _responses(api, route, schemas),
    }
    if route.method == "POST" and route.keeps_receipts:
        operation["parameters"].append(_key())
    if route.body is not None:
        media = route.body_media or (falcon.MEDIA_JSON,)
        content = {each: {"schema": schemas[route.body]} for each in media}
        operation["requestBody"] = {"required": not route.may_be_empty, "content": content}
    operation["security"] = [] if route.rule is Rule.OPEN else [{"token": []}, {"bearer": []}, {"basic": []}]
    return operation


def _path(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names]


def _query(route: Route) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([route.query], ref_template=_REF)
    found = []
    for name, schema in components[route.query.__name__]["properties"].items():
        parameter = {"name": name, "in": "query", "schema": schema}
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": route.read is not wire.query}
        found.append(parameter)
    return found


def _headers(route: Route) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in route.headers]


def _key() -> dict[str, Any]:
    return {
        "name": idempotency.HEADER,
        "in": "header",
        "description": "A repetition with the same key and body has no second effect, for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
    }


def _responses(api: Api, route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    found: dict[int, dict[str, Any]] = {}
    for status, type_ in route.answers.items():
        found[status] = {"description": HTTPStatus(status).phrase}
        if type_ is not None:
            found[status]["content"] = {media: {"schema": schemas.get(type_) or _OTHER[type_]} for media in route.media}
    statuses = [400, 503, *route.failures]
    if route.rule is not Rule.OPEN:
        statuses += [401, 403]
    if route.has_body:
        statuses += [411, 413, 415]
    error = schemas[api.error(route.path).type]
    for status in statuses:
        found[status] = {"description": HTTPStatus(status).phrase, "content": _json(error)}
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            found[status]["headers"] = _RETRY
    return {str(status): found[status] for status in sorted(found)}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
