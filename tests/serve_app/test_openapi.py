"""The API page is valid, and says all that the service answers."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import validate
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serve_app.request_scope import PROBES
from tests.examples import examples
from tests.fakes.edge import Edge

pytestmark = pytest.mark.unit


@schemathesis.serializer("audio/*")
def as_it_is(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """A raw recording is its own form."""
    return getattr(value, "data", None) or str(value).encode()


EDGE = Edge(max_requests=100)
schema = schemathesis.openapi.from_asgi("/openapi.json", EDGE.app)


def test_the_document_is_valid() -> None:
    validate(EDGE.app.openapi())


def test_a_key_can_be_given_on_the_page_to_all_that_ask_for_one() -> None:
    document = EDGE.app.openapi()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["Bearer"]["scheme"], schemes["Token"]["name"]) == ("bearer", "Authorization")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            asks = "401" in operation["responses"]
            assert ("security" in operation) == asks == (path not in PROBES), path
            # None is needed while the service is open.
            assert operation.get("security", [{}]) == ([{"Bearer": []}, {"Token": []}, {}] if asks else [{}])


@schema.parametrize()
@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck), deadline=None)
def test_no_request_gets_an_answer_that_is_not_documented(case: Case[Any]) -> None:
    case.call_and_validate(
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    )
