"""What the plan decoder needs of a language model, whichever library runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Network(Protocol):
    """A causal language model with its memory (keys and values) of the tokens that it has read."""

    @property
    def length(self) -> int:
        """How many tokens it has read."""
        ...

    def read(self, tokens: Sequence[int]) -> FloatArray:
        """Read further tokens, one at least.

        Returns:
            The logits of the token after them, float32 ``(vocabulary,)``.
        """
        ...

    def forget(self, length: int) -> None:
        """Go back to where the first ``length`` tokens had been read."""
        ...
