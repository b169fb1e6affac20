"""Which language a request is in, as far as that decides whether it can be planned here.

It goes by scripts and by short lists of frequent words. What it does not know for another language counts as English:
a word in a foreign spelling, a name or a quotation make no request foreign.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from visiongpt_agent.language.lexicon import CARDINALS, DETERMINERS, PICTURE, PRONOUNS, REMOVE

ONLY_ENGLISH: Final = "I understand only English here: please ask in English."
_REFUSALS: Final = {
    "de": "Ich verstehe hier nur Englisch: bitte auf Englisch fragen.",
    "fr": "Je ne comprends ici que l'anglais : merci de demander en anglais.",
    "es": "Aquí solo entiendo inglés: por favor, pregunte en inglés.",
    "it": "Qui capisco solo l'inglese: per favore, chieda in inglese.",
    "pt": "Aqui só entendo inglês: por favor, pergunte em inglês.",
    "nl": "Ik begrijp hier alleen Engels: vraag het alstublieft in het Engels.",
    "sv": "Här förstår jag bara engelska: fråga gärna på engelska.",
    "pl": "Rozumiem tu tylko angielski: proszę zapytać po angielsku.",
    "tr": "Burada yalnızca İngilizce anlıyorum: lütfen İngilizce sorun.",
    "ja": "ここでは英語しか分かりません。英語でお願いします。",
    "zh": "这里我只懂英语，请用英语提问。",
    "ko": "여기서는 영어만 이해합니다. 영어로 요청해 주세요.",
    "ru": "Здесь я понимаю только английский: пожалуйста, спросите по-английски.",
    "uk": "Тут я розумію лише англійську: будь ласка, запитайте англійською.",
    "ar": "أفهم الإنجليزية فقط هنا: يرجى السؤال بالإنجليزية.",
    "el": "Εδώ καταλαβαίνω μόνο αγγλικά: παρακαλώ ρωτήστε στα αγγλικά.",
    "he": "כאן אני מבין רק אנגלית: נא לשאול באנגלית.",
    "hi": "यहाँ मैं केवल अंग्रेज़ी समझता हूँ: कृपया अंग्रेज़ी में पूछें।",
    "th": "ที่นี่ฉันเข้าใจเฉพาะภาษาอังกฤษ โปรดถามเป็นภาษาอังกฤษ",
}

_SCRIPTS: Final = (
    *(("HIRAGANA", "ja"), ("KATAKANA", "ja"), ("HANGUL", "ko"), ("CJK", "zh"), ("CYRILLIC", "ru"), ("ARABIC", "ar")),
    *(("GREEK", "el"), ("HEBREW", "he"), ("DEVANAGARI", "hi"), ("THAI", "th")),
)
"""How letters' names in Unicode begin, and the language that it most likely stands for; the first one counts."""

_WORDS: Final = {
    "de": "wie viele was wo ist sind der die das dem den des ein eine einen und nicht auf im am zu mit von für bitte"
    " mir finde zeig zeige entferne lösche mach mache drehe schneide beschreibe lies zähle spiegle welche gibt es"
    " bild foto hintergrund gesichter personen menschen leute hund hunde katze auto schwarz weiß heller dunkler steht",
    "fr": "combien où est sont le la les un une des du de et dans sur il elle y ce cette quelle quel que qui avec pour"
    " trouve montre supprime efface enlève décris lis tourne recadre compte floute merci personnes visages chien chat"
    " voiture noir blanc fond arrière-plan l d qu s'il vous plaît rends fais mets plus au aux",
    "es": "cuántos cuántas cuantos cuantas hay dónde donde está están el la los las un una en de del y qué que con por"
    " favor encuentra busca borra quita elimina gira lee recorta cuenta muestra difumina imagen foto personas gente"
    " perro gato coche caras rostros blanco negro fondo haz más esta este",
    "it": "quante quanti dove è sono il lo la i gli le un una di del della dei nella nel e che cosa ci con per trova"
    " rimuovi togli elimina ruota leggi descrivi conta mostra sfoca ritaglia immagine foto persone cane gatto volti"
    " sfondo bianco nero rendi più questa questo ogni",
    "pt": "quantas quantos onde está estão os as um uma na no da do dos das em que há com por favor encontre remova"
    " apague tire leia descreva conte mostre gire imagem foto pessoas cachorro gato rostos fundo preto branco mais"
    " esta este deixe",
    "nl": "hoeveel waar zijn het een de op en van met vind verwijder draai lees beschrijf tel toon wat staat staan er"
    " afbeelding foto mensen personen hond kat gezichten achtergrond zwart wit maak dit deze alsjeblieft",
    "sv": "hur många finns på och är var en ett den det bilden bild hitta ta bort räkna vad står personer hund katt"
    " bakgrunden gör svartvit",
    "pl": "ile jest są na zdjęciu i w z co gdzie znajdź usuń policz osób ludzi pies kot tło twarze zrób czarno-białe",
    "tr": "kaç kişi var resimde fotoğrafta nerede ne bul sil arka planı kaldır say köpek kedi ve bir bu yüzleri",
}
_ENGLISH_WORDS: Final = (
    "to of in on at is are was how many much what where which who when why does do did can could would please find"
    " locate show count make turn put give tell get read describe blur crop add change draw paint let take keep and"
    " or but with without from for as by into not no there here more less than then also only just out up down person"
    " people man woman child face faces dog cat car thing background colour color black white red blue green left"
    " right top bottom half size text code sign rotate flip mirror resize enlarge sharpen brighter darker me i you we"
    " us so if one has have been be look like say says translate"
)
_SHARED: Final = " ".join((*DETERMINERS, *PRONOUNS, *PICTURE, *CARDINALS, *REMOVE))
_ENGLISH: Final = frozenset(f"{_ENGLISH_WORDS} {_SHARED}".split())
_LISTS: Final = {code: frozenset(words.split()) for code, words in _WORDS.items()}


def other_language(request: str) -> str:
    """The code of the language that a request is in, ``""`` for English and where nothing speaks for another.

    Example:
        >>> other_language("Wie viele Personen sind auf dem Bild?"), other_language("find the crème brûlée")
        ('de', '')
    """
    text = re.sub(r'"[^"]*"|“[^”]*”|«[^»]*»|\S+\.\w{2,4}\b|\$\d+', " ", request)
    before, colon, _ = text.partition(":")
    text = before if colon and len(before.split()) > 1 else text  # "translate the sign: ..."
    letters = [letter for letter in text if letter.isalpha()]
    scripts = [unicodedata.name(letter, "").split()[0].split("-")[0] for letter in letters]
    foreign = [script for script in scripts if script != "LATIN" and script in dict(_SCRIPTS)]
    if len(foreign) > len(letters) / 2:
        code = next(code for script, code in _SCRIPTS if script in foreign)
        return "uk" if code == "ru" and re.search("[іїєґ]", text.lower()) else code
    words = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text.lower())
    english = sum(word in _ENGLISH for word in words)
    hits = {code: sum(word in known for word in words) for code, known in _LISTS.items()}
    code = max(hits, key=lambda code: hits[code])
    enough = 1 if any(not letter.isascii() for letter in letters) else 2
    return code if hits[code] >= enough and hits[code] > english else ""


def only_english(code: str) -> str:
    """That only English is understood, in the language of that code and in English."""
    own = _REFUSALS.get(code)
    return f"{own} ({ONLY_ENGLISH})" if own else ONLY_ENGLISH
