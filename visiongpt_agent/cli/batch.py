"""``visiongpt batch``: one request about many pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visiongpt_agent.cli.approval import has_person
from visiongpt_agent.cli.background import in_background
from visiongpt_agent.cli.exits import Exit
from visiongpt_agent.cli.output import say
from visiongpt_agent.errors import InputError
from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from visiongpt_agent.batch import Batch

_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Carry the plan out without asking.")]
_Plan = Annotated[str, typer.Option("--plan", metavar="TEXT", help="Carry out this plan, of $1; none is made.")]
_Limit = Annotated[int, typer.Option("--limit", metavar="N", help="Only the first N pictures.")]
_Sample = Annotated[int, typer.Option("--sample", metavar="N", help="Only N pictures, drawn by their names.")]
_Retry = Annotated[bool, typer.Option("--retry-errors", help="Work again on those that ended in an error.")]
_Workers = Annotated[int, typer.Option("--workers", metavar="N", help="Pictures side by side; by default one a core.")]
_Export = Annotated[
    list[str] | None,
    typer.Option("--export", metavar="FORMAT", help="Write the regions too: coco, yolo, labelme or labelstudio."),
]


def batch(
    pictures: Annotated[str, typer.Argument(metavar="FOLDER|GLOB|LIST.txt|FILE.parquet", help="The pictures.")],
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="What you want of each of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the results go.")],
    yes: _Yes = False,
    plan: _Plan = "",
    limit: _Limit = 0,
    sample: _Sample = 0,
    retry_errors: _Retry = False,
    workers: _Workers = 0,
    export: _Export = None,
) -> None:
    """Plan once and carry the plan out on every picture; stopped at any moment, the same command goes on.

    In the folder of the results: table.jsonl with a row a picture, pictures/ as the folders were, report.html, and
    table.parquet where pyarrow is here. Exit code 0: every picture has its result; 3: some have an error, or the plan
    was not approved; 2: the request or the pictures cannot be used.
    """
    from visiongpt_agent.batch import Batch, Selection
    from visiongpt_agent.exports import check_format

    for form in export or ():
        check_format(form)
    with quiet():
        opened = Batch.open(
            pictures,
            request,
            out,
            selection=Selection(limit, sample),
            retry_errors=retry_errors,
            keep_regions=bool(export),
        )
        with opened:
            _decide(opened, plan, yes=yes)
            _carry_out(opened, workers)
            lines, complete = _summary(opened, _with_report(opened, list(export or ())))
    say("\n".join(lines))
    if not complete:
        raise typer.Exit(Exit.NOT_DONE)


def _decide(batch: Batch, plan: str, *, yes: bool) -> None:
    """Settle the plan; it is shown where somebody looks, and a person asked about a new one."""
    proposed = plan or batch.plan or next(iter(in_background(_proposal(batch))))
    if not yes or sys.stderr.isatty():
        say(f"plan for {len(batch.pictures)} pictures:", error=True)
        say("\n".join(f"  {line}" for line in proposed.splitlines()), error=True)
    if not yes and not batch.plan:
        if not has_person():
            raise InputError("nobody can be asked whether this plan is right: carry it out with --yes")
        try:
            agreed = typer.confirm("Carry it out?", err=True)
        except typer.Abort:
            raise KeyboardInterrupt from None
        if not agreed:
            raise typer.Exit(Exit.NOT_DONE)
    batch.decide(proposed)


def _proposal(batch: Batch) -> Iterator[str]:
    yield batch.propose()


def _carry_out(batch: Batch, workers: int) -> None:
    before = batch.done
    if before and sys.stderr.isatty():
        say(f"{before} of {len(batch.pictures)} pictures have their row already", error=True)
    with _progress(len(batch.pictures), before) as advance:
        for row in in_background(batch.rows(workers)):
            advance(row)


@contextmanager
def _progress(total: int, done: int) -> Iterator[Any]:
    """A bar with rate and time left at a terminal; else a line now and then."""
    from visiongpt_agent.cli.rate import RateDisplay

    with RateDisplay(total, done) as display:
        yield display.advance


def _with_report(batch: Batch, forms: list[str]) -> list[Path]:
    """Write what is made of the whole table."""
    from visiongpt_agent.batch import parquet
    from visiongpt_agent.batch.report import write_report

    made = [batch.table.path]
    if parquet.available():
        parquet.write(batch.table.rows(), batch.out / "table.parquet")
        made.append(batch.out / "table.parquet")
    made.append(write_report(batch))
    for form in forms:
        try:
            made.append(batch.export(form))
        except InputError as fault:
            say(f"visiongpt: {fault}", error=True)
    return made


def _summary(batch: Batch, made: list[Path]) -> tuple[list[str], bool]:
    """What came of it in lines, and whether every picture has its result."""
    from collections import Counter

    names = {picture.name for picture in batch.pictures}
    statuses = Counter(row.status for row in batch.table.rows() if row.path in names)
    account = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    total = statuses.total()
    lines = [f"{total} picture{'s' * (total != 1)}: {account}", *(f"  {path}" for path in made)]
    if statuses["error"] + statuses["failed"]:
        lines.append("Work on the errors again with the same command and --retry-errors.")
    return lines, not statuses["error"] + statuses["failed"] + statuses["declined"]
