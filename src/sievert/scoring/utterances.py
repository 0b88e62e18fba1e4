"""Posts with words in their pictures: each text is scored by itself and together with the others.

A post's own text is one utterance, the words of each picture another, and all of them in a row a third:
harm may stand in any of them, or only in what they say together. The worst utterance speaks for the post;
what every utterance says of a policy counts at its highest. Posts with pictures are a lane of their own,
with their own share to the heavy model.

Not covered: that the highest of several scores lies above what one calibrated score would say; the more
utterances, the more.

Legend: n posts, m >= n utterances.
"""

import dataclasses
from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt

from sievert.schema.batch import PostBatch, ScoredBatch, TextColumn
from sievert.scoring.added_pictures import of_pictures
from sievert.scoring.bundle import Bundle
from sievert.scoring.cascade import cuts_for, no_lap, score, score_from

OWN, PICTURE, BOTH = 0, 1, 2
"""Places in `schema.batch.WHERE`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Which share of each lane the heavy model reads, 0 to 1."""

    text: float
    pictures: float


@dataclasses.dataclass(frozen=True, slots=True)
class Utterances:
    """The texts of n posts: their own ones first, then those that pictures add."""

    text: TextColumn  # [m]
    post: npt.NDArray[np.intp]  # [m] the post that an utterance belongs to
    where: npt.NDArray[np.int8]  # [m] OWN, PICTURE or BOTH


def utterances_of(posts: PostBatch, *, passed: Collection[tuple[int, int]] = ()) -> Utterances:
    """Return the utterances of n posts; pictures (row, number) in `passed` are not read."""
    texts: list[str] = []
    rows: list[int] = []
    where: list[int] = []
    for row, pictures in posts.pictures.items():
        words = [
            seen.facts.words
            for number, seen in enumerate(pictures)
            if seen.facts.words and (row, number) not in passed
        ]
        own = posts.posts[row].text.strip()
        joined = [" ".join([own, *words]).strip()] if words and (own or len(words) > 1) else []
        texts += [*words, *joined]
        rows += [row] * (len(words) + len(joined))
        where += [PICTURE] * len(words) + [BOTH if own else PICTURE] * len(joined)
    more = TextColumn.of(texts)
    own_rows = np.arange(len(posts), dtype=np.intp)
    data = np.concatenate([posts.text.data, more.data])
    data.setflags(write=False)  # as `TextColumn.of_bytes` makes it: the kernels are compiled for that
    return Utterances(
        text=TextColumn(
            data=data, offsets=np.concatenate([posts.text.offsets, posts.text.offsets[-1] + more.offsets[1:]])
        ),
        post=np.concatenate([own_rows, np.array(rows, np.intp)]),
        where=np.concatenate([np.zeros(len(posts), np.int8), np.array(where, np.int8)]),
    )


def score_posts(
    bundle: Bundle,
    posts: PostBatch,
    *,
    shares: Shares,
    passed: Collection[tuple[int, int]] = (),
    lap: Callable[[str], None] = no_lap,
) -> ScoredBatch:
    """Score n posts by their texts and by the words in their pictures.

    Pictures (row, number) in `passed` are known to be harmless, and not read. What added heads say of the
    pictures themselves is told under their names.
    """
    if not posts.pictures:
        return score(bundle, posts.text, heavy_share=shares.text, lap=lap)
    utterances = utterances_of(posts, passed=passed)
    cuts = np.repeat(cuts_for(bundle, shares.text), len(posts))
    cuts[list(posts.pictures)] = picture_cut(bundle, shares.pictures)
    scored = score_from(bundle, utterances.text, cuts=cuts[utterances.post], lap=lap)
    together = _together(scored, utterances, posts)
    if bundle.added.of_pictures:
        said = of_pictures(bundle, posts.pictures, posts=len(posts), passed=passed)
        # They stand behind the heads of text, before the sentinel.
        together.policies[:, -1 - said.shape[1] : -1] = said
    return together


def picture_cut(bundle: Bundle, share: float) -> float:
    """Return the light logit from which a share of posts with pictures is read by the heavy model.

    Where the bundle knows nothing of that lane, the cut of texts holds.
    """
    if bundle.heavy is None or bundle.pictures is None:
        return float(cuts_for(bundle, share)[0])
    return bundle.pictures.cut(share)


def _together(scored: ScoredBatch, utterances: Utterances, posts: PostBatch) -> ScoredBatch:
    """Let the worst utterance of each post speak for it."""
    count = len(posts)
    harm = scored.harm.copy()
    # A post without a text of its own is what its pictures say, not what an empty text is.
    silent = np.array([not posts.posts[row].text.strip() for row in range(count)], np.bool_)
    has_words = np.isin(np.arange(count), utterances.post[count:])
    harm[:count][silent & has_words] = -1.0
    # The last of equals wins when sorted by post and harm: one place a post, the worst.
    order = np.lexsort((harm, utterances.post))
    last = np.append(utterances.post[order][1:] != utterances.post[order][:-1], True)
    worst = order[last]
    policies = np.full((count, scored.policies.shape[1]), -np.inf, np.float32)
    counted = harm >= 0.0
    np.maximum.at(policies, utterances.post[counted], scored.policies[counted])
    return dataclasses.replace(
        scored,
        harm=np.ascontiguousarray(scored.harm[worst]),
        policies=policies,
        language=scored.language[worst],
        stage=scored.stage[worst],
        where=utterances.where[worst],
    )
