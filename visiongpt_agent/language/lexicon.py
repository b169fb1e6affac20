"""Lists of English words, each once, and how a regular expression is made of one.

A rule that needs further words adds them where it stands: ``one_of((*PICTURE, "upload"))``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from visiongpt_agent.language.english import NUMBER_WORDS
from visiongpt_agent.language.english import plural as plural_of

PICTURE: Final = ("picture", "image", "photo", "photograph", "pic", "foto")
"""What a person calls a picture."""
SHOTS: Final = ("shot", "scan", "frame", "page")
"""What a picture is also called; alone, such a word may mean something else."""

CARDINALS: Final = (
    *NUMBER_WORDS[1:],
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
"""The numbers from 1 to 20."""
TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

ARTICLES: Final = ("the", "a", "an")
POINTING: Final = ("this", "that", "these", "those")
POSSESSIVES: Final = ("my", "your", "his", "her", "its", "our", "their")
WHOLES: Final = ("all", "every", "each", "both", "any")
"""Determiners that mean each of several things, however many there are."""
DETERMINERS: Final = (*ARTICLES, *POINTING, *POSSESSIVES, *WHOLES)
PRONOUNS: Final = ("it", "they", "them", "he", "she", "him", "this", "that", "these", "those")

REMOVE: Final = ("remove", "erase", "delete", "get rid of", "take out", "take away", "edit out", "wipe out")
"""Verbs that ask for a thing to be gone from the picture."""
REPLACE: Final = ("replace", "swap")
BLUR: Final = ("blur", "pixelate", "anonymise", "anonymize", "censor")
"""Verbs that ask for a thing to become unrecognizable."""

GREETINGS: Final = (
    *("hi", "hiya", "hello", "hey", "howdy", "greetings", "yo", "bonjour", "hallo", "hola", "ciao", "servus"),
    "namaste",
)
THANKS: Final = ("thanks", "thank you", "thank", "thx", "ta", "cheers", "merci", "danke", "gracias", "grazie")
FAREWELLS: Final = ("bye", "goodbye", "good night", "see you")
PRAISE: Final = ("great", "perfect", "nice", "lovely", "wonderful", "excellent", "brilliant", "super", "awesome")
DAYTIMES: Final = ("morning", "afternoon", "evening", "day", "night", "morgen", "tag", "abend")

COLORS: Final = (
    *("red", "blue", "green", "yellow", "orange", "purple", "pink", "black", "white", "brown", "grey", "gray", "gold"),
    *("silver", "navy", "teal", "magenta", "turquoise", "beige"),
)
MEDIA: Final = (
    *("painting", "drawing", "sketch", "watercolor", "watercolour", "aquarelle", "etching", "engraving", "woodcut"),
    *("linocut", "lithograph", "mosaic", "fresco", "cartoon", "comic", "print", "stained glass"),
)
"""What a picture can be made to look like."""


def one_of(words: Iterable[str], plural: bool = False) -> str:
    """A group of a regular expression that matches any of the words, the longest that fits.

    Args:
        words: Words or phrases, as they are written.
        plural: Whether their plurals match, too.

    Example:
        >>> one_of(("pic", "picture"), plural=True)
        '(?:pictures|picture|pics|pic)'
    """
    forms = {form for word in words for form in ((word, plural_of(word)) if plural else (word,))}
    return f"(?:{'|'.join(re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form)))})"
