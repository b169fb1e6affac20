"""Requests in other languages are told from English ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from visiongpt_agent.language.languages import only_english, other_language

REQUESTS = Path(__file__).parents[1] / "planning"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("Wie viele Personen sind auf dem Bild?", "de"), ("Entferne bitte den Hintergrund", "de"),
        ("Mach das Bild schwarz-weiß", "de"), ("Zähle die Hunde", "de"), ("Wo ist der Hund?", "de"),
        ("Combien de personnes y a-t-il ?", "fr"), ("Où est le chat ?", "fr"), ("Floute les visages", "fr"),
        ("Enlève l'arrière-plan", "fr"), ("¿Cuántas personas hay en la foto?", "es"), ("Quita el fondo", "es"),
        ("Quante persone ci sono nella foto?", "it"), ("Rimuovi lo sfondo", "it"),
        ("Quantas pessoas há na imagem?", "pt"),
        ("Hoeveel mensen staan er op de foto?", "nl"), ("Hur många hundar finns på bilden?", "sv"),
        ("Ile osób jest na zdjęciu?", "pl"), ("Resimde kaç kişi var?", "tr"), ("画像に何人いますか", "ja"),
        ("图片里有多少人？", "zh"), ("사진에 몇 명이 있나요?", "ko"), ("Сколько людей на фото?", "ru"),
        ("Скільки людей на світлині?", "uk"), ("كم عدد الأشخاص في الصورة؟", "ar"), ("Πόσοι άνθρωποι υπάρχουν;", "el"),
    ],
)  # fmt: skip
def test_a_request_in_another_language_is_known_for_it(request_: str, code: str) -> None:
    assert other_language(request_) == code
    assert only_english(code).endswith("(I understand only English here: please ask in English.)")


@pytest.mark.parametrize(
    "request_",
    [
        "find the crème brûlée", "blur la tour Eiffel", "de-noise it", "sepia", "320x240", "make it look like Van Gogh",
        'what does "Wie geht es dir" mean here?', "find the die", "crop wie_viele_hunde.jpg to the dog", "", "!!!",
        "translate the sign: où est la gare", "find the El Niño chart", "count the people", "is there a café?",
    ],
)  # fmt: skip
def test_foreign_words_make_no_request_foreign(request_: str) -> None:
    assert other_language(request_) == ""


def test_no_english_request_is_taken_for_another_language() -> None:
    lines = [line for file in sorted(REQUESTS.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    requests = [str(json.loads(line).get("request", "")) for line in lines]

    assert len(requests) > 500
    assert [request for request in requests if other_language(request)] == []
