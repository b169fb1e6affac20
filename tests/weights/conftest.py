"""A hub on this machine for the tests of weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.weights.local_hub import LocalHub, running


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """The hub that the library knows during a test; nobody is logged in, and nothing waits between attempts."""
    from huggingface_hub import constants

    with running() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
        monkeypatch.setattr("visiongpt_agent.weights.streaming._PAUSES", (0.0, 0.0, 0.0))
        yield hub
