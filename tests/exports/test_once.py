"""Each thing is exported once, however many steps found it; a data set grows without saying anything twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent import InputError, Regions, VisionResult
from visiongpt_agent.exports import FORMATS, export
from visiongpt_agent.exports.dataset import LabelledPicture, labelled_pictures
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.result import RegionResult

SIZE = (300, 200)
CUP = (20.0, 30.0, 80.0, 110.0)
DISH = (150.0, 100.0, 250.0, 160.0)


def boxed(*things: tuple[str, tuple[float, float, float, float]], score: float = 0.5) -> Regions:
    labels, boxes = zip(*things, strict=True)
    return Regions(SIZE, np.array(boxes), labels, np.full(len(things), score))


def outlined(label: str, box: tuple[float, float, float, float]) -> Regions:
    """A mask that leaves out the lower right quarter of its box."""
    x1, y1, x2, y2 = map(int, box)
    mask = np.zeros((1, SIZE[1], SIZE[0]), np.bool_)
    mask[0, y1:y2, x1:x2] = True
    mask[0, (y1 + y2) // 2 : y2, (x1 + x2) // 2 : x2] = False
    return Regions.from_masks(mask, [label])


def result(store: ImageStore, *found: tuple[str, Image.Image, Regions]) -> VisionResult:
    """Of ``(name of the image, picture, regions)`` a step each."""
    entries = [
        RegionResult(name, "detect_objects", store.add_regions(regions), (), store.add(picture).id, f"photo {name[1:]}")
        for name, picture, regions in found
    ]
    return VisionResult("", "", regions=tuple(entries), store=store)


def picture(colour: str = "grey") -> Image.Image:
    return Image.new("RGB", SIZE, colour)


def labels(pictures: Sequence[LabelledPicture]) -> list[list[str]]:
    return [list(entry.regions.labels) for entry in pictures]


def labels_in(form: str, folder: Path) -> dict[str, list[str]]:
    """The labels in a data set, by the name of the picture."""
    if form == "coco":
        documents = [json.loads(path.read_text()) for path in sorted(folder.glob("annotations*.json"))]
        names = {one["id"]: one["name"] for one in documents[0]["categories"]}
        return {
            image["file_name"]: [
                names[a["category_id"]] for a in document["annotations"] if a["image_id"] == image["id"]
            ]
            for document in documents
            for image in document["images"]
        }
    if form == "yolo":
        lines = (folder / "data.yaml").read_text().partition("names:\n")[2].splitlines()
        classes = [json.loads(line.partition(": ")[2]) for line in lines]
        return {
            path.name: [
                classes[int(line.split()[0])]
                for line in (folder / "labels" / f"{path.stem}.txt").read_text().splitlines()
            ]
            for path in sorted((folder / "images").iterdir())
        }
    if form == "labelme":
        read = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        return {document["imagePath"]: [shape["label"] for shape in document["shapes"]] for document in read}
    tasks = json.loads((folder / "tasks.json").read_text())
    return {
        task["data"]["image"].rpartition("/")[2]: [r["value"][r["type"]][0] for r in task["predictions"][0]["result"]]
        for task in tasks
    }


# ---------------------------------------------------------------------------------------------------------- one result


def test_what_two_steps_found_is_one_thing(store: ImageStore) -> None:
    nearly = (CUP[0] + 2, *CUP[1:])
    pictures = labelled_pictures(
        result(store, ("$1", picture(), boxed(("cup", CUP))), ("$1", picture(), boxed(("cup", nearly), ("dish", DISH))))
    )
    assert labels(pictures) == [["cup", "dish"]]


def test_the_same_photo_given_twice_is_one_picture(store: ImageStore) -> None:
    found = boxed(("cup", CUP), ("dish", DISH))
    assert labels(labelled_pictures(result(store, ("$1", picture(), found), ("$2", picture(), found)))) == [
        ["cup", "dish"]
    ]


@pytest.mark.parametrize("mask_first", [True, False])
def test_of_a_box_and_a_mask_of_one_thing_the_mask_is_exported(store: ImageStore, mask_first: bool) -> None:
    mask, box = outlined("cup", CUP), boxed(("dish", DISH), ("cup", CUP))
    steps = [("$1", picture(), mask), ("$1", picture(), box)]
    (entry,) = labelled_pictures(result(store, *(steps if mask_first else steps[::-1])))
    areas = dict(zip(entry.regions.labels, entry.regions.areas.tolist(), strict=True))
    assert areas == {"cup": 60 * 80 * 3 / 4, "dish": 100 * 60}


def test_two_alike_of_one_step_and_two_labels_at_one_place_stay(store: ImageStore) -> None:
    close = (CUP[0] + 3, *CUP[1:])
    crowd = boxed(("cup", CUP), ("cup", close))
    pictures = labelled_pictures(result(store, ("$1", picture(), crowd), ("$1", picture(), boxed(("mug", CUP)))))
    assert labels(pictures) == [["cup", "cup", "mug"]]


# ------------------------------------------------------------------------------------------------------ growing sets


@pytest.mark.parametrize("form", FORMATS)
def test_a_data_set_grows(form: str, store: ImageStore, tmp_path: Path) -> None:
    first = export(result(store, ("$1", picture(), boxed(("dish", DISH)))), form, tmp_path, append=True)
    more = result(
        store, ("$1", picture(), boxed(("dish", DISH), ("cup", CUP))), ("$2", picture("red"), boxed(("cup", CUP)))
    )
    for _ in range(2):  # the second time there is nothing new
        assert export(more, form, tmp_path, append=True) == first
        assert labels_in(form, first) == {"photo_1.png": ["dish", "cup"], "photo_2.png": ["cup"]}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mask_first", [True, False])
def test_masks_and_boxes_come_together_in_a_growing_set(
    form: str, mask_first: bool, store: ImageStore, tmp_path: Path
) -> None:
    ring = np.zeros((1, SIZE[1], SIZE[0]), np.bool_)
    ring[0, 20:120, 20:120] = True
    ring[0, 50:80, 50:80] = False
    steps = [boxed(("dish", DISH)), Regions.from_masks(ring, ["ring"])]
    for regions in steps[::-1] if mask_first else steps:
        folder = export(result(store, ("$1", picture(), regions)), form, tmp_path, append=True)
    export(result(store, *(("$1", picture(), regions) for regions in steps)), form, tmp_path, append=True)

    (there,) = labels_in(form, folder).values()
    assert sorted(there) == ["dish", "ring"]
    if form == "yolo":
        rows = (folder / "labels" / "photo_1.txt").read_text().splitlines()
        assert all(len(row.split()) >= 7 for row in rows), "one kind of row: a box among polygons is read as a sliver"


def test_what_a_person_corrected_stays(store: ImageStore, tmp_path: Path) -> None:
    found = result(store, ("$1", picture(), boxed(("cup", CUP))))
    folder = export(found, "labelme", tmp_path, append=True)
    file = folder / "photo_1.json"
    document = json.loads(file.read_text())
    document["shapes"][0] |= {"description": "chipped", "points": [[21, 30], [80, 110]]}
    document["flags"] = {"reviewed": True}
    file.write_text(json.dumps(document))

    export(result(store, ("$1", picture(), boxed(("cup", CUP), ("dish", DISH)))), "labelme", tmp_path, append=True)

    after = json.loads(file.read_text())
    assert after["flags"] == {"reviewed": True}
    assert after["shapes"][0] == document["shapes"][0]
    assert [shape["label"] for shape in after["shapes"]] == ["cup", "dish"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_share_is_held_out_and_stays_so(form: str, store: ImageStore, tmp_path: Path) -> None:
    def photos(*numbers: int) -> VisionResult:
        return result(
            store, *((f"${n}", Image.new("RGB", SIZE, (n, n, n)), boxed(("cup", CUP), ("dish", DISH))) for n in numbers)
        )

    folder = export(photos(*range(1, 6)), form, tmp_path, append=True, val=0.4)
    held_out = (folder / "val.txt").read_text().split()
    export(photos(*range(3, 11)), form, tmp_path, append=True, val=0.4)

    lists = [(folder / name).read_text().split() for name in ("train.txt", "val.txt")]
    assert [len(names) for names in lists] == [6, 4]
    assert lists[1][:2] == held_out
    paths = [folder / line for names in lists for line in names]
    assert len(set(paths)) == 10
    assert all(path.is_file() for path in paths)
    assert set(labels_in(form, folder)) == {path.name for path in paths}
    if form == "coco":
        train, val = (json.loads((folder / f"annotations_{part}.json").read_text()) for part in ("train", "val"))
        assert [len(part["images"]) for part in (train, val)] == [6, 4]
        assert [len(part["annotations"]) for part in (train, val)] == [12, 8]
        assert len({a["id"] for part in (train, val) for a in part["annotations"]}) == 20
        assert not (folder / "annotations.json").exists()
    if form == "yolo":
        assert (folder / "data.yaml").read_text().startswith("train: train.txt\nval: val.txt\n")
    if form == "labelstudio":
        tasks = json.loads((folder / "tasks.json").read_text())
        assert [task["data"]["split"] for task in tasks].count("val") == 4


@pytest.mark.parametrize("share", [-0.1, 1, 20])
def test_what_is_no_share_is_refused(share: float, store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"from 0 to below 1, such as 0\.2"):
        export(result(store, ("$1", picture(), boxed(("cup", CUP)))), "coco", tmp_path, val=share)


@pytest.mark.parametrize(
    ("form", "file"), [("coco", "annotations.json"), ("yolo", "data.yaml"), ("labelstudio", "tasks.json")]
)
def test_nothing_is_added_to_a_damaged_set(form: str, file: str, store: ImageStore, tmp_path: Path) -> None:
    found = result(store, ("$1", picture(), boxed(("cup", CUP))))
    folder = export(found, form, tmp_path, append=True)
    (folder / file).write_text("{no")
    with pytest.raises(InputError, match="nothing can be added"):
        export(found, form, tmp_path, append=True)
    assert (folder / file).read_text() == "{no"


# ------------------------------------------------------------------------------------------------------------- files


def kept(store: ImageStore, path: Path) -> VisionResult:
    image = store.add(path, Provenance("user", path.name, path=str(path)))
    regions = Regions((image.width, image.height), np.array([[1, 1, 9, 9]]), ("cup",))
    entry = RegionResult("$1", "detect_objects", store.add_regions(regions), (), image.id, path.stem)
    return VisionResult("", "", regions=(entry,), store=store)


@pytest.mark.parametrize("name", ["a photo.jpg", "scan.v2.PNG", "shot.webp"])
def test_an_original_file_is_copied_as_it_is(name: str, store: ImageStore, tmp_path: Path) -> None:
    path = tmp_path / name
    Image.effect_noise((40, 30), 60).convert("RGB").save(path, quality=70)

    folder = export(kept(store, path), "coco", tmp_path)

    (copy,) = (folder / "images").iterdir()
    assert copy.read_bytes() == path.read_bytes()
    assert copy.suffix == path.suffix.lower()


def test_what_readers_would_see_otherwise_is_written_anew(store: ImageStore, tmp_path: Path) -> None:
    """A file that EXIF turns, one that has changed since, one that is gone: the picture that was looked at counts."""
    turned, changed, gone = (tmp_path / f"{name}.jpg" for name in ("turned", "changed", "gone"))
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, path in enumerate((turned, changed, gone)):
        Image.new("RGB", (40, 30), (0, 80 * number, 0)).save(path, exif=exif if path == turned else Image.Exif())
    results = [kept(store, path) for path in (turned, changed, gone)]
    Image.new("RGB", (40, 30), "red").save(changed)
    gone.unlink()

    for found, path in zip(results, (turned, changed, gone), strict=True):
        folder = export(found, "yolo", tmp_path / path.stem)
        (copy,) = (folder / "images").iterdir()
        assert copy.suffix == ".png"
        assert found.store is not None
        assert Image.open(copy).tobytes() == found.store.open(found.regions[0].image).tobytes()


def test_pictures_of_one_name_are_told_apart(store: ImageStore, tmp_path: Path) -> None:
    found = []
    for colour in ("red", "blue"):
        path = tmp_path / colour / "photo.png"
        path.parent.mkdir()
        Image.new("RGB", (40, 30), colour).save(path)
        found.append(kept(store, path).regions[0])

    folder = export(VisionResult("", "", regions=tuple(found), store=store), "yolo", tmp_path)

    assert labels_in("yolo", folder) == {"photo.png": ["cup"], "photo-2.png": ["cup"]}
