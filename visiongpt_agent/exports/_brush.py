"""Label Studio's brush: a mask as RGBA pixels, all 255 or all 0, packed by their runs.

The packing is rle-pack's (https://github.com/thi-ng/umbrella): 32 bits for the number of bytes, 5 for the bits of a
byte less 1, four times 4 for how many bits the length of a run takes less 1. Then for each run: a bit that says whether
one byte is repeated, 2 bits for which of the four sizes its length has, the length less 1, and the byte or bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from visiongpt_agent.regions import BoolArray

_SIZES: Final = (3, 8, 12, 16)
"""How many bits the length of a run may take; each run has the shortest that it fits."""
_CHANNELS: Final = 4
_BYTE: Final = 8


def encode(mask: BoolArray) -> list[int]:
    """The bytes of a mask, bool ``(H, W)``."""
    flat = mask.reshape(-1)
    turns = [0, *(np.flatnonzero(flat[1:] != flat[:-1]) + 1).tolist(), flat.size]
    bits = [f"{_CHANNELS * flat.size:032b}{_BYTE - 1:05b}", *(f"{size - 1:04b}" for size in _SIZES)]
    for begin, end in pairwise(turns):
        value, left = 255 * int(flat[begin]), _CHANNELS * (end - begin)
        while left > 0:
            run = min(left, 1 << _SIZES[-1])
            kind = next(kind for kind, size in enumerate(_SIZES) if run <= 1 << size)
            bits.append(f"1{kind:02b}{run - 1:0{_SIZES[kind]}b}{value:08b}")
            left -= run
    text = "".join(bits)
    count = -(-len(text) // _BYTE)
    return list(int(text.ljust(_BYTE * count, "0"), 2).to_bytes(count, "big"))


def decode(packed: Sequence[int], size: tuple[int, int]) -> BoolArray:
    """The mask, bool ``(H, W)``, of a brush, whoever packed it, on a picture of ``size`` (width, height)."""
    bits = _Bits(packed)
    count, width = bits.take(32), bits.take(5) + 1
    sizes = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    place = 0
    while place < count:
        repeated = bits.take(1)
        run = bits.take(sizes[bits.take(2)]) + 1
        values[place : place + run] = bits.take(width) if repeated else [bits.take(width) for _ in range(run)]
        place += run
    return np.asarray(values.reshape(size[1], size[0], _CHANNELS)[:, :, -1] > 0, np.bool_)


class _Bits:
    """Numbers out of bytes, some bits at a time."""

    def __init__(self, packed: Sequence[int]) -> None:
        self._text = "".join(f"{byte:08b}" for byte in packed)
        self._place = 0

    def take(self, count: int) -> int:
        self._place += count
        return int(self._text[self._place - count : self._place], 2)
