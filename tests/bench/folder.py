"""A folder: pictures a second of ``visiongpt_agent.batch``, of a loop over ``agent.run``, and of the bare models.

``python -m tests.bench.folder --count 200``. The pictures are crops of the sample photos at several scales, noisy.
The bare loop decodes, finds faces and people by the models that the tool uses, blurs the faces, and encodes.
The loop over ``agent.run`` is also measured of another build where ``--other`` names its folder.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

REQUEST: Final = "blur every face"
_EDGES: Final = (320, 480, 640, 800)
"""Of the longer side, in pixels."""


def make(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Write pictures, as JPEG files in ten sub-folders; the same ones for the same seed."""
    from visiongpt_agent import sample_photo

    draw, paths = np.random.default_rng(seed), list[Path]()
    photos = [Image.open(sample_photo(name)).convert("RGB") for name in ("astronaut", "chelsea", "coffee", "rocket")]
    for number in range(count):
        photo = photos[0] if number % 2 else photos[int(draw.integers(1, 4))]
        share = draw.uniform(0.7, 1.0)
        width, height = (int(edge * share) for edge in photo.size)
        left, upper = (
            int(draw.integers(0, whole - part + 1)) for whole, part in zip(photo.size, (width, height), strict=True)
        )
        scale = _EDGES[int(draw.integers(len(_EDGES)))] / max(width, height)
        size = (round(width * scale), round(height * scale))
        crop = photo.crop((left, upper, left + width, upper + height)).resize(size)
        noisy = np.asarray(crop, np.float32) + draw.normal(0, draw.uniform(0, 6), (size[1], size[0], 3))
        path = folder / f"{number % 10}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, quality=92)
        paths.append(path)
    return paths


def with_batch(paths: list[Path], out: Path, workers: int = 0) -> None:
    """The batch, planning included."""
    from visiongpt_agent import VisionGPT, batch

    agent = VisionGPT()
    try:
        statuses = [row.status for row in batch.run(paths, REQUEST, out, agent=agent, workers=workers)]
        assert len(statuses) == len(paths)
        assert "error" not in statuses
    finally:
        agent.close()


def with_agent(paths: list[Path], out: Path) -> None:
    """The loop that a person writes without a batch."""
    from visiongpt_agent import VisionGPT

    agent = VisionGPT()
    for path in paths:
        agent.run(REQUEST, path).save(out)
    agent.close()


def with_models(paths: list[Path], out: Path) -> None:
    """The models by themselves: decode, detect faces and people, blur, encode."""
    from visiongpt_agent.models import jobs
    from visiongpt_agent.models.jobs import ClosedDetector, FaceDetector
    from visiongpt_agent.pool import ModelPool

    with (
        ModelPool() as pool,
        pool.use(jobs.DETECTION_FACES, FaceDetector) as faces,
        pool.use(jobs.DETECTION_CLOSED, ClosedDetector) as people,
    ):
        for path in paths:
            picture = Image.open(path).convert("RGB")
            people.detect(picture, threshold=people.threshold)
            for box in faces.detect(picture).boxes.astype(int).tolist():
                face = picture.crop(box)
                picture.paste(face.filter(ImageFilter.GaussianBlur(max(face.size) / 8)), box)
            buffer = io.BytesIO()
            picture.save(buffer, "PNG", compress_level=3)
            (out / f"{path.stem}.png").write_bytes(buffer.getvalue())


def _seconds(act: Callable[[list[Path], Path], None], paths: list[Path]) -> float:
    with tempfile.TemporaryDirectory() as out:
        begun = time.perf_counter()
        act(paths, Path(out))
        return time.perf_counter() - begun


def _other(build: Path, paths: list[Path]) -> float:
    """Seconds of the loop over ``agent.run`` in a process of another build, its start and imports left out."""
    program = (
        "import sys, time, tempfile\nfrom visiongpt_agent import VisionGPT\nbegun = time.perf_counter()\n"
        "agent = VisionGPT()\nwith tempfile.TemporaryDirectory() as out:\n"
        f"    for path in sys.argv[1:]:\n        agent.run({REQUEST!r}, path).save(out)\n"
        "print(time.perf_counter() - begun)"
    )
    command = [sys.executable, "-c", program, *map(str, paths)]
    done = subprocess.run(command, cwd=build, env={**os.environ}, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--loop", type=int, default=40, help="Pictures of the slow loops; rates are compared.")
    parser.add_argument("--other", type=Path, help="The folder of another build.")
    parser.add_argument("--workers", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder), asked.count)
        few = paths[: asked.loop]
        rates = {
            "the bare models": len(paths) / _seconds(with_models, paths),
            "the batch": len(paths) / _seconds(lambda these, out: with_batch(these, out, asked.workers), paths),
            "the loop over agent.run": len(few) / _seconds(with_agent, few),
        }
        if asked.other:
            rates["the same loop, the other build"] = len(few) / _other(asked.other, few)
    for name, rate in rates.items():
        print(f"{name:<32} {rate:6.2f} pictures a second, the batch is {rates['the batch'] / rate:.2f} times as fast")


if __name__ == "__main__":
    main()
