"""Colour words: what they must be near to, judged by hue, lightness and saturation rather than exact values."""

from __future__ import annotations

import colorsys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visiongpt_agent.pictures.colors import RGB, color_difference, name_color, parse_color, to_lab

CHANNEL = st.integers(0, 255)


@pytest.mark.parametrize(
    ("text", "rgb"),
    [
        ("red", (255, 0, 0)),
        ("  Blue ", (0, 0, 255)),
        ("#0f0", (0, 255, 0)),
        ("#1E90FF", (30, 144, 255)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        ("RebeccaPurple", (102, 51, 153)),
        ("dodger blue", (30, 144, 255)),
        ("dark-red", (139, 0, 0)),
        ("matte black", (0, 0, 0)),
        ("gray", (128, 128, 128)),
        ("grey", (128, 128, 128)),
        ("the color white", (255, 255, 255)),
        ("a shade of navy", (0, 0, 128)),
    ],
)
def test_exact(text: str, rgb: RGB) -> None:
    assert parse_color(text) == rgb


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("sage green", {"green", "light green", "grey", "beige"}),
        ("mustard yellow", {"yellow", "orange", "olive"}),
        ("navy blue", {"dark blue"}),
        ("emerald green", {"green"}),
        ("forest green", {"green", "dark green"}),
        ("sky blue", {"light blue"}),
        ("racing green", {"green"}),
        ("cream", {"white", "beige"}),
        ("off-white", {"white"}),
        ("charcoal", {"dark grey"}),
        ("charcoal gray", {"dark grey"}),
        ("burgundy", {"dark red"}),
        ("reddish brown", {"brown", "dark red", "red"}),
        ("bluish", {"blue"}),
        ("dark green", {"dark green"}),
        ("very dark blue", {"dark blue"}),
        ("hot pink", {"pink", "magenta"}),
        ("rose gold", {"pink", "grey", "brown", "beige"}),
        ("candy apple red", {"red"}),
        ("fire engine red", {"red"}),
        ("pale yellow", {"beige", "yellow", "white"}),
        ("light purple", {"light purple"}),
        ("dark brown", {"brown", "dark red", "black", "dark grey"}),
        ("blue-green", {"teal", "green"}),
        ("light brown", {"beige", "brown", "orange"}),
        ("bright red", {"red"}),
    ],
)
def test_meaning(text: str, plain: set[str]) -> None:
    rgb = parse_color(text)
    assert rgb is not None
    assert name_color(rgb) in plain


@pytest.mark.parametrize(
    ("lighter", "darker"),
    [("pale blue", "blue"), ("red", "dark red"), ("light grey", "dark gray"), ("light brown", "deep brown")],
)
def test_modifiers_order_lightness(lighter: str, darker: str) -> None:
    light, dark = parse_color(lighter), parse_color(darker)
    assert light is not None
    assert dark is not None
    assert to_lab(light)[0] > to_lab(dark)[0] + 5


@pytest.mark.parametrize("base", ["red", "green", "purple", "orange", "teal", "brown"])
@pytest.mark.parametrize("modifier", ["light", "pale", "dark", "deep", "bright"])
def test_modifiers_keep_hue(base: str, modifier: str) -> None:
    plain, changed = parse_color(base), parse_color(f"{modifier} {base}")
    assert plain is not None
    assert changed is not None
    apart = abs(_hue(plain) - _hue(changed))
    assert min(apart, 1 - apart) < 0.09


def _hue(color: RGB) -> float:
    return colorsys.rgb_to_hsv(*(c / 255 for c in color))[0]


@pytest.mark.parametrize(
    "text",
    ["", "  ", "dog", "a happy dog", "red car", "a beach with blue", "sunset", "gradient from blue to white", "not red",
     "#12", "#zzzzzz", "rgb(300, 1)", "make it winter", "black and white", "blue!!??x", "42", "light", "rouge"],
)  # fmt: skip
def test_no_colour(text: str) -> None:
    assert parse_color(text) is None


@pytest.mark.parametrize(
    ("rgb", "name"),
    [((255, 0, 0), "red"), ((0, 128, 0), "green"), ((20, 20, 20), "black"), ((250, 250, 248), "white"),
     ((130, 128, 126), "grey"), ((135, 206, 235), "light blue"), ((139, 69, 19), "brown"), ((255, 165, 0), "orange"),
     ((0, 0, 128), "dark blue"), ((255, 192, 203), "pink")],
)  # fmt: skip
def test_names(rgb: RGB, name: str) -> None:
    assert name_color(rgb) == name


def test_lab_of_known_colours() -> None:
    """Reference values of CIE 1976 L*a*b* for the sRGB primaries under D65, to a tenth."""
    assert to_lab((255, 255, 255)) == pytest.approx((100, 0, 0), abs=0.1)
    assert to_lab((255, 0, 0)) == pytest.approx((53.2, 80.1, 67.2), abs=0.1)
    assert to_lab((0, 0, 255)) == pytest.approx((32.3, 79.2, -107.9), abs=0.1)


@given(CHANNEL, CHANNEL, CHANNEL)
def test_hexadecimal_round_trip(red: int, green: int, blue: int) -> None:
    assert parse_color(f"#{red:02x}{green:02x}{blue:02x}") == (red, green, blue)


@given(CHANNEL, CHANNEL, CHANNEL)
def test_a_name_reads_back_as_itself(red: int, green: int, blue: int) -> None:
    name = name_color((red, green, blue))
    back = parse_color(name)
    assert back is not None
    assert color_difference(back, (red, green, blue)) < 90


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    color = parse_color(text)
    assert color is None or all(0 <= channel <= 255 for channel in color)
