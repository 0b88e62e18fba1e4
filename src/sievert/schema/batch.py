"""The columnar twins: a batch of posts moves as arrays, one row a post.

Legend: n posts in the batch, P policy heads.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sievert.schema.access import AuditNote
from sievert.schema.action import Action, Case, OutboxMessage
from sievert.schema.arm import Acted, ArmRows
from sievert.schema.clock import Micros
from sievert.schema.decision import FIRST, Cause, Reason, decision_id
from sievert.schema.delay import DelayedRemoval
from sievert.schema.guardrail import Crossing
from sievert.schema.label import Label
from sievert.schema.limit import AccountLimit, AccountPast
from sievert.schema.media import SeenPicture
from sievert.schema.post import Post, PostKey
from sievert.schema.stop import Stop
from sievert.schema.taxonomy import HARM

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]


@dataclasses.dataclass(frozen=True, slots=True)
class TextColumn:
    """UTF-8 texts laid end to end: text i is `data[offsets[i]:offsets[i + 1]]`."""

    data: Bytes  # [total bytes]
    offsets: Offsets  # [n + 1]

    def __len__(self) -> int:
        """Return n."""
        return len(self.offsets) - 1

    def texts(self, rows: npt.NDArray[np.intp]) -> list[str]:
        """Return the texts of these rows, in this order."""
        start, stop = self.offsets[rows].tolist(), self.offsets[rows + 1].tolist()
        return [self.data[a:b].tobytes().decode() for a, b in zip(start, stop, strict=True)]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "TextColumn":
        """Lay n texts end to end; a lone surrogate becomes a question mark."""
        return cls.of_bytes([text.encode(errors="replace") for text in texts])

    @classmethod
    def of_bytes(cls, texts: Sequence[bytes]) -> "TextColumn":
        """Lay n texts of valid UTF-8 end to end."""
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return cls(data=np.frombuffer(b"".join(texts), np.uint8), offsets=offsets)


@dataclasses.dataclass(frozen=True, slots=True)
class PostBatch:
    """Posts that were decoded together, with their texts as one column, and pictures of the few that have any."""

    posts: list[Post]
    keys: list[PostKey]
    text: TextColumn
    digests: list[bytes]  # 16 bytes each: BLAKE2b of text and pictures, what "the same content" means
    received_at: Micros
    causes: list[Cause] | None = None  # of their decisions; None where they are the first ones
    pictures: dict[int, tuple[SeenPicture, ...]] = dataclasses.field(default_factory=dict)  # by row

    def __len__(self) -> int:
        """Return n."""
        return len(self.posts)

    def cause(self, row: int) -> Cause:
        """Return what calls for the decision about a row."""
        return self.causes[row] if self.causes else FIRST

    def decision_id(self, row: int) -> str:
        """Name the decision about a row."""
        return decision_id(self.keys[row], self.cause(row))

    def take(self, rows: npt.NDArray[np.intp]) -> "PostBatch":
        """Return the batch of these rows, in this order."""
        if np.array_equal(rows, np.arange(len(self))):
            return self
        start, stop = self.text.offsets[rows], self.text.offsets[rows + 1]
        pieces = [self.text.data[a:b] for a, b in zip(start.tolist(), stop.tolist(), strict=True)]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(stop - start, out=offsets[1:])
        data = np.concatenate(pieces) if pieces else np.empty(0, np.uint8)
        # As `of_bytes` makes it: for arrays that may be written the kernels would be compiled once more.
        data.setflags(write=False)
        chosen = rows.tolist()
        return PostBatch(
            posts=[self.posts[row] for row in chosen],
            keys=[self.keys[row] for row in chosen],
            text=TextColumn(data=data, offsets=offsets),
            digests=[self.digests[row] for row in chosen],
            received_at=self.received_at,
            causes=[self.causes[row] for row in chosen] if self.causes else None,
            pictures={at: self.pictures[row] for at, row in enumerate(chosen) if row in self.pictures}
            if self.pictures
            else {},
        )


WHERE = (None, "picture", "text and picture")
"""Where the words stand that a score is about: the text, a picture, or both read together."""


@dataclasses.dataclass(frozen=True, slots=True)
class ScoredBatch:
    """Calibrated probabilities at natural prevalence, and where they came from."""

    bundle: str
    heads: tuple[str, ...]  # P names of policy heads
    harm: Floats  # [n]
    policies: Floats  # [n, P]
    language: Codes  # [n] schema.decision.Language
    stage: Codes  # [n] schema.decision.Stage
    where: Codes | None = None  # [n] a place of WHERE; None where no picture says or shows anything

    def __len__(self) -> int:
        """Return n."""
        return len(self.harm)

    def has(self, head: str) -> bool:
        """Tell whether this head spoke: harm always does."""
        return head == HARM or head in self.heads

    def of(self, head: str) -> Floats:
        """Return the probabilities [n] of one head, harm or a policy's."""
        return self.harm if head == HARM else self.policies[:, self.heads.index(head)]

    def told(self) -> "ScoredBatch":
        """Return what can be recorded and told: 0 where a model gave no probability; a reason says so."""
        if all(((values >= 0) & (values <= 1)).all() for values in (self.harm, self.policies)):
            return self
        harm, policies = (
            np.where((values >= 0) & (values <= 1), values, np.float32(0))
            for values in (self.harm, self.policies)
        )
        return dataclasses.replace(self, harm=harm, policies=policies)


@dataclasses.dataclass(frozen=True, slots=True)
class DecidedBatch:
    """One outcome a post. Reasons exist only for posts that are not plainly allowed."""

    policy_set: str
    outcome: Codes  # [n] schema.decision.Outcome
    would: Codes  # [n] what it would have been with every policy live and certified
    reasons: dict[int, tuple[Reason, ...]]  # row -> why
    demoted_for: dict[int, str]  # row -> policy whose rule lowers the post's reach
    queued_for: dict[int, str]  # row -> policy whose rule asks a person
    removed_for: dict[int, str]  # row -> policy whose certified rule removes the post
    isolated_for: dict[int, str] = dataclasses.field(default_factory=dict)  # row -> bank: nothing is kept
    forecast: Floats | None = None  # [n] views to come that it hung on; NaN where nobody asked
    permitted_by: dict[int, str] = dataclasses.field(default_factory=dict)  # row -> certificate of a removal
    arms: tuple[ArmRows, ...] = ()  # of an experiment that acts, those outside first; none: there is none
    arm: int = 0  # which of them decided here
    watched: dict[int, Acted] = dataclasses.field(default_factory=dict)  # row -> with what chance

    def acted(self, row: int) -> Acted | None:
        """Return under which experiment a row was decided about."""
        if row in self.watched:
            return self.watched[row]
        return self.arms[self.arm].acted if self.arms else None

    def plainly_allowed(self) -> npt.NDArray[np.bool_]:
        """Mark the posts about which there is nothing to tell: allowed, no reason given, not watched."""
        plain: npt.NDArray[np.bool_] = self.outcome == 0
        plain[list(self.watched)] = False
        plain[list(self.reasons)] = False  # an empty list marks nothing
        return plain


@dataclasses.dataclass(frozen=True, slots=True)
class Effects:
    """What a batch of decisions sets in motion; recorded in the same transaction as the decisions."""

    actions: tuple[Action, ...] = ()
    cases: tuple[Case, ...] = ()
    messages: tuple[OutboxMessage, ...] = ()
    audit: tuple[AuditNote, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    stops: tuple[Stop, ...] = ()
    delayed: tuple[DelayedRemoval, ...] = ()
    limits: tuple[AccountLimit, ...] = ()
    pasts: tuple[AccountPast, ...] = ()
    released: tuple[str, ...] = ()  # delayed removals that wait no more, by the id of their action
    withdrawn: tuple[str, ...] = ()  # known answers that are none any more, by their case
    labels: tuple[Label, ...] = ()
    texts: tuple[
        Post, ...
    ] = ()  # posts that were plainly allowed, and that a person shall judge all the same
    likenesses: Mapping[str, tuple[bytes, ...]] = dataclasses.field(default_factory=dict)
    """By case: the names that its content shares with near-duplicates; none: it stands alone."""
