"""Many pictures under one plan: planned once, carried out picture by picture, a row of a table for each.

:func:`run` does it and yields the rows; :class:`Batch` has the steps apart, so that a person can see the plan first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visiongpt_agent.batch.batch import Batch
from visiongpt_agent.batch.pictures import Selection
from visiongpt_agent.batch.table import Row

if TYPE_CHECKING:
    from visiongpt_agent.agent import VisionGPT

__all__ = ["Batch", "Row", "Selection", "run"]


def run(
    pictures: Any,
    request: str,
    out: str | Path,
    *,
    agent: VisionGPT | None = None,
    plan: str = "",
    selection: Selection | None = None,
    retry_errors: bool = False,
    workers: int = 0,
    keep_regions: bool = False,
) -> Iterator[Row]:
    """Plan once, apply the plan to every picture, and yield a row for each as soon as it is written.

    What ``out`` holds already of the same request is not done again, so that the same call goes on after a stop.

    Args:
        pictures: A folder, a glob pattern, a ``.txt`` list, a ``.parquet`` file with a column ``path``, or paths.
        request: What is wanted of each picture, in words.
        out: The folder of ``table.jsonl``, ``batch.json`` and ``pictures/``.
        agent: Whose models and tools are used; by default a new one, closed at the end.
        plan: A plan in its text form, with ``$1`` for the picture; by default the agent's language model makes it.
        selection: Take only some of the pictures.
        retry_errors: Work again on the pictures whose rows say ``error`` or ``failed``.
        workers: Pictures side by side; by default one a core.
        keep_regions: Keep the regions with their masks, as :meth:`Batch.export` wants them.

    Raises:
        InputError: If there are no pictures, no plan fits them, or ``out`` holds another batch.
        WeightsError: If there is no language model to plan with.

    Example:
        >>> import tempfile
        >>> from visiongpt_agent import batch, sample_photo
        >>> plan = "#1 = adjust_image(image=$1, saturation=0)"
        >>> photos = [sample_photo("coffee"), sample_photo("rocket")]
        >>> [row.status for row in batch.run(photos, "make them black and white", tempfile.mkdtemp(), plan=plan)]
        ['done', 'done']
    """
    with Batch.open(
        pictures, request, out, agent=agent, selection=selection, retry_errors=retry_errors, keep_regions=keep_regions
    ) as batch:
        batch.decide(plan or batch.plan or batch.propose())
        yield from batch.rows(workers)
