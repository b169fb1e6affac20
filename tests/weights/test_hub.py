"""Pulling from the hub, on a hub of this machine: what is chosen, checked, gone on with, and said of refusals."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from tests.weights.local_hub import HostedRepository, LocalHub
from tests.weights.test_weights import leftovers, model, sha256
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.weights import Download, Hub, WeightStore

WEIGHTS = {"a.weight": torch.arange(50_000.0), "a.bias": torch.ones(2)}
SAFE = save(WEIGHTS)


def pickled(content: Any = WEIGHTS) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def index(ending: str, *shards: str) -> bytes:
    weights = {f"layer{number}": shard for number, shard in enumerate(shards)}
    return json.dumps({"metadata": {}, "weight_map": weights, "ending": ending}).encode()


def files(*names: str, **special: bytes) -> dict[str, bytes]:
    """Small files of these names: weights where they are named so, else empty objects."""
    content = {".safetensors": SAFE, ".bin": pickled()}
    return {name: special.get(name, content.get(Path(name).suffix, b"{}")) for name in names}


SOURCE = Hub("someone/tiny", "main", {"config.json": ""}, networks=("",))


def host(hub: LocalHub, content: dict[str, bytes], **facts: Any) -> HostedRepository:
    repository = HostedRepository(content, **facts)
    hub.repositories["someone/tiny"] = repository
    return repository


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "home")


def pull(store: WeightStore, source: Hub | Download = SOURCE, **options: Any) -> Path:
    folder = store.pull(model(source), **options)
    assert folder is not None
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
OLD_SHARDS = tuple(shard.replace("model", "pytorch_model").replace("safetensors", "bin") for shard in SHARDS)
CASES: dict[str, tuple[dict[str, bytes], set[str], str]] = {
    "safetensors rather than a pickle": (
        files("model.safetensors", "pytorch_model.bin", "tf_model.h5"),
        {"model.safetensors"},
        "",
    ),
    "shards by their index, of one form": (
        {
            **files(*SHARDS, *OLD_SHARDS),
            "model.safetensors.index.json": index("safetensors", *SHARDS),
            "pytorch_model.bin.index.json": index("bin", *OLD_SHARDS),
        },
        {*SHARDS, "model.safetensors.index.json"},
        "",
    ),
    "in one piece rather than in shards": (
        {
            **files("model.safetensors", *SHARDS),
            "model.safetensors.index.json": index("safetensors", *SHARDS),
        },
        {"model.safetensors"},
        "",
    ),
    "half precision where it is preferred": (
        files("model.safetensors", "model.fp16.safetensors", "pytorch_model.fp16.bin"),
        {"model.fp16.safetensors"},
        "fp16",
    ),
    "full precision where there is no other": (files("model.safetensors"), {"model.safetensors"}, "fp16"),
    "full safetensors rather than half a pickle": (
        files("model.safetensors", "pytorch_model.fp16.bin"),
        {"model.safetensors"},
        "fp16",
    ),
    "data beside the weights, whatever there is of it": (
        files("model.safetensors", "chat_template.jinja", "tokenizer.model", "vocab.txt", "README.md", "code.py"),
        {"model.safetensors", "chat_template.jinja", "tokenizer.model", "vocab.txt"},
        "",
    ),
    "nothing of other folders": (
        files("model.safetensors", "onnx/model.onnx", "onnx/config.json", "original/consolidated.00.pth"),
        {"model.safetensors"},
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_files_are_chosen_by_need(store: WeightStore, hub: LocalHub, tmp_path: Path, case: str) -> None:
    content, chosen, variant = CASES[case]
    content = {**content, "config.json": b"{}"}
    host(hub, content)
    source = Hub("someone/tiny", "main", {"config.json": ""}, networks=("",), variant=variant)

    folder = pull(store, source)

    assert names(folder) == sorted({*chosen, "config.json", "manifest.json"})
    assert store.verify(model(source).card).present
    if set(SHARDS) - {"model.safetensors"} <= set(hub.fetched()):
        assert not set(OLD_SHARDS) & set(hub.fetched())

    origin = tmp_path / "brought"  # what a person brings is chosen from in the same way
    for name, value in content.items():
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_bytes(value)
    brought = pull(WeightStore(tmp_path / "other"), source, origin=origin)
    assert names(brought) == names(folder)


PIPELINE = {
    "model_index.json": json.dumps(
        {
            "_class_name": "StableDiffusionPipeline",
            "scheduler": ["diffusers", "PNDMScheduler"],
            "safety_checker": [None, None],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "unet": ["diffusers", "UNet2DConditionModel"],
        }
    ).encode(),
    **files(
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "text_encoder/model.fp16.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.bin",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors",
        "vae_1_0/diffusion_pytorch_model.fp16.safetensors",
        "safety_checker/model.safetensors",
        "whole.safetensors",
    ),
}


def test_of_a_pipeline_come_the_networks_that_its_index_names(store: WeightStore, hub: LocalHub) -> None:
    host(hub, PIPELINE)
    pull(store, Hub("someone/tiny", "main", {}, pipeline=True, variant="fp16"))
    assert set(hub.fetched()) == {"text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.safetensors"}


def test_a_pickle_is_converted_on_pull_and_its_checksum_kept(store: WeightStore, hub: LocalHub) -> None:
    repository = host(hub, files("config.json", "pytorch_model.bin"))
    folder = pull(store)
    assert names(folder) == ["config.json", "manifest.json", "model.safetensors"]
    assert torch.equal(load_file(folder / "model.safetensors")["a.weight"], WEIGHTS["a.weight"])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["converted"] == {"pytorch_model.bin": sha256(repository.files["pytorch_model.bin"])}
    assert manifest["commits"] == {"someone/tiny": repository.commit("someone/tiny")}
    assert store.verify(model(SOURCE).card).present


def test_pickled_shards_are_converted_with_their_index(store: WeightStore, hub: LocalHub) -> None:
    first, second = "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"
    shards = index("bin", first, second)
    host(hub, {**files("config.json", first, second), "pytorch_model.bin.index.json": shards})
    folder = pull(store)
    assert names(folder) == ["config.json", "manifest.json", *SHARDS, "model.safetensors.index.json"]
    written = json.loads((folder / "model.safetensors.index.json").read_text())
    assert set(written["weight_map"].values()) == set(SHARDS)


class Runs:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_that_holds_more_than_weights_is_not_run(store: WeightStore, hub: LocalHub, tmp_path: Path) -> None:
    mark = tmp_path / "was here"
    host(hub, {"config.json": b"{}", "pytorch_model.bin": pickled({**WEIGHTS, "extra": Runs(mark)})})
    with pytest.raises(WeightsError, match="holds more than weights"):
        pull(store)
    assert not mark.exists()
    assert store.state(model(SOURCE).card).status == "absent"


def test_size_commit_and_licence_are_told_before_a_byte_of_weights(store: WeightStore, hub: LocalHub) -> None:
    repository = host(hub, files("config.json", "model.safetensors"), licence="apache-2.0")
    sentences, reports = list[tuple[str, list[str]]](), list[tuple[str, int, int]]()
    total = len(SAFE) + len(b"{}")

    pull(
        store,
        notify=lambda sentence: sentences.append((sentence, hub.fetched())),
        progress=lambda *report: reports.append(report),
    )

    ((sentence, fetched),) = sentences
    assert sentence == (
        f"someone/tiny at {repository.commit('someone/tiny')[:12]}: 200 kB in 2 files, licence: apache-2.0"
    )
    assert fetched == []
    downloads = [report for report in reports if report[0] == "downloading someone/tiny"]
    assert downloads[0] == ("downloading someone/tiny", 0, total)
    assert downloads[-1] == ("downloading someone/tiny", total, total)


def test_content_that_is_not_what_the_hub_said_is_refused(store: WeightStore, hub: LocalHub) -> None:
    content = files("config.json", "model.safetensors")
    host(hub, content, checksums={"model.safetensors": sha256(SAFE[:-1] + b"?")})  # as long, but something else
    with pytest.raises(WeightsError, match="damaged on its way or tampered with"):
        pull(store)
    assert store.state(model(SOURCE).card).status == "absent"
    host(hub, content)
    assert pull(store).is_dir()


def test_a_small_file_that_is_not_what_the_hub_said_is_refused(store: WeightStore, hub: LocalHub) -> None:
    repository = host(hub, files("config.json", "model.safetensors"))
    described = repository.sibling("config.json")
    repository.sibling = lambda name: {**described, "rfilename": name, "blobId": "0" * 40}  # type: ignore[method-assign]
    with pytest.raises(WeightsError, match="git id"):
        pull(store)


def test_a_file_of_the_right_size_that_was_changed_later_is_seen(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"))
    folder = pull(store)
    (folder / "model.safetensors").write_bytes(SAFE[:-1] + b"?")
    assert store.verify(model(SOURCE).card).status == "broken"
    pull(store)
    assert store.verify(model(SOURCE).card).present


def test_a_broken_connection_goes_on_where_it_stopped(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"))
    hub.breaks["model.safetensors"] = [70_000, 10_000]
    assert (pull(store) / "model.safetensors").read_bytes() == SAFE
    assert hub.ranges == [70_000, 80_000]


def test_a_pull_that_failed_goes_on_where_it_stopped(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", *SHARDS) | {"model.safetensors.index.json": index("safetensors", *SHARDS)})
    hub.breaks[SHARDS[1]] = [70_000, 0, 0, 0]
    with pytest.raises(WeightsError, match="pull again, which goes on where it stopped"):
        pull(store)
    assert store.state(model(SOURCE).card).reason == "pulled in part, the next pull goes on"
    hub.requests.clear()
    hub.ranges.clear()

    folder = pull(store)

    assert hub.fetched() == [SHARDS[1]]
    assert hub.ranges == [70_000]
    assert (folder / SHARDS[1]).read_bytes() == SAFE
    assert leftovers(store) == ["tiny"]


def test_what_is_left_of_another_commit_is_not_used(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors", "old.json"))
    hub.breaks["model.safetensors"] = [70_000, 0, 0, 0]
    with pytest.raises(WeightsError):
        pull(store)
    newer = save({"a.weight": torch.zeros(50_000), "a.bias": torch.ones(2)})
    host(hub, {"config.json": b"{ }", "model.safetensors": newer})
    folder = pull(store)
    assert (folder / "model.safetensors").read_bytes() == newer
    assert names(folder) == ["config.json", "manifest.json", "model.safetensors"]


def test_what_is_left_of_a_pull_can_be_removed(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"))
    hub.breaks["model.safetensors"] = [70_000, 0, 0, 0]
    with pytest.raises(WeightsError):
        pull(store)
    store.remove(model(SOURCE).card)
    assert leftovers(store) == []


def test_a_hub_that_is_busy_for_a_moment_is_asked_again(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"))
    hub.busy = 2
    assert pull(store).is_dir()


def test_a_renamed_repository_is_followed_and_told(store: WeightStore, hub: LocalHub) -> None:
    host(hub, {}, moved_to="someone-else/tiny")
    hub.repositories["someone-else/tiny"] = HostedRepository(files("config.json", "model.safetensors"))
    sentences = list[str]()
    folder = pull(store, notify=sentences.append)
    assert "someone/tiny, which is now named someone-else/tiny at" in sentences[0]
    assert set(json.loads((folder / "manifest.json").read_text())["commits"]) == {"someone-else/tiny"}


def gated(hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"), gated=True, readers=("hf_reader",))
    hub.tokens |= {"hf_reader", "hf_stranger"}


def disabled(hub: LocalHub) -> None:
    host(hub, files("config.json"), disabled=True)


def missing(hub: LocalHub) -> None:
    hub.repositories.clear()
    hub.tokens.add("hf_stranger")


def other_revision(hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"), revision="v2")
    hub.tokens.add("hf_stranger")


def without_config(hub: LocalHub) -> None:
    host(hub, files("model.safetensors"))


def without_weights(hub: LocalHub) -> None:
    host(hub, files("config.json", "tf_model.h5"))


def without_a_shard(hub: LocalHub) -> None:
    host(hub, {**files("config.json", SHARDS[0]), "model.safetensors.index.json": index("safetensors", *SHARDS)})


def with_a_file_that_is_lost(hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"), lost=("model.safetensors",))


def with_a_pointer(hub: LocalHub) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 13\n"
    host(hub, {"config.json": b"{}", "model.safetensors": pointer})


def leading_out(hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors") | {"../escaped.json": b"{}"})


@pytest.mark.parametrize(
    ("state", "token", "message"),
    [
        (gated, "", r"is gated: ask for access at http://127.*/someone/tiny, then set HF_TOKEN"),
        (gated, "hf_stranger", r"account of HF_TOKEN has no access: ask for access at http://127.*/someone/tiny"),
        (gated, "hf_wrong", r"does not accept the token in HF_TOKEN: make another at https://.*/settings/tokens"),
        (disabled, "", r"was disabled by the hub"),
        (missing, "", r"shows no repository someone/tiny: look .* or set HF_TOKEN if it is private"),
        (missing, "hf_stranger", r"shows no repository someone/tiny: look"),
        (other_revision, "", r"has no revision main any more: its revisions are listed at .*/commits"),
        (without_config, "", r"someone/tiny at \w{12} on the hub holds no config.json"),
        (without_weights, "", r"holds no model.safetensors and no other weights .*; it holds config.json, tf_model.h5"),
        (without_a_shard, "", r"holds no model-00002-of-00002.safetensors, which model.safetensors.index.json names"),
        (with_a_file_that_is_lost, "", r"has lost a file that it listed"),
        (with_a_pointer, "", r"is a Git LFS pointer, not the weights"),
    ],
)
def test_a_refusal_says_what_to_do(
    store: WeightStore,
    hub: LocalHub,
    monkeypatch: pytest.MonkeyPatch,
    state: Callable[[LocalHub], None],
    token: str,
    message: str,
) -> None:
    state(hub)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(WeightsError, match=message) as refused:
        pull(store)
    assert "\n" not in str(refused.value)
    assert token not in str(refused.value) or not token
    assert store.state(model(SOURCE).card).status == "absent"


def test_access_that_was_given_is_used(store: WeightStore, hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    gated(hub)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    sentences = list[str]()
    assert pull(store, notify=sentences.append).is_dir()
    assert sentences[0].startswith("someone/tiny is gated; its owners' terms are at http://127")


def test_a_name_that_leads_out_of_the_folder_is_not_taken(store: WeightStore, hub: LocalHub) -> None:
    leading_out(hub)
    with pytest.raises(WeightsError, match="leads out of its folder"):
        pull(store, Hub("someone/tiny", "main", {"*/*.json": ""}))
    pull(store)
    assert not list(store.home.parent.rglob("escaped.json"))


def test_a_file_that_a_newer_release_wants_makes_an_older_pull_stale(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"))
    pull(store)
    newer = Hub("someone/tiny", "main", {"config.json": "", "preprocessor_config.json": ""}, networks=("",))
    assert store.state(model(newer).card).reason == "it lacks preprocessor_config.json, which this release wants"


@pytest.mark.parametrize("state", ["offline", "unreachable"])
def test_without_a_hub_the_way_around_is_told(
    store: WeightStore, hub: LocalHub, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    from huggingface_hub import constants

    if state == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        message = "while HF_HUB_OFFLINE is set: unset it, or download the files elsewhere and pull --from"
    else:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        message = r"http://127\.0\.0\.1:9 cannot be reached .*pull --from their folder"
    with pytest.raises(WeightsError, match=message):
        pull(store)
    assert leftovers(store) == []


def test_what_does_not_fit_on_the_disk_is_not_begun(
    store: WeightStore, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    host(hub, files("config.json", "model.safetensors"), sizes={"model.safetensors": 13_500_000_000})
    free = SimpleNamespace(free=4_200_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(WeightsError, match=r"13\.5 GB more are needed on disk and 4\.2 GB are free: free some space"):
        pull(store)
    assert hub.fetched() == []


def test_a_disk_that_fills_up_is_told_and_gone_on_with(
    store: WeightStore, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from visiongpt_agent.weights import streaming

    host(hub, files("config.json", "model.safetensors"))
    hub.breaks["model.safetensors"] = [70_000]
    append = streaming._append
    turns = iter([append, append])  # config.json, and the weights until the connection breaks

    def fills_up(*arguments: Any) -> None:
        try:
            next(turns)(*arguments)
        except StopIteration:
            raise OSError(errno.ENOSPC, "No space left on device") from None

    with monkeypatch.context() as patched:
        patched.setattr(streaming, "_append", fills_up)
        with pytest.raises(WeightsError, match=r"is full: free some space and pull tiny again, which goes on"):
            pull(store)
    pull(store)
    assert hub.ranges == [70_000]


def test_a_file_from_an_address_goes_on_where_it_stopped(store: WeightStore, hub: LocalHub) -> None:
    host(hub, {"model.pth": SAFE})
    source = Download({"model.pth": (f"{hub.address}/cdn/someone/tiny/any/model.pth", sha256(SAFE))})
    hub.breaks["model.pth"] = [70_000, 0, 0, 0]
    with pytest.raises(WeightsError, match="could not be downloaded"):
        pull(store, source)
    hub.ranges.clear()
    reports = list[tuple[str, int, int]]()
    folder = pull(store, source, progress=lambda *report: reports.append(report))
    assert (folder / "model.pth").read_bytes() == SAFE
    assert hub.ranges == [70_000]
    assert ("downloading model.pth", len(SAFE), len(SAFE)) in reports


def test_a_file_whose_last_byte_had_come_is_only_checked(store: WeightStore, hub: LocalHub) -> None:
    host(hub, {"model.pth": SAFE})
    source = Download({"model.pth": (f"{hub.address}/cdn/someone/tiny/any/model.pth", sha256(SAFE))})
    part = store.root / ".partial-tiny" / "folder" / f"model.pth.{sha256(SAFE)[:16]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(SAFE)
    assert (pull(store, source) / "model.pth").read_bytes() == SAFE
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * len(SAFE))  # of other content, as another program may leave it
    store.remove(model(source).card)
    assert (pull(store, source) / "model.pth").read_bytes() == SAFE


def test_the_parts_of_a_model_come_from_their_repositories(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"))
    hub.repositories["someone/part"] = HostedRepository(files("config.json", "pytorch_model.bin"))
    part = Hub("someone/part", "main", {"config.json": ""}, networks=("",))
    source = Hub("someone/tiny", "main", {"config.json": ""}, networks=("",), parts={"parts/a": part})
    folder = pull(store, source)
    assert names(folder / "parts" / "a") == ["config.json", "model.safetensors"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["commits"]) == {"someone/tiny", "someone/part"}
    assert set(manifest["converted"]) == {"parts/a/pytorch_model.bin"}


def test_weights_that_release_0_1_pulled_are_still_good(store: WeightStore, hub: LocalHub) -> None:
    host(hub, files("config.json", "model.safetensors"))
    folder = pull(store)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["commits"], manifest["converted"]
    (folder / "manifest.json").write_text(json.dumps({**manifest, "pins": "of other names"}))
    assert store.verify(model(SOURCE).card).present
    moved = Hub("someone/tiny", "1" * 40, {"config.json": ""}, networks=("",))
    assert store.state(model(moved).card).status == "broken"


def test_the_command_line_pulls_from_a_hub(hub: LocalHub, tmp_path: Path) -> None:
    host(hub, files("config.json", "model.safetensors"), licence="apache-2.0")
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.address,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "hf"),
        "VISIONGPT_HOME": str(tmp_path / "home"),
        "VISIONGPT_LLM": "someone/tiny",
    }
    command = [sys.executable, "-m", "visiongpt_agent", "models", "pull", "tiny"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "200 kB in 2 files, licence: apache-2.0" in done.stderr
    assert (tmp_path / "home" / "weights" / "tiny" / "model.safetensors").read_bytes() == SAFE
