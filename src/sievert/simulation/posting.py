"""Posts as they come to be: columns of a step's new ones, and the source that copies repeat."""

import dataclasses

import numpy as np
import numpy.typing as npt

from sievert.schema.history import Int8s, Int16s, Int64s
from sievert.simulation.columns import joined, taken
from sievert.simulation.draws import Bools

Texts = npt.NDArray[np.object_]
"""Texts [n], one Python string each."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """Posts: n of them, in the order in which they were received."""

    number: Int64s  # [n]
    revision: Int64s  # [n] 0 for what is new
    creator: Int64s  # [n]
    created_at: Int64s  # [n]
    received_at: Int64s  # [n]
    text: Texts  # [n]
    surface: Int64s  # [n] a group's or a page's number; -1: neither
    on_page: Bools  # [n] which of the two `surface` is
    copy_of: Int64s  # [n] the post it openly repeats; -1: none
    image: Int64s  # [n] the post whose image it shows, itself or another one; -1: none
    scene: Int64s  # [n] place among the step's scenes, where its image is new; else -1
    policy: Int8s  # [n] the policy it breaks most plainly, as a place in LABELLED; -1: none
    policies: npt.NDArray[np.uint8]  # [n] all that it breaks: bit k for place k
    topic: Int16s  # [n]
    form: Int8s  # [n] place in writer.FORMS
    cluster: Int64s  # [n] near-duplicates share it: the number of the first of them
    controversial: Bools  # [n] whether people quarrel about it though it harms nobody
    pushed: Bools  # [n] whether bots make it look popular

    def __len__(self) -> int:
        """Return n."""
        return len(self.number)


class Repeatable:
    """Recent posts whose texts are still at hand, for people to repeat and for creators to edit."""

    def __init__(self, most: int, *, a_step: int) -> None:
        """Keep at most so many, and take at most so many a step."""
        self._most, self._a_step = most, a_step
        self._posts: Posts | None = None

    def __len__(self) -> int:
        """Return how many posts are at hand."""
        return 0 if self._posts is None else len(self._posts)

    @property
    def posts(self) -> Posts:
        """The posts at hand, oldest first."""
        if self._posts is None:
            raise LookupError
        return self._posts

    def add(self, posts: Posts, rng: np.random.Generator) -> None:
        """Take some of the new posts in; the oldest ones make room."""
        some = np.sort(rng.permutation(len(posts))[: self._a_step])
        chosen = taken(posts, some)
        held = chosen if self._posts is None else joined(self._posts, chosen)
        self._posts = taken(held, np.arange(max(0, len(held) - self._most), len(held)))

    def replace(self, places: Int64s, posts: Posts) -> None:
        """Put newer revisions in the places of older ones."""
        self.posts.text[places] = posts.text
        self.posts.revision[places] = posts.revision
