"""The command line answers at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.cli.conftest import Ran

HEAVY = {"PIL", "cv2", "langchain_core", "langgraph", "numpy", "onnxruntime", "torch", "transformers"}


@pytest.mark.parametrize("module", ["visiongpt_agent", "visiongpt_agent.cli", "visiongpt_agent.cli.app"])
def test_start_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert module.split(".")[0] in loaded
    assert not HEAVY & set(loaded)


@pytest.mark.parametrize("command", [[], ["run"], ["chat"], ["plan"], ["tools"], ["models"], ["doctor"]])
def test_help(visiongpt: Callable[..., Ran], command: list[str]) -> None:
    ran = visiongpt(*command, "--help")

    assert (ran.code, ran.err) == (0, "")
    assert " ".join(["Usage: visiongpt", *command]) in ran.out


def test_version(visiongpt: Callable[..., Ran]) -> None:
    from importlib.metadata import version

    assert visiongpt("--version").out == version("visiongpt-agent") + "\n"
