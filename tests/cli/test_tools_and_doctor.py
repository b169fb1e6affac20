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
from visiongpt_agent.doctor import in_one
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools import catalog


def test_tools_lists_every_tool_runnable_or_not(visiongpt: Callable[..., Ran], pool: ModelPool) -> None:
    ran = visiongpt("tools", "--json")

    tools = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert [list(tool) for tool in tools] == [
        ["name", "args", "returns", "available", "model", "needs", "better"]
    ] * len(catalog())
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


def test_doctor_names_the_models_and_the_one_command_for_every_tool(
    visiongpt: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VISIONGPT_HOME", str(tmp_path / "home"))
    registry = Registry(Settings(home=tmp_path / "home"))

    tools = {tool["name"]: tool for tool in json.loads(visiongpt("doctor", "--json").out)["tools"]}
    told = visiongpt("doctor").out

    for name, spec in catalog().items():
        tool = tools[name]
        assert f"{name}: {(tool['model'] or 'no model needed') if tool['available'] else tool['needs']}" in told
        models = [registry.get(model) for model in tool["model"].split(", ") if model]
        assert len(models) == (len(spec.needs) if tool["available"] else 0)
        for model, jobs in zip(models, spec.needs, strict=False):
            assert model is not None
            assert set(jobs) & set(model.card.jobs)
        for command, wanted in ((tool["needs"], -1), (tool["better"], 0)):
            pulled = command.partition("visiongpt models pull ")[2].split()
            brought = {job for model in registry.models() if model.card.name in pulled for job in model.card.jobs}
            if command:
                assert {jobs[wanted] for jobs in spec.needs} & brought, command
    assert "detect_objects: nanodet-g-416 (better: visiongpt models pull grounding-dino-tiny)" in told
    assert "segment_objects: grabcut (better: visiongpt models pull sam-vit-base)" in told


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 13\n",
            "is a Git LFS pointer, not the weights",
        ),
        (None, "is not a folder"),
    ],
)
def test_doctor_says_why_weights_of_ones_own_cannot_be_used(
    visiongpt: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes | None,
    cause: str,
) -> None:
    own = tmp_path / "sam"
    if content is not None:
        own.mkdir()
        (own / "model.safetensors").write_bytes(content)
    (tmp_path / "visiongpt.toml").write_text(f"[weights]\nsam-vit-base = '{own}'\n")
    monkeypatch.setenv("VISIONGPT_CONFIG", str(tmp_path / "visiongpt.toml"))

    report = json.loads(visiongpt("doctor", "--json").out)

    (problem,) = [problem for problem in report["problems"] if problem.startswith("sam-vit-base: ")]
    assert cause in problem
    segment = next(tool for tool in report["tools"] if tool["name"] == "segment_objects")
    assert segment["model"] == "grabcut"
    assert problem in " ".join(visiongpt("doctor").out.split())


@pytest.mark.parametrize(
    ("remedies", "command"),
    [
        ([], ""),
        (["", "visiongpt models pull a"], "visiongpt models pull a"),
        (["visiongpt models pull a", "visiongpt models pull b"], "visiongpt models pull a b"),
        (["visiongpt models pull a", "pip install 'x[y]' && visiongpt models pull b"],
         "pip install 'x[y]' && visiongpt models pull a b"),
        (["pip install x", "pip install x"], "pip install x"),
    ],
)  # fmt: skip
def test_several_remedies_are_one_command(remedies: list[str], command: str) -> None:
    assert in_one(remedies) == command


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
