"""Which pictures of a data set are for training, and which for validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from visiongpt_agent.files import write_atomically

TRAIN_LIST: Final = "train.txt"
VALIDATION_LIST: Final = "val.txt"
"""Lists of pictures, one path a line, relative to the data set."""
_ROUNDING: Final = 1e-9


class Split:
    """The split of a data set, if it has one; a picture that was assigned stays where it is.

    Args:
        folder: The data set.
        pictures: Its folder of pictures.
        names: The pictures that it has already: of a data set without a split, all are for training.
        share: Of the pictures, how many are for validation, from 0 to 1; 0 where there is to be no split.
    """

    def __init__(self, folder: Path, pictures: Path, names: Sequence[str], share: float) -> None:
        self._folder = folder
        self._prefix = f"./{pictures.relative_to(folder).as_posix()}/".replace("./.", ".")
        self._share = share
        self._is_split = share > 0 or (folder / VALIDATION_LIST).is_file()
        held_out = self._read(VALIDATION_LIST)
        self._train = [name for name in names if name not in held_out]
        self._validation = [name for name in names if name in held_out]

    def add(self, name: str) -> None:
        """Assign a picture: for validation as soon as that does not exceed the share."""
        if name in self._train or name in self._validation:
            return
        after = len(self._train) + len(self._validation) + 1
        held_out = len(self._validation) + 1 <= self._share * after + _ROUNDING
        (self._validation if held_out else self._train).append(name)

    def write(self) -> list[str] | None:
        """Write the lists.

        Returns:
            The pictures for validation; None where there is no split.
        """
        if not self._is_split:
            return None
        for file, names in ((TRAIN_LIST, self._train), (VALIDATION_LIST, self._validation)):
            write_atomically(self._folder / file, "".join(f"{self._prefix}{name}\n" for name in names).encode())
        return self._validation

    def _read(self, file: str) -> set[str]:
        path = self._folder / file
        return {line.rpartition("/")[2] for line in path.read_text("utf-8").splitlines()} if path.is_file() else set()
