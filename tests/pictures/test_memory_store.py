"""A store in memory is one on disk, as far as its users can tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visiongpt_agent import sample_photo
from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.pictures.memory_store import MemoryStore
from visiongpt_agent.regions import Regions


def test_it_keeps_what_a_store_on_disk_keeps_by_the_same_names(store: ImageStore) -> None:
    memory, path = MemoryStore(), sample_photo("coffee")
    made = Provenance("user", "coffee.jpg", path=str(path))
    regions = Regions((600, 400), np.array([[1, 2, 30, 40]]), ("cup",))

    kept = [(one.add(path, made), one.add_regions(regions)) for one in (memory, store)]

    assert kept[0] == kept[1]
    image, key = kept[0]
    assert memory.open(image.id).tobytes() == store.open(image.id).tobytes()
    assert memory.provenance(image.id) == store.provenance(image.id) == made
    assert memory.regions(key).labels == ("cup",)
    assert (image.id in memory, "img-0000000000000000" in memory) == (True, False)


def test_a_picture_that_is_changed_outside_stays_as_it_was() -> None:
    memory = MemoryStore()
    image = memory.add(sample_photo("coffee"))
    before = memory.open(image.id).tobytes()

    memory.open(image.id).paste("red", (0, 0, 50, 50))

    assert memory.open(image.id).tobytes() == before


@pytest.mark.parametrize("key", ["img-0000000000000000", "reg-0000000000000000", "../../etc/passwd"])
def test_what_it_does_not_hold_is_refused(key: str, tmp_path: Path) -> None:
    memory = MemoryStore()
    memory.add(sample_photo("coffee"))
    memory.clear()

    with pytest.raises(InputError):
        memory.open(key)
    with pytest.raises(InputError):
        memory.regions(key)
