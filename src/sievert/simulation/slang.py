"""Code words: words that come up, spread, and die, so that a list of bad words is always late.

Every policy gets a new code word every few days, without end. A word is made of syllables by a hash of
its policy and its generation, so that all worlds share a history of slang; every third one is an
innocent word that was given a second meaning. How much a word is used rises within days of its birth
and fades over weeks:

    use(age) = (1 - exp(-age / RISE)) * exp(-age / FADE), nothing before its birth

Not covered: words that come back, and words that differ by community.
"""

import functools

import numpy as np
import numpy.typing as npt

BIRTH_EVERY = 6.0
"""Days between two code words of one policy."""
RISE = 3.0
FADE = 9.0
_ALIVE = 10  # generations that are looked at; the oldest is hardly used any more

_ONSETS = ("b", "bl", "d", "dr", "f", "fl", "g", "gr", "j", "k", "kl", "m", "n", "p", "pl", "r", "s", "sn")
_MORE_ONSETS = ("t", "tr", "v", "w", "z", "sh", "th", "sk", "st", "qu", "y", "h")
_VOWELS = ("a", "e", "i", "o", "u", "oo", "ee", "ai")
_CODAS = ("", "n", "m", "p", "x", "t", "sk", "ng", "b", "r", "l", "nt", "zz", "ff")
_SECOND_MEANINGS = (
    *("pigeons", "kettles", "marbles", "buttons", "acorns", "lanterns", "pickles", "magnets", "sponges"),
    *("walnuts", "ribbons", "thimbles", "pebbles", "candles", "radishes", "corks", "saddles", "parsnips"),
    *(
        "crumpets",
        "gaskets",
        "puddings",
        "trombones",
        "feathers",
        "teapots",
        "ladders",
        "cobwebs",
        "slippers",
    ),
)
_MASK = 2**64 - 1


@functools.lru_cache(maxsize=4096)
def code_word(policy: int, generation: int) -> str:
    """Return the code word of a policy (its place) that is born on day generation * BIRTH_EVERY."""
    chosen = _mixed(policy * 1_000_003 + generation + 2**32)
    if generation % 3 == 1:
        return _SECOND_MEANINGS[chosen % len(_SECOND_MEANINGS)]
    onsets = _ONSETS + _MORE_ONSETS
    word = ""
    for _ in range(2):
        for parts in (onsets, _VOWELS, _CODAS):
            chosen, at = divmod(chosen, len(parts))
            word += parts[at]
    return word + "s"


def code_words(
    policy: npt.NDArray[np.integer], day: npt.NDArray[np.floating], rng: np.random.Generator
) -> list[str]:
    """Draw a code word for each row [n], as they are used on that row's day."""
    newest = np.floor(day / BIRTH_EVERY).astype(np.int64)  # [n]
    age = (day - newest * BIRTH_EVERY)[:, None] + BIRTH_EVERY * np.arange(_ALIVE)  # [n, alive]
    heaped = np.cumsum(_use(age), axis=1)
    drawn = rng.random(len(day)) * heaped[:, -1]
    generation = newest - (heaped <= drawn[:, None]).sum(axis=1)
    return [code_word(*pair) for pair in zip(policy.tolist(), generation.tolist(), strict=True)]


def _use(age: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    # A word is used a little in the very hour of its birth, so that some word is always in use.
    use: npt.NDArray[np.floating] = (1e-6 - np.expm1(-age / RISE)) * np.exp(-age / FADE)
    return use


def _mixed(number: int) -> int:
    """Return a well-mixed 64-bit number: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
