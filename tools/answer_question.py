"""Answer a question by looking at a picture."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import sentence
from visiongpt_agent.models.jobs import DETECTION_CLOSED, DETECTION_OPEN_VOCABULARY, VQA, VisualAnswerer
from visiongpt_agent.pictures.transparency import flatten
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools._composed_answer import compose_answer
from visiongpt_agent.tools._second_look import zoomed_in
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool


@vision_tool(
    "answer a question about the image",
    returns=Kind.TEXT,
    needs=[(VQA, DETECTION_OPEN_VOCABULARY, DETECTION_CLOSED)],
)
def answer_question(image: Image.Image, question: str, *, models: Models) -> ToolOutput:
    """Answer a question that needs looking at the picture.

    Args:
        image: The picture.
        question: In words, e.g. "what colour is the car".
        models: Where the answering model comes from, or else what finds the things that an answer is composed of.

    Returns:
        The answer, often a word or two; where it is composed it says what it goes by.

    Raises:
        ToolError: If there is no question, the model finds no answer, or none can be composed.
    """
    asked = " ".join(question.split())
    if not asked:
        raise ToolError("there is no question to answer: ask one")
    if not models.has(VQA):
        return compose_answer(flatten(image), asked, models)
    with models.use(VQA, VisualAnswerer) as answerer:
        answer = answerer.answer(flatten(image), asked).strip(" .")
    if not answer:
        raise ToolError("the model found no answer; ask in other words")
    return ToolOutput(answer, sentence(answer), models=(models.name(VQA),))


@answer_question.check
def is_an_answer(question: str, output: ToolOutput) -> Iterator[str]:
    answer = str(output.value).strip(" .?").lower()
    if not answer:
        yield "the answer is empty"
    elif answer == question.strip(" .?").lower():
        yield "the answer only repeats the question"


@answer_question.check
def what_is_told_is_the_answer(output: ToolOutput) -> Iterator[str]:
    if "composed" not in output.facts and output.summary != sentence(str(output.value)):
        yield "the sentence that is told is not the answer"


@answer_question.check
def asked_again_it_says_the_same(
    image: Image.Image, question: str, output: ToolOutput, models: Models
) -> Iterator[str]:
    """Looking a little closer, the model gives the same answer; a composed answer comes to the same again."""
    if "composed" in output.facts:
        again = compose_answer(flatten(image), " ".join(question.split()), models)
        if (again.value, again.summary) != (output.value, output.summary):
            yield "asked again, what is found in the picture gives another answer"
        return
    with models.use(VQA, VisualAnswerer) as answerer:
        second = answerer.answer(zoomed_in(flatten(image)), " ".join(question.split())).strip(" .")
    if second.lower() != str(output.value).strip(" .").lower():
        yield Doubt(f'Asked again, the model says "{second}".')
