"""Paths stay in their folders, URLs are off unless allowed, and odd sources are refused in words."""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.images import decode
from visiongpt_agent.pictures.sources import Sources
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.result import ResultImage, VisionResult
from visiongpt_agent.settings import Settings

_WATCHERS: list[Callable[[str], None]] = []
sys.addaudithook(lambda event, args: [watch(str(args[0])) for watch in _WATCHERS] and None if event == "open" else None)


@contextmanager
def opened() -> Iterator[list[str]]:
    """The files that are opened meanwhile."""
    names: list[str] = []
    _WATCHERS.append(names.append)
    try:
        yield names
    finally:
        _WATCHERS.remove(names.append)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder ``root`` with a picture and ways out of it, and a picture ``outside.png`` beside it."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(root / "sub" / "in.png")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "outside.png")
    (tmp_path / "rootless").mkdir()
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "rootless" / "beside.png")
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "inner.png").symlink_to(root / "sub" / "in.png")
    (root / "way").symlink_to(tmp_path, target_is_directory=True)
    (root / "circle.png").symlink_to(root / "circle.png")
    os.mkfifo(root / "pipe.png")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["root/sub/in.png", "root/inner.png", "root/sub/../sub/in.png", "root/way/root/sub/in.png"]
)
def test_what_lies_in_a_root_is_read(place: Path, name: str) -> None:
    assert decode(Sources(roots=(place / "root",)).take(place / name)).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    "name",
    [
        "outside.png",
        "root/../outside.png",
        "root/sub/../../outside.png",
        "root/link.png",
        "root/way/outside.png",
        "rootless/beside.png",
        "root/circle.png",
        "root/pipe.png",
        "root/sub",
        "root",
        "root/absent.png",
        "root/in\0.png",
        "root/" + "x" * 300,
    ],
)
def test_what_lies_or_leads_elsewhere_is_refused(place: Path, name: str) -> None:
    with opened() as names, pytest.raises(InputError, match=r"no file in the folders|not a regular file"):
        Sources(roots=(place / "root",)).take(f"{place}/{name}")
    assert not [path for path in names if "outside" in path or "beside" in path]


def test_a_link_put_there_after_the_look_leads_nowhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = Path.resolve

    def resolve_then_swap(self: Path, strict: bool = False) -> Path:
        real = resolve(self, strict)
        if self.name == "in.png":
            (place / "root" / "sub").rename(place / "root" / "was")
            (place / "root" / "sub").symlink_to(place / "rootless", target_is_directory=True)
            (place / "rootless" / "beside.png").rename(place / "rootless" / "in.png")
        return real

    monkeypatch.setattr(Path, "resolve", resolve_then_swap)
    with pytest.raises(InputError, match="no file in the folders"):
        Sources(roots=(place / "root",)).take(place / "root" / "sub" / "in.png")


def test_without_roots_everything_is_as_handed_over() -> None:
    for source in ("a.png", Path("b.png"), b"bytes", "data:image/png;base64,", Image.new("RGB", (1, 1))):
        assert Sources().take(source) is source


def test_pixels_need_no_root(place: Path) -> None:
    image = Image.new("RGB", (1, 1))
    assert Sources(roots=(place / "root",)).take(image) is image


def test_settings_say_where_pictures_may_come_from(place: Path) -> None:
    environ = {
        "VISIONGPT_IMAGE_ROOTS": f"{place / 'root'}{os.pathsep}{place / 'rootless'}",
        "VISIONGPT_WEB_IMAGES": "1",
    }
    settings = Settings.load(environ)
    assert settings.image_roots == (place / "root", place / "rootless")
    assert settings.web_images
    assert Settings.load({}).image_roots == ()
    assert not Settings.load({}).web_images


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"VISIONGPT_IMAGE_ROOTS": "/nowhere/at/all"}, "not a folder"),
        ({"VISIONGPT_WEB_IMAGES": "maybe"}, "neither 1 nor 0"),
    ],
)
def test_settings_that_make_no_sense(environ: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings.load(environ)


def test_the_agent_keeps_to_its_roots(place: Path, pool: ModelPool) -> None:
    settings = Settings.load({"VISIONGPT_IMAGE_ROOTS": str(place / "root")})
    agent = VisionGPT(
        ScriptedChat(script=["#1 = adjust_image(image=$1, saturation=0)", "Done."]), settings=settings, pool=pool
    )
    assert agent.run("make it black and white", place / "root" / "sub" / "in.png").status == "done"
    with pytest.raises(InputError, match="no file in the folders"):
        agent.run("make it black and white", place / "root" / "link.png")
    agent.close()


@pytest.mark.parametrize("url", ["http://u:hidden@127.0.0.1/x.png?token=hidden", "HTTPS://127.0.0.1/?key=hidden"])
def test_the_web_is_off_by_default(url: str, pool: ModelPool) -> None:
    agent = VisionGPT(ScriptedChat(script=["reply()"]), pool=pool)
    with pytest.raises(InputError, match="not fetched from the web") as refused:
        agent.run("what is it?", url)
    assert "hidden" not in str(refused.value)
    agent.close()


def test_the_agent_keeps_out_of_the_own_network(pool: ModelPool) -> None:
    settings = Settings.load({"VISIONGPT_WEB_IMAGES": "1"})
    agent = VisionGPT(ScriptedChat(script=["reply()"]), settings=settings, pool=pool)
    with pytest.raises(InputError, match="private network"):
        agent.run("what is it?", "http://localhost:9/x.png")
    agent.close()


# ------------------------------------------------------------------------------------------------------------ parsers


@given(
    st.one_of(
        st.text(max_size=80).map("data:image/png;base64,".__add__),
        st.text(max_size=80).map("data:".__add__),
        st.binary(max_size=80).map(lambda data: "data:image/jpeg;base64," + base64.b64encode(data).decode()),
        st.text(alphabet="data:image/png;bse64,=+é\n\0", max_size=60).map("data:image".__add__),
    )
)
def test_data_urls_decode_or_are_refused(url: str) -> None:
    with pytest.raises(InputError):
        decode(url)


def test_a_data_url_too_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visiongpt_agent.pictures.decoding.MAX_FILE_BYTES", 1000)
    with pytest.raises(InputError, match="the data URL has more than"):
        decode("data:image/png;base64," + "A" * 2000)


# ----------------------------------------------------------------------------------------------------------- writing

TITLES = (
    "../../escape",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/b\\c",
    ".bashrc",
    "nul\0byte",
    "x" * 400,
    "\U00020000" * 100,
    "名前/../..",
    "$(touch pwned)`x`",
    "-rf",
    "line\nbreak",
    "\u202egpj.exe",
    "~root/x",
    "C:\\Windows\\x",
)


def result_titled(title: str, agent_store: Any) -> VisionResult:
    kept = agent_store.add(Image.new("RGB", (4, 4), "red"))
    return VisionResult("", "", images=(ResultImage(kept.id, "made", "$1", title, 4, 4),), store=agent_store)


def check_title(title: str, folder: Path, agent_store: Any) -> None:
    saved = Path(result_titled(title, agent_store).save(folder / "out").images[0].path)
    assert saved.parent == folder / "out"
    assert saved.suffix == ".png"
    assert not saved.name.startswith((".", "-"))
    assert {path.name for path in folder.iterdir()} <= {"out", "store"}


@pytest.mark.parametrize("title", TITLES)
def test_a_title_never_leaves_the_folder(title: str, tmp_path: Path, store: Any) -> None:
    check_title(title, tmp_path, store)


@given(st.text(max_size=120))
def test_no_title_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, title: str) -> None:
    from visiongpt_agent.pictures.images import ImageStore

    folder = tmp_path_factory.mktemp("title")
    check_title(title, folder, ImageStore(folder / "store"))


def test_links_in_the_folder_are_not_written_through(tmp_path: Path, store: Any) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "cat.png").symlink_to(secret)
    (out / "cat-2.png").symlink_to(tmp_path / "not-there-yet")
    (out / "cat-3.png").symlink_to("/dev/zero")
    os.mkfifo(out / "cat-4.png")

    saved = Path(result_titled("cat", store).save(out).images[0].path)

    assert secret.read_text() == "precious"
    assert not (tmp_path / "not-there-yet").exists()
    assert saved.is_file()
    assert not saved.is_symlink()
    assert Image.open(io.BytesIO(saved.read_bytes())).size == (4, 4)
