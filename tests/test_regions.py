"""Regions: what construction refuses, and what every operation must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visiongpt_agent.errors import InputError
from visiongpt_agent.regions import BoolArray, FloatArray, Regions

SIZE = (40, 30)


def boxes_of(*boxes: tuple[float, float, float, float]) -> FloatArray:
    return np.array(boxes, np.float32).reshape(-1, 4)


@st.composite
def regions(draw: st.DrawFn, masked: bool | None = None) -> Regions:
    count = draw(st.integers(0, 5))
    rows = []
    for _ in range(count):
        x1, y1 = draw(st.integers(0, SIZE[0] - 2)), draw(st.integers(0, SIZE[1] - 2))
        rows.append((x1, y1, draw(st.integers(x1 + 1, SIZE[0])), draw(st.integers(y1 + 1, SIZE[1]))))
    labels = tuple(draw(st.lists(st.sampled_from(["dog", "cat", "", "größe"]), min_size=count, max_size=count)))
    scores = draw(st.lists(st.floats(0, 1, width=32), min_size=count, max_size=count))
    boxes = boxes_of(*rows)
    masks = None
    if draw(st.booleans()) if masked is None else masked:
        masks = np.zeros((count, SIZE[1], SIZE[0]), np.bool_)
        for mask, (x1, y1, x2, y2) in zip(masks, rows, strict=True):
            mask[y1:y2, x1:x2] = True
    return Regions(SIZE, boxes, labels, np.array(scores, np.float32), masks)


def same(one: Regions, other: Regions) -> bool:
    masks_equal = (one.masks is None) == (other.masks is None) and (
        one.masks is None or other.masks is None or np.array_equal(one.masks, other.masks)
    )
    return (
        one.size == other.size
        and np.array_equal(one.boxes, other.boxes)
        and one.labels == other.labels
        and np.array_equal(one.confidence, other.confidence)
        and masks_equal
    )


@pytest.mark.parametrize(
    ("boxes", "labels", "scores", "message"),
    [
        ([(5, 5, 5, 9)], (), None, "empty"),
        ([(9, 5, 5, 9)], (), None, "empty"),
        ([(-1, 0, 5, 5)], (), None, "outside"),
        ([(0, 0, 41, 5)], (), None, "outside"),
        ([(0, 0, 5, 31)], (), None, "outside"),
        ([(0, 0, float("nan"), 5)], (), None, "finite"),
        ([(0, 0, 5, 5)], ("a", "b"), None, "labels"),
        ([(0, 0, 5, 5)], ("a",), [0.5, 0.5], "scores"),
        ([(0, 0, 5, 5)], ("a",), [float("inf")], "finite"),
        ([(0, 0, 5, 5)], ("a",), [1.5], "from 0 to 1"),
        ([(0, 0, 5, 5)], ("a",), [-0.5], "from 0 to 1"),
        ([], ("a",), None, "labels"),
    ],
)
def test_construction_refuses(
    boxes: list[tuple[float, ...]], labels: tuple[str, ...], scores: list[float] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Regions(
            SIZE, np.array(boxes, np.float32).reshape(-1, 4), labels, None if scores is None else np.array(scores)
        )  # fmt: skip


@pytest.mark.parametrize(
    "masks",
    [np.zeros((1, 40, 30), np.bool_), np.zeros((2, 30, 40), np.bool_), np.zeros((1, 30, 40), np.uint8)],
    ids=["width and height swapped", "too many", "not bool"],
)
def test_construction_refuses_masks(masks: BoolArray) -> None:
    with pytest.raises(InputError, match="masks must be bool"):
        Regions(SIZE, boxes_of((0, 0, 5, 5)), masks=masks)


def test_an_image_without_pixels_has_no_regions() -> None:
    with pytest.raises(InputError, match="0x30"):
        Regions((0, 30))


def test_later_changes_of_the_arrays_handed_in_do_not_reach_the_regions() -> None:
    boxes, scores = boxes_of((1, 2, 3, 4)), np.array([0.5], np.float32)
    kept = Regions(SIZE, boxes, scores=scores)
    boxes[:], scores[:] = 0, 0
    assert kept.boxes.tolist() == [[1, 2, 3, 4]]
    assert kept.confidence.tolist() == [0.5]


def test_clipped_cuts_at_the_border_and_drops_what_is_outside() -> None:
    raw = [(-10, -10, 10, 10), (35, 25, 99, 99), (50, 50, 60, 60), (5, 5, 5.5, 20), (20, 20, 10, 10)]
    found = Regions.clipped(SIZE, raw, ["a", "b", "c", "d", "e"], [0.9, 1.2, 0.5, 0.5, 0.5])
    assert found.boxes.tolist() == [[0, 0, 10, 10], [35, 25, 40, 30]]
    assert found.labels == ("a", "b")
    assert found.confidence.tolist() == pytest.approx([0.9, 1.0])


def test_from_masks_draws_tight_boxes_and_drops_empty_masks() -> None:
    masks = np.zeros((3, 30, 40), np.bool_)
    masks[0, 10:12, 5:9] = True
    masks[2, 29, 39] = True
    found = Regions.from_masks(masks, ("a", "b", "c"), [0.1, 0.2, 0.3])
    assert found.boxes.tolist() == [[5, 10, 9, 12], [39, 29, 40, 30]]
    assert found.labels == ("a", "c")
    assert found.areas.tolist() == [8, 1]
    assert found.confidence.tolist() == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize(("labels", "scores"), [(("a",), None), (("a", "b", "c"), None), ((), [0.5])])
def test_from_masks_refuses_other_counts(labels: tuple[str, ...], scores: list[float] | None) -> None:
    with pytest.raises(InputError, match="2 masks need 2"):
        Regions.from_masks(np.ones((2, 30, 40), np.bool_), labels, scores)


def test_from_masks_refuses_a_single_flat_mask() -> None:
    with pytest.raises(InputError, match=r"\(30, 40\)"):
        Regions.from_masks(np.ones((30, 40), np.bool_))


def test_iou_by_hand() -> None:
    one = Regions(SIZE, boxes_of((0, 0, 10, 10)))
    others = Regions(SIZE, boxes_of((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30)))
    assert one.iou(others)[0].tolist() == pytest.approx([1, 1 / 3, 0])


def test_nms_keeps_the_surer_of_one_label_and_both_of_two() -> None:
    boxes = boxes_of((0, 0, 10, 10), (1, 0, 11, 10), (1, 0, 11, 10), (20, 20, 30, 30))
    found = Regions(SIZE, boxes, ("dog", "dog", "cat", "dog"), np.array([0.5, 0.9, 0.4, 0.3], np.float32)).nms(0.5)
    assert [(label, round(float(s), 1)) for label, s in zip(found.labels, found.confidence, strict=True)] == [
        ("dog", 0.9),
        ("cat", 0.4),
        ("dog", 0.3),
    ]


def test_union_mask_of_boxes_covers_every_pixel_that_a_box_touches() -> None:
    mask = Regions(SIZE, boxes_of((1.5, 2.5, 3.5, 4.5))).union_mask()
    assert mask.shape == (30, 40)
    assert np.argwhere(mask).min(axis=0).tolist() == [2, 1]
    assert np.argwhere(mask).max(axis=0).tolist() == [4, 3]


def test_merging_with_nothing_keeps_the_masks() -> None:
    masked = Regions.from_masks(np.ones((1, 30, 40), np.bool_), ("all",))
    assert same(masked.merge(Regions(SIZE)), masked)
    assert same(Regions(SIZE).merge(masked), masked)


def test_masks_stay_where_others_have_none() -> None:
    spot = np.zeros((1, 30, 40), np.bool_)
    spot[0, 5:10, 20:30] = True
    one, other = Regions.from_masks(spot, ("spot",)), Regions(SIZE, boxes_of((0, 0, 4, 6)), ("box",))
    for both, place in ((one.merge(other), 0), (other.merge(one), 1)):
        assert both.outlined.tolist() == [i == place for i in (0, 1)]
        mask = both.mask(place)
        assert mask is not None
        assert np.array_equal(mask, spot[0])
        assert both.mask(1 - place) is None
        assert both.areas[[place, 1 - place]].tolist() == [50, 24]
        assert both.union_mask().sum() == 74
        assert both.select([1 - place]).areas.tolist() == [24]


def test_regions_of_two_pictures_do_not_merge() -> None:
    with pytest.raises(InputError, match=r"\(40, 30\)"):
        Regions(SIZE).merge(Regions((30, 40)))


def test_select_takes_positions_and_masks_of_booleans() -> None:
    three = Regions(SIZE, boxes_of((0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3)), ("a", "b", "c"))
    assert three.select([2, 0]).labels == ("c", "a")
    assert three.select(np.array([False, True, True])).labels == ("b", "c")
    assert len(three.select([])) == 0


@given(regions())
def test_bytes_round_trip_and_are_the_same_each_time(found: Regions) -> None:
    assert same(Regions.from_bytes(found.to_bytes()), found)
    assert found.to_bytes() == found.to_bytes()


@given(regions())
def test_iou_is_symmetric_and_one_on_the_diagonal(found: Regions) -> None:
    overlap = found.iou(found)
    assert np.allclose(overlap, overlap.T)
    assert np.allclose(np.diag(overlap), 1)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-6)).all()


@given(regions(), st.floats(0.1, 0.9))
def test_nms_leaves_no_overlap_of_one_label_and_is_done_after_once(found: Regions, threshold: float) -> None:
    kept = found.nms(threshold)
    overlap = kept.iou(kept)
    for i, one in enumerate(kept.labels):
        for j, other in enumerate(kept.labels):
            assert i == j or one != other or overlap[i, j] <= threshold
    assert same(kept.nms(threshold), kept)
    assert set(found.labels) == set(kept.labels)


@given(regions(masked=True))
def test_masks_and_boxes_agree(found: Regions) -> None:
    assert found.masks is not None
    again = Regions.from_masks(found.masks, found.labels, found.confidence)
    assert same(again, found)
    assert np.array_equal(found.union_mask(), Regions(SIZE, found.boxes).union_mask())
    assert np.array_equal(found.areas, Regions(SIZE, found.boxes).areas)


@given(regions(), regions())
def test_merge_keeps_all(one: Regions, other: Regions) -> None:
    both = one.merge(other)
    assert len(both) == len(one) + len(other)
    assert both.labels == one.labels + other.labels


@given(regions())
def test_dicts_hold_plain_values_only(found: Regions) -> None:
    for row in found.to_dicts():
        assert isinstance(row["label"], str)
        assert type(row["score"]) is float
        assert all(type(v) is float for v in row["box"])
