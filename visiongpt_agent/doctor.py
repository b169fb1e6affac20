"""What is installed here, what can run, and what would help the rest."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, Self

from visiongpt_agent.untrusted import one_line

if TYPE_CHECKING:
    from visiongpt_agent.models.registry import Registry
    from visiongpt_agent.pool import ModelPool
    from visiongpt_agent.tools.base import ToolSpec

_DISTRIBUTIONS: Final = (
    "visiongpt-agent",
    "torch",
    "transformers",
    "langchain",
    "langgraph",
    "onnxruntime",
    "opencv-python",
    "pillow",
)
_PULL: Final = "visiongpt models pull "
_AND: Final = " && "


@dataclass(frozen=True)
class ToolHealth:
    """Whether a tool can run here.

    Attributes:
        name: The tool's name.
        args: The names of its arguments.
        returns: ``image``, ``regions``, ``text`` or ``labels``.
        available: Whether it can run.
        model: The models that would run, ``""`` where it needs none or cannot run.
        needs: The one command or step that makes it available, ``""`` where it is.
        better: The one command or step that brings the models it would rather run, ``""`` where it has them.
    """

    name: str
    args: tuple[str, ...]
    returns: str
    available: bool
    model: str
    needs: str
    better: str

    @classmethod
    def of(cls, spec: ToolSpec, models: ModelPool) -> Self:
        """The health of a tool with these models."""
        lacking = [jobs[-1] for jobs in spec.needs if not any(models.has(job) for job in jobs)]
        preferred = [jobs[0] for jobs in spec.needs if not lacking]
        return cls(
            name=spec.name,
            args=tuple(argument.name for argument in spec.signature.arguments),
            returns=str(spec.signature.returns),
            available=not lacking,
            model="" if lacking else ", ".join(spec.model_names(models)),
            needs=in_one(models.remedy(job) for job in lacking),
            better=in_one(models.remedy(job) or models.registry.better_for(job) for job in preferred),
        )


@dataclass(frozen=True)
class Report:
    """The report of :func:`examine`.

    Attributes:
        versions: Of the interpreter and the packages that matter; ``""`` for one that is not installed.
        device: As torch spells it, e.g. ``cpu`` or ``cuda:0 (NVIDIA H100)``.
        memory: Bytes of main memory that are available.
        profile: ``foundation`` where a model of the hub or of the user's own is in use, else ``embedded``.
        home: Folder of pulled weights.
        planner: The language model that plans, ``""`` where there is none.
        tools: One entry a tool.
        problems: What is broken, each with its remedy.
    """

    versions: dict[str, str]
    device: str
    memory: int
    profile: str
    home: str
    planner: str
    tools: list[ToolHealth] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data that JSON can hold."""
        return asdict(self)


def in_one(remedies: Iterable[str]) -> str:
    """Several remedies as one line that can be pasted into a shell, as far as they are commands.

    What is to be pulled is pulled by one command, after what is to be installed.
    """
    steps = list(dict.fromkeys(step for remedy in remedies if remedy for step in remedy.split(_AND)))
    pulled = [step.removeprefix(_PULL) for step in steps if step.startswith(_PULL)]
    others = [step for step in steps if not step.startswith(_PULL)]
    return _AND.join([*others, *([_PULL + " ".join(pulled)] if pulled else [])])


def examine() -> Report:
    """Look at this machine; loads no model and changes nothing."""
    from visiongpt_agent.models import jobs
    from visiongpt_agent.pool import ModelPool
    from visiongpt_agent.settings import Settings, available_memory
    from visiongpt_agent.tools import catalog

    settings = Settings.load()
    pool = ModelPool(settings=settings)
    problems = [problem for problem in (_opencv(), *_broken_weights(pool.registry)) if problem]
    if not pool.has(jobs.LLM):
        problems.append(f"there is no language model to plan with: {pool.remedy(jobs.LLM)}")
    return Report(
        versions={"python": platform.python_version(), **{name: _version(name) for name in _DISTRIBUTIONS}},
        device=_device(settings.device),
        memory=available_memory(),
        profile=_profile(pool.registry),
        home=str(settings.home),
        planner=pool.name(jobs.LLM),
        tools=[ToolHealth.of(spec, pool) for spec in catalog().values()],
        problems=problems,
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _device(wanted: str) -> str:
    import torch

    if wanted == "cpu" or not torch.cuda.is_available():
        return "cpu"
    device = "cuda:0" if wanted == "auto" else wanted
    return f"{device} ({torch.cuda.get_device_name(device)})"


def _profile(registry: Registry) -> str:
    from visiongpt_agent.weights import Download, Hub, LocalFolder

    in_use = [card for card in registry.cards() if not registry.usable(card)]
    larger = any(isinstance(registry.store.source(card), Hub | Download | LocalFolder) for card in in_use)
    return "foundation" if larger else "embedded"


def _broken_weights(registry: Registry) -> Iterator[str]:
    """The faults of weights that are here and cannot be used, and of the user's own folders that are lost."""
    for card in registry.cards():
        state = registry.store.state(card)
        lost = state.status == "absent" and card.name in registry.store.own
        if state.status == "broken" or lost:
            yield one_line(f"{card.name}: {state.reason}; {registry.store.remedy(card)}")


def _opencv() -> str:
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        if any(library in str(error) for library in ("libGL", "libgthread", "libglib")):
            return f"OpenCV lacks a system library ({error}): apt-get install libgl1 libglib2.0-0"
        return f"OpenCV cannot be imported ({error}): pip install --force-reinstall opencv-python"
    return ""
