"""The wheel holds the package whole: linked folders as real files, prompts, data, and no second ``tools`` package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT_BEHIND = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "visiongpt-out", "tests")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy of the tree, so that the build leaves nothing in it."""
    work = tmp_path_factory.mktemp("packaging")
    shutil.copytree(ROOT, work / "tree", symlinks=True, ignore=LEFT_BEHIND)
    command = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", work, work / "tree"]
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, timeout=300)
    (built,) = work.glob("*.whl")
    return zipfile.ZipFile(built)


def in_tree(folder: str) -> set[str]:
    """Every file of a folder by its place in the wheel, whatever its kind: what no pattern names would be left out."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    places = (path.relative_to(ROOT).as_posix().removeprefix("visiongpt_agent/") for path in files)
    return {f"visiongpt_agent/{place}" for place in places}


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["tools", "graphs", "prompts", "visiongpt_agent"])
def test_the_wheel_holds_every_file(wheel: zipfile.ZipFile, folder: str) -> None:
    files = in_tree(folder)

    assert files
    assert files - set(wheel.namelist()) == set()


@pytest.mark.slow
def test_linked_folders_are_real_files(wheel: zipfile.ZipFile) -> None:
    assert wheel.read("visiongpt_agent/tools/base.py") == (ROOT / "tools/base.py").read_bytes()
    assert wheel.read("visiongpt_agent/data/nanodet_g_416.onnx")[:4] != b"../m"
    assert wheel.testzip() is None


@pytest.mark.slow
def test_the_wheel_brings_one_package(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"visiongpt_agent"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert any(name.endswith("licenses/NOTICE") for name in wheel.namelist())


@pytest.mark.parametrize("name", ["tools", "graphs", "prompts"])
def test_links_point_at_the_top_level_folders(name: str) -> None:
    link = ROOT / "visiongpt_agent" / name

    assert link.is_symlink()
    assert link.resolve() == ROOT / name
