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

from sievert.datasets.history import read_history
from sievert.datasets.history_columns import History
from sievert.features.behaviour.counting import KIND, Said
from sievert.features.behaviour.history import BehaviourHistory, Published
from sievert.features.behaviour.rows import BehaviourSpec
from sievert.schema.clock import DAY, HOUR
from sievert.schema.history import FOLLOWED, MADE, NOBODY, EventColumns
from sievert.schema.taxonomy import HARM, LABELLED
from sievert.simulation.recording import Extra, write_history
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """What was known of posts [n], in the order in which they came, and the truth."""

    history: History
    row: np.ndarray  # [n] of the post's first revision in the history
    received_at: np.ndarray  # [n]
    text: list  # [n]
    picture: np.ndarray  # [n, P] NaN without an image
    has_image: np.ndarray  # [n]
    behaviour: np.ndarray  # [n, F] as of some hours after the post came
    truth: np.ndarray  # [n, H]
    form: np.ndarray  # [n] the word for how it was made: nobody but us may look at it

    def __len__(self):
        return len(self.row)


def view_of_world(settings, *, days, hours, seed=0):
    """Let a world go on for so many days; return what was known of each post `hours` after it came."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_history(
            World(settings, Writer()), folder, lambda *_: None, steps=days * 24, extras=[Extra.IMAGES]
        )
        history = read_history(folder, judge=comment_judge(np.random.default_rng(seed)))
        truth = pq.read_table(folder / "truth.parquet")
        pictures, place = _pictures(folder, history)
    end = settings.start + days * DAY
    first = np.flatnonzero(history.posts.first == np.arange(len(history.posts)))
    # What came later has not had its hours yet.
    row = first[history.posts.received_at[first] < end - hours * HOUR]
    row = row[np.argsort(history.posts.received_at[row], kind="stable")]
    at = np.asarray(pc.index_in(history.posts.ids.take(pa.array(row)), value_set=truth["post_id"]))
    policies = [set((said or "").split(",")) for said in truth["policies"].to_pylist()]
    by_policy = np.array([[word in said for word in LABELLED] for said in policies])
    truths = np.column_stack([truth["harmful"].to_numpy(), by_policy])[at]
    received_at = history.posts.received_at[row]
    has_image = place[row] >= 0
    return View(
        history=history,
        row=row,
        received_at=received_at,
        text=history.posts.text.texts(row),
        picture=np.where(has_image[:, None], pictures[place[row]], np.nan).astype(np.float32),
        has_image=has_image,
        behaviour=behaviour_of(history).rows(row, received_at + hours * HOUR, BehaviourSpec()),
        truth=truths,
        form=np.array(truth["form"].to_pylist())[at],
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


def behaviour_of(history):
    """Index a history's behaviour; later revisions of a post are no posts of their creator."""
    posts = history.posts
    new = posts.first == np.arange(len(posts))
    return BehaviourHistory(
        Published(
            creator=np.where(new, posts.creator, NOBODY),
            created_at=posts.created_at,
            received_at=posts.received_at,
        ),
        two_sided(history.events, history.account_created_at),
        accounts=len(history.accounts),
    )


def two_sided(events, account_created_at):
    """Return events with a row for each side of a profile: when the account was made, how many follow."""
    profile = events.kind == KIND["profile"]
    again = np.sort(np.concatenate([np.arange(len(events)), np.flatnonzero(profile)]))
    second = np.append(False, again[1:] == again[:-1])[: len(again)]
    made = profile[again] & ~second
    columns = {name.name: getattr(events, name.name)[again] for name in dataclasses.fields(EventColumns)}
    columns["code"][second] = FOLLOWED
    columns["code"][made] = MADE
    columns["amount"][made] = account_created_at[columns["creator"][made]]
    return EventColumns(**columns)


def _pictures(folder, history):
    """Return numbers of every picture [images, P], and where each row's picture stands [m]; -1 without."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("images-*.parquet"))]
    table = pa.concat_tables(tables)
    numbers = np.array([picture_numbers(png) for png in table["png"].to_pylist()], np.float32)
    place = pc.fill_null(pc.index_in(history.posts.image_id, value_set=table["id"].combine_chunks()), -1)
    return numbers, np.asarray(place)


def picture_numbers(png):
    """Return a thumbnail's colours, and means, spreads and a histogram of the whole picture's [P]."""
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB")
    whole = np.asarray(image).reshape(-1, 3)
    small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX)).reshape(-1)
    bins = (whole // (256 // _BINS)) @ np.array([_BINS * _BINS, _BINS, 1])
    share = np.bincount(bins, minlength=_BINS**3) / len(whole)
    return np.concatenate([small, whole.mean(axis=0), whole.std(axis=0), share])
