"""Nothing that is read is ever run: no pickles, no evaluated text, no shell, no code out of a checkpoint."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

import visiongpt_agent
from visiongpt_agent.errors import StateError
from visiongpt_agent.graphs.state import fresh_turn
from visiongpt_agent.state.serializer import StrictSerializer
from visiongpt_agent.weights.convert import convert_pickles

PACKAGE = Path(visiongpt_agent.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
MODULES += sorted(path for name in ("tools", "graphs", "prompts") for path in (PACKAGE / name).resolve().rglob("*.py"))
LOADERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ASKED_FOR = {"visiongpt_agent/weights/convert.py": ["torch.load without weights_only=True"]}
"""What a module may do since a person asks for it: ``visiongpt models convert --run-its-code``, and nothing else."""
EVALUATORS = {"eval", "exec", "compile", "__import__"}


def dangers(source: str) -> Iterator[str]:
    """What in a module could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from (f"imports {name}" for name in names if name.split(".")[0] in LOADERS)
            if getattr(node, "module", None) == "torch" and "load" in names:
                yield "torch.load under another name"
        if isinstance(node, ast.Call):
            yield from _in_call(node)


def _in_call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if called in EVALUATORS or called in ("os.system", "os.popen"):
        yield f"calls {called}"
    if called.endswith("torch.load") and given.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if given.get("allow_pickle", "False") != "False":
        yield "allow_pickle"
    if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load"):
        yield called
    if given.get("trust_remote_code", "False") != "False":
        yield "trust_remote_code"
    if given.get("shell", "False") != "False":
        yield "a shell"
    if given.get("pickle_fallback", "False") != "False":
        yield "pickle_fallback"
    if called.endswith("JsonPlusSerializer"):
        yield "a serializer that imports what it is told"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_no_module_runs_what_it_reads(path: Path) -> None:
    allowed = ASKED_FOR.get(path.relative_to(PACKAGE.parent).as_posix(), [])
    assert list(dangers(path.read_text("utf-8"))) == allowed


def test_only_the_command_can_have_a_checkpoints_code_run() -> None:
    """A pull converts pickles too, by the function that runs nothing of them."""
    using = {
        path.relative_to(PACKAGE).as_posix(): path for path in MODULES if "weights.convert" in path.read_text("utf-8")
    }
    assert sorted(using) == ["cli/models.py", "weights/sources.py"]
    names = re.findall(
        r"from visiongpt_agent\.weights\.convert import (.+)", using["weights/sources.py"].read_text("utf-8")
    )
    assert set(names) == {"convert_pickles"}
    assert "run_code" not in inspect.signature(convert_pickles).parameters


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "from torch import load",
        "import torch\ntorch.load('x', weights_only=False)",
        "np.load(x, allow_pickle=True)",
        "yaml.load(x)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "eval(x)",
        "exec(x)",
        "subprocess.run(x, shell=True)",
        "os.system(x)",
        "JsonPlusSerializer()",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert list(dangers(source))


def test_conversations_survive_the_strict_reader() -> None:
    serializer = StrictSerializer()
    messages = [HumanMessage("a"), AIMessage("b"), ToolMessage("c", tool_call_id="1", artifact={"boxes": [1.0]})]
    state = {**fresh_turn("blur it", 1, []), "messages": messages}
    assert serializer.loads_typed(serializer.dumps_typed(state)) == state


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5])
def test_a_forged_checkpoint_runs_nothing(code: int, tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    arguments = [("os", "system", f"touch {mark}"), ("os", "system", [f"touch {mark}"])]
    forged = ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(arguments[code in (1,)])))
    try:
        told = StrictSerializer().loads_typed(("msgpack", forged))
    except StateError:
        told = None
    assert told is None or "touch" in str(told)
    assert not mark.exists()


def test_a_pickle_in_a_checkpoint_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    with pytest.raises(StateError, match="damaged or was written by another version"):
        StrictSerializer().loads_typed(("pickle", pickle.dumps(Bomb(mark))))
    assert not mark.exists()


def test_a_class_named_in_json_is_not_made() -> None:
    forged = b'{"lc": 2, "type": "constructor", "id": ["subprocess", "Popen"], "kwargs": {"args": ["true"]}}'
    try:
        told = StrictSerializer().loads_typed(("json", forged))
    except StateError:
        told = None
    assert told is None or isinstance(told, dict)
