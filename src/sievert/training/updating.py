"""The update model is trained: from a history with labels to what behaviour adds to a text's score.

The network learns the posterior from behaviour alone, by snapshots at natural prevalence, calibrated on
later posts. What it ships is the evidence: the calibrated logit less the prior's. To a post's
logit by its text this evidence is added, as if text and behaviour were independent given what the post
is. So the model carries from the history that it learned from to texts that the history does not have,
and a text's score counts for what it was calibrated to be.

Not covered: what behaviour and text say twice; a bundle for one platform may learn both together from
its own history.

Legend: s snapshots, H heads (harm first), F behaviour features.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sievert.calibration.fitting import fit_logit_map
from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.history import read_history
from sievert.datasets.history_columns import CommentJudge, History
from sievert.datasets.snapshots import CAUSES, snapshots
from sievert.datasets.splits import TimeSplit, split_by_time
from sievert.errors import InvalidField
from sievert.features.behaviour.history import BehaviourHistory
from sievert.features.behaviour.rows import DEFINITIONS, FEATURES, BehaviourSpec
from sievert.measurement.ranking import average_precision
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import Bundle
from sievert.scoring.cascade import score
from sievert.scoring.update import UPDATE_FILES, UpdateModel, UpdateSpec, UpdateTensors, judge_of, logits_of
from sievert.training.comment_model import CommentModel, train_comment_model
from sievert.training.history_truth import labels_of
from sievert.training.priors import fit_spec
from sievert.training.update_recipe import UpdateRecipe

Floats = npt.NDArray[np.float64]
Advance = Callable[[str, int, int], None]

_CHUNK = 4000
_BATCH = 512
_EVALUATED = 200_000  # snapshots of harmless posts that the table looks at, at most


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CauseLine:
    """How well one kind of snapshot is ranked, at the history's own prevalence."""

    cause: str
    snapshots: int
    harmful: int
    by_text: float  # average precision
    by_behaviour: float
    by_both: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainedUpdate:
    """An update model, and how it did on posts later than those it learned from."""

    model: UpdateModel
    comments: CommentModel
    lines: tuple[CauseLine, ...]
    posts: int
    events: int
    snapshots: int
    prevalence: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Examples:
    """Snapshots to learn from or to measure on."""

    rows: npt.NDArray[np.float32]  # [s, F]
    y: npt.NDArray[np.float32]  # [s, H] NaN where nobody said
    weight: Floats  # [s] how many snapshots of traffic each stands for
    cause: npt.NDArray[np.int8]  # [s]
    post: npt.NDArray[np.int64]  # [s] row of the revision


def train_update(
    folder: Path, bundle: Bundle, recipe: UpdateRecipe, *, learn_from: str, advance: Advance
) -> TrainedUpdate:
    """Train an update model for a bundle.

    `learn_from` is the source of labels that counts, such as expert; "truth" takes the truth of a
    simulated world.

    Raises:
        NotFound, InvalidField, MalformedInput: the history cannot be read, or has too few labels.
    """
    comments = train_comment_model(
        recipe.comments,
        bundle.fold,
        seed=recipe.seed,
        epoch_done=lambda done: advance("comments", done, recipe.comments.solver.epochs),
    )
    judge = _judge(comments, bundle)
    history = read_history(folder, judge=judge)
    advance("read", 1, 1)
    heads = tuple(head.name for head in bundle.manifest.heads)
    y, drawn = labels_of(history, folder, heads, source=learn_from)
    split = _split(history, bundle, recipe)
    behaviour = behaviour_of(history)
    spec = fit_spec(behaviour, history, split)
    advance("priors", 1, 1)
    examples = _examples(history, split, behaviour=behaviour, spec=spec, y=y, drawn=drawn, recipe=recipe)
    learn, tune, test = examples
    if not (_harmful(learn) and _harmful(tune)):
        raise InvalidField(
            f"The history has no harmful post by {learn_from!r} in the time to learn from or to calibrate on.",
            remedy="Take a longer history, or another source of labels with --labels.",
        )
    tensors = _fit(learn, recipe, advance=advance)
    tensors = _calibrated(tensors, tune)
    model = UpdateModel(
        spec=UpdateSpec(
            behaviour=spec, calibrators={head: {"x": [-1.0, 1.0], "y": [-1.0, 1.0]} for head in heads}
        ),
        tensors=_with_comments(tensors, comments),
        calibrators=(),
    )
    files = model.files()
    model = UpdateModel.of_files(files[UPDATE_FILES[0]], files[UPDATE_FILES[1]], heads)
    return TrainedUpdate(
        model=model,
        comments=comments,
        lines=_lines(model, test, history, bundle, advance=advance),
        posts=len(history.posts),
        events=len(history.events),
        snapshots=sum(len(one.y) for one in examples),
        prevalence=float(np.average(learn.y[:, 0] > 0.5, weights=learn.weight)),
    )


def _judge(comments: CommentModel, bundle: Bundle) -> CommentJudge | None:
    """Return what reads comments as the bundle will: by the very function that serves."""
    heads = len(bundle.manifest.heads)
    blank = UpdateModel(
        spec=UpdateSpec(behaviour=BehaviourSpec(definitions=DEFINITIONS), calibrators={}),
        tensors=_with_comments(_blank(heads), comments),
        calibrators=(),
    )
    return judge_of(blank, bundle.fold)


def _split(history: History, bundle: Bundle, recipe: UpdateRecipe) -> TimeSplit:
    """Split by time, as the recipe says."""
    came = history.posts.received_at
    first, end = int(came.min()), int(max(came.max(), history.events.received_at.max(initial=0))) + 1
    whole = int(came.max()) + 1 - first
    test_from = first + round(whole * (1 - recipe.test_share))
    calibrate_from = first + round(whole * (1 - recipe.test_share - recipe.calibration_share))
    return split_by_time(
        history, calibrate_from=calibrate_from, test_from=test_from, end=end, tables=bundle.fold
    )


def _examples(
    history: History,
    split: TimeSplit,
    *,
    behaviour: BehaviourHistory,
    spec: BehaviourSpec,
    y: npt.NDArray[np.float32],
    drawn: Floats,
    recipe: UpdateRecipe,
) -> tuple[_Examples, _Examples, _Examples]:
    """Return the snapshots of each fold: all of harmful posts, of harmless ones as many as asked for."""
    rng = np.random.default_rng(recipe.seed)
    taken = snapshots(history)
    fold = split.of_snapshots(taken)
    labelled = np.isfinite(y[taken.row, 0])
    made = []
    for which, most in ((0, None), (1, None), (2, _EVALUATED)):
        mine = np.flatnonzero((fold == which) & labelled)
        harmful = y[taken.row[mine], 0] > 0.5
        wanted = most or max(1000, recipe.harmless_for_harmful * int(harmful.sum()))
        share = min(1.0, wanted / max(1, int((~harmful).sum())))
        chosen = harmful | (rng.random(len(mine)) < share)
        rows = mine[chosen]
        weight = taken.weight[rows] / drawn[taken.row[rows]] / np.where(harmful[chosen], 1.0, share)
        made.append(
            _Examples(
                rows=behaviour.rows(taken.post[rows], taken.as_of[rows], spec),
                y=y[taken.row[rows]],
                weight=weight,
                cause=taken.cause[rows],
                post=taken.row[rows],
            )
        )
    return made[0], made[1], made[2]


def _harmful(examples: _Examples) -> bool:
    return bool((examples.y[:, 0] > 0.5).any() and (examples.y[:, 0] <= 0.5).any())


def _fit(learn: _Examples, recipe: UpdateRecipe, *, advance: Advance) -> UpdateTensors:
    """Learn the posterior of each head from behaviour alone."""
    torch.manual_seed(recipe.seed)
    heads = learn.y.shape[1]
    mean, spread = learn.rows.mean(axis=0), np.maximum(learn.rows.std(axis=0), 1e-3)
    x = torch.from_numpy(np.clip((learn.rows - mean) / spread, -8, 8))
    y, known = torch.from_numpy(np.nan_to_num(learn.y)), torch.from_numpy(np.isfinite(learn.y))
    weight = torch.from_numpy((learn.weight / learn.weight.mean()).astype(np.float32))
    hidden = torch.nn.Linear(x.shape[1], recipe.units)
    spoken = torch.nn.Linear(recipe.units, heads, bias=False)
    direct = torch.nn.Linear(x.shape[1], heads)
    with torch.no_grad():
        share = (learn.y > 0.5).astype(np.float64).T @ learn.weight / learn.weight.sum()
        direct.weight.zero_()
        direct.bias.copy_(torch.from_numpy(np.log(np.maximum(share, 1e-6)).astype(np.float32)))
    parameters = [*hidden.parameters(), *spoken.parameters(), *direct.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.l2)
    order = torch.Generator().manual_seed(recipe.seed)
    loss_of = torch.nn.BCEWithLogitsLoss(reduction="none")
    for epoch in range(recipe.epochs):
        shuffled = torch.randperm(len(x), generator=order)
        for rows in torch.split(shuffled, _BATCH):
            logits = spoken(torch.relu(hidden(x[rows]))) + direct(x[rows])
            loss = (loss_of(logits, y[rows]) * known[rows] * weight[rows, None]).sum() / len(rows)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        advance("behaviour", epoch + 1, recipe.epochs)
    zeros = np.zeros((heads, recipe.units), np.float32)
    return dataclasses.replace(
        _blank(heads),
        mean=np.concatenate([np.zeros(heads), mean]).astype(np.float32),
        spread=np.concatenate([np.ones(heads), spread]).astype(np.float32),
        hidden=np.concatenate([zeros, hidden.weight.detach().numpy().T]),
        hidden_bias=hidden.bias.detach().numpy(),
        spoken=np.ascontiguousarray(spoken.weight.detach().numpy().T),
        direct=np.concatenate([np.zeros((heads, heads), np.float32), direct.weight.detach().numpy().T]),
        bias=direct.bias.detach().numpy(),
    )


def _blank(heads: int) -> UpdateTensors:
    """Return tensors that add nothing to what the text said."""
    inputs = heads + len(FEATURES)
    return UpdateTensors(
        mean=np.zeros(inputs, np.float32),
        spread=np.ones(inputs, np.float32),
        hidden=np.zeros((inputs, 1), np.float32),
        hidden_bias=np.zeros(1, np.float32),
        spoken=np.zeros((1, heads), np.float32),
        direct=np.zeros((inputs, heads), np.float32),
        bias=np.zeros(heads, np.float32),
        comment_table=np.zeros((2, 2), np.int8),
        comment_scale=np.ones(2, np.float32),
        comment_bias=np.zeros(2, np.float32),
    )


def _calibrated(tensors: UpdateTensors, tune: _Examples) -> UpdateTensors:
    """Make evidence of logits: calibrate each head on later posts, take the prior off, let the text count."""
    heads = len(tensors.bias)
    raw = tensors.logits(np.concatenate([np.zeros((len(tune.rows), heads), np.float32), tune.rows], axis=1))
    spoken, direct, bias = tensors.spoken.copy(), tensors.direct.copy(), tensors.bias.copy()
    for h in range(heads):
        known = np.isfinite(tune.y[:, h])
        is_so, weight = tune.y[known, h] > 0.5, tune.weight[known]
        if not (is_so.any() and (~is_so).any()):
            spoken[:, h], direct[:, h], bias[h] = 0, 0, 0  # nobody can say what its evidence is worth
        else:
            share = float(weight[is_so].sum() / weight.sum())
            slope, height = fit_logit_map(raw[known, h], is_so, weight, prevalence=share).line()
            spoken[:, h] *= slope
            direct[:, h] *= slope
            bias[h] = slope * bias[h] + height - math.log(share / (1 - share))
        direct[h, h] = 1.0
    return dataclasses.replace(tensors, spoken=spoken, direct=direct, bias=bias)


def _with_comments(tensors: UpdateTensors, comments: CommentModel) -> UpdateTensors:
    return dataclasses.replace(
        tensors, comment_table=comments.table, comment_scale=comments.scale, comment_bias=comments.bias
    )


def _lines(
    model: UpdateModel, test: _Examples, history: History, bundle: Bundle, *, advance: Advance
) -> tuple[CauseLine, ...]:
    """Measure on the test fold, by what caused the snapshot; whole history at the end."""
    posts, place = np.unique(test.post, return_inverse=True)
    parts = []
    for start in range(0, len(posts), _CHUNK):
        texts = TextColumn.of(history.posts.text.texts(posts[start : start + _CHUNK]))
        scored = score(bundle, texts, heavy_share=0.03)
        heads = len(bundle.manifest.heads) - 1
        parts.append(np.concatenate([scored.harm[:, None], scored.policies[:, :heads]], axis=1))
        advance("score texts", min(start + _CHUNK, len(posts)), len(posts))
    content = np.concatenate(parts)[place]
    both = model.probabilities(content, test.rows)[:, 0]
    nothing = np.full_like(content, 0.5)
    behaviour = model.probabilities(nothing, test.rows)[:, 0]
    harmful = test.y[:, 0] > 0.5
    lines = []
    for name, rows in (
        *((cause, test.cause == code) for code, cause in enumerate(CAUSES)),
        ("all", np.ones(len(test.cause), np.bool_)),
    ):
        if harmful[rows].any() and (~harmful[rows]).any():
            ranked = [
                average_precision(harmful[rows], scores[rows], test.weight[rows])
                for scores in (logits_of(content[:, 0]), behaviour, both)
            ]
            lines.append(
                CauseLine(
                    cause=name,
                    snapshots=int(rows.sum()),
                    harmful=int(harmful[rows].sum()),
                    by_text=ranked[0],
                    by_behaviour=ranked[1],
                    by_both=ranked[2],
                )
            )
    return tuple(lines)
