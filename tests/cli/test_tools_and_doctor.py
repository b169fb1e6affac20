"""``visiongpt tools`` and ``visiongpt doctor``: true to the catalogue and to this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from tests.cli.conftest import Ran
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog


def test_tools_lists_every_tool_runnable_or_not(visiongpt: Callable[..., Ran], pool: ModelPool) -> None:
    ran = visiongpt("tools", "--json")

    tools = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert [list(tool) for tool in tools] == [["name", "args", "returns", "available", "model", "needs"]] * 25
    assert [tool["name"] for tool in tools] == list(catalog())
    for tool in tools:
        assert tool["available"] == catalog()[tool["name"]].usable(pool)
        assert tool["available"] == (not tool["needs"])
    by_name = {tool["name"]: tool for tool in tools}
    assert by_name["detect_objects"]["args"] == ["image", "query"]
    assert by_name["detect_objects"]["returns"] == "regions"
    assert by_name["crop_regions"]["model"] == ""


def test_tools_as_a_table(visiongpt: Callable[..., Ran]) -> None:
    assert all(name in visiongpt("tools").out for name in catalog())


def test_doctor(visiongpt: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VISIONGPT_HOME", str(tmp_path / "home"))

    report = json.loads(visiongpt("doctor", "--json").out)

    assert report["versions"]["torch"] == version("torch")
    assert report["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert report["home"] == str(tmp_path / "home")
    assert report["planner"] == ""
    assert ["visiongpt models pull smollm2-135m" in problem for problem in report["problems"]] == [True]
    assert not (tmp_path / "home").exists()


def test_doctor_names_the_system_libraries_that_opencv_wants(
    visiongpt: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithoutLibGL(MetaPathFinder, Loader):
        def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
            return ModuleSpec(name, self) if name == "cv2" else None

        def exec_module(self, module: ModuleType) -> None:
            raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(sys, "meta_path", [WithoutLibGL(), *sys.meta_path])

    ran = visiongpt("doctor")

    assert ran.code == 0
    assert "apt-get install libgl1 libglib2.0-0" in ran.out
