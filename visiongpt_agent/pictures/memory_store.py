"""Pictures and regions in memory alone, for work that is over soon."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.decoding import decode
from visiongpt_agent.pictures.images import ImageStore, Provenance, StoredImage, content_id

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.regions import Regions


class MemoryStore(ImageStore):
    """An :class:`ImageStore` without a folder: no file is written, and :meth:`clear` forgets everything.

    Content ids are those that a store on disk gives.
    """

    def __init__(self) -> None:  # not the base's, which makes a folder
        self._access = threading.Lock()
        self._pictures: dict[str, Image.Image] = {}
        self._regions: dict[str, Regions] = {}
        self._provenance: dict[str, Provenance] = {}

    def add(self, source: Any, provenance: Provenance | None = None, *, name: str = "", page: int = 1) -> StoredImage:
        image = decode(source, name=name, page=page)
        key = content_id(image)
        with self._access:
            self._pictures[key] = image
            if provenance is not None:
                self._provenance.setdefault(key, provenance)
        return StoredImage(key, image.width, image.height, image.mode)

    def open(self, key: str) -> Image.Image:
        try:
            return self._pictures[key].copy()
        except KeyError:
            raise InputError(f"{key[:40]!r} is no picture of this store") from None

    def provenance(self, key: str) -> Provenance | None:
        return self._provenance.get(key)

    def add_regions(self, regions: Regions) -> str:
        key = f"reg-{hashlib.sha256(regions.to_bytes()).hexdigest()[:16]}"
        with self._access:
            self._regions[key] = regions
        return key

    def regions(self, key: str) -> Regions:
        try:
            return self._regions[key]
        except KeyError:
            raise InputError(f"{key[:40]!r} is no regions of this store") from None

    def __contains__(self, key: str) -> bool:
        return key in self._pictures or key in self._regions

    def keep_only(self, keys: Collection[str]) -> None:
        with self._access:
            for kept in (self._pictures, self._regions, self._provenance):
                for key in [key for key in kept if key not in keys]:
                    del kept[key]

    def clear(self) -> None:
        """Forget all pictures and regions."""
        self.keep_only(())

    def close(self) -> None:
        self.clear()
