"""Checkpoints as the libraries of their time saved them load today and give the numbers that they gave then.

What published repositories hold was written by many releases; these small ones in ``past/`` were written by the same
releases, with their configs, processors and tokenizer files, by ``past/make_past.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.models.past.make_past import TEXTS, picture
from visiongpt_agent.llm.chat_llama import ChatLlama
from visiongpt_agent.models.base import Model, Placement
from visiongpt_agent.models.blip import BlipCaption
from visiongpt_agent.models.clip import Clip
from visiongpt_agent.models.depth_anything import DepthAnything
from visiongpt_agent.models.grounding_dino import GroundingDino
from visiongpt_agent.models.mask2former import Mask2Former
from visiongpt_agent.models.sam2 import Sam2
from visiongpt_agent.models.stable_diffusion import StableDiffusion15

pytestmark = pytest.mark.usefixtures("one_thread")

PAST = Path(__file__).parent / "past"
Expected = dict[str, npt.NDArray[Any]]


def past(name: str, model: type[Model]) -> tuple[Any, Expected]:
    """The model loaded from a checkpoint of the past, and what was expected of it then."""
    with np.load(PAST / name / "expected.npz") as stored:
        return model.load(PAST / name, Placement()), dict(stored)


def close(value: Any, expected: npt.NDArray[Any], tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(np.asarray(value), expected, atol=tolerance, rtol=tolerance)


def run(model: Model, **inputs: npt.NDArray[Any]) -> Any:
    """What the model's network computes from arrays."""
    import torch

    (network,) = model.networks()
    with torch.inference_mode():
        return network(**{name: torch.from_numpy(value) for name, value in inputs.items()})


def test_clip_of_transformers_4_26() -> None:
    model, expected = past("clip", Clip)
    close(model.match(picture(), TEXTS), expected["cosines"])


def test_blip_of_transformers_4_26() -> None:
    import torch

    model, expected = past("blip", BlipCaption)
    (network,) = model.networks()
    inputs = model._processor(images=picture(), return_tensors="pt")
    close(inputs["pixel_values"], expected["pixels"])
    with torch.inference_mode():
        close(network.vision_model(**inputs).last_hidden_state, expected["states"])
        tokens = network.generate(**inputs, max_new_tokens=40, num_beams=1, do_sample=False)
    words = model._processor.tokenizer.batch_decode(expected["tokens"], skip_special_tokens=True)
    assert model._processor.tokenizer.batch_decode(tokens, skip_special_tokens=True) == words
    assert model.caption(picture()) == words[0].strip().rstrip(" .")


def test_mask2former_of_transformers_4_26() -> None:
    """It lacks the last norm of the encoder, which nothing reads."""
    model, expected = past("mask2former", Mask2Former)
    out = run(model, pixel_values=expected["pixels"])
    close(out.class_queries_logits, expected["classes"])
    close(out.masks_queries_logits, expected["masks"], 1e-3)


def test_grounding_dino_of_transformers_4_46() -> None:
    model, expected = past("grounding_dino", GroundingDino)
    words = dict(model._tokenizer("dog. red car.", return_tensors="np"))
    assert words["input_ids"].tolist() == expected["tokens"].tolist()
    out = run(model, pixel_values=expected["pixels"], **words)
    close(out.logits[..., : words["input_ids"].shape[1]], expected["logits"], 1e-3)
    close(out.pred_boxes, expected["boxes"], 1e-3)


def test_depth_anything_of_transformers_4_46() -> None:
    model, expected = past("depth_anything", DepthAnything)
    close(run(model, pixel_values=expected["pixels"]).predicted_depth, expected["depth"], 1e-3)
    assert model.depth(picture()).shape == (40, 48)


def test_sam_2_of_transformers_4_56() -> None:
    """It holds the frequencies of places once; the second copy must not be random."""
    model, expected = past("sam2", Sam2)
    out = run(model, pixel_values=expected["pixels"], input_boxes=expected["boxes"])
    close(out.iou_scores, expected["quality"])
    close(out.pred_masks, expected["masks"], 1e-3)


def test_stable_diffusion_of_diffusers_0_14() -> None:
    """Its feature extractor is of a class that is gone, its text encoder holds the numbers of positions."""
    import torch

    model, expected = past("stable_diffusion", StableDiffusion15)
    pipeline = model._pipeline
    words = pipeline.tokenizer(TEXTS[0], padding="max_length", return_tensors="pt")["input_ids"]
    assert words.tolist() == expected["tokens"].tolist()
    with torch.inference_mode():
        states = pipeline.text_encoder(words)[0]
        noise = pipeline.unet(torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8), 500, states).sample
        close(states, expected["states"])
        close(noise, expected["noise"])
        close(pipeline.vae.decode(noise).sample, expected["painted"], 1e-3)
    assert model.generate(TEXTS[0], seed=0).mode == "RGB"


def test_llama_2_of_transformers_4_46() -> None:
    import torch

    chat = ChatLlama.from_folder(PAST / "llama")
    with np.load(PAST / "llama" / "expected.npz") as expected:
        tokenizer, network = chat.llm.pipeline.tokenizer, chat.llm.pipeline.model
        prompt = str(expected["prompt"])
        tokens = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        assert tokens.tolist() == expected["tokens"].tolist()
        assert chat._render([{"role": "user", "content": "a cat"}]) == prompt
        with torch.inference_mode():
            close(network(tokens).logits, expected["logits"])


@pytest.mark.parametrize("name", sorted(path.name for path in PAST.iterdir() if (path / "expected.npz").is_file()))
def test_what_is_expected_depends_on_the_weights(name: str) -> None:
    """A number that nothing can change proves nothing: each stored answer varies, and is finite."""
    with np.load(PAST / name / "expected.npz") as stored:
        floats = [stored[key] for key in stored.files if stored[key].dtype.kind == "f"]
        assert all(np.isfinite(value).all() for value in floats)
        assert all(np.std(value) > 0 for value in floats)
