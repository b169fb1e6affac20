"""Imports go one way; see "Where things are" in CONTRIBUTING.md.

The source is read, not run: every import that a module makes while it is loaded counts, also one under ``if`` or
``try``, and each must name a layer that is not above the module's own.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import visiongpt_agent

PACKAGE = Path(visiongpt_agent.__file__).parent
VALUES = "errors schemas plan regions request result settings files redaction untrusted pictures language samples"
LAYERS = (
    VALUES,
    "weights",
    "prompts llm models",
    "pool",
    "tools",
    "graphs",
    "state agent approval",
    "langchain hosting exports batch doctor training tracing plan_scores call_scores",
    "cli web serve mcp_server notebook",
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
DOORS = LAYERS[-1].split()
ENTRANCES = {"__init__", "__main__"}
"""What starts the package: it may name every layer."""

HEAVY = {
    *("torch", "torchvision", "transformers", "diffusers", "peft", "accelerate", "onnxruntime", "ncnn", "cv2", "scipy"),
    *("llguidance", "gguf", "huggingface_hub", "langchain_community", "zxingcpp", "safetensors"),
    *(
        "rapidocr",
        "rapidocr_onnxruntime",
        "ultralytics",
        "segment_anything",
        "groundingdino",
        "gradio",
        "ray",
        "pyarrow",
    ),
}
"""Libraries that take long to load or may not be there: imported in the function that needs them."""

ROOMS = {"loop": {"loop"}, "planning": {"planning"}, "answering": {"answering", "loop.lineage"}}
"""The folders of ``graphs``, and what of each other they may read."""
SHARED = {"state", "resources"}
"""The modules of ``graphs`` that nodes and folders share."""
NODES = {"planner", "executor", "verifier", "responder"}


def names_imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Dotted names of the modules, or of what is taken from them: ``from a import b`` gives ``a.b``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        assert node.level == 0, "this project imports by full names"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(tree: ast.AST, *, in_functions: bool) -> Iterator[str]:
    """What a module imports: while it is loaded, or also in its functions. What only type checkers see is left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from names_imported(node)
        elif for_types_alone(node):
            assert isinstance(node, ast.If)
            yield from (name for other in node.orelse for name in imports(other, in_functions=in_functions))
        elif in_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imports(node, in_functions=in_functions)


@cache
def imports_of(file: Path, *, in_functions: bool = False) -> frozenset[str]:
    return frozenset(imports(ast.parse(file.read_text(encoding="utf-8")), in_functions=in_functions))


def own_imports(file: Path, *, in_functions: bool = False) -> set[str]:
    """The modules of this package that a file imports, without the package's name: ``graphs.loop.execution``."""
    prefix = f"{visiongpt_agent.__name__}."
    names = imports_of(file, in_functions=in_functions)
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def top(dotted: str) -> str:
    return dotted.partition(".")[0]


def files_of(name: str) -> list[Path]:
    """The modules of a layer's folder, or its one module; none where the layer is not built yet."""
    folder = PACKAGE / name
    module = folder.with_suffix(".py")
    return [*folder.resolve().rglob("*.py")] if folder.is_dir() else [module] if module.exists() else []


def test_every_module_has_a_layer() -> None:
    there = {entry.stem for entry in PACKAGE.iterdir() if entry.suffix == ".py" or (entry / "__init__.py").exists()}

    assert there - {*RANK} == ENTRANCES


@pytest.mark.parametrize("name", RANK)
def test_a_layer_imports_none_above_it(name: str) -> None:
    upward = {
        f"{file.name}: {other}"
        for file in files_of(name)
        for other in own_imports(file)
        if RANK.get(top(other), -1) > RANK[name]
    }

    assert upward == set()


@pytest.mark.parametrize("name", DOORS)
def test_a_door_imports_no_other_door(name: str) -> None:
    """The command line starts the others, each in the function that does."""
    lazily = name != "cli"
    between = {
        f"{file.name}: {other}"
        for file in files_of(name)
        for other in own_imports(file, in_functions=lazily)
        if top(other) in DOORS and top(other) != name
    }

    assert between == set()


@pytest.mark.parametrize("name", [name for name in RANK if name != "training"])
def test_heavy_libraries_are_imported_where_they_are_used(name: str) -> None:
    """All but training, which is started for nothing else."""
    own = {name} if name != "web" else {"gradio"}  # the page is gradio
    early = {
        f"{file.name}: {library}"
        for file in files_of(name)
        for library in imports_of(file)
        if top(library) in HEAVY - own
    }

    assert early == set()


def graph_files() -> dict[str, Path]:
    """The modules of ``graphs`` by dotted name: ``planner``, ``loop.run``."""
    folder = (PACKAGE / "graphs").resolve()
    files = [file for file in folder.rglob("*.py") if file.name != "__init__.py"]
    return {".".join(file.relative_to(folder).with_suffix("").parts): file for file in files}


def graph_imports(file: Path) -> set[str]:
    """The modules of ``graphs`` that a file imports: ``loop.run``, ``state``."""
    inside = {name.removeprefix("graphs.") for name in own_imports(file) if name.startswith("graphs.")}
    return {known for known in graph_files() for name in inside if f"{name}.".startswith(f"{known}.")}


def test_graphs_shows_its_machine_alone() -> None:
    assert {name for name in graph_files() if "." not in name} == {"build", *SHARED, *NODES}
    assert {top(name) for name in graph_files() if "." in name} == {*ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_a_folder_of_graphs_reads_no_node_and_no_other_folder(room: str) -> None:
    allowed = ROOMS[room] | SHARED
    beyond = {
        f"{name}: {other}"
        for name, file in graph_files().items()
        if top(name) == room
        for other in graph_imports(file)
        if other not in allowed and top(other) not in allowed
    }

    assert beyond == set()


@pytest.mark.parametrize("node", sorted(NODES | SHARED))
def test_a_node_of_graphs_reads_no_other_node(node: str) -> None:
    others = graph_imports(graph_files()[node]) & (NODES | {"build"}) - {node}

    assert others == set()


@pytest.mark.parametrize(
    ("source", "while_loaded"),
    [
        ("import visiongpt_agent.serve.app", {"serve.app"}),
        ("try:\n    from visiongpt_agent.cli import run\nexcept ImportError:\n    pass", {"cli.run"}),
        ("if True:\n    from visiongpt_agent import agent", {"agent"}),
        ("class A:\n    from visiongpt_agent import agent", {"agent"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from visiongpt_agent import agent", set()),
        ("def f():\n    from visiongpt_agent import agent", set()),
    ],
)
def test_imports_are_seen_wherever_they_stand(source: str, while_loaded: set[str], tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(source)

    assert own_imports(file) == while_loaded


def test_names_of_heavy_libraries_are_no_modules_of_python() -> None:
    assert HEAVY & {*sys.stdlib_module_names} == set()
