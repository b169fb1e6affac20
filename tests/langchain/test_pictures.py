"""What a language model's words can reach, and what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.langchain.conftest import Say
from visiongpt_agent import ImageStore, InputError, sample_photo
from visiongpt_agent.langchain.pictures import Pictures


@pytest.fixture
def pictures(store: ImageStore, tmp_path: Path) -> Pictures:
    folder = tmp_path / "album"
    (folder / "private").mkdir(parents=True)
    for path in (tmp_path / "outside.png", folder / "cat.png", folder / "private" / "a.png", folder / ".hidden.png"):
        Image.new("RGB", (32, 24), "blue").save(path)
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    return Pictures(store, {"kitchen": sample_photo("coffee"), "square": Image.new("RGB", (9, 9))}, folder)


@pytest.mark.parametrize(
    ("name", "size"), [("kitchen", (600, 400)), ("square", (9, 9)), ("cat.png", (32, 24)), ("$2", (640, 427))]
)
def test_names_that_were_handed_over(name: str, size: tuple[int, int], pictures: Pictures, say: Say) -> None:
    messages = [say("first", "chelsea"), say("and this one", "rocket")]

    key = pictures.find(name, messages)

    assert pictures.store.open(key).size == size
    assert pictures.find(key) == key


@pytest.mark.parametrize(
    "name",
    [
        "",
        "$3",
        "$0",
        "#1",
        ".hidden.png",
        "link.png",
        "private/a.png",
        "../outside.png",
        "./cat.png",
        "cat.png/../cat.png",
        "cat.png\0",
        "x" * 5000,
        "img-0123456789abcdef",
        "img-../../etc/passwd",
        "/etc/hostname",
        "file:///etc/hostname",
        "https://example.org/a.png",
        "~/.bashrc",
    ],
)
def test_other_words_reach_nothing(name: str, pictures: Pictures, say: Say) -> None:
    with pytest.raises(InputError, match="there is no picture named") as caught:
        pictures.find(name, [say("look", "chelsea")])

    assert str(caught.value).endswith("the names are kitchen, square, $1, cat.png")
    assert str(pictures.store.folder) not in str(caught.value)


@pytest.mark.parametrize("name", ["data:text/html;base64,AAAA", "data:image/png;base64,AAAA", "data:,"])
def test_a_data_url_that_is_no_picture_is_refused(name: str, pictures: Pictures) -> None:
    with pytest.raises(InputError):
        pictures.find(name)
