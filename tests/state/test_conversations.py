"""Conversations on disk, on a server and in memory: kept, held against others, forgotten, and never code."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from PIL import Image

from visiongpt_agent.errors import StateError
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.settings import Settings
from visiongpt_agent.state import ConversationStore
from visiongpt_agent.state.serializer import StrictSerializer


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def store(request: pytest.FixtureRequest, state: Path) -> Iterator[ConversationStore]:
    if request.param == "memory":
        opened = ConversationStore.in_memory()
    elif request.param == "sqlite":
        opened = ConversationStore.on_disk(Settings.load())
    else:
        opened = ConversationStore.on_disk(
            Settings(home=state, state=state, database=request.getfixturevalue("postgres"))
        )
    yield opened
    for thread_id in opened.thread_ids():
        opened.forget(thread_id)
    opened.close()


def colour(name: str) -> Image.Image:
    return Image.new("RGB", (8, 8), name)


def keep(store: ConversationStore, thread_id: str, **values: Any) -> None:
    """Write a state as the graph does."""
    versions = {name: store.checkpointer.get_next_version(None, None) for name in values}
    checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": versions}
    config = RunnableConfig(configurable={"thread_id": thread_id, "checkpoint_ns": ""})
    store.checkpointer.put(config, checkpoint, {}, versions)  # type: ignore[arg-type]


def values(store: ConversationStore, thread_id: str) -> dict[str, Any]:
    kept = store.checkpointer.get_tuple({"configurable": {"thread_id": thread_id}})
    return dict(kept.checkpoint["channel_values"]) if kept else {}


def test_a_conversation_is_held_by_one_request_at_a_time(store: ConversationStore) -> None:
    with store.claim("a"):
        with store.claim("b"):
            pass
        with pytest.raises(StateError, match="'a' is still going on"), store.claim("a"):
            pass
    with store.claim("a"):
        pass


def test_what_is_forgotten_is_gone_and_the_rest_is_not(store: ConversationStore) -> None:
    keep(store, "a", request="one")
    keep(store, "b", request="two")
    assert sorted(store.thread_ids()) == ["a", "b"]

    store.forget("a")

    assert store.thread_ids() == ["b"]
    assert (values(store, "a"), values(store, "b")["request"]) == ({}, "two")


def test_it_is_all_there_for_the_next_process(state: Path) -> None:
    first = ConversationStore.on_disk(Settings.load())
    red = first.images.add(colour("red"))
    keep(first, "a", images=[{"id": red.id}])
    first.close()

    second = ConversationStore.on_disk(Settings.load())

    assert second.images.open(values(second, "a")["images"][0]["id"]).getpixel((0, 0)) == (255, 0, 0)
    second.close()


def test_only_its_owner_can_look_into_it(state: Path) -> None:
    store = ConversationStore.on_disk(Settings.load())
    keep(store, "a")
    store.close()

    assert {oct(path.stat().st_mode & 0o777) for path in (state, state / "pictures", state / "locks")} == {"0o700"}
    assert oct((state / "conversations.sqlite").stat().st_mode & 0o777) == "0o600"


def test_forgetting_takes_the_pictures_that_nobody_else_uses(state: Path) -> None:
    store = ConversationStore.on_disk(Settings.load())
    shared, own, other = (store.images.add(colour(name)).id for name in ("red", "green", "blue"))
    drawn = store.images.add(colour("white"), Provenance("annotation", parents=(other,))).id
    keep(store, "a", images=[{"id": shared}, {"id": own}])
    keep(store, "b", images=[{"id": shared}, {"id": other}])

    store.forget("a")

    assert {path.stem for path in (state / "pictures").glob("*.png")} == {shared, other, drawn}
    store.close()


def test_nothing_is_swept_while_somebody_is_at_work(state: Path) -> None:
    store, at_work = ConversationStore.on_disk(Settings.load()), ConversationStore.on_disk(Settings.load())
    keep(store, "a")
    with at_work.claim("b"):
        fresh = at_work.images.add(colour("red")).id  # in no checkpoint yet
        store.forget("a")
        assert fresh in store.images
    at_work.close()
    store.close()

    later = ConversationStore.on_disk(Settings.load())

    assert fresh not in later.images
    later.close()


_KILLED = """
import os, signal
from PIL import Image
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.settings import Settings
from visiongpt_agent.state import ConversationStore
{body}
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(body: str) -> None:
    """Run a process that ends by SIGKILL after this."""
    ran = subprocess.run([sys.executable, "-c", _KILLED.format(body=body)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == -signal.SIGKILL, ran.stderr


def test_a_killed_process_lets_go_and_its_leftovers_are_removed(state: Path) -> None:
    killed(
        "store = ConversationStore.on_disk(Settings.load())\n"
        "held = store.claim('a'); held.__enter__()\n"
        "store.images.add(Image.new('RGB', (8, 8)))\n"
        "open(store.images.folder / f'.visiongpt-{os.getpid()}-abcdefgh.part', 'w').close()"
    )
    assert len(list((state / "pictures").iterdir())) == 2

    store = ConversationStore.on_disk(Settings.load())

    assert not list((state / "pictures").iterdir())
    with store.claim("a"):
        pass
    store.close()
    assert [path.name for path in (state / "locks").iterdir()] == ["gate.lock"]


def test_a_temporary_folder_of_a_killed_process_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    alive = ImageStore()
    alive.add(colour("red"))
    killed("store = ImageStore(); store.add(Image.new('RGB', (8, 8)))")
    assert len(list(tmp_path.glob("visiongpt-*"))) == 2

    another = ImageStore()

    assert set(tmp_path.glob("visiongpt-*")) == {alive.folder, another.folder}
    for store in (alive, another):
        store.close()
    assert not list(tmp_path.glob("visiongpt-*"))


def test_two_processes_write_to_one_folder_at_once(state: Path) -> None:
    body = (
        "import sys\nfrom tests.state.test_conversations import keep\nfrom visiongpt_agent.settings import Settings\n"
        "from visiongpt_agent.state import ConversationStore\nstore = ConversationStore.on_disk(Settings.load())\n"
        "for n in range(40):\n    with store.claim(sys.argv[1]): keep(store, f'{sys.argv[1]}{n}', request=str(n))\n"
    )
    folder = Path(__file__).parents[2]
    both = [subprocess.Popen([sys.executable, "-c", body, name], cwd=folder) for name in "ab"]
    assert [process.wait(120) for process in both] == [0, 0]

    store = ConversationStore.on_disk(Settings.load())

    assert len(store.thread_ids()) == 80
    store.close()


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    path = tmp_path / "ran"
    call = ormsgpack.packb(("os", "system", f"touch {path}"))
    hostile = ormsgpack.packb({"request": ormsgpack.Ext(0, call)})

    StrictSerializer().loads_typed(("msgpack", hostile))

    assert not path.exists()
    with pytest.raises(StateError, match="damaged or was written by another version"):
        StrictSerializer().loads_typed(("pickle", b"cposix\nsystem\n(S'touch'\ntR."))


def damage_file(folder: Path) -> None:
    (folder / "conversations.sqlite").write_bytes(b"no database at all" * 1000)


def damage_value(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "conversations.sqlite")) as database, database:
        database.execute("UPDATE checkpoints SET checkpoint = x'c1c1'")


@pytest.mark.parametrize(
    ("damage", "fault"), [(damage_file, "file is not a database.*move it away"), (damage_value, "is damaged or was")]
)
def test_damage_is_told_in_one_line(damage: Callable[[Path], None], fault: str, state: Path) -> None:
    store = ConversationStore.on_disk(Settings.load())
    keep(store, "a")
    store.close()
    damage(state)

    with pytest.raises(StateError, match=fault) as caught:
        values(ConversationStore.on_disk(Settings.load()), "a")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file size limit of a process")
def test_a_full_disk_is_told_and_what_was_kept_stays(state: Path) -> None:
    import resource

    store = ConversationStore.on_disk(Settings.load())
    keep(store, "a", request="kept")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
        with pytest.raises(StateError, match="cannot be used"):
            keep(store, "a", request="x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert values(store, "a")["request"] == "kept"
    store.close()


def test_a_server_that_is_not_there_is_told_without_its_password(state: Path) -> None:
    pytest.importorskip("psycopg_pool", reason="pip install 'visiongpt-agent[postgres]'")
    settings = Settings(home=state, state=state, database="postgresql://me:hunter2@127.0.0.1:1/none")

    with pytest.raises(StateError, match="Postgres server") as caught:
        ConversationStore.on_disk(settings)
    assert "hunter2" not in str(caught.value) + repr(settings)
    assert "\n" not in str(caught.value)
