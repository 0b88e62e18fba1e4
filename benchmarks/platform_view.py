"""What a platform knew of each post some hours after it appeared, out of a simulated world's history.

The world is written to a folder and read back as anybody's history would be: what the platform does not
know (forms, who is toxic, what a picture means) is not in there. The truth stands beside it, to learn
from and to measure by. Comments are judged by a small model of its own. A post that was changed is
shown as it came.

Legend: n posts, H heads (harm, then each policy), F behaviour features, P numbers of a picture.
"""

import dataclasses
import io
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB

from sievert.datasets.behaviour import behaviour_of
from sievert.datasets.history import read_history
from sievert.datasets.history_columns import History
from sievert.features.behaviour.counting import Said
from sievert.features.behaviour.rows import BehaviourSpec
from sievert.schema.clock import DAY, HOUR
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.simulation.images import render
from sievert.simulation.recording import write_history
from sievert.simulation.world import World
from sievert.simulation.writer import MOODS, TOPICS, Writer

HEADS = (HARM, *LABELLED)
_SAID = np.array(
    [{"disappointed": Said.DISAPPOINTED, "quarrel": Said.QUARREL}.get(mood, Said.NOTHING) for mood in MOODS],
    np.int16,
)
_COMMENTS = 12_000
_SIDE = 16
_BINS = 4
_NUMBERS = 3 * _SIDE**2 + 6 + _BINS**3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lived:
    """A world that has been, as a platform reads it, and what the platform does not know."""

    history: History
    row: np.ndarray  # [n] of a post's first revision in the history, by time of receipt
    received_at: np.ndarray  # [n]
    truth: np.ndarray  # [n, H]
    form: np.ndarray  # [n] the word for how it was made: nobody but us may look at it
    scene: dict  # where an image's scene stands, by the image's id: scenes and place


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """What was known of posts [n], in the order in which they came, and the truth."""

    text: list  # [n]
    picture: np.ndarray  # [n, P] NaN without an image
    has_image: np.ndarray  # [n]
    behaviour: np.ndarray  # [n, F] as of some hours after the post came
    truth: np.ndarray  # [n, H]
    form: np.ndarray  # [n]

    def __len__(self):
        return len(self.text)


class _Watched(World):
    """A world whose scenes are kept, so that only some need to be drawn."""

    def __init__(self, settings, writer):
        super().__init__(settings, writer)
        self.scene = {}

    def advance(self):
        step = super().advance()
        for row in np.flatnonzero(step.posts.scene >= 0):
            self.scene[f"i{step.posts.number[row]}"] = (step.scenes, int(step.posts.scene[row]))
        return step


def lived(settings, *, days, hours, seed=0):
    """Let a world go on for so many days; return it, without the posts of its last `hours`."""
    world = _Watched(settings, Writer())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_history(world, folder, lambda *_: None, steps=days * DAY // settings.step)
        history = read_history(folder, judge=comment_judge(np.random.default_rng(seed)))
        told = pq.read_table(folder / "truth.parquet")
    posts = history.posts
    row = np.flatnonzero(posts.first == np.arange(len(posts)))
    # What came later has not had its hours yet.
    row = row[posts.received_at[row] < settings.start + days * DAY - hours * HOUR]
    row = row[np.argsort(posts.received_at[row], kind="stable")]
    at = np.asarray(pc.index_in(posts.ids.take(pa.array(row)), value_set=told["post_id"].combine_chunks()))
    policies = [set((said or "").split(",")) for said in told["policies"].to_pylist()]
    by_policy = np.array([[word in said for word in LABELLED] for said in policies])
    return Lived(
        history=history,
        row=row,
        received_at=posts.received_at[row],
        truth=np.column_stack([told["harmful"].to_numpy(), by_policy])[at],
        form=np.array(told["form"].to_pylist())[at],
        scene=world.scene,
    )


def view_of(world, chosen, *, hours):
    """Return what was known of these posts [n, places among a world's] `hours` after each came."""
    row = world.row[chosen]
    images = world.history.posts.image_id.take(pa.array(row)).to_pylist()
    numbers = {image: picture_numbers(_drawn(*world.scene[image])) for image in set(images) - {None}}
    nothing = np.full(_NUMBERS, np.nan)
    return View(
        text=world.history.posts.text.texts(row),
        picture=np.array([numbers.get(image, nothing) for image in images], np.float32),
        has_image=np.array([image is not None for image in images]),
        behaviour=behaviour_of(world.history).rows(
            row, world.received_at[chosen] + hours * HOUR, BehaviourSpec()
        ),
        truth=world.truth[chosen],
        form=world.form[chosen],
    )


def comment_judge(rng):
    """Learn to tell moods of comments from texts alone; return a judge that a history can be read with."""
    mood = rng.integers(len(MOODS), size=_COMMENTS).astype(np.int8)
    topic = rng.integers(TOPICS, size=_COMMENTS).astype(np.int16)
    words = HashingVectorizer(ngram_range=(1, 2), n_features=1 << 16, alternate_sign=False, norm=None)
    said = _SAID[mood]
    model = MultinomialNB(alpha=0.1).fit(words.transform(Writer().comments(mood, topic, rng)), said)

    def judge(text):
        return model.predict(words.transform(text.texts(np.arange(len(text))))).astype(np.int16)

    return judge


def _drawn(scenes, row):
    return render(scenes, [row])[0]


def picture_numbers(png):
    """Return a thumbnail's colours, and means, spreads and a histogram of the whole picture's [P]."""
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB")
    whole = np.asarray(image).reshape(-1, 3)
    small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX)).reshape(-1)
    bins = (whole // (256 // _BINS)) @ np.array([_BINS * _BINS, _BINS, 1])
    share = np.bincount(bins, minlength=_BINS**3) / len(whole)
    return np.concatenate([small, whole.mean(axis=0), whole.std(axis=0), share])
