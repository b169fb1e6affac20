"""Which weights made a result, as one checksum a model."""

from __future__ import annotations

import hashlib

from visiongpt_agent.models.registry import discovered
from visiongpt_agent.weights import WeightStore
from visiongpt_agent.weights.checksums import sha256_of


def weights_digest(store: WeightStore, name: str) -> str:
    """The sha256 of a model's weights: of its file, or of the list of its files' names and sha256.

    Args:
        store: The weights on this machine.
        name: The model's.

    Returns:
        In lower-case hexadecimal; ``""`` for a model that is not known or has no weights.

    Raises:
        WeightsError: If the weights are not here.
    """
    card = next((model.card for model in discovered() if model.card.name == name), None)
    source, folder = (store.source(card), store.folder(card)) if card else (None, None)
    if source is None or folder is None:
        return ""
    files: dict[str, str] = {}
    for pattern, digest in source.expected().items():
        found = [folder / pattern] if digest else sorted(folder.glob(pattern))
        files |= {path.relative_to(folder).as_posix(): digest or sha256_of(path) for path in found if path.is_file()}
    if len(files) == 1:
        return next(iter(files.values()))
    listed = "".join(f"{digest} {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(listed.encode()).hexdigest() if files else ""
