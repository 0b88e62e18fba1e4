"""A history becomes material: a sample of posts with known weights, snapshots as of then, contents as tensors.

1 label and split by time   2 draw posts   3 leave out what was learned from   4 snapshots   5 numbers as of then
6 views and reports   7 unlabelled posts   8 texts   9 pictures   10 write

*Numbers.* Behaviour is counted by the priors that the bundle's update model was made for, so that both hear
the same row and materials of several histories fit together; without such a model priors are fitted here.

*Draw.* The learning fold is a balanced sample of the labelled posts of its time (`datasets.sampling`). Of
the later folds all harmful posts are taken, and so many harmless ones, each standing for as many as it
must, so that sums over the sample speak of the whole population at natural prevalence.

*Leave out.* A later post whose text came from the same source as one that was learned from, or that is a
copy of such a post, is in neither population nor sample, and is counted. Captions that say the same
words beside another picture stay: they are what a model of text and picture is for; how many of those
taken nearly repeat a text that was learned from is told beside (`Population.alike`).

*Weights.* The k snapshots of a post within its fold weigh 1/k each, so that a sum over snapshots, each
weighed by that and by what its post stands for, is the number of posts.

Legend: m post revisions, s snapshots, c contents, H heads.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.censoring import uncensored_views
from sievert.datasets.comment_texts import CommentTexts
from sievert.datasets.history import read_history
from sievert.datasets.history_columns import CommentJudge, History
from sievert.datasets.sampling import balanced_sample
from sievert.datasets.snapshots import CAUSES, Snapshots, snapshots
from sievert.datasets.splits import TimeSplit
from sievert.errors import InvalidField
from sievert.features.behaviour.history import BehaviourHistory
from sievert.features.behaviour.rows import CREATORS, FEATURES, OWN, BehaviourSpec
from sievert.features.content.thumbnail import THUMBNAIL_FEATURES
from sievert.features.content.tokens import STATS
from sievert.models.forecaster import LogLinearViews
from sievert.schema.clock import HOUR
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.training.contents import ContentColumns, Contents, Drawn, contents_of
from sievert.training.counts_as_of import CountsAsOf
from sievert.training.first_forecast import SeenViews, forecast_views, learn_forecast
from sievert.training.history_truth import labels_of
from sievert.training.material import FOLDS, Described, Population, UnlabelledPopulation
from sievert.training.material_files import write_described, write_fold, write_unlabelled
from sievert.training.priors import fit_spec
from sievert.training.unlabelled_posts import UnlabelledPosts, unlabelled_columns, unlabelled_posts

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
Advance = Callable[[str, int, int], None]
Draw = Callable[[History, Int64s], Drawn]
"""Gives the pictures of post revisions [c] of a history."""

HEADS = (HARM, *LABELLED)
_PRIOR_SNAPSHOTS = 40_000


class GatherSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is taken, and of what."""

    seed: int = 20270601
    labels: str = "truth"  # the source of labels to learn from, such as expert
    learn: int = 12_000  # posts to learn from, at most
    harmless_to_calibrate: int = 6_000
    harmless_to_test: int = 40_000
    calibrate_from: float = 0.55  # of the history's time
    test_from: float = 0.7
    unlabelled: int = 60_000  # posts that drew something, without labels, at most; 0: none
    tokens: int = 64  # of a content, at most
    gram_bits: int = 16
    side: int = 96  # pixels


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """A history and all that is known of its posts, by revision."""

    history: History
    split: TimeSplit
    first: Int64s  # [p] rows of first revisions
    y: npt.NDArray[np.float32]  # [m, H]
    drawn_with: Floats  # [m]
    without: Floats  # [m] views in all had nothing been done
    cluster: Int64s  # [m] posts with texts of one source share a number
    form: npt.NDArray[np.int16]  # [m]
    forms: tuple[str, ...]
    pictured: Bools  # [m]


def gather(
    folder: Path,
    out: Path,
    settings: GatherSettings,
    *,
    judge: CommentJudge | None,
    contents: Contents,
    draw: Draw | None,
    advance: Advance,
) -> Described:
    """Gather material from a history folder, and write it to `out`.

    `judge` says what comments say, `contents` how texts are read, `draw` where pictures come from; without
    it the material has none.

    Raises:
        NotFound, InvalidField, MalformedInput: the history cannot be read, or has too few labels.
    """
    comments = CommentTexts() if settings.unlabelled else None
    known = _known(folder, settings, judge, comments)
    advance("read", 1, 1)
    rng = np.random.default_rng(settings.seed)
    chosen, populations, stands_for = _drawn_posts(known, settings, rng)
    taken = snapshots(known.history)
    behaviour = behaviour_of(known.history)
    told = None if contents.speaker is None else contents.speaker.behaviour
    spec = told or fit_spec(behaviour, known.history, known.split)
    advance("behaviour", 1, 1)
    fold_of = known.split.of_snapshots(taken)
    forecast = _forecaster(known, taken, fold_of, rng, settings.seed)
    advance("forecast", 1, 1)
    kept = [np.flatnonzero((fold_of == fold) & chosen[taken.post]) for fold in range(len(FOLDS))]
    rows = [np.unique(taken.row[some]) for some in kept]
    spare = None if comments is None else _unlabelled(known, comments, rows[1:], contents, settings)
    made = contents_of(
        known.history,
        [*rows, *([] if spare is None else [spare.rows])],
        contents,
        settings,
        draw,
        said={} if spare is None else {len(rows): spare.texts},
        advance=advance,
    )
    out.mkdir(parents=True, exist_ok=True)
    for fold, name in enumerate(FOLDS):
        columns = _snapshot_columns(
            known, taken, kept[fold], behaviour=behaviour, spec=spec, until=known.split.until[fold], rng=rng
        )
        columns["forecast"] = forecast_views(forecast, columns["views"], columns["hours"])
        columns["content"] = np.searchsorted(rows[fold], taken.row[kept[fold]]).astype(np.int32)
        if contents.speaker is not None and told is not None:
            columns["updated"] = contents.speaker.updated(
                made[fold].columns["spoken"][columns["content"]],
                behaviour.rows(taken.post[kept[fold]], taken.as_of[kept[fold]], told),
            )
        columns["stands_for"] = stands_for[taken.post[kept[fold]]].astype(np.float32)
        columns |= {"labels": known.y[rows[fold]], "row": rows[fold], "form": known.form[rows[fold]]}
        write_fold(out, name, {**columns, **made[fold].columns})
        populations[name] = msgspec.structs.replace(
            populations[name], alike=_alike(made[0], made[fold]) if fold else 0
        )
        advance("write", fold + 1, len(FOLDS))
    columns = {}
    if spare is not None:
        columns = unlabelled_columns(
            known.history, spare, contents, split=known.split, tokens=settings.tokens
        )
    write_unlabelled(out, columns, None if spare is None else made[-1])
    described = msgspec.structs.replace(
        _described(folder, known, settings, populations, spare),
        behaviour=msgspec.to_builtins(spec),
        said=None if contents.speaker is None else contents.speaker.told,
    )
    write_described(out, described)
    return described


def _known(
    folder: Path, settings: GatherSettings, judge: CommentJudge | None, comments: CommentTexts | None
) -> _Gathered:
    """Read a history, and who is what in it."""
    history = read_history(folder, judge=judge, comments=comments)
    posts = history.posts
    y, drawn_with = labels_of(history, folder, HEADS, source=settings.labels)
    came = posts.received_at
    begin, whole = int(came.min()), int(came.max()) + 1 - int(came.min())
    calibrate_from, test_from = (
        begin + round(whole * share) for share in (settings.calibrate_from, settings.test_from)
    )
    end = int(max(came.max(), history.events.received_at.max(initial=0))) + 1
    if not begin < calibrate_from < test_from < end:
        raise InvalidField(
            "A split by time needs a time to learn, one to calibrate and one to test, in this order.",
            remedy="Let calibrate_from be above 0 and below test_from, and that below 1.",
            field="test_from",
        )
    fold = np.searchsorted([calibrate_from, test_from], came, side="right").astype(np.int8)
    without, cluster, form, forms = _truth(folder, history, until=end)
    origin = np.where(posts.copy_of >= 0, posts.copy_of, posts.first)
    return _Gathered(
        history=history,
        split=TimeSplit(fold=fold, group=origin, until=(calibrate_from, test_from, end)),
        first=np.flatnonzero(posts.first == np.arange(len(posts))),
        y=y,
        drawn_with=drawn_with,
        without=without,
        cluster=origin if cluster is None else cluster,
        form=form,
        forms=forms,
        pictured=np.asarray(pc.is_valid(posts.image_id).to_numpy(zero_copy_only=False), np.bool_),
    )


def _truth(
    folder: Path, history: History, *, until: int
) -> tuple[Floats, Int64s | None, npt.NDArray[np.int16], tuple[str, ...]]:
    """Return views had nothing been done [m], clusters [m] and forms [m], the latter as far as they are told."""
    path, posts = folder / "truth.parquet", history.posts
    if not path.is_file():
        return uncensored_views(history, until=until).expected, None, np.full(len(posts), -1, np.int16), ()
    table = pq.read_table(path, columns=["post_id", "views_without", "cluster", "form"]).combine_chunks()
    place = pc.index_in(posts.ids, value_set=table["post_id"].combine_chunks()).to_numpy()
    word = table["form"].combine_chunks().dictionary_encode()
    return (
        table["views_without"].to_numpy()[place].astype(np.float64),
        table["cluster"].to_numpy()[place],
        word.indices.to_numpy()[place].astype(np.int16),
        tuple(word.dictionary.to_pylist()),
    )


def _drawn_posts(
    known: _Gathered, settings: GatherSettings, rng: np.random.Generator
) -> tuple[Bools, dict[str, Population], Floats]:
    """Return which posts are taken [m], what folds stand for, and for how many each post stands [m]."""
    first, fold = known.first, known.split.fold[known.first]
    labelled, harmful = np.isfinite(known.y[first, 0]), known.y[first, 0] > 0.5
    chosen, stands_for = np.zeros(len(known.y), np.bool_), np.zeros(len(known.y))
    populations: dict[str, Population] = {}
    learned = np.zeros(0, np.int64)
    wanted = (settings.learn, settings.harmless_to_calibrate, settings.harmless_to_test)
    for number, (name, many) in enumerate(zip(FOLDS, wanted, strict=True)):
        mine = (fold == number) & labelled
        out = mine & np.isin(known.cluster[first], learned)
        some = np.flatnonzero(mine & ~out)
        bad = harmful[some]
        if not (bad.any() and (~bad).any()):
            raise InvalidField(
                f"The history has no harmful post, or no harmless one, by {settings.labels!r} in the time to {name}.",
                remedy="Take a longer history, or another source of labels.",
            )
        if number == 0:
            sample = balanced_sample(
                bad,
                known.pictured[first[some]].astype(np.int64),
                size=many,
                rng=rng,
                drawn_with=known.drawn_with[first[some]],
            )
            taken, probability = some[sample.row], sample.probability
            learned = np.unique(known.cluster[first[taken]])
        else:
            share = min(1.0, many / int((~bad).sum()))
            drawn = np.isin(some, rng.permutation(some[~bad])[:many]) | bad
            taken = some[drawn]
            probability = np.where(bad[drawn], 1.0, share) * known.drawn_with[first[taken]]
        chosen[first[taken]] = True
        stands_for[first[taken]] = 1 / probability
        populations[name] = Population(
            posts=len(some),
            harmful=int(bad.sum()),
            left_out=int(out.sum()),
            left_out_harmful=int((out & harmful).sum()),
            taken=len(taken),
            taken_harmful=int(harmful[taken].sum()),
            alike=0,
        )
    return chosen, populations, stands_for


def _forecaster(
    known: _Gathered, taken: Snapshots, fold: Codes, rng: np.random.Generator, seed: int
) -> LogLinearViews:
    """Learn the first forecast on snapshots of the time to learn on, at natural prevalence."""
    until = known.split.until[0]
    mine = fold == 0
    rows = np.flatnonzero(mine & (taken.as_of < until - HOUR))
    rows = np.sort(rng.permutation(rows)[:_PRIOR_SNAPSHOTS])
    posts, at = taken.post[rows], taken.as_of[rows]
    # `taken.weight` knows how many snapshots come after this time.
    weight = 1 / np.bincount(taken.post[mine])[posts]
    week = at + 168 * HOUR
    counts = CountsAsOf(known.history.events, "views", np.unique(posts))
    gone = CountsAsOf(known.history.events, "delete", np.unique(posts))
    then = np.minimum(week, until)
    views = counts.by(posts, at)
    return learn_forecast(
        SeenViews(
            views=views,
            hours=_hours(known, posts, at),
            later=counts.by(posts, then) - views,
            within=((then - at) / HOUR).astype(np.float32),
            weight=np.where(gone.by(posts, then) > 0, 0.0, weight).astype(np.float32),
        ),
        seed=seed,
    )


def _hours(known: _Gathered, posts: Int64s, at: Int64s) -> npt.NDArray[np.float32]:
    hours: npt.NDArray[np.float32] = np.maximum(
        (at - known.history.posts.created_at[posts]) / HOUR, 0
    ).astype(np.float32)
    return hours


def _snapshot_columns(
    known: _Gathered,
    taken: Snapshots,
    rows: npt.NDArray[np.intp],
    *,
    behaviour: BehaviourHistory,
    spec: BehaviourSpec,
    until: int,
    rng: np.random.Generator,
) -> dict[str, npt.NDArray[Any]]:
    """Return what is known of snapshots at these rows [s], and of their posts until the fold's end."""
    post, at = taken.post[rows], taken.as_of[rows]
    named, place, count = np.unique(post, return_inverse=True, return_counts=True)
    numbers = behaviour.rows(post, at, spec).astype(np.float16)
    views, reports = (CountsAsOf(known.history.events, kind, named) for kind in ("views", "report"))
    so_far = views.by(post, at)
    end = np.full(len(post), until - 1)
    # Of each post's snapshots, in a random order, the first is the one that is drawn.
    shuffled = rng.permutation(len(rows))
    drawn = np.zeros(len(rows), np.bool_)
    drawn[shuffled[np.unique(place[shuffled], return_index=True)[1]]] = True
    return {
        "post": place.astype(np.int32),
        "as_of": at,
        "cause": taken.cause[rows],
        "drawn": drawn,
        "weight": (1 / count[place]).astype(np.float32),
        "behaviour": numbers[:, OWN],
        "behaviour_known": np.ones(len(rows), np.bool_),
        "context": numbers[:, CREATORS],
        "context_known": known.history.posts.creator[post] >= 0,
        "views": so_far,
        "hours": _hours(known, post, at),
        "to_come": np.maximum(known.without[post] - so_far, 0).astype(np.float32),
        "reports": reports.by(post, end),
        "report_views": views.by(post, end),
    }


def _unlabelled(
    known: _Gathered,
    comments: CommentTexts,
    later: Sequence[Int64s],
    contents: Contents,
    settings: GatherSettings,
) -> UnlabelledPosts | None:
    """Draw unlabelled posts; None if no post drew anything."""
    found = unlabelled_posts(
        known.history,
        comments,
        split=known.split,
        first=known.first,
        cluster=known.cluster,
        later=later,
        tables=contents.tables,
        most=settings.unlabelled,
        seed=settings.seed,
    )
    return found if len(found.rows) else None


def _alike(learned: ContentColumns, other: ContentColumns) -> int:
    """Count contents whose text nearly repeats one that was learned from."""
    return int(np.isin(other.group, learned.group).sum())


def _described(
    folder: Path,
    known: _Gathered,
    settings: GatherSettings,
    populations: dict[str, Population],
    spare: UnlabelledPosts | None,
) -> Described:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.glob("*.json")):
        digest.update(path.read_bytes())
    digest.update(np.ascontiguousarray(known.history.posts.received_at).tobytes())
    begin = int(known.history.posts.received_at.min())
    return Described(
        history=digest.hexdigest(),
        settings={**msgspec.to_builtins(settings), "forms": list(known.forms)},
        heads=HEADS,
        numbers={
            "behaviour": tuple(FEATURES[place] for place in OWN),
            "context": tuple(FEATURES[place] for place in CREATORS),
            "thumbnail": THUMBNAIL_FEATURES,
            "facts": STATS,
        },
        grams=1 << settings.gram_bits,
        side=settings.side,
        encoder="",
        first=dict(zip(FOLDS, (begin, *known.split.until[:2]), strict=True)),
        end=known.split.until[2],
        populations=populations,
        causes=CAUSES,
        unlabelled=None
        if spare is None
        else UnlabelledPopulation(
            posts=spare.drew,
            taken=int((~spare.held).sum()),
            held=int(spare.held.sum()),
            left_out=spare.left_out,
        ),
    )
