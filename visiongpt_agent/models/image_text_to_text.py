"""Chat models that see: captions, and answers to questions about a picture.

SmolVLM: Marafioti et al., *SmolVLM: Redefining small and efficient multimodal models* (2025, arXiv 2504.05299).
Qwen2.5-VL: Bai et al., *Qwen2.5-VL Technical Report* (2025, arXiv 2502.13923). LLaVA-1.5: Liu et al., *Improved
Baselines with Visual Instruction Tuning* (CVPR 2024, arXiv 2310.03744). All in the format of ``transformers``; the
repositories are taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.generation import write_tokens
from visiongpt_agent.models.jobs import CAPTION, VQA
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_DTYPES: Final = ("float32", "bfloat16", "float16")
_LONGEST: Final = 40
_DESCRIBE: Final = "Describe the image in one short phrase."
_BRIEFLY: Final = "Answer the question using a single word or phrase."
_PLACE: Final = "<|image_pad|>"
_MOST_PIXELS: Final = 1_000_000
"""What Qwen2.5-VL is shown of a picture at most: it takes 16 times as many, and minutes for them on a processor."""
_LEAST_SIDE: Final = 32
_NARROWEST: Final = 20
"""Most that one side of a picture may exceed the other: the processors refuse, or shrink to nothing, what is longer."""


class _SeeingChat(PlacedModel):
    """A chat model that takes a picture and an instruction in its own chat format and answers greedily."""

    _head: ClassVar[str]
    _processor_class: ClassVar[str]

    def __init__(self, network: Any, processor: Any, placement: Placement) -> None:
        self._network, self._processor, self.placement = network, processor, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, processor = read_checkpoint(cls.card, folder, placement, cls._head, cls._processor_class)
        _require_template(cls.card, processor)
        return cls(network, processor, placement)

    def caption(self, image: Image.Image) -> str:
        """What the picture shows, as a phrase without a full stop."""
        return as_phrase(self._say(image, _DESCRIBE))

    def answer(self, image: Image.Image, question: str) -> str:
        """The answer, often a word or two."""
        for marker in self._tokenizer.get_added_vocab():  # a picture's or a turn's marker would be taken for one
            question = question.replace(marker, " ")
        return self._say(image, f"{question.strip()}\n{_BRIEFLY}")

    @property
    def _tokenizer(self) -> Any:
        return self._processor.tokenizer

    def _inputs(self, image: Image.Image, prompt: str) -> Any:
        return self._processor(images=[image], text=[prompt], return_tensors="pt")

    def _say(self, image: Image.Image, instruction: str) -> str:
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": instruction}]}
        prompt = self._processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
        inputs = self._inputs(presentable(image), prompt)
        tokens = write_tokens(self._network, inputs, self.placement, longest=_LONGEST)
        answer = tokens[0, inputs["input_ids"].shape[1] :]
        return str(self._tokenizer.decode(answer, skip_special_tokens=True)).strip()


def as_phrase(text: str) -> str:
    """The first line of what a model wrote, without full stop and without the capital of a leading article."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "").rstrip(" .")
    first, _, rest = line.partition(" ")
    return f"{first.lower()} {rest}" if rest and first in ("A", "An", "The") else line


def presentable(image: Image.Image) -> Image.Image:
    """The picture in mode RGB, tiny ones enlarged to 32 pixels and strips widened with black to a ratio of 20 to 1."""
    from PIL import Image

    seen = image.convert("RGB")
    width, height = seen.size
    canvas = (max(width, -(-height // _NARROWEST)), max(height, -(-width // _NARROWEST)))
    if canvas != seen.size:
        wider = Image.new("RGB", canvas)
        wider.paste(seen, ((canvas[0] - width) // 2, (canvas[1] - height) // 2))
        seen = wider
    scale = _LEAST_SIDE / min(seen.size)
    if scale > 1:
        seen = seen.resize((round(seen.width * scale), round(seen.height * scale)), Image.Resampling.BICUBIC)
    return seen


class SmolVlm256M(_SeeingChat):
    """The smallest: a SigLIP encoder of 93 million parameters before SmolLM2-135M."""

    card: ClassVar[ModelCard] = ModelCard(
        name="smolvlm-256m-instruct",
        title="SmolVLM 256M Instruct",
        jobs=(CAPTION, VQA),
        licence="Apache-2.0",
        homepage="https://huggingface.co/HuggingFaceTB/SmolVLM-256M-Instruct",
        memory=1_300_000_000,  # estimated: 256 million parameters in float32, a quarter on top for the picture's tiles
        rank=20,
        source=Hub(
            "HuggingFaceTB/SmolVLM-256M-Instruct",
            "7e3e67edbbed1bf9888184d9df282b700a323964",
            networks=("",),
            size=517_900_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=_DTYPES,
        devices=("cuda", "cpu"),
    )
    _head = "Idefics3ForConditionalGeneration"
    _processor_class = "Idefics3Processor"


class SmolVlm500M(_SeeingChat):
    """The same encoder before SmolLM2-360M."""

    card: ClassVar[ModelCard] = ModelCard(
        name="smolvlm-500m-instruct",
        title="SmolVLM 500M Instruct",
        jobs=(CAPTION, VQA),
        licence="Apache-2.0",
        homepage="https://huggingface.co/HuggingFaceTB/SmolVLM-500M-Instruct",
        memory=2_500_000_000,  # estimated: 507 million parameters in float32, a quarter on top
        rank=15,
        source=Hub(
            "HuggingFaceTB/SmolVLM-500M-Instruct",
            "a7da5b986cb59b408707209984f360a5f4ad7e47",
            networks=("",),
            size=1_019_894_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=_DTYPES,
        devices=("cuda", "cpu"),
    )
    _head = "Idefics3ForConditionalGeneration"
    _processor_class = "Idefics3Processor"


class Llava15(_SeeingChat):
    """CLIP ViT-L/14 at 336 pixels before Vicuna 7B."""

    card: ClassVar[ModelCard] = ModelCard(
        name="llava-1.5-7b",
        title="LLaVA-1.5 7B",
        jobs=(CAPTION, VQA),
        licence="LLaMA-2 Community License",
        homepage="https://huggingface.co/llava-hf/llava-1.5-7b-hf",
        memory=31_000_000_000,  # estimated: 7.06 billion parameters in float32, a tenth on top
        rank=12,
        source=Hub("llava-hf/llava-1.5-7b-hf", "main", networks=("",), size=14_130_000_000, listed="2026-11-30"),
        notice="Meta's LLaMA-2 community licence binds the user: its acceptable-use policy, and a licence of Meta's "
        "own for those with more than 700 million users a month: https://ai.meta.com/llama/license",
        dtypes=_DTYPES,
        devices=("cuda", "cpu"),
    )
    _head = "LlavaForConditionalGeneration"
    _processor_class = "LlavaProcessor"


class Qwen25Vl(_SeeingChat):
    """Qwen2.5-VL 3B: the picture at its own size, up to a million pixels.

    The picture's place in the prompt is filled here: the library's processor wants one for videos too, and that one
    needs torchvision.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="qwen2.5-vl-3b-instruct",
        title="Qwen2.5-VL 3B Instruct",
        jobs=(CAPTION, VQA),
        licence="Qwen Research License",
        homepage="https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct",
        memory=17_000_000_000,  # estimated: 3.75 billion parameters in float32, an eighth on top
        rank=11,
        source=Hub(
            "Qwen/Qwen2.5-VL-3B-Instruct",
            "66285546d2b821cf421d4f5eb2576359d3770cd3",
            networks=("",),
            size=7_520_919_614,
            listed="2026-11-30",
            verified=True,
        ),
        notice="Non-commercial: the Qwen Research licence allows research and evaluation only; others need a licence "
        "of Alibaba Cloud.",
        dtypes=_DTYPES,
        devices=("cuda", "cpu"),
    )
    _head = "Qwen2_5_VLForConditionalGeneration"

    def __init__(self, network: Any, pixels: Any, words: Any, placement: Placement) -> None:
        super().__init__(network, words, placement)
        self._pixels = pixels

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        import transformers

        network, pixels, words = read_checkpoint(
            cls.card, folder, placement, cls._head, "AutoImageProcessor", "AutoTokenizer"
        )
        library: Any = transformers  # only partly typed
        settings, _ = library.Qwen2_5_VLProcessor.get_processor_dict(folder, local_files_only=True)
        words.chat_template = settings.get("chat_template") or words.chat_template
        _require_template(cls.card, words)
        return cls(network, pixels, words, placement)

    @property
    def _tokenizer(self) -> Any:
        return self._processor

    def _inputs(self, image: Image.Image, prompt: str) -> Any:
        size = {
            "shortest_edge": self._pixels.size["shortest_edge"],
            "longest_edge": min(self._pixels.size["longest_edge"], _MOST_PIXELS),
        }
        seen = self._pixels(images=[image], size=size, return_tensors="pt")
        patches = int(seen["image_grid_thw"].prod()) // self._pixels.merge_size**2
        inputs = self._processor([prompt.replace(_PLACE, _PLACE * patches)], return_tensors="pt")
        marked = inputs["input_ids"] == self._network.config.image_token_id
        inputs.update(seen)
        inputs["mm_token_type_ids"] = marked.int()  # where the positions of words give way to those of patches
        return inputs


def _require_template(card: ModelCard, processor: Any) -> None:
    if not processor.chat_template:
        raise WeightsError(f"the checkpoint of {card.title} has no chat template: visiongpt models pull {card.name}")
