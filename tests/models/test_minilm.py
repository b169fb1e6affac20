from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import TEXT_EMBEDDING, TextEmbedder
from visiongpt_agent.models.minilm import MiniLM
from visiongpt_agent.pool import ModelPool


def test_synonyms_are_near(pool: ModelPool, needs: Callable[[str], None]) -> None:
    needs(TEXT_EMBEDDING)
    with pool.use(TEXT_EMBEDDING, TextEmbedder) as embedder:
        vectors = embedder.embed(["sofa", "couch", "kitten", "cat", "neutrophil"])
    assert vectors.shape == (5, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert min(vectors[0] @ vectors[1], vectors[2] @ vectors[3]) > 0.75
    assert max(vectors[0] @ vectors[2], vectors[0] @ vectors[4]) < 0.5


def test_the_vector_that_the_model_is_known_for(pool: ModelPool, needs: Callable[[str], None]) -> None:
    needs(TEXT_EMBEDDING)
    with pool.use(TEXT_EMBEDDING, TextEmbedder) as embedder:
        (vector,) = embedder.embed(["This is an example sentence"])
    assert vector[:3] == pytest.approx([0.0676569, 0.0634959, 0.0487131], abs=1e-4)  # as its authors' library prints it


def test_a_vector_does_not_depend_on_its_batch(pool: ModelPool, needs: Callable[[str], None]) -> None:
    needs(TEXT_EMBEDDING)
    with pool.use(TEXT_EMBEDDING, TextEmbedder) as embedder:
        together = embedder.embed(["zeppelin", "a much longer text about an airship over the sea"])
        fresh = MiniLM(embedder._model, embedder._tokenizer) if isinstance(embedder, MiniLM) else embedder
        alone = fresh.embed(["zeppelin"])
        assert embedder.embed([]).shape == (0, 384)
    assert together[0] == pytest.approx(alone[0], abs=1e-5)


def test_missing_weights_are_told() -> None:
    with pytest.raises(WeightsError, match="pull all-minilm-l6-v2"):
        MiniLM.load(None, Placement())
