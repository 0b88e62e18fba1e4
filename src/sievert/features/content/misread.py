"""What a reader of pictures typically gets wrong is put right before the words are treated as a text.

It takes lines as they were read, top to bottom, and gives one running text. Only what the letters
around it make plain is changed: a digit between letters, a capital I inside a small word, a word cut
at the end of a line, a sign of another script's typography. A text set wholly in capitals, as memes
are, is written small, because there capitals are a typeface and no shouting.

Not covered: what needs to know words, such as "rn" for "m" or a space that was lost. The heavy
model's lexicon undoes some of that afterwards (`spelling`), and this room knows no bundle.
"""

import re
from collections.abc import Iterable

MOST_CHARACTERS = 2000
"""Of the words of a picture; a page of print has more, a meme never."""

_SIGNS = str.maketrans(
    {
        "，": ",",
        "。": ".",
        "、": ",",
        "！": "!",
        "？": "?",
        "：": ":",
        "；": ";",
        "（": "(",
        "）": ")",
        "【": "[",
        "】": "]",
        "《": '"',
        "》": '"',
        "「": '"',
        "」": '"',
        "～": "~",
        "・": ".",
        "·": ".",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "…": "...",
        "\u3000": " ",
    }
)
_OWN_SIGNS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Kana, Chinese and Korean: beside them the wide signs are right."""

_CUT_WORD = re.compile(r"(?<=[^\W\d_]{2})[-‐\u00ad]\n(?=[a-zß-öø-ÿ]{2})")
_CUT_SHOUTED = re.compile(r"(?<=[A-ZÀ-ÖØ-Þ]{2})[-‐\u00ad]\n(?=[A-ZÀ-ÖØ-Þ]{2})")
_BEFORE_SIGN = re.compile(r" +(?=[,;:!?](?:\s|\Z)|\.(?:\s|\Z))")
_AFTER_SIGN = re.compile(r"(?<=[a-z]{2}[.,;:!?])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\s.,;:!?\"()\[\]]+")
_ADDRESS = re.compile(r"(?:https?:|www\.|@|#)\S*|\S+\.(?:com|org|net|io|me|tv)\b\S*", re.IGNORECASE)

_ZERO = re.compile(r"(?<=[A-Za-z])0(?=[A-Za-z])")
_ONE = re.compile(r"(?<=[a-z])[1|](?=[a-z])|(?<=[a-z]{2})[1|](?=\Z|')")
_TALL = re.compile(r"(?<=[a-z])(?<!Mc)(?<!Mac)I(?=[a-z]|\Z)")
_WHOLE = {
    **dict.fromkeys(("l", "|", "1'm", "l'm", "|'m"), "I"),
    **{f"{one}{rest}": f"I{rest}" for one in "l|1" for rest in ("'m", "'ve", "'ll", "'d")},
    **{f"{one}{rest}": f"I{rest}" for one in "l|" for rest in ("t", "s", "n", "f", "t's", "sn't")},
}
"""Words that are none, and what they are."""

_LEAST_SHOUTED = 6
_SHOUTED = 0.85


def mended(lines: Iterable[str]) -> str:
    """Return the running text of lines as they were read, at most `MOST_CHARACTERS` long."""
    text = "\n".join(" ".join(line.split()) for line in lines)
    if not _OWN_SIGNS.search(text):
        text = text.translate(_SIGNS)
    text = _CUT_SHOUTED.sub("", _CUT_WORD.sub("", text)).replace("\n", " ")
    text = " ".join(text.split())
    text = _AFTER_SIGN.sub(" ", _BEFORE_SIGN.sub("", text))
    text = _small_if_all_capitals(text)
    words = (word if _ADDRESS.match(word) else _WORD.sub(_respelt, word) for word in text.split(" "))
    return _cut(" ".join(words))


def letters(text: str) -> int:
    """Count letters and digits, of any script."""
    return sum(map(str.isalnum, text))


def _small_if_all_capitals(text: str) -> str:
    large = sum(map(str.isupper, text))
    small = sum(map(str.islower, text))
    if large < _LEAST_SHOUTED or large < _SHOUTED * (large + small) or " " not in text:
        return text
    return text.lower()


def _respelt(found: re.Match[str]) -> str:
    word = found[0]
    if (whole := _WHOLE.get(word)) is not None:
        return whole
    return _TALL.sub("l", _ONE.sub("l", _ZERO.sub(_zero, word)))


def _zero(found: re.Match[str]) -> str:
    """Return the letter that a nought between two letters is, as large as its neighbours."""
    around = found.string[found.start() - 1] + found.string[found.end()]
    return "O" if around.isupper() else "o"


def _cut(text: str) -> str:
    """Cut a long text between two words, if there is a gap."""
    if len(text) <= MOST_CHARACTERS:
        return text
    head = text[: MOST_CHARACTERS + 1]
    at = head.rfind(" ")
    return head[: at if at > 0 else MOST_CHARACTERS]
