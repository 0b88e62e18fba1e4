"""What strangers wrote, as people shall read it: nothing hidden, nothing turned round, nothing that is markup.

Signs that nobody sees (controls, overrides of the writing direction, spaces of no width, tags) are written
out by their code point, so that a text cannot look like another one. What joins letters of scripts that need
it, and emoji, stays as it is; between letters of ASCII it is written out, too.

Not covered: letters that look like others; the model's own reading is told beside the text where it matters.
"""

import unicodedata
from collections.abc import Sequence

from markupsafe import Markup, escape

from sievert.schema.decision import Span

_JOINERS = frozenset("\u200c\u200d")
_KEPT = frozenset("\n\t")
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Co", "Cs"})


def visible(text: str, spans: Sequence[Span] = ()) -> Markup:
    """Return a text as markup in which all signs can be seen; words of `spans` are marked."""
    text = text.replace("\r\n", "\n") if not spans else text  # spans are places in the text as it was sent
    marked = bytearray(len(text))
    for span in spans:
        for place in range(max(0, span.start), min(span.end, len(text))):
            marked[place] = 1
    parts: list[str] = []
    begin = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or marked[place] != marked[begin]:
            inner = _shown(text, begin, place)
            parts.append(f"<mark>{inner}</mark>" if marked[begin] else inner)
            begin = place
    return Markup("".join(parts))  # noqa: S704  every piece was escaped


def _shown(text: str, begin: int, end: int) -> str:
    """Return a part of a text, escaped, with what is unseen written out."""
    parts, plain = [], begin
    for place in range(begin, end):
        if not _is_unseen(text, place):
            continue
        parts.append(str(escape(text[plain:place])))
        if text[place : place + 2] != "\r\n":
            parts.append(_sign(text[place]))
        plain = place + 1
    parts.append(str(escape(text[plain:end])))
    return "".join(parts)


def _is_unseen(text: str, place: int) -> bool:
    sign = text[place]
    if sign in _KEPT or unicodedata.category(sign) not in _UNSEEN:
        return False
    if sign not in _JOINERS:
        return True
    around = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
    return around.isascii()


def _sign(sign: str) -> str:
    name = unicodedata.name(sign, "a control sign").lower()
    return f'<span class="sign" title="{escape(name)}">U+{ord(sign):04X}</span>'
