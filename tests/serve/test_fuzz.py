"""The OpenAPI document against the server, by schemathesis: whatever comes, the answer is one that is documented."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings

from tests.scripted import ScriptedChat
from tests.serve.conftest import TURN
from visiongpt_agent.hosting.server import listen
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.serve.app import create_app
from visiongpt_agent.serve.limits import ServeLimits

schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")
checks = pytest.importorskip("schemathesis.checks")
checks.load_all_checks()

# What fits the document may still be refused: a base64 text need not be a picture, nor a thread one that there is.
REFUSALS = ("400", "401", "403", "404", "406", "422", "428")
EXCLUDED = [checks.CHECKS.get_one("positive_data_acceptance")]


@pytest.fixture(scope="module")
def api(pool: ModelPool) -> Iterator[Any]:
    app = create_app(ScriptedChat(script=[TURN]), pool=pool, limits=ServeLimits(queue=500, keep_requests=50))
    where = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [where]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{where.getsockname()[1]}/openapi.json")
    # A body of another media type is refused by the status that HTTP has for it, which the check does not know.
    schema.config.checks.negative_data_rejection.expected_statuses = [*REFUSALS, "415"]
    yield schema
    server.should_exit = True
    thread.join(timeout=30)


OPERATIONS = [
    ("/v1/requests", "POST"),
    ("/v1/requests/{id}", "GET"),
    ("/v1/requests/{id}", "DELETE"),
    ("/v1/requests/{id}/events", "GET"),
    ("/v1/artifacts/{id}", "GET"),
    ("/v1/tools", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
]


@pytest.mark.slow
def test_all_operations_are_tried(api: Any) -> None:
    operations = [result.ok() for result in api.get_all_operations()]

    assert sorted((op.path, op.method.upper()) for op in operations) == sorted(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_fits_the_document_gets_an_answer_of_it(api: Any, path: str, method: str) -> None:
    fuzz(api[path][method], schemathesis.GenerationMode.POSITIVE)


@pytest.mark.slow
def test_what_does_not_fit_is_refused_as_documented(api: Any) -> None:
    """Of the other operations there is nothing that does not fit: they take any text."""
    fuzz(api["/v1/requests"]["POST"], schemathesis.GenerationMode.NEGATIVE)


def fuzz(operation: Any, mode: Any) -> None:
    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case: Any) -> None:
        answer = case.call_and_validate(timeout=30, excluded_checks=EXCLUDED)
        assert answer.status_code < 500

    check()
