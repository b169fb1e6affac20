"""What cannot be used is refused in one line before any model is loaded, and nothing is left behind."""

from __future__ import annotations

import ctypes
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from visiongpt_agent import sample_photo

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


def _bomb(path: Path) -> None:
    """A PNG of 30,000x30,000 pixels in about 110 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(9), bytes(1 + 30_000 // 8)
    pixels = b"".join(packer.compress(row * 100) for _ in range(300)) + packer.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def _truncated(path: Path) -> None:
    path.write_bytes(sample_photo("chelsea").read_bytes()[:9000])


PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.jpg": (lambda path: None, "does not exist"),
    "folder.jpg": (lambda path: path.mkdir(), "is a folder"),
    "text.jpg": (lambda path: path.write_text("not a picture\n" * 50), "not a picture that can be read"),
    "truncated.jpg": (_truncated, "is damaged"),
    "empty.jpg": (lambda path: path.write_bytes(b""), "0 bytes"),
    "bomb.png": (_bomb, "64 million are allowed"),
}


def assert_refused(ran: Ran, fault: str, folder: Path) -> None:
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("visiongpt: ")
    assert ran.err.count("\n") == 1
    assert fault in ran.err
    assert not (folder / "visiongpt-out").exists()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_cannot_be_used(visiongpt: Callable[..., Ran], tmp_path: Path, name: str) -> None:
    make, fault = PICTURES[name]
    make(tmp_path / name)

    assert_refused(visiongpt("run", "how many cats are there?", "-i", name), fault, tmp_path)


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ("", "the request is empty"),
        (" \n\t", "the request is empty"),
        ("blur $7", "there is no image $7"),
        ("blur the cat " * 8000, "4000 are allowed"),
    ],
    ids=["empty", "blank", "unknown image", "100 kB"],
)
def test_a_request_that_cannot_be_used(
    visiongpt: Callable[..., Ran], tmp_path: Path, request_: str, fault: str
) -> None:
    assert_refused(visiongpt("run", request_, "-i", sample_photo("chelsea"), "--json"), fault, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["run"], "REQUEST"),
        (["run", "hi", "--no-such-option"], "--no-such-option"),
        (["fly"], "fly"),
        (["run", "hi", "-i", "a.jpg", "-i", "b.jpg", "c.jpg"], "Write -i before each"),
        (["run", "hi", "--out", "a-file"], "a-file is a file"),
        (["run", "hi", "--out", "a-file/below"], "a-file is a file"),
    ],
    ids=["no request", "unknown option", "unknown command", "pictures out of order", "out is a file", "out in a file"],
)
def test_arguments_that_make_no_sense(
    visiongpt: Callable[..., Ran], tmp_path: Path, arguments: list[str], fault: str
) -> None:
    (tmp_path / "a-file").touch()

    assert_refused(visiongpt(*arguments), fault, tmp_path)


def test_as_a_process_of_its_own(visiongpt_process: Callable[..., Ran], tmp_path: Path) -> None:
    _truncated(tmp_path / "a.jpg")

    assert_refused(visiongpt_process("run", "how many cats are there?", "-i", "a.jpg"), "is damaged", tmp_path)


def test_a_picture_that_may_not_be_read(visiongpt_process: Callable[..., Ran], tmp_path: Path) -> None:
    picture = tmp_path / "secret.jpg"
    picture.write_bytes(sample_photo("chelsea").read_bytes())
    picture.chmod(0)

    ran = visiongpt_process("run", "describe it", "-i", picture, preexec=_obey_permissions)

    assert_refused(ran, "may not be read", tmp_path)


def test_a_folder_that_may_not_be_written(visiongpt_process: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)

    ran = visiongpt_process("run", "describe it", "--out", "locked/here", preexec=_obey_permissions)

    assert_refused(ran, "may not be written", tmp_path)


def _obey_permissions() -> None:
    """In a child that is to be: give up root's right to read and write everything."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                os._exit(77)


def test_a_bug_is_told_in_one_line(visiongpt: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISIONGPT_DEBUG", raising=False)
    monkeypatch.setattr("visiongpt_agent.tools.catalog", lambda: 1 / 0)

    ran = visiongpt("tools")

    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "ZeroDivisionError" in ran.err
    assert "report" in ran.err
