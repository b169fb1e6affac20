"""A batch by its public door: structure, table, errors, equal pictures, going on, and the agent's own results."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from tests.batch.conftest import GREY, REQUEST
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT, batch, sample_photo
from visiongpt_agent.batch import Batch, Row, Selection, worker
from visiongpt_agent.batch.pictures import pictures_of
from visiongpt_agent.batch.table import Table
from visiongpt_agent.errors import InputError, StorageError
from visiongpt_agent.files import write_atomically
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.decoding import decode
from visiongpt_agent.pool import ModelPool

NAMES = ["cat.jpg", "trips/broken.jpg", "trips/cup.jpg", "trips/sea/again.jpg", "trips/sea/rocket.jpg"]


def greyed(folder: Any, out: Path, agent: VisionGPT, **options: Any) -> list[Row]:
    return list(batch.run(folder, REQUEST, out, agent=agent, plan=GREY, **options))


def in_table(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "table.jsonl").read_text("utf-8").splitlines()]


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_pictures_come_out_as_the_folders_are(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    rows = greyed(folder, tmp_path / "out", agent)

    assert [row.path for row in rows] == NAMES
    made = {f"{name}.png" for name in NAMES if "broken" not in name}
    assert {*files(tmp_path / "out" / "pictures")} == made
    pixels = np.asarray(decode(tmp_path / "out" / "pictures" / "cat.jpg.png"))
    assert (pixels[..., 0] == pixels[..., 1]).all()


def test_a_row_says_what_came_of_a_picture(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    greyed(folder, tmp_path / "out", agent)

    row = in_table(tmp_path / "out")[0]
    assert row["sha256"] == hashlib.sha256((folder / "cat.jpg").read_bytes()).hexdigest()
    assert (row["status"], row["error"], row["plan"]) == ("done", "", GREY)
    assert (row["width"], row["height"]) == Image.open(folder / "cat.jpg").size
    assert row["pictures"] == ["pictures/cat.jpg.png"]
    assert row["answer"]
    assert row["version"]
    assert row["seconds"] > 0


def test_a_damaged_picture_is_a_row_and_not_the_end(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    rows = {row.path: row for row in greyed(folder, tmp_path / "out", agent)}

    assert rows["trips/broken.jpg"].status == "error"
    assert "damaged" in rows["trips/broken.jpg"].error
    assert rows["trips/sea/rocket.jpg"].status == "done"


def test_a_file_that_is_not_there_is_a_row(tmp_path: Path, agent: VisionGPT) -> None:
    (tmp_path / "list.txt").write_text(f"{sample_photo('coffee')}\n\nabsent.jpg\n")

    rows = greyed(tmp_path / "list.txt", tmp_path / "out", agent)

    assert [row.status for row in rows] == ["done", "error"]
    assert "absent.jpg does not exist" in rows[1].error


def test_equal_pictures_are_worked_on_once(
    folder: Path, tmp_path: Path, agent: VisionGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    work = worker.Workers.work

    def counted(self: Any, picture: Any, *rest: Any) -> Row:
        seen.append(picture.name)
        return work(self, picture, *rest)

    monkeypatch.setattr(worker.Workers, "work", counted)
    rows = {row.path: row for row in greyed(folder, tmp_path / "out", agent)}

    assert sorted(seen) == [name for name in NAMES if "again" not in name]
    again, cup = rows["trips/sea/again.jpg"], rows["trips/cup.jpg"]
    assert (again.same_as, again.answer, again.seconds) == ("trips/cup.jpg", cup.answer, 0)
    made = files(tmp_path / "out" / "pictures")
    assert made["trips/sea/again.jpg.png"] == made["trips/cup.jpg.png"]


def test_what_is_done_is_not_done_again(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    first = greyed(folder, tmp_path / "out", agent, selection=Selection(limit=3))
    rest = greyed(folder, tmp_path / "out", agent)
    none = greyed(folder, tmp_path / "out", agent)

    assert [row.path for row in first] == NAMES[:3]
    assert [row.path for row in rest] == NAMES[3:]
    assert rest[0].same_as == "trips/cup.jpg"  # of the run before
    assert none == []


def test_a_row_without_its_end_is_taken_off(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    greyed(folder, tmp_path / "out", agent)
    table = tmp_path / "out" / "table.jsonl"
    whole = table.read_bytes()
    table.write_bytes(whole[:-40])
    (tmp_path / "out" / "pictures" / "trips" / "sea" / ".visiongpt-999999999-x.part").write_bytes(b"half")

    again = greyed(folder, tmp_path / "out", agent)

    assert [row.path for row in again] == NAMES[-1:]
    assert [row["path"] for row in in_table(tmp_path / "out")] == NAMES
    assert not list((tmp_path / "out").rglob("*.part"))


def test_a_batch_that_is_let_go_of_goes_on(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    rows = batch.run(folder, REQUEST, tmp_path / "out", agent=agent, plan=GREY)
    first = next(rows)
    rows.close()  # type: ignore[attr-defined]  # it is a generator

    rest = greyed(folder, tmp_path / "out", agent)

    assert [first.path, *(row.path for row in rest)] == NAMES


def test_errors_are_worked_on_again_where_that_is_asked(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    greyed(folder, tmp_path / "out", agent)
    shutil.copy(sample_photo("astronaut"), folder / "trips" / "broken.jpg")

    rows = greyed(folder, tmp_path / "out", agent, retry_errors=True)

    assert [(row.path, row.status) for row in rows] == [("trips/broken.jpg", "done")]
    assert sorted(row["path"] for row in in_table(tmp_path / "out")) == NAMES


def test_a_full_disk_ends_the_batch_and_costs_nothing_that_is_done(
    folder: Path, tmp_path: Path, agent: VisionGPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = write_atomically, [2]

    def full(path: Path, data: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise StorageError(f"{path} cannot be written: No space left on device; free some space")
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(worker, "write_atomically", full)
        with pytest.raises(StorageError, match="No space"):
            greyed(folder, tmp_path / "out", agent, workers=1)

    before = [row["path"] for row in in_table(tmp_path / "out")]
    after = [row.path for row in greyed(folder, tmp_path / "out", agent)]
    assert [*before, *after] == NAMES
    assert before


def test_the_folder_of_another_batch_is_refused(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    greyed(folder, tmp_path / "out", agent)

    with pytest.raises(InputError, match="holds the batch 'make it black and white'"):
        list(batch.run(folder, "rotate it", tmp_path / "out", agent=agent, plan=GREY))
    with pytest.raises(InputError, match="holds a batch with another plan"):
        list(batch.run(folder, REQUEST, tmp_path / "out", agent=agent, plan="#1 = upscale_image(image=$1)"))


def test_two_at_once_in_one_folder_are_refused(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".visiongpt-batch.lock"), pytest.raises(InputError, match="another process"):
        greyed(folder, tmp_path / "out", agent)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("#1 = no_such_tool(image=$1)", "cannot be carried out"),
        ("#1 = adjust_image(image=$2)", "cannot be carried out"),
        ('#1 = generate_image(prompt="a cat")', "does not look at the picture"),
    ],
)
def test_a_plan_that_is_none_of_one_picture_is_refused(
    plan: str, said: str, folder: Path, tmp_path: Path, agent: VisionGPT
) -> None:
    with pytest.raises(InputError, match=said):
        list(batch.run(folder, REQUEST, tmp_path / "out", agent=agent, plan=plan))


def test_it_is_planned_once_and_stays_so(folder: Path, tmp_path: Path, pool: ModelPool) -> None:
    chat = ScriptedChat(script=[GREY, GREY, GREY])
    with Batch.open(folder, REQUEST, tmp_path / "out", agent=VisionGPT(chat, pool=pool)) as opened:
        assert opened.propose() == GREY
        opened.decide(GREY)
        statuses = [row.status for row in opened.rows()]
    silent = VisionGPT(ScriptedChat(script=[]), pool=pool)

    assert statuses.count("done") == 4
    assert list(batch.run(folder, REQUEST, tmp_path / "out", agent=silent)) == []


def test_a_request_that_no_tool_can_carry_out_is_no_batch(folder: Path, tmp_path: Path, pool: ModelPool) -> None:
    chat = ScriptedChat(script=['decline(reason="no tool for audio")'] * 5)

    with (
        Batch.open(folder, "play it", tmp_path / "out", agent=VisionGPT(chat, pool=pool)) as opened,
        pytest.raises(InputError, match="no plan for this"),
    ):
        opened.propose()


def test_rows_and_pictures_are_those_of_the_agent(
    tmp_path: Path, agent: VisionGPT, pool: ModelPool, needs: Callable[[str], None]
) -> None:
    needs(jobs.DETECTION_FACES)
    request = "blur every face"
    plan = "#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)"
    photos = [sample_photo(name) for name in ("astronaut", "coffee")]
    loop = [VisionGPT(ScriptedChat(script=[plan, ""]), pool=pool).run(request, photo) for photo in photos]

    rows = list(batch.run(photos, request, tmp_path / "out", agent=agent, plan=plan))

    assert [(row.status, row.plan) for row in rows] == [(result.status, result.plan) for result in loop]
    assert [len(row.regions) for row in rows] == [1, 0]
    assert rows[0].counts == {"face": 1}
    assert len(rows[0].models["blazeface"]) == 64
    made = decode(tmp_path / "out" / rows[0].pictures[0])
    assert made.tobytes() == loop[0].picture().tobytes()
    assert (rows[1].pictures, loop[1].images) == ((), ())


def test_no_result_takes_the_place_of_another(tmp_path: Path, agent: VisionGPT) -> None:
    """Names that differ in their suffix alone, that hold another's name, or end as further results do."""
    (tmp_path / "in").mkdir()
    for name, colour in (("a.jpg.webp", "red"), ("a~2.png", "blue"), ("b.png", "green")):
        Image.new("RGB", (80, 60), colour).save(tmp_path / "in" / name)
    greyed(tmp_path / "in", tmp_path / "out", agent)
    before = files(tmp_path / "out" / "pictures")
    for name, colour in (("a.jpg", "white"), ("a.png", "black")):
        Image.new("RGB", (80, 60), colour).save(tmp_path / "in" / name)

    greyed(tmp_path / "in", tmp_path / "out", agent)

    after = files(tmp_path / "out" / "pictures")
    assert len(before) == 3
    assert len(after) == 5
    assert {name: after[name] for name in before} == before


def test_a_pattern_is_called_from_its_first_wildcard(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    rows = greyed(str(folder / "trips" / "**" / "r*.jpg"), tmp_path / "out", agent)

    assert [row.path for row in rows] == ["sea/rocket.jpg"]


def test_a_larger_sample_contains_a_smaller_one(folder: Path) -> None:
    pictures = pictures_of(folder)
    two, four = (Selection(sample=count).of(pictures) for count in (2, 4))

    assert (len(two), len(four)) == (2, 4)
    assert {*two} < {*four}


@pytest.mark.parametrize("source", ["absent", "*.none"])
def test_a_source_without_pictures_is_refused(source: str, tmp_path: Path, agent: VisionGPT) -> None:
    with pytest.raises(InputError, match="pictures"):
        greyed(str(tmp_path / source), tmp_path / "out", agent)


def test_regions_are_exported_once(tmp_path: Path, agent: VisionGPT, needs: Callable[[str], None]) -> None:
    needs(jobs.DETECTION_FACES)
    plan, photos = "#1 = detect_faces(image=$1)", [sample_photo("astronaut"), sample_photo("coffee")]
    with Batch.open(photos, "find the faces", tmp_path / "out", agent=agent, keep_regions=True) as opened:
        opened.decide(plan)
        rows = list(opened.rows())
        opened.export("coco")
        data_set = opened.export("coco")

    written = json.loads((data_set / "annotations.json").read_text())
    assert len(written["images"]) == 2
    assert [one["name"] for one in written["categories"]] == ["face"]
    x1, y1, x2, y2 = rows[0].regions[0]["box"]
    assert [one["bbox"] for one in written["annotations"]] == [pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=0.2)]
    assert len(list((data_set / "images").iterdir())) == 2


def test_the_table_as_parquet(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    from visiongpt_agent.batch.parquet import write

    rows = greyed(folder, tmp_path / "out", agent)
    write(iter(rows), tmp_path / "out" / "table.parquet")
    table = parquet.read_table(tmp_path / "out" / "table.parquet")

    assert table.column("path").to_pylist() == NAMES
    assert table.column("status").to_pylist() == [row.status for row in rows]
    assert table.column("pictures").to_pylist()[0] == ["pictures/cat.jpg.png"]
    assert [json.loads(text) for text in table.column("counts").to_pylist()] == [{}] * 5
    # A table is a list of pictures too.
    listed = [picture.path for picture in pictures_of(tmp_path / "out" / "table.parquet")]
    assert listed == [tmp_path / "out" / name for name in NAMES]


def test_the_report_shows_what_came_of_it(folder: Path, tmp_path: Path, agent: VisionGPT) -> None:
    from visiongpt_agent.batch.report import write_report

    (folder / "<b>.jpg").write_bytes(sample_photo("rocket").read_bytes())
    with Batch.open(folder, REQUEST, tmp_path / "out", agent=agent) as opened:
        opened.decide(GREY)
        rows = list(opened.rows())
        page = write_report(opened).read_text("utf-8")

    assert rows[0].path == "<b>.jpg"
    assert "&lt;b&gt;.jpg" in page
    assert "<b>.jpg" not in page
    assert "trips/broken.jpg" in page
    assert page.count("data:image/jpeg;base64,") >= 2 * 5  # before and after of each picture that could be read


def test_a_row_survives_its_file(tmp_path: Path) -> None:
    table = Table(tmp_path / "table.jsonl")
    row = Row("a\udcff.jpg", "ab" * 32, "done", "an answer\nof two lines é", regions=({"label": "x", "box": [1, 2]},))
    table.append(row)
    table.append(replace(row, path="b.jpg", same_as="a\udcff.jpg"))
    table.close()

    again = Table(tmp_path / "table.jsonl")
    assert next(iter(again.rows())) == row
    assert again.worked("ab" * 32) == row
    assert again.names == {"a\udcff.jpg", "b.jpg"}
    again.close()
