"""What `sievert drift` compares of two windows: what posts say, what people did with them, and who posts.

What people did with a post is looked at when it is so and so old, as a history tells it, so that posts of both windows
had as long to gather it. Of each creator one post of a window is looked at, drawn evenly: who posts much moves nothing
alone. Posts that were removed here are left out of what people did, since a removal ends that; of who posts they are
part. A creator is looked at as of the receipt of that post, without the post.

Not covered: that a demotion is seen less.
"""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sievert.measurement.post_drift import EmbeddingDrift, FeatureDrift
    from sievert.schema.clock import Micros
    from sievert.schema.post import Post
    from sievert.scoring.bundle import Bundle


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourDrift:
    """Features of behaviour and of creators, each group corrected for its many; how many posts and creators before and now.

    `begins` is when the history does.
    """

    behaviour: "tuple[FeatureDrift, ...]"
    creators: "tuple[FeatureDrift, ...]"
    posts: tuple[int, int]
    creators_of: tuple[int, int]
    begins: "Micros"


def posts_moved(
    bundle: "Bundle", texts: "Mapping[str, Post]", *, before: Collection[str], now: Collection[str]
) -> "tuple[tuple[FeatureDrift, ...], EmbeddingDrift | None, tuple[str, ...]]":
    """Compare what the posts of both windows say; the deciding bundle embeds them, if it can."""
    import random

    from sievert.features.content.ngrams import index_batch
    from sievert.features.content.tokens import STATS
    from sievert.measurement.post_drift import MOST, embedding_drift, feature_drift
    from sievert.schema.batch import TextColumn

    windows = [sorted(name for name in texts if name in some) for some in (before, now)]
    facts = [
        index_batch(TextColumn.of([texts[name].text for name in names]), bundle.fold, bits=8).stats
        for names in windows
    ]
    features = feature_drift(facts[0], facts[1], STATS)
    if bundle.heavy is None or not bundle.heavy.model.width:
        return features, None, ()
    model, rng = bundle.heavy.model, random.Random(0)  # noqa: S311 - a repeatable sample, no secret
    windows = [rng.sample(names, min(MOST, len(names))) for names in windows]
    encoded = [model.encodings([texts[name].text for name in names], bundle.fold) for names in windows]
    found = embedding_drift(encoded[0], encoded[1])
    return features, found, tuple(windows[1][row] for row in found.strangers)


def behaviour_moved(
    bundle: "Bundle",
    folder: Path,
    platform: str,
    *,
    before: Collection[str],
    now: Collection[str],
    removed: Collection[str],
    until: "Micros",
    age: "Micros",
) -> BehaviourDrift:
    """Compare what people did with posts of that age, and who posts, by a history of the platform.

    Raises:
        InvalidField: the history is another platform's, or has no post of a window, or none so old.
        NotFound, MalformedInput: as `read_history`.
    """
    import numpy as np

    from sievert.datasets.behaviour import behaviour_of
    from sievert.datasets.history import read_history
    from sievert.errors import InvalidField
    from sievert.features.behaviour.rows import CREATORS, DEFINITIONS, FEATURES, OWN, BehaviourSpec
    from sievert.measurement.post_drift import feature_drift
    from sievert.scoring.update import judge_of

    history = read_history(folder, judge=judge_of(bundle.update, bundle.fold))
    if history.platform != platform:
        raise InvalidField(
            f"The history in {folder} is of {history.platform}, and not of {platform}.",
            field="history",
            remedy="Name the folder of this platform, or another --platform.",
        )
    posts, received = history.posts, history.events.received_at
    told = min(until, max(int(posts.received_at.max()), int(received.max()) if len(received) else 0))
    first = np.flatnonzero(posts.first == np.arange(len(posts)))
    names = dict(zip(posts.ids.take(first).to_pylist(), first.tolist(), strict=True))
    behaviour, rng = behaviour_of(history), np.random.default_rng(0)
    spec = bundle.update.spec.behaviour if bundle.update else BehaviourSpec(definitions=DEFINITIONS)
    rows = [np.array(sorted(names[one] for one in some if one in names), np.int64) for some in (before, now)]
    ended = np.array(sorted(names[one] for one in removed if one in names), np.int64)
    old = [some[(posts.received_at[some] + age <= told) & ~np.isin(some, ended)] for some in rows]
    if not all(len(some) for some in (*rows, *old)):
        raise InvalidField(
            f"The history in {folder} has no post of one of both windows that is {age // 3_600_000_000} hours old.",
            field="history",
            remedy="Bring posts and events of both windows, look at fewer --hours, or at more --days.",
        )
    old, rows = ([_one_each(some, posts.creator, rng) for some in both] for both in (old, rows))
    done = [behaviour.rows(some, posts.received_at[some] + age, spec)[:, OWN] for some in old]
    who = [behaviour.rows(some, posts.received_at[some], spec)[:, CREATORS] for some in rows]
    return BehaviourDrift(
        behaviour=feature_drift(done[0], done[1], [FEATURES[at] for at in OWN]),
        creators=feature_drift(who[0], who[1], [FEATURES[at] for at in CREATORS]),
        posts=(len(old[0]), len(old[1])),
        creators_of=(len(rows[0]), len(rows[1])),
        begins=int(posts.received_at.min()),
    )


def _one_each(
    rows: "npt.NDArray[np.int64]", creator: "npt.NDArray[np.int64]", rng: "np.random.Generator"
) -> "npt.NDArray[np.int64]":
    """Return one row of each creator, drawn evenly, and all whose creator nobody told."""
    import numpy as np

    from sievert.schema.history import NOBODY

    mixed = rng.permutation(rows)
    known = mixed[creator[mixed] != NOBODY]
    _, one = np.unique(creator[known], return_index=True)
    return np.sort(np.concatenate([known[one], mixed[creator[mixed] == NOBODY]]))
