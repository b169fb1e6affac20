"""``visiongpt eval``: how good the language model that is here is at what it is for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visiongpt_agent.cli.background import in_background
from visiongpt_agent.cli.plan import opened, plans, pool_that_plans, read_records, request_of
from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from visiongpt_agent.call_scores import Call, CallScores, Case
    from visiongpt_agent.plan_scores import PlanScore, PlanScores
    from visiongpt_agent.pool import ModelPool

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


@app.command()
def calls(
    source: Annotated[Path, typer.Argument(help='Lines of {"id", "question", "function"}, as BFCL has them.')],
    answers: Annotated[
        Path | None,
        typer.Option(help='Lines of {"id", "ground_truth"}; by default possible_answer/NAME beside the questions.'),
    ] = None,
    details: Annotated[Path | None, typer.Option(help="Write the calls of each question to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Have the planner call functions that it never saw, in files of the Berkeley Function Calling Leaderboard.

    Such files are multiple, parallel_multiple, irrelevance and live_*: one call, several, or none, since none fits.
    """
    from visiongpt_agent.call_scores import CallScores
    from visiongpt_agent.errors import InputError

    cases = read_cases(source, answers)
    if not cases:
        raise InputError(f"{source} holds no question")
    with quiet():
        pool = pool_that_plans()
    made: list[Sequence[Call] | None] = []
    seconds: list[float] = []
    with opened(details) if details else nullcontext() as lines, quiet():
        for case, called, took in in_background(called_for(cases, pool)):
            made.append(called)
            seconds.append(took)
            if lines is not None:
                met = called is not None and case.is_met(called)
                line = {"id": case.id, "kind": case.kind, "calls": called, "met": met, "seconds": round(took, 3)}
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                lines.flush()
    found = CallScores.of(cases, made, seconds)
    print(json.dumps(asdict(found), indent=1) if as_json else table_of_calls(found))


def read_cases(source: Path, answers: Path | None) -> list[Case]:
    """The questions of a file with their answers.

    Raises:
        InputError: If a file cannot be read, or a question has no answer.
    """
    from visiongpt_agent.call_scores import Case
    from visiongpt_agent.errors import InputError

    beside = source.parent / "possible_answer" / source.name
    file = answers or (beside if beside.is_file() else None)
    right: dict[str, Any] = {}
    for record, where in read_records(file) if file else ():
        if not isinstance(record, dict) or not {"id", "ground_truth"} <= record.keys():
            raise InputError(f'{where} must be an object with "id" and "ground_truth"')
        right[str(record["id"])] = record["ground_truth"]
    return [Case.of(record, right, where) for record, where in read_records(source)]


def called_for(cases: list[Case], pool: ModelPool) -> Iterator[tuple[Case, Sequence[Call] | None, float]]:
    """Each question with the calls that were made for it, None where none could be, and the seconds that it took."""
    from visiongpt_agent.errors import PlanError
    from visiongpt_agent.graphs.resources import LanguageModel
    from visiongpt_agent.llm.local_chat import LocalChat
    from visiongpt_agent.models import jobs
    from visiongpt_agent.prompts import planner_user

    with pool.use(jobs.LLM, LanguageModel) as llm:
        # A local model is asked for a plan, as the agent asks it: then it may decline. Others call tools or answer.
        options: dict[str, Any] = {"images": 0} if isinstance(llm.chat, LocalChat) else {}
        for case in cases:
            begun = time.perf_counter()
            *before, (role, words) = case.messages
            messages = [*before, (role, planner_user([], words) if options else words)]
            try:
                answer = llm.chat.bind_tools([dict(tool) for tool in case.tools], **options).invoke(messages)
                called = [(call["name"], call["args"]) for call in answer.tool_calls]
            except PlanError:
                called = None
            yield case, called, time.perf_counter() - begun


def table_of_calls(scores: CallScores) -> str:
    """The scores as lines of text."""
    lines = [
        f"  {kind:<10} {met} of {total} right ({met / total:.1%}), the right tools {tools}"
        for kind, (met, tools, total) in scores.kinds.items()
    ]
    head = f"{scores.requests} questions, {scores.refused} refused, {scores.seconds:.2f} s each (median)"
    return "\n".join([head, *lines])


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
