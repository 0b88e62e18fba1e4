"""Near-duplicates: a text again with a word changed, a greeting before it, an emoji behind it."""

from collections.abc import Sequence

import numpy as np

from sievert.simulation.gaps import draw_plain

_SHORT = 40
"""Texts of fewer characters keep their words and get no greeting, or they would be other texts."""

_TWINS = {
    "and": "&",
    "you": "u",
    "are": "r",
    "very": "really",
    "really": "very",
    "people": "folks",
    "the": "that",
    "always": "allways",
    "because": "cause",
    "this": "that",
    "with": "w/",
    "today": "tday",
    "never": "nevr",
    "about": "abt",
}


def retouched(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return each text [n] slightly changed, as people do who pass on what they did not write."""
    count = len(texts)
    tricks = rng.integers(len(_TRICKS), size=count).tolist()
    places = rng.random(count).tolist()
    greetings, emoji = draw_plain("greeting", count, rng), draw_plain("emoji", count, rng)
    return [
        _retouched(text, trick, at, greeting, sign)
        for text, trick, at, greeting, sign in zip(texts, tricks, places, greetings, emoji, strict=True)
    ]


def slipped(text: str, at: float) -> str:
    """Return the text as fingers slip: two neighbouring letters swapped near a place from 0 to 1."""
    start = int(at * len(text))
    for i in range(start, len(text) - 2):
        if text[i].isalpha() and text[i + 1].isalpha() and text[i] != text[i + 1]:
            return f"{text[:i]}{text[i + 1]}{text[i]}{text[i + 2 :]}"
    return text


_TRICKS = ("word", "greeting", "emoji", "ending", "slip")


def _retouched(text: str, trick: int, at: float, greeting: str, emoji: str) -> str:
    name = _TRICKS[trick]
    if len(text) < _SHORT:
        name = "ending" if name == "ending" else "emoji"
    if name == "word":
        changed = _other_word(text, at)
    elif name == "greeting":
        changed = f"{greeting}, {text}"
    elif name == "ending":
        changed = f"{text}!" if not text.endswith(".") else f"{text[:-1]}!"
    elif name == "slip":
        changed = slipped(text, at)
    else:
        changed = f"{text} {emoji}"
    return changed if changed != text else f"{text} {emoji}"


def _other_word(text: str, at: float) -> str:
    words = text.split(" ")
    start = int(at * len(words))
    for i in (*range(start, len(words)), *range(start)):
        if (twin := _TWINS.get(words[i])) is not None:
            words[i] = twin
            return " ".join(words)
    return text
