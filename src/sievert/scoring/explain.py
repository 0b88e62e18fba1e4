"""What speaks for a post's score, to the people who look at it: words, and confirmed examples.

A word adds to the score what the light model misses without it, and its share in the mean that the
heavy model's logit is; both as they count in a second look. Shown are the words that add more than
midway between the least and the most of the passage, where they stand in the post as it was sent.

The examples are the labelled texts that the passage is most like, as the model sees it.

An added head has the encoding of a whole passage and no share of a word in it: its words are weighed by
its light half alone, in the passage that this half finds worst. It has no confirmed examples.

Not covered: what the heavy model makes of a word in its company, which would take a run without it.

Legend: T tokens, H heads.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sievert.schema.batch import TextColumn
from sievert.schema.decision import NO_EVIDENCE, Evidence, Span
from sievert.scoring.bundle import Bundle, Heavy
from sievert.scoring.heavy import ReadTokens
from sievert.scoring.light import light_scores
from sievert.scoring.passages import worst_passages
from sievert.scoring.rereading import light_logits_again

_MOST_SPANS = 3
_EVEN = 0.2
"""Where no word adds this much more than another, the whole passage carried the score."""


def evidence(bundle: Bundle, posts: Mapping[int, tuple[str, str]]) -> dict[int, Evidence]:
    """Return, by row, the evidence for posts, given as text and the head in question; the strongest first.

    Empty where the bundle has no heavy model, or one that cannot say.
    """
    heavy = bundle.heavy
    if heavy is None or not heavy.model.explains:
        return {}
    heads = [head.name for head in bundle.manifest.heads]
    added = [head.spec.name for head in bundle.added.of_text]
    found = {}
    for row, (text, head) in posts.items():
        if head in heads:
            found[row] = _evidence(bundle, heavy, text, heads.index(head))
        elif head in added:
            found[row] = _evidence_of_added(bundle, heavy, text, len(heads) + added.index(head))
    return found


def _evidence_of_added(bundle: Bundle, heavy: Heavy, text: str, column: int) -> Evidence:
    read = worst_passages(bundle, text)
    light = light_scores(bundle, TextColumn.of([passage for _, passage in read])).logits[:, column]
    start, passage = read[int(light.argmax())]
    windows = heavy.model.read_tokens(passage, bundle.fold)
    words = sorted({word for one in windows for word in _words(one, np.zeros(len(one.places), np.float32))})
    return Evidence(spans=_chosen(_weighed(bundle, heavy, passage, words, column), offset=start))


def _evidence(bundle: Bundle, heavy: Heavy, text: str, head: int) -> Evidence:
    best: tuple[float, int, str, ReadTokens] | None = None
    for start, passage in worst_passages(bundle, text):
        for read in heavy.model.read_tokens(passage, bundle.fold):
            if not len(read.parts):
                continue
            logit = float(read.parts[:, head].mean())
            if best is None or logit > best[0]:
                best = (logit, start, passage, read)
    if best is None:
        return NO_EVIDENCE
    _, start, passage, read = best
    words = _weighed(bundle, heavy, passage, _words(read, read.parts[:, head]), head)
    near = heavy.examples.nearest(read.encoding, head) if heavy.examples is not None else ()
    return Evidence(spans=_chosen(words, offset=start), nearest=near)


def _weighed(
    bundle: Bundle, heavy: Heavy, passage: str, words: list[tuple[int, int, float]], head: int
) -> list[tuple[int, int, float]]:
    """Say of words what each adds to what both models say together, in logits.

    For the heavy model that is its share in a mean over words; the light one is asked without the word.
    Of an added head the light half is asked alone.
    """
    said = [passage, *(f"{passage[:start]} {passage[end:]}" for start, end, _ in words)]
    light = light_logits_again(heavy.model, bundle, said, light_scores(bundle, TextColumn.of(said)).logits)
    lost = light[0, head] - light[1:, head]
    adds = np.array([word[2] for word in words])
    share = float(heavy.weights[head]) if head < len(heavy.weights) else 0.0
    both = share * (adds - adds.mean()) / len(words) + (1 - share) * lost if len(words) else adds
    return [(start, end, float(one)) for (start, end, _), one in zip(words, both, strict=True)]


def _words(read: ReadTokens, parts: npt.NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Join tokens into words: (start, end, the most that one of its tokens adds), in characters."""
    words: list[tuple[int, int, float]] = []
    for (start, end, joined), adds in zip(read.places, parts.tolist(), strict=True):
        if end <= start:
            continue  # special tokens stand nowhere
        if joined and words:
            first, last, most = words[-1]
            words[-1] = (min(first, start), max(last, end), max(most, adds))
        else:
            words.append((start, end, adds))
    return words


def _chosen(words: Sequence[tuple[int, int, float]], *, offset: int) -> tuple[Span, ...]:
    if not words:
        return ()
    adds = np.array([word[2] for word in words])
    middle = (adds.min() + adds.max()) / 2 if adds.max() - adds.min() >= _EVEN else -np.inf
    runs: list[list[tuple[int, int, float]]] = []
    before = -2
    for at in np.flatnonzero(adds >= middle).tolist():
        if at == before + 1:
            runs[-1].append(words[at])
        else:
            runs.append([words[at]])
        before = at
    found = [
        Span(start=offset + run[0][0], end=offset + run[-1][1], adds=round(max(word[2] for word in run), 3))
        for run in runs
    ]
    return tuple(sorted(found, key=lambda span: -span.adds)[:_MOST_SPANS])
