"""What the language head learns from: English, other languages, and what is no language at all.

English rows are the English corpora and short everyday lines; the other languages are corpora in
some of them and everyday lines in many (`languages.txt`, written for this project); unreadable texts
are made up here: mashed keys, encodings, random letters, runs of signs.

Not covered: languages that share neither words nor script with any of these, texts that mix
languages, and one-word posts, which often belong to several languages.
"""

import base64
import dataclasses
from importlib import resources
from random import Random

from sievert.schema.decision import Language
from sievert.training.noise import dressed

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_SIGNS = "!?#$%&*+-=/\\|<>~^.,:;()[]{}@_\"'"
_PICTURES = "█▓▒░■□▪▫◆◇○●◎★☆♪♫→←↑↓╔╗╚╝║═╬┼─│"


@dataclasses.dataclass(frozen=True, slots=True)
class LanguageExample:
    """A text whose language is known. `weight` is what it counts for in training."""

    text: str
    language: Language
    weight: float


def everyday_lines() -> dict[str, list[str]]:
    """Return the everyday lines of each language, by its code."""
    source = resources.files("sievert.training") / "languages.txt"
    lines: dict[str, list[str]] = {}
    code = ""
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            code = line[2:].strip()
            lines[code] = []
        elif line.strip():
            lines[code].append(line.strip())
    return lines


def everyday_examples(*, seed: int, leave_out: tuple[str, ...] = ()) -> list[LanguageExample]:
    """Return everyday lines as examples: whole, in pieces, two in a row, and dressed as posts are.

    Every language has the same weight in sum, except English, which has that of all the others.
    """
    rng = Random(seed)  # noqa: S311 - repeatable examples, no secret
    spoken = {code: lines for code, lines in everyday_lines().items() if code not in leave_out}
    examples = []
    for code, lines in spoken.items():
        texts = [*lines, *(_piece(line, rng) for line in lines for _ in range(2))]
        texts += [f"{one} {other}" for one, other in zip(lines, rng.sample(lines, len(lines)), strict=True)]
        texts += [line.upper() for line in rng.sample(lines, len(lines) // 4)]
        texts += [dressed(line, rng) for line in texts]
        english = code == "en"
        mass = (len(spoken) - 1.0 if english else 1.0) / len(texts)
        language = Language.ENGLISH if english else Language.OTHER
        examples += [LanguageExample(text=text, language=language, weight=mass) for text in texts]
    return examples


def unreadable_examples(count: int, *, seed: int) -> list[LanguageExample]:
    """Return `count` texts that nobody can read, of equal weights that sum to 1."""
    rng = Random(seed)  # noqa: S311 - repeatable examples, no secret
    makers = (_mashed, _encoded, _random_letters, _signs, _repeated, _digits, _pictures)
    return [
        LanguageExample(text=makers[i % len(makers)](rng), language=Language.UNREADABLE, weight=1.0 / count)
        for i in range(count)
    ]


def _piece(line: str, rng: Random) -> str:
    """Cut a run of words, or of characters where a script has no spaces, out of a line."""
    words = line.split()
    if len(words) < 4:
        start = rng.randrange(max(1, len(line) // 2))
        return line[start : start + max(4, len(line) // 2)]
    length = rng.randint(2, len(words) - 1)
    start = rng.randint(0, len(words) - length)
    return " ".join(words[start : start + length])


def _mashed(rng: Random) -> str:
    return " ".join(
        "".join(rng.choice(rng.choice(_ROWS[:2])) for _ in range(rng.randint(5, 18)))
        for _ in range(rng.randint(1, 6))
    )


def _encoded(rng: Random) -> str:
    raw = rng.randbytes(rng.randint(12, 90))
    return rng.choice((base64.b64encode(raw).decode(), raw.hex(), base64.b32encode(raw).decode()))


def _random_letters(rng: Random) -> str:
    letters = rng.choice((_LETTERS, _CONSONANTS, _LETTERS + "0123456789"))
    return " ".join(
        "".join(rng.choice(letters) for _ in range(rng.randint(3, 14))) for _ in range(rng.randint(2, 9))
    )


def _signs(rng: Random) -> str:
    return "".join(rng.choice(_SIGNS + "  ") for _ in range(rng.randint(8, 60)))


def _repeated(rng: Random) -> str:
    unit = "".join(rng.choice(_LETTERS + _SIGNS) for _ in range(rng.randint(1, 4)))
    return unit * rng.randint(8, 30)


def _digits(rng: Random) -> str:
    return " ".join(str(rng.randrange(10 ** rng.randint(3, 14))) for _ in range(rng.randint(3, 12)))


def _pictures(rng: Random) -> str:
    return "".join(rng.choice(_PICTURES) * rng.randint(1, 4) for _ in range(rng.randint(6, 30)))
