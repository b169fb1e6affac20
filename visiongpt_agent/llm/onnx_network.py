"""A language model that onnxruntime runs on a CPU, as the plan decoder reads it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from visiongpt_agent.llm.prefixes import PrefixCache

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, OrtValue

    from visiongpt_agent.llm.network import FloatArray

_ROOM: Final = 1024
"""For so many tokens a memory is made at first: a catalogue, a request and its plan."""
_SPARE: Final = 2
"""How many memories that nobody uses are kept for the next requests."""


class Memory:
    """Keys and values of every layer, room for ``room`` tokens; the network writes into it in place.

    Attributes:
        room: How many tokens it can hold.
        length: How many it holds.
        prefix: The tokens at its beginning that came from a prompt's unchanging part.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], room: int) -> None:
        from onnxruntime import OrtValue

        self.room = room
        self.length = 0
        self.prefix: tuple[int, ...] = ()
        self._arrays = [np.zeros((1, heads, room, width), np.float32) for heads, width in shapes]
        self.values: list[OrtValue] = [OrtValue.ortvalue_from_numpy(array) for array in self._arrays]

    def begin(self, prefix: Sequence[int], layers: Sequence[FloatArray]) -> None:
        """Hold a prefix and nothing else; one that is there already is not written again."""
        self.length = len(prefix)
        if self.prefix == tuple(prefix):
            return
        self.prefix = tuple(prefix)
        for value, layer in zip(self.values, layers, strict=False):
            array = value.numpy()  # a view of the memory itself
            array[:, :, : self.length] = layer

    def beginning(self, length: int) -> list[FloatArray]:
        """A copy of the first tokens' keys and values, of each layer in turn."""
        return [np.array(value.numpy()[:, :, :length]) for value in self.values]


class OnnxNetwork:
    """One request's view of a graph that :mod:`~visiongpt_agent.llm.llama_onnx` wrote."""

    def __init__(self, session: InferenceSession, memory: Memory) -> None:
        self._session = session
        self._memory = memory

    @property
    def length(self) -> int:
        return self._memory.length

    def read(self, tokens: Sequence[int]) -> FloatArray:
        memory, total = self._memory, self._memory.length + len(tokens)
        if total > memory.room:
            raise ValueError(f"{total} tokens do not fit into a memory of {memory.room}")
        binding = self._session.io_binding()
        binding.bind_cpu_input("input_ids", np.array([tokens], np.int64))
        binding.bind_cpu_input("last", np.array([total - 1], np.int32))
        binding.bind_cpu_input("total", np.array(total, np.int32))
        for place, value in enumerate(memory.values):
            name = f"{('keys', 'values')[place % 2]}_{place // 2}"
            binding.bind_ortvalue_input(f"past_{name}", value)
            binding.bind_ortvalue_output(name, value)
        binding.bind_output("logits")
        self._session.run_with_iobinding(binding)
        memory.length = total
        logits: FloatArray = binding.get_outputs()[-1].numpy()[0, 0]
        return logits

    def forget(self, length: int) -> None:
        self._memory.length = length


class OnnxPrefixes(PrefixCache["FloatArray"]):
    """A graph of a language model, with prompt beginnings that are read once.

    Args:
        file: The graph; it is read at once.
        size: See :class:`PrefixCache`.
        folder: See :class:`PrefixCache`.
    """

    def __init__(self, file: Path, size: int = 3, folder: Path | None = None) -> None:
        super().__init__(size, folder)
        self._session = _session(file)
        memory = [value for value in self._session.get_inputs() if value.name.startswith("past_")]
        self._shapes = [(int(value.shape[1]), int(value.shape[3])) for value in memory]
        self._spare: list[Memory] = []
        self._borrowing = threading.Lock()

    @property
    def vocabulary(self) -> int:
        """How many logits the network gives."""
        (logits,) = (value for value in self._session.get_outputs() if value.name == "logits")
        return int(logits.shape[-1])

    @contextmanager
    def start(self, prefix: Sequence[int], room: int) -> Iterator[OnnxNetwork]:
        """The network with a prefix read, for one request to go on from.

        Args:
            prefix: The tokens at the beginning of the prompt that are the same for every request.
            room: How many tokens will be read in all.
        """
        layers = self.memory_of(prefix)
        memory = self._borrowed(tuple(prefix), room)
        try:
            memory.begin(prefix, layers)
            yield OnnxNetwork(self._session, memory)
        finally:
            with self._borrowing:
                self._spare = [memory, *self._spare][:_SPARE]

    def _borrowed(self, prefix: tuple[int, ...], room: int) -> Memory:
        """A memory that nobody uses, one with this prefix first; a new one where none has the room."""
        with self._borrowing:
            fitting = [memory for memory in self._spare if memory.room >= room]
            fitting.sort(key=lambda memory: memory.prefix != prefix)
            if fitting:
                self._spare.remove(fitting[0])
                return fitting[0]
        return Memory(self._shapes, max(_ROOM, room))

    @property
    def runtime(self) -> str:
        import onnxruntime

        return f"8 bits onnxruntime {onnxruntime.__version__}"

    def compute(self, prefix: Sequence[int]) -> list[FloatArray]:
        memory = Memory(self._shapes, max(_ROOM, len(prefix)))
        OnnxNetwork(self._session, memory).read(prefix)
        return memory.beginning(len(prefix))

    def load(self, file: Path) -> dict[str, FloatArray]:
        from safetensors.numpy import load_file

        tensors: dict[str, FloatArray] = load_file(file)
        return tensors

    def save(self, tensors: Mapping[str, FloatArray], file: Path) -> None:
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, file)


def _session(file: Path) -> InferenceSession:
    """One thread that sleeps while it waits: on busy cores more of them wait for each other."""
    import onnxruntime

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
