"""What the simulated platform has its model learn, by the functions behind `sievert train policy` and `sievert bundle`.

The heads that ship learned from real texts, and the simulated network speaks of invented peoples and vegetables:
they find next to nothing there. So the platform does what any platform with rules of its own does. It has a
head learn from what its experts labelled; lets it ask people in shadow; learns again from what they found;
and has its probabilities set right by posts that they judged since.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from sievert.cli.promise_installation import PLATFORM, Installation
from sievert.cli.promise_owner import examples_file
from sievert.review.exports import examples_of
from sievert.schema.clock import Micros
from sievert.schema.label import Label
from sievert.schema.taxonomy import HARM
from sievert.scoring.bundle import default_bundle_path, load_bundle
from sievert.simulation.oversight import HEADS
from sievert.simulation.world import Step
from sievert.training.few_shot import Stated, train_text_head
from sievert.training.few_shot_card import with_added
from sievert.training.few_shot_examples import read_examples, read_unlabelled
from sievert.training.recalibrating_head import recalibrate

Advance = Callable[[str, int, int], None]

_TRAFFIC = 4000
_MORE_THAN_HARM = 1.2
"""What the light half may send on, over the share of harm: it is not always right."""


class Notebook:
    """What the platform knows of its posts before anything is learned: texts, and experts' labels of some."""

    def __init__(self) -> None:
        """Know nothing."""
        self.texts: dict[int, str] = {}
        self._labels: dict[int, tuple[bool, float]] = {}

    def note(self, step: Step) -> None:
        """Take in the texts of a step, and the labels that became ready."""
        self.texts.update(zip(step.posts.number.tolist(), step.posts.text.tolist(), strict=True))
        labels = step.labels
        for row in np.flatnonzero(labels.head == HEADS.index(HARM)).tolist():
            self._labels[int(labels.post[row])] = (labels.value[row] > 0.5, float(labels.probability[row]))

    @property
    def examples(self) -> list[tuple[str, bool]]:
        """What experts labelled."""
        return [(self.texts[post], harmful) for post, (harmful, _) in self._labels.items()]

    @property
    def prevalence(self) -> float:
        """The share of harmful posts, estimated from how likely each was to be labelled (Hájek 1971)."""
        weight = [(harmful, 1 / probability) for harmful, probability in self._labels.values()]
        return sum(one for harmful, one in weight if harmful) / sum(one for _, one in weight)


@dataclasses.dataclass(slots=True, kw_only=True)
class HeadLearns:
    """A head learns from what experts labelled, and from what people settled since it began to ask."""

    day: float
    said: str
    policy: str
    notebook: Notebook
    advance: Advance
    reviews: int | None = None
    labels: int = 0

    def __call__(self, installation: Installation, out: Path) -> Path:
        """Learn as `sievert train policy` does."""
        folder, notebook = installation.folder, self.notebook
        out.parent.mkdir(parents=True, exist_ok=True)
        bundle = load_bundle(default_bundle_path())
        settled = settled_labels(installation, self.policy, since=0)
        examples = examples_file(out.with_suffix(".examples.ndjson"), [*notebook.examples, *settled])
        traffic = folder / "traffic.ndjson"
        if not traffic.exists():
            traffic.write_bytes(
                b"\n".join(msgspec.json.encode({"text": one}) for one in notebook.texts.values())
            )
        read = read_examples(examples, bundle.fold)
        self.labels = len(read.texts)
        share = notebook.prevalence
        stated = Stated(name=self.policy, prevalence=share, share=min(0.2, _MORE_THAN_HARM * share), seed=1)
        some = read_unlabelled(traffic, most=_TRAFFIC, seed=1)
        trained = train_text_head(bundle, read, some, stated, advance=self.advance)
        with_added(default_bundle_path(), out, bundle, trained)
        return out


@dataclasses.dataclass(slots=True, kw_only=True)
class HeadIsSetRight:
    """The head's probabilities are moved to what people found since it learned."""

    day: float
    said: str
    policy: str
    since: Micros
    reviews: int | None = None
    labels: int = 0

    def __call__(self, installation: Installation, out: Path) -> Path:
        """Do what `sievert bundle recalibrate` does."""
        bundle = load_bundle(installation.bundle)
        pairs = settled_labels(installation, self.policy, since=self.since)
        judged = read_examples(examples_file(out.with_suffix(".judged.ndjson"), pairs), bundle.fold)
        self.labels = len(judged.texts)
        recalibrate(installation.bundle, out, bundle, self.policy, judged)
        return out


def settled_labels(installation: Installation, policy: str, *, since: Micros) -> list[tuple[str, bool]]:
    """Return what people settled about cases opened by decisions, as `sievert review examples` writes it."""
    labels = installation.doors.stores.labels
    found: list[Label] = []
    cursor: str | None = None
    while True:
        page = labels.list(policy=policy, cursor=cursor, limit=1000)
        found += page.items
        if (cursor := page.cursor) is None:
            return examples_of(found[::-1], policy=policy, platform=PLATFORM, since=since)
