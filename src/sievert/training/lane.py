"""The lane of posts with pictures, measured on a history: cuts for its shares, and what each share loses.

Cuts are quantiles of traffic: of posts with pictures that were drawn evenly. What a share loses is
measured on harmful posts, of which as many are drawn as there are: those that would be found if the
heavy model read the whole lane, and are not if it reads the share, weighted by how often they were seen.
Posts below the cut are in that sample like all others.

The bound on the loss is the larger of two: the 95th percentile of the loss over bootstrap samples, and
the exact upper bound on the share of posts lost (Clopper and Pearson 1934), which speaks where the
sample has lost nothing.

Not covered: harm that neither model finds; no share changes that.

Legend: n posts with pictures, S shares.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sievert.datasets.history import read_history
from sievert.datasets.history_columns import History
from sievert.datasets.history_parts import files_of
from sievert.errors import InputError, InvalidField
from sievert.measurement.binomial import highest_share
from sievert.pipeline.decode import to_batch
from sievert.pipeline.pictures import Opener, Pictures
from sievert.policy.rules import decide
from sievert.schema.batch import PostBatch
from sievert.schema.clock import ManualClock
from sievert.schema.event import KIND_WORDS
from sievert.schema.media import Media, PictureFacts, SeenPicture
from sievert.schema.policy import PolicySet
from sievert.schema.post import Post
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import Bundle
from sievert.scoring.bundle_files import pretty, with_files
from sievert.scoring.cascade import HARM_COLUMN, look
from sievert.scoring.lanes import LANE_FILE, Lane, LanePoint
from sievert.scoring.thumbnails import worst_thumbnails
from sievert.scoring.utterances import Shares, score_posts, utterances_of
from sievert.stores.pictures.memory import MemoryPictures
from sievert.training.history_truth import labels_of

SHARES = (0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
_FEWEST = 50
_RESAMPLES = 2000
_SURE = 0.95
_CHUNK = 500
_BOUNDLESS = 1 << 62

Advance = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, slots=True)
class _Sample:
    """Posts of the lane: n, evenly drawn ones first."""

    batch: PostBatch
    even: int
    harmful: npt.NDArray[np.bool_]  # [n]
    views: npt.NDArray[np.float64]  # [n]


def fit_lane(
    folder: Path,
    bundle: Bundle,
    policies: PolicySet,
    *,
    opener: Opener,
    words_cut: float,
    posts: int,
    learn_from: str,
    seed: int,
    advance: Advance,
) -> Lane:
    """Measure the lane on a history with pictures (`images.parquet`); draw so many posts evenly, and of harmful ones.

    Raises:
        NotFound, MalformedInput, InvalidField: the history cannot be read, or has too few such posts.
    """
    sample = _draw(
        folder,
        bundle,
        opener=opener,
        words_cut=words_cut,
        posts=posts,
        learn_from=learn_from,
        rng=np.random.default_rng(seed),
        advance=advance,
    )
    logits = _worst_logits(bundle, sample.batch)
    cuts = np.quantile(logits[: sample.even], 1 - np.array(SHARES))
    blank = tuple(
        LanePoint(share=share, cut=float(cut), lost=0.0, most_lost=1.0)
        for share, cut in zip(SHARES, cuts, strict=True)
    )
    lane = Lane(points=blank, traffic=_traffic(folder), posts=sample.even, found=0)
    harmful = np.flatnonzero(sample.harmful)
    batch, views = sample.batch.take(harmful), sample.views[harmful]
    with_lane = dataclasses.replace(bundle, pictures=lane)
    whole = _found(with_lane, policies, batch, share=1.0)
    if whole.sum() < _FEWEST:
        raise InvalidField(
            f"Of the harmful posts with pictures {int(whole.sum())} are found with the whole lane read.",
            remedy=f"Take a longer history: {_FEWEST} are the fewest that say something about what is lost.",
            field="history",
        )
    points = []
    for at, point in enumerate(blank):
        lost = whole & ~_found(with_lane, policies, batch, share=point.share)
        mean, most = _loss(lost[whole], views[whole], np.random.default_rng([seed, at]))
        points.append(LanePoint(share=point.share, cut=point.cut, lost=mean, most_lost=most))
        advance("shares", at + 1, len(blank))
    return Lane(points=tuple(points), traffic=_traffic(folder), posts=sample.even, found=int(whole.sum()))


def _draw(
    folder: Path,
    bundle: Bundle,
    *,
    opener: Opener,
    words_cut: float,
    posts: int,
    learn_from: str,
    rng: np.random.Generator,
    advance: Advance,
) -> _Sample:
    history = read_history(folder)
    advance("read", 1, 1)
    y, _ = labels_of(history, folder, (HARM, *bundle.policy_heads), source=learn_from)
    pictured = pc.is_valid(history.posts.image_id).to_numpy(zero_copy_only=False)
    first = history.posts.first == np.arange(len(history.posts))
    lane = np.flatnonzero(pictured & first)
    harmful = lane[y[lane, 0] > 0.5]
    even = rng.choice(lane, min(posts, len(lane)), replace=False)
    more = np.setdiff1d(rng.choice(harmful, min(posts, len(harmful)), replace=False), even)
    rows = np.concatenate([even, more])
    eyes = Pictures(
        opener=opener,
        log=MemoryPictures(),
        clock=ManualClock(0),
        words_cut=words_cut,
        encoders=bundle.encoders,
    )
    pictures = _opened(folder, history, rows, pictures=eyes, advance=advance)
    readable = np.array([row in pictures for row in rows.tolist()], np.bool_)
    even_count, rows = int(readable[: len(even)].sum()), rows[readable]
    texts = history.posts.text.texts(rows)
    made = [Post(id=str(row), text=text) for row, text in zip(rows.tolist(), texts, strict=True)]
    batch = to_batch(made, [text.encode() for text in texts], received_at=0)
    return _Sample(
        batch=dataclasses.replace(
            batch, pictures={at: (pictures[row],) for at, row in enumerate(rows.tolist())}
        ),
        even=even_count,
        harmful=y[rows, 0] > 0.5,
        views=_views(history)[rows],
    )


def _opened(
    folder: Path,
    history: History,
    rows: npt.NDArray[np.int64],
    *,
    pictures: Pictures,
    advance: Advance,
) -> dict[int, SeenPicture]:
    """Open the pictures of these posts, each once; one that cannot be opened is left out."""
    names = history.posts.image_id.take(pa.array(rows)).to_pylist()
    wanted = set(names)
    seen: dict[str, PictureFacts] = {}
    for name, data in _files(folder, wanted):
        try:
            facts = pictures.look_at(data)
        except InputError:
            continue
        seen[name] = facts
        advance("pictures", len(seen), len(wanted))
    return {
        row: SeenPicture(media=Media(sha256=seen[name].sha256), facts=seen[name])
        for row, name in zip(rows.tolist(), names, strict=True)
        if name in seen
    }


def _files(folder: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    for path in files_of(folder, "images"):
        for part in pq.ParquetFile(path).iter_batches(1000, columns=["id", "png"]):
            for name, data in zip(part["id"].to_pylist(), part["png"].to_pylist(), strict=True):
                if name in wanted:
                    yield name, data


def _views(history: History) -> npt.NDArray[np.float64]:
    """Return how often each post [m] was seen."""
    events = history.events
    seen = (events.kind == KIND_WORDS.index("views")) & (events.post >= 0)
    return np.bincount(events.post[seen], events.amount[seen], minlength=len(history.posts)).astype(
        np.float64
    )


def _chunks(batch: PostBatch) -> Iterator[PostBatch]:
    for start in range(0, len(batch), _CHUNK):
        yield batch.take(np.arange(start, min(start + _CHUNK, len(batch))))


def _worst_logits(bundle: Bundle, batch: PostBatch) -> npt.NDArray[np.float64]:
    """Return the highest light logit of harm among each post's utterances and pictures [n]."""
    parts: list[npt.NDArray[np.float64]] = []
    for some in _chunks(batch):
        utterances = utterances_of(some)
        worst = np.full(len(some), -np.inf)
        logits = look(bundle, utterances.text).light.logits[:, HARM_COLUMN]
        np.maximum.at(worst, utterances.post, logits.astype(np.float64))
        parts.append(np.maximum(worst, worst_thumbnails(bundle, some)))
    return np.concatenate(parts)


def _found(bundle: Bundle, policies: PolicySet, batch: PostBatch, *, share: float) -> npt.NDArray[np.bool_]:
    """Mark the posts [n] about which some rule would do something, with a share of the lane to heavy."""
    marks: list[npt.NDArray[np.bool_]] = []
    room = {policy.name: _BOUNDLESS for policy in policies.policies}
    for some in _chunks(batch):
        scored = score_posts(bundle, some, shares=Shares(text=share, pictures=share))
        decided = decide(
            some, scored, policies=policies, certificates=(), forecast=None, review_room=room, now=0
        )
        marks.append(decided.outcome > 0)
    return np.concatenate(marks)


def _loss(
    lost: npt.NDArray[np.bool_], views: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the part of views that is lost, and the bound on it."""
    weight = views + 1.0  # a post that nobody saw yet is a post still
    mean = float(weight[lost].sum() / weight.sum())
    drawn = rng.integers(len(lost), size=(_RESAMPLES, len(lost)))
    resampled = (weight * lost)[drawn].sum(axis=1) / weight[drawn].sum(axis=1)
    exact = highest_share(int(lost.sum()), len(lost), confidence=_SURE)
    return mean, min(1.0, max(float(np.quantile(resampled, _SURE)), exact))


def _traffic(folder: Path) -> str:
    """Name whose traffic a folder holds."""
    world = folder / "world.json"
    if not world.is_file():
        return folder.name
    said = msgspec.json.decode(world.read_bytes())
    return f"a simulated world of {said['settings']['creators']:,} creators, seed {said['seed']}"


def with_lane(folder: Path, out: Path, lane: Lane) -> str:
    """Write a bundle anew with this lane; return its version.

    Raises:
        BundleError: the bundle in `folder` is damaged.
    """
    return with_files(folder, out, {LANE_FILE: pretty(lane)})


def lines_of(lane: Lane) -> Sequence[tuple[str, ...]]:
    """Return the lane as rows of a table: share, cut, what is lost, and at most."""
    return [
        (f"{point.share:.1%}", f"{point.cut:.2f}", f"{point.lost:.1%}", f"{point.most_lost:.1%}")
        for point in lane.points
    ]
