"""Which models there are, and which of them can do a job here.

Models are found, not listed: every :class:`Model` subclass with a card of its own in a module of
``visiongpt_agent.models``, those of other distributions that announce one under the entry point group
``visiongpt_agent.models``, and those that :func:`register` was given.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import entry_points

from visiongpt_agent.models.base import Model, ModelCard
from visiongpt_agent.models.jobs import LLM
from visiongpt_agent.models.named import llm_named
from visiongpt_agent.settings import Settings
from visiongpt_agent.weights.store import WeightStore

ENTRY_POINTS = "visiongpt_agent.models"

_log = logging.getLogger(__name__)
_registered: list[type[Model]] = []


def register(model: type[Model]) -> type[Model]:
    """Add a model at run time, e.g. as a decorator in a notebook; one of the same name from before is replaced.

    Raises:
        ValueError: If the name is no proper one, or is that of a model that was discovered.
    """
    _check_names([*discovered(), model])
    _registered[:] = [other for other in _registered if other.card.name != model.card.name] + [model]
    return model


@cache
def discovered() -> tuple[type[Model], ...]:
    """The models of this package and of the distributions that announce theirs, in order of name.

    Raises:
        ValueError: If two of them share a name.
    """
    models = [*_in_package(), *_announced()]
    _check_names(models)
    return tuple(sorted(models, key=lambda model: model.card.name))


class Registry:
    """The models as one user has them: with their settings and the weights on their machine.

    Args:
        settings: Read from the environment where None.
        store: That of the settings' home where None.
        models: In place of those discovered and registered, for tests.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        store: WeightStore | None = None,
        models: Iterable[type[Model]] | None = None,
    ) -> None:
        self.settings = settings or Settings.load()
        self.store = store or WeightStore(self.settings.home, self.settings.weights)
        self._models = None if models is None else tuple(models)
        self._named: tuple[type[Model], ...] = ()
        llm = self.settings.llm
        if llm and self.get(llm) is None:
            self._named = (llm_named(llm),)
        _check_names(self.models())

    def models(self) -> tuple[type[Model], ...]:
        """All models."""
        listed = (*discovered(), *_registered) if self._models is None else self._models
        return (*listed, *self._named)

    def cards(self) -> tuple[ModelCard, ...]:
        """The cards of all models."""
        return tuple(model.card for model in self.models())

    def get(self, name: str) -> type[Model] | None:
        """The model of a name."""
        return next((model for model in self.models() if model.card.name == name), None)

    def for_job(self, job: str) -> list[type[Model]]:
        """The models that do a job, usable or not: the user's choice first, then by rank.

        A language model that the user names is the only one: another must not answer in its place.
        """
        able = [model for model in self.models() if job in model.card.jobs]
        if job == LLM and self.settings.llm:
            return [model for model in able if model in self._named or model.card.name == self.settings.llm]
        choice = self.settings.models.get(job, "")
        return sorted(able, key=lambda model: (model.card.name != choice, model.card.rank, model.card.name))

    def usable(self, card: ModelCard) -> str:
        """Why a model cannot be used here, with the remedy; ``""`` if it can."""
        missing = [name for name in card.modules if not _importable(name)]
        if missing:
            return f"{card.name} needs {', '.join(missing)}: {_install(card)}"
        state = self.store.state(card)
        return "" if state.present else f"{card.name}: {state.reason}; {self.store.remedy(card)}"

    def missing_for(self, job: str) -> str:
        """The one command that makes a job possible here; ``""`` if it is possible already."""
        models = self.for_job(job)
        if not models:
            return f"this version has no adapter for {job} yet"
        if any(not self.usable(model.card) for model in models):
            return ""
        # Weights are sooner pulled than packages installed, so a model that lacks only weights is told first.
        return self._brings(min((model.card for model in models), key=lambda card: bool(self._lacking(card))))

    def better_for(self, job: str) -> str:
        """The one command that brings the model preferred for a job; ``""`` if that, or one as good, is usable."""
        models = [model.card for model in self.for_job(job)]
        usable = next((card for card in models if not self.usable(card)), None)
        better = [card for card in models if usable and card.rank < usable.rank]
        return self._brings(min(better, key=lambda card: bool(self._lacking(card)))) if better else ""

    def _brings(self, card: ModelCard) -> str:
        install = [_install(card)] if self._lacking(card) else []
        weights = [] if self.store.state(card).present else [self.store.remedy(card)]
        return " && ".join(install + weights)

    @staticmethod
    def _lacking(card: ModelCard) -> list[str]:
        return [name for name in card.modules if not _importable(name)]


def _in_package() -> Iterator[type[Model]]:
    from visiongpt_agent import models as package

    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if _is_model(value) and value.__module__ == module.__name__:
                yield value


def _announced() -> Iterator[type[Model]]:
    for point in entry_points(group=ENTRY_POINTS):
        try:
            value = point.load()
        except Exception as error:  # another distribution's fault must not stop this one
            _log.warning("the model %s of %s cannot be imported: %s", point.name, point.value, error)
            continue
        if _is_model(value):
            yield value
        else:
            _log.warning("%s is announced as a model, but is no Model subclass with a card", point.value)


def _is_model(value: object) -> bool:
    return (
        inspect.isclass(value) and issubclass(value, Model) and "card" in vars(value) and not inspect.isabstract(value)
    )


def _check_names(models: Iterable[type[Model]]) -> None:
    seen: dict[str, type[Model]] = {}
    for model in models:
        name = model.card.name
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
            raise ValueError(f"{model.__qualname__}: {name!r} is no model name; use lower case, digits, '.', '_', '-'")
        if name in seen:
            raise ValueError(f"{model.__qualname__} and {seen[name].__qualname__} are both named {name}")
        seen[name] = model


def _importable(module: str) -> bool:
    """Whether a module can be found; of ``a.b`` only ``a`` is looked for, since finding ``b`` would import it."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def _install(card: ModelCard) -> str:
    return f"pip install 'visiongpt-agent[{card.extra}]'" if card.extra else f"pip install {' '.join(card.modules)}"
