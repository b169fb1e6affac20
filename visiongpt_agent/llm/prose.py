"""Free text from a text-generation pipeline, as it comes, up to a stop sequence."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from queue import Queue
from typing import Any


class _Pieces:
    """The streamer that a pipeline writes to in its thread, and that the caller iterates over."""

    def __init__(self, tokenizer: Any) -> None:
        from transformers import TextStreamer

        pieces: Queue[str | BaseException | None] = Queue()

        class Streamer(TextStreamer):
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                pieces.put(text)

        self.streamer = Streamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.queue = pieces

    def __iter__(self) -> Iterator[str]:
        while (piece := self.queue.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece


def prose(pipeline: Any, prompt: str, stop: Sequence[str] = (), **settings: Any) -> Iterator[str]:
    """Generate text after a prompt that carries its own special tokens.

    The pipeline runs in a thread of its own; it is stopped when the caller closes the iterator.

    Args:
        pipeline: A transformers text-generation pipeline.
        prompt: The rendered chat.
        stop: Texts before which the answer ends.
        settings: What ``generate`` takes, e.g. ``max_new_tokens``.

    Yields:
        Pieces of text; none holds a stop sequence.
    """
    from transformers import StoppingCriteriaList

    pieces, stopped = _Pieces(pipeline.tokenizer), threading.Event()

    def run() -> None:
        try:
            pipeline(
                prompt,
                add_special_tokens=False,
                return_full_text=False,
                streamer=pieces.streamer,
                stopping_criteria=StoppingCriteriaList([lambda ids, scores, **_: stopped.is_set()]),
                **settings,
            )
            pieces.queue.put(None)
        except BaseException as error:  # handed to the caller's thread
            pieces.queue.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield from until(pieces, stop)
    finally:
        stopped.set()
        thread.join()


def until(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces up to the first stop sequence; what may be the beginning of one is held back.

    Example:
        >>> list(until(["Hel", "lo EN", "D rest"], ["END"]))
        ['Hel', 'lo ']
    """
    held = ""
    for piece in pieces:
        held += piece
        cut = min((at for word in stop if (at := held.find(word)) >= 0), default=-1)
        if cut >= 0:
            if held[:cut]:
                yield held[:cut]
            return
        keep = max((n for word in stop for n in range(1, len(word)) if held.endswith(word[:n])), default=0)
        ready, held = held[: len(held) - keep], held[len(held) - keep :]
        if ready:
            yield ready
    if held:
        yield held
