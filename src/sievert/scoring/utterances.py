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
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sievert.schema.batch import PostBatch, ScoredBatch, TextColumn
from sievert.schema.decision import Language, Stage
from sievert.scoring.added_pictures import of_pictures
from sievert.scoring.bundle import Bundle
from sievert.scoring.cascade import (
    Cuts,
    calibrate,
    choose_for_heavy,
    cuts_for,
    look,
    no_lap,
    score,
    score_from,
    second_look,
)
from sievert.scoring.facets import Facet, Facets, Looked, fused
from sievert.scoring.thumbnails import LookedPicture, thumbnails_of

OWN, PICTURE, BOTH = 0, 1, 2
"""Places in `schema.batch.WHERE`."""

NONE = -1
"""In place of a picture's number: a post's own text, or what several utterances say in a row."""


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
    picture: npt.NDArray[np.int16]  # [m] the number of the picture that says it, or NONE

    def of(self, post: int) -> list[int]:
        """Return the utterances of a post."""
        return np.flatnonzero(self.post == post).tolist()


def utterances_of(posts: PostBatch, *, passed: Collection[tuple[int, int]] = ()) -> Utterances:
    """Return the utterances of n posts; pictures (row, number) in `passed` are not read."""
    texts: list[str] = []
    rows: list[int] = []
    where: list[int] = []
    numbers: list[int] = []
    for row, pictures in posts.pictures.items():
        found = {
            number: seen.facts.words
            for number, seen in enumerate(pictures)
            if seen.facts.words and (row, number) not in passed
        }
        words = list(found.values())
        own = posts.posts[row].text.strip()
        joined = [" ".join([own, *words]).strip()] if words and (own or len(words) > 1) else []
        texts += [*words, *joined]
        rows += [row] * (len(words) + len(joined))
        where += [PICTURE] * len(words) + [BOTH if own else PICTURE] * len(joined)
        numbers += [*found, *[NONE] * len(joined)]
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
        picture=np.concatenate([np.full(len(posts), NONE, np.int16), np.array(numbers, np.int16)]),
    )


def score_posts(
    bundle: Bundle,
    posts: PostBatch,
    *,
    shares: Shares,
    passed: Collection[tuple[int, int]] = (),
    lap: Callable[[str], None] = no_lap,
) -> ScoredBatch:
    """Score n posts of whose behaviour nothing is known; the rest is as in `look_at_posts`."""
    return fused(bundle, look_at_posts(bundle, posts, shares=shares, passed=passed, lap=lap))


def look_at_posts(
    bundle: Bundle,
    posts: PostBatch,
    *,
    shares: Shares,
    passed: Collection[tuple[int, int]] = (),
    lap: Callable[[str], None] = no_lap,
) -> Looked:
    """Score n posts by their texts, by the words in their pictures, and by cheap looks at the pictures.

    Pictures (row, number) in `passed` are known to be harmless, and not read. What added heads say of the
    pictures themselves is told under their names. Of posts that the heavy model read there are facets
    besides, where the bundle has a fusion model to hear them; where that hears pictures alone, of all posts whose
    pictures an encoder has seen.
    """
    if not posts.pictures and (bundle.fusion is None or bundle.sees_all):
        return Looked(score(bundle, posts.text, heavy_share=shares.text, lap=lap))
    utterances = utterances_of(posts, passed=passed)
    cuts = np.repeat(cuts_for(bundle, shares.text), len(posts))
    cuts[list(posts.pictures)] = picture_cut(bundle, shares.pictures)
    if bundle.fusion is None:
        scored = score_from(bundle, utterances.text, cuts=cuts[utterances.post], lap=lap)
        looked = Looked(_together(scored, utterances, posts))
    else:
        looked = _look_closely(bundle, posts, utterances, cuts, passed=passed, lap=lap)
    if bundle.added.of_pictures:
        said = of_pictures(bundle, posts.pictures, posts=len(posts), passed=passed)
        # They stand behind the heads of text, before the sentinel.
        looked.scored.policies[:, -1 - said.shape[1] : -1] = said
    return looked


def _look_closely(
    bundle: Bundle,
    posts: PostBatch,
    utterances: Utterances,
    cuts: Cuts,
    *,
    passed: Collection[tuple[int, int]],
    lap: Callable[[str], None],
) -> Looked:
    """Look at n posts for the fusion model; of those that are chosen by cuts [n] every utterance is read."""
    first = look(bundle, utterances.text)
    lap("light")
    chosen = np.zeros(len(posts), np.bool_)
    chosen[utterances.post[choose_for_heavy(bundle, first.light, cuts=cuts[utterances.post])]] = True
    # A picture is read in any language, and harm may stand in it alone.
    pictures = thumbnails_of(bundle, posts, passed=passed)
    for row, looks in pictures.items():
        chosen[row] |= max(one.as_light for one in looks) >= cuts[row]
    read = _spoken(utterances, np.flatnonzero(chosen[utterances.post]))
    heavy, encodings = second_look(bundle, first, utterances.text, read)
    lap("heavy")
    english = first.light.language[read] == Language.ENGLISH
    said = calibrate(bundle, first.light, utterances.text, read[english], heavy[english])
    whole = _together(said, utterances, posts) if posts.pictures else said
    encoded = dict(zip(read.tolist(), encodings, strict=True))
    facets: dict[int, Facets] = {}
    glanced: list[int] = []
    for row in np.flatnonzero(whole.stage != Stage.SENTINEL).tolist():
        looks = pictures.get(row, ())
        if bundle.sees_all and not looks:
            continue  # it says nothing of the post
        if chosen[row]:
            facets[row] = _facets(
                bundle, row, said=said, whole=whole, utterances=utterances, looks=looks, encoded=encoded
            )
        elif bundle.sees_all and any(one.vector is not None for one in looks):
            silent = not posts.posts[row].text.strip()
            facets[row] = _shown(bundle, row, whole=whole, silent=silent, looks=looks)
            glanced.append(row)
        elif looks:
            _hear_thumbnails(whole, row, looks)
    lap("calibrate")
    return Looked(whole, facets, frozenset(glanced))


def _spoken(utterances: Utterances, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return those of these utterances in which something stands."""
    says = [bool(text.strip()) for text in utterances.text.texts(rows)]
    return rows[np.array(says, np.bool_)]


def _facets(
    bundle: Bundle,
    row: int,
    *,
    said: ScoredBatch,
    whole: ScoredBatch,
    utterances: Utterances,
    looks: Sequence[LookedPicture],
    encoded: Mapping[int, npt.NDArray[np.float32]],
) -> Facets:
    """Return the facets of a post that was read, from what is said of utterances and of whole posts.

    One without a text of its own is not read without its pictures.
    """
    text = encoded.get(row)
    words = {
        int(utterances.picture[at]): encoded.get(at)
        for at in utterances.of(row)
        if utterances.picture[at] >= 0
    }
    seen = {one.number: one for one in looks}
    own = Facet(content=_content(bundle, said, row), where=OWN, text=text)
    worst = whole.where[row] if whole.where is not None else OWN
    shown = tuple(
        Facet(
            content=_content(bundle, whole, row),
            where=PICTURE if text is None or worst == PICTURE else BOTH,
            text=text,
            words=words.get(number),
            picture=seen[number].vector if number in seen else None,
            thumbnail=seen[number].p if number in seen and seen[number].vector is None else None,
        )
        for number in sorted({*words, *seen})
    )
    return shown if text is None and shown else (own, *shown)


def _shown(
    bundle: Bundle, row: int, *, whole: ScoredBatch, silent: bool, looks: Sequence[LookedPicture]
) -> Facets:
    """Return the facets of a post that was not read, from what the light model says of all that it says.

    As of one that was read, one that is silent is not heard without its pictures.
    """
    content, worst = _content(bundle, whole, row), OWN if whole.where is None else int(whole.where[row])
    shown = tuple(
        Facet(
            content=content,
            where=PICTURE if silent or worst == PICTURE else BOTH,
            picture=one.vector,
            thumbnail=one.p if one.vector is None else None,
        )
        for one in looks
    )
    return shown if silent else (Facet(content=content, where=worst), *shown)


def _content(bundle: Bundle, scored: ScoredBatch, row: int) -> npt.NDArray[np.float32]:
    """Return what the bundle's own heads say in a row [H]."""
    return np.append(scored.harm[row], scored.policies[row, : len(bundle.manifest.heads) - 1])


def _hear_thumbnails(whole: ScoredBatch, row: int, looks: Sequence[LookedPicture]) -> None:
    """Let the pictures of a post speak that no other model looks at."""
    p = np.max([one.p for one in looks], axis=0)
    if p[0] > whole.harm[row] and whole.where is not None:
        whole.where[row] = PICTURE
    whole.harm[row] = max(whole.harm[row], p[0])
    some = slice(0, len(p) - 1)
    whole.policies[row, some] = np.maximum(whole.policies[row, some], p[1:])


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
