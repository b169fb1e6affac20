"""``visiongpt eval``: how good the language model that is here is at what it is for."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visiongpt_agent.cli.background import in_background
from visiongpt_agent.cli.plan import opened, plans, pool_that_plans, read_records, request_of
from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from visiongpt_agent.plan_scores import PlanScore, PlanScores

app = typer.Typer(help="Measure the planner.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Measure the planner."""


@app.command()
def plan(
    source: Annotated[Path, typer.Argument(help='Lines of {"id", "images", "request", "plan", "kind", "also", ...}.')],
    details: Annotated[Path | None, typer.Option(help="Write each plan and its score to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Plan the requests of a JSON-lines file and compare with the plans that it says are right."""
    from visiongpt_agent.errors import InputError
    from visiongpt_agent.plan_scores import Gold, PlanScores, score_plan
    from visiongpt_agent.tools import catalog

    records = read_records(source)
    requests = [request_of(record, where) for record, where in records]
    golds = [Gold.of(record, where) for record, where in records]
    if not requests:
        raise InputError(f"{source} holds no request")
    signatures = {name: spec.signature for name, spec in catalog().items()}
    with quiet():
        pool = pool_that_plans()
    scores: list[PlanScore] = []
    seconds: list[float] = []
    with opened(details) if details else nullcontext() as lines, quiet():
        for (request, made, took), gold in zip(in_background(plans(requests, pool)), golds, strict=True):
            score = score_plan(str(made), gold, signatures, len(request.images))
            scores.append(score)
            seconds.append(took)
            if lines is not None:
                line = {"id": request.id, "plan": str(made), "seconds": round(took, 3), **asdict(score)}
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                lines.flush()  # what is planned is kept, whatever comes
    found = PlanScores.of(scores, [gold.kind for gold in golds], seconds)
    print(json.dumps(asdict(found), indent=1) if as_json else table(found))


def table(scores: PlanScores) -> str:
    """The scores as lines of text."""
    rates: dict[str, Any] = {
        "exact": scores.exact,
        "same tools": scores.same_tools,
        "tool F1": scores.tool_f1,
        "argument F1": scores.argument_f1,
        "valid": scores.valid,
    }
    lines = [f"{name:<12} {rate:6.1%}" for name, rate in rates.items()]
    lines += [f"  {kind:<12} {exact} of {total} exact" for kind, (exact, total) in scores.kinds.items()]
    return "\n".join([f"{scores.requests} requests, {scores.seconds:.2f} s a plan (median)", *lines])
