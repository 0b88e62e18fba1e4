"""The question for a threshold, as people type it: `max recall @ precision >= 0.95`.

    question   = extreme goal "@" constraint { "and" constraint }
    extreme    = "max" | "maximum", or "min" | "minimum" before "threshold"
    goal       = recall | removals | harmful_views | threshold
    constraint = ("precision" | "view_precision") ">=" number

Recall, removals and harmful views prevented all grow as the threshold falls, so every goal asks for the
lowest threshold that keeps the constraints; the goal says which number is told first.
"""

import dataclasses
import difflib
import re

from sievert.errors import InvalidField

GOALS = {"recall": "max", "removals": "max", "harmful_views": "max", "threshold": "min"}
"""What can be asked for, and which end of it."""

CONSTRAINTS = ("precision", "view_precision")
EXTREMES = {"max": "max", "maximum": "max", "min": "min", "minimum": "min"}

_TOKEN = re.compile(r"\s*(@|>=|[A-Za-z_]+|[0-9.]+(?:[eE][-+]?[0-9]+)?|\S)")
_EXAMPLE = 'Ask, for example, "max recall @ precision >= 0.95".'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for, and the bounds that must hold."""

    goal: str
    bounds: dict[str, float]


@dataclasses.dataclass(slots=True)
class _Reader:
    """The words of a question, read one after the other."""

    text: str
    tokens: list[tuple[str, int]]
    at: int = 0

    def next(self, expected: tuple[str, ...], *, needs: str = "") -> str:
        """Return the next word if it is one of these, whatever its case.

        Raises:
            InvalidField: it is none; shows the place and what could stand there.
        """
        word, place = self.tokens[self.at] if self.at < len(self.tokens) else ("", len(self.text))
        if word.lower() not in expected:
            raise self.error(word, place, needs or _or(expected), near=expected)
        self.at += 1
        return word.lower()

    def share(self) -> float:
        """Return the next word as a number strictly between 0 and 1.

        Raises:
            InvalidField: it is none.
        """
        word, place = self.tokens[self.at] if self.at < len(self.tokens) else ("", len(self.text))
        try:
            number = float(word)
        except ValueError:
            number = float("nan")
        if not 0 < number < 1:
            raise self.error(word, place, "a number between 0 and 1, such as 0.95")
        self.at += 1
        return number

    def ended(self) -> bool:
        """Tell whether no word is left."""
        return self.at == len(self.tokens)

    def error(self, word: str, place: int, needs: str, *, near: tuple[str, ...] = ()) -> InvalidField:
        """Return an error that shows the place."""
        found = f"{word!r} stands" if word else "the question ends"
        meant = difflib.get_close_matches(word.lower(), near, n=1) if word else []
        guess = f" ({meant[0]!r} was meant, perhaps)" if meant else ""
        shown = f"\n    {self.text}\n    {' ' * place}^" if self.tokens else ""
        return InvalidField(
            f"The question cannot be read: {found} where {needs} should{guess}.{shown}",
            remedy=_EXAMPLE,
            field="question",
        )


def read_question(text: str) -> Question:
    """Read a question.

    Raises:
        InvalidField: it cannot be read; shows the place and the words that could stand there.
    """
    reader = _Reader(text=text, tokens=[(found[1], found.start(1)) for found in _TOKEN.finditer(text)])
    extreme = EXTREMES[reader.next(tuple(EXTREMES), needs="'max' or 'min'")]
    goal = reader.next(tuple(name for name, end in GOALS.items() if end == extreme))
    reader.next(("@",))
    bounds: dict[str, float] = {}
    while True:
        left = tuple(name for name in CONSTRAINTS if name not in bounds)
        constraint = reader.next(left)
        reader.next((">=",))
        bounds[constraint] = reader.share()
        if reader.ended():
            return Question(goal=goal, bounds=bounds)
        reader.next(
            ("and",) if len(bounds) < len(CONSTRAINTS) else (),
            needs="nothing more" if len(bounds) == len(CONSTRAINTS) else "",
        )


def _or(words: tuple[str, ...]) -> str:
    quoted = [f"'{word}'" for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]
