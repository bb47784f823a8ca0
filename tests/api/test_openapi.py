"""The OpenAPI document is right, fresh, and true: what the service answers is what it says."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator

import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.api.answers import CLIENT
from tests.api.service import Service, serving
from tests.conftest import url_of
from undercroft.api import openapi
from undercroft.api.kind import routes
from undercroft.conformance.plugin import Opener

ROUTES = [route for _, route in routes()]
DOCUMENT = openapi.document()
TOP = pathlib.Path(__file__).parent.parent.parent
EXAMPLES = 300 if os.environ.get("UCTEST_CHAOS") == "full" else 25
for media in {media for route in ROUTES for media in route.body_media}:
    # JSON under another name.
    schemathesis.serializer.alias(media, "application/json")
SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))


def test_the_document_is_valid():
    openapi_spec_validator.validate(DOCUMENT)


def test_the_document_served_is_the_document(service):
    assert service.client.get("/openapi.json").json() == json.loads(json.dumps(DOCUMENT))
    assert json.loads((TOP / "docs/api/openapi.json").read_text()) == json.loads(json.dumps(DOCUMENT))


def test_every_route_is_in_it():
    operations = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
    assert sorted(operations) == sorted((route.method, route.path) for route in ROUTES)
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def brief(place: Opener, others: dict[str, str], tokens: pathlib.Path) -> Iterator[Service]:
    """A service whose long requests end soon; a tail goes on until then."""
    with serving(url_of(place), auth="tokens", token_file=tokens, long_deadline=2, **others) as found:
        yield found


@pytest.mark.promise("S6")
@pytest.mark.any_engine
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_whatever_is_sent_is_answered_as_documented(brief, route):
    """No 500; 501 and 503 only where the document names them; bodies of the documented form."""
    operation = SCHEMA[route.path][route.method]

    @given(case=st.one_of(operation.as_strategy(), operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)))
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def check(case):
        # How a body is framed is between the client and the HTTP server, which refuses it before the service is asked.
        case.headers.pop("Transfer-Encoding", None)
        case.call_and_validate(
            base_url=brief.url, headers={"X-Auth-Token": "t-admin", **CLIENT},
            checks=[_no_failure, status_code_conformance, content_type_conformance, response_schema_conformance],
        )  # fmt: skip

    def _no_failure(context, response, case):
        if response.status_code != 501:
            not_a_server_error(context, response, case)

    check()
