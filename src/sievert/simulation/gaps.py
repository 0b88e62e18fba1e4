"""What stands in the gaps of a sentence: words of its topic, names, numbers, code words of the day.

Legend: n rows, one a sentence that has the gap. Lists are drawn from with a lean towards their first
words, as some words of a language are frequent and others rare.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sievert.simulation.disguise import disguised
from sievert.simulation.slang import code_words
from sievert.simulation.wordlists import read_words, topics

Words = npt.NDArray[np.object_]

_LEAN = 1.4
"""1 draws all words of a list equally often; more leans towards the first ones."""

_TELLING = frozenset(
    ("code", "insult", "insult_cap", "menace", "menace_their", "money", "people", "slur", "slurs", "vermin")
)
"""Gaps whose words give harm away: an author who hides, hides these."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the gaps of n sentences are filled from."""

    topic: npt.NDArray[np.integer]  # [n]
    policy: npt.NDArray[np.integer]  # [n] whose code words are meant
    day: npt.NDArray[np.floating]  # [n]
    hidden: npt.NDArray[np.bool_]  # [n] the telling words are disguised
    given: Mapping[str, Words] = dataclasses.field(default_factory=dict)  # name -> [n], made elsewhere

    def __len__(self) -> int:
        """Return n."""
        return len(self.topic)

    def take(self, rows: npt.NDArray[np.intp]) -> "Setting":
        """Return the setting of these rows."""
        return Setting(
            topic=self.topic[rows],
            policy=self.policy[rows],
            day=self.day[rows],
            hidden=self.hidden[rows],
            given={name: words[rows] for name, words in self.given.items()},
        )

    def with_given(self, name: str, words: Words) -> "Setting":
        """Return the setting with words [n] of this name made elsewhere."""
        return dataclasses.replace(self, given={**self.given, name: words})


def draw(name: str, setting: Setting, rng: np.random.Generator) -> list[str]:
    """Draw for each row [n] what stands in a gap; `things` and `things2` are drawn from the same list.

    A name in capitals gives the same words in capitals.

    Raises:
        KeyError: nothing fills a gap of this name.
    """
    base = name.rstrip("0123456789")
    if base.isupper():
        return [word.upper() for word in draw(base.lower(), setting, rng)]
    if base in setting.given:
        return list(setting.given[base])
    if base in _BY_TOPIC:
        return _by_topic(base, setting.topic, rng)
    words = (
        code_words(setting.policy, setting.day, rng)
        if base == "code"
        else draw_plain(base, len(setting), rng)
    )
    if base in _TELLING:
        for row in np.flatnonzero(setting.hidden).tolist():
            words[row] = disguised(words[row], rng)
    return words


def draw_plain(name: str, count: int, rng: np.random.Generator) -> list[str]:
    """Draw `count` words for a gap that needs no setting."""
    if name in _MADE:
        return _MADE[name](count, rng)
    words = _LISTS[name]
    return words[(len(words) * rng.random(count) ** _LEAN).astype(np.intp)].tolist()  # type: ignore[no-any-return]


def can_fill(name: str) -> bool:
    """Say whether there is something for a gap of this name."""
    base = name.rstrip("0123456789").lower()
    return base in _BY_TOPIC or base in _MADE or base in _LISTS or base in {"code", "quote"}


def _by_topic(name: str, topic: npt.NDArray[np.integer], rng: np.random.Generator) -> list[str]:
    words, starts, sizes = _BY_TOPIC[name]
    places = (sizes[topic] * rng.random(len(topic)) ** _LEAN).astype(np.intp)
    return words[starts[topic] + places].tolist()  # type: ignore[no-any-return]


def _mentions(count: int, rng: np.random.Generator) -> list[str]:
    numbers = rng.integers(1, 2000, count).tolist()
    return [f"@{one}{at}" for one, at in zip(draw_plain("handle", count, rng), numbers, strict=True)]


def _links(count: int, rng: np.random.Generator) -> list[str]:
    numbers = rng.integers(1, 5000, count).tolist()
    words = draw_plain("link_word", count, rng)
    return [f"https://example.com/{word}/{at}" for word, at in zip(words, numbers, strict=True)]


def _numbers(count: int, rng: np.random.Generator) -> list[str]:
    return [str(number) for number in (2 + 98 * rng.random(count) ** 2).astype(np.int64).tolist()]


def _digits(count: int, rng: np.random.Generator) -> list[str]:
    return _DIGITS[rng.integers(len(_DIGITS), size=count)].tolist()  # type: ignore[no-any-return]


def _column(words: Sequence[str]) -> Words:
    column = np.empty(len(words), object)
    column[:] = words
    return column


def _topic_column(name: str) -> tuple[Words, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Lay the topics' lists end to end: words [all], starts [topics], sizes [topics]."""
    lists = [topic[name] for topic in topics()]
    sizes = np.array([len(words) for words in lists], np.intp)
    return _column([word for words in lists for word in words]), np.cumsum(sizes) - sizes, sizes


_DIGITS = _column(("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve"))
_BY_TOPIC = {name: _topic_column(name) for name in ("things", "doing", "where", "event", "tags")}
_LISTS = {
    name: _column(words)
    for file in ("everyday", "comments", "harm")
    for name, words in read_words(file).items()
    if isinstance(words, list) and not any("{" in word for word in words)
}
_MADE: Mapping[str, Callable[[int, np.random.Generator], list[str]]] = {
    "mention": _mentions,
    "link": _links,
    "number": _numbers,
    "digit": _digits,
    # Somebody is called by name or by handle.
    "person": lambda count, rng: [
        mention if at else name
        for mention, name, at in zip(
            _mentions(count, rng),
            draw_plain("name", count, rng),
            (rng.random(count) < 0.4).tolist(),
            strict=True,
        )
    ],
}
