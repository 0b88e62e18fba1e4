"""What a turn of the loop draws from, learns from, and is judged by: posts, texts and judgements of an installation."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sievert.guardrail.hard_draws import HardPost, Judged, Turn
    from sievert.measurement.gates import Gated
    from sievert.measurement.hard_cases import Array, HardCase
    from sievert.schema.clock import Micros
    from sievert.schema.post import Post
    from sievert.scoring.bundle import Bundle
    from sievert.serving.wiring import Ledgers

_AT_ONCE = 1000
_TIMED = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoopFrame:
    """Posts that can be drawn, by id, and how large each lies in every way of looking, in the order of ids."""

    posts: "Mapping[str, HardPost]"
    sizes: "Mapping[HardCase, Array]"


def frame_of(
    ledgers: "Ledgers",
    policy: str,
    platform: str,
    texts: "Mapping[str, Post]",
    *,
    folder: Path,
    window: "tuple[Micros, Micros]",
) -> LoopFrame:
    """Return the frame of a turn: posts of a window that were decided about, whose texts are told, and nobody was asked.

    Raises:
        InvalidField: there is no such post, or the bundle says nothing of the policy.
    """
    import numpy as np

    from sievert.cli.measured_frame import read_by
    from sievert.errors import InvalidField
    from sievert.guardrail.hard_draws import HardPost, turns
    from sievert.measurement.hard_cases import hard_case_sizes, nearness
    from sievert.schema.batch import TextColumn
    from sievert.scoring.bundle import load_bundle
    from sievert.scoring.cascade import score

    since, until = window
    seen = ledgers.decisions.seen
    decided = seen.first_decisions(platform, policy, since=since, until=until)
    before = turns(ledgers.guardrail, policy, platform)
    asked = {audit.post_id for turn in before for audit in turn.audits}
    names = sorted((decided.keys() & texts.keys()) - asked)
    if not names:
        raise InvalidField(
            f"No post of the window was decided about for {policy}, has its text told, and was not asked about.",
            field="posts",
            remedy="Pass the posts of the window as they were sent, look at more days (--days), or at today (--today).",
        )
    bundle = load_bundle(folder)
    chosen = {name: texts[name] for name in names}
    p = np.array([one.p or 0.0 for one in read_by(bundle, policy, chosen).values()])
    light = [
        score(
            bundle, TextColumn.of([chosen[name].text for name in names[at : at + _AT_ONCE]]), heavy_share=0.0
        )
        .of(policy)
        .astype(np.float64)
        for at in range(0, len(names), _AT_ONCE)
    ]
    told = judged_texts(ledgers, before, platform)
    confirmed = [text for text, one in told if one.harmful]
    removed = seen.removed(platform, since=since, until=until)
    return LoopFrame(
        posts={name: HardPost(revision=decided[name].revision, p=decided[name].p) for name in names},
        sizes=hard_case_sizes(
            p,
            student=np.concatenate(light) if bundle.heavy else None,
            nearness=nearness(
                latents(bundle, [chosen[name].text for name in names]), latents(bundle, confirmed)
            )
            if confirmed
            else None,
            removed=np.array([name in removed for name in names], np.float64),
        ),
    )


def latents(bundle: "Bundle", texts: Sequence[str]) -> "npt.NDArray[np.float32]":
    """Return what a bundle makes of n >= 1 texts, [n, d]: the heavy model's encodings, else the light model's layers."""
    import numpy as np

    from sievert.schema.batch import TextColumn
    from sievert.scoring.light import light_numbers
    from sievert.scoring.passages import encoded

    if bundle.heavy is None or not bundle.heavy.model.width:
        return light_numbers(bundle, TextColumn.of(list(texts)))
    found = np.zeros((len(texts), bundle.heavy.model.width), np.float32)
    for start in range(0, len(texts), _AT_ONCE):
        some = list(texts[start : start + _AT_ONCE])
        windows, owner = encoded(bundle.heavy.model, bundle, some)
        np.add.at(found, start + owner, windows)  # the sum points where the mean does
    return found


def judged_texts(ledgers: "Ledgers", turns: "Sequence[Turn]", platform: str) -> "list[tuple[str, Judged]]":
    """Return the texts that were judged in these turns, as kept with their labels, and what people found."""
    texts = texts_of(ledgers, platform)
    return [(texts[post], one) for turn in turns for post, one in turn.judged.items() if post in texts]


def texts_of(ledgers: "Ledgers", platform: str) -> dict[str, str]:
    """Return the texts that labels kept, by post."""
    return {
        one.post_id: one.text
        for one in ledgers.all_labels()
        if one.platform == platform and one.post_id is not None and one.text is not None
    }


def share_of_harm(turns: "Sequence[Turn]") -> float:
    """Return how often the policy is broken, by judged draws and their chances (Hajek 1971)."""
    weight = [(1.0 / one.chance, one.harmful) for turn in turns for one in turn.judged.values()]
    every = sum(one for one, _ in weight)
    share = sum(one for one, harmful in weight if harmful) / every if every else 0.0
    return min(max(share, 0.0005), 0.2)


def learned_head(
    policy: str,
    told: "Sequence[tuple[str, Judged]]",
    traffic: Sequence[str],
    *,
    folder: Path,
    out: Path,
    prevalence: float,
    share: float,
    seed: int,
    advance: Callable[[str, int, int], None],
) -> tuple[str, ...]:
    """Learn a head as `sievert train policy` does, write the bundle, and say what the examples prove.

    Each text counts by one over the chance that people were asked about it, and for each post that says it.

    Raises:
        ConfigurationError: the policy has a head of the bundle's own, or there are too few examples.
    """
    from sievert.errors import ConfigurationError
    from sievert.review.exports import examples_lines, last_words, said_alike
    from sievert.scoring.bundle import load_bundle
    from sievert.training.few_shot import MOST_TRAFFIC, Stated, name_problems, train_text_head
    from sievert.training.few_shot_card import findings, with_added
    from sievert.training.few_shot_examples import FEWEST_UNLABELLED, read_examples

    bundle = load_bundle(folder)
    if problems := name_problems(policy, bundle.manifest):
        own = (
            f"a head of the bundle's own is trained with all others (`sievert review labels`, then `sievert train`), "
            f"or another learns beside it, such as `--head {policy}_here`"
        )
        raise ConfigurationError("The policy", [*problems, own])
    out.parent.mkdir(parents=True, exist_ok=True)
    file = out.parent / f"{out.name}.examples.ndjson"
    stands: defaultdict[str, float] = defaultdict(float)
    for text, one in told:
        stands[said_alike(text)] += 1.0 / one.chance
    pairs = last_words((text, one.harmful) for text, one in told)
    least = min(stands.values(), default=1.0)
    file.write_bytes(examples_lines(pairs, [round(stands[said_alike(text)] / least, 3) for text, _ in pairs]))
    some = tuple(dict.fromkeys(traffic))[:MOST_TRAFFIC]
    trained = train_text_head(
        bundle,
        read_examples(file, bundle.fold),
        some if len(some) >= FEWEST_UNLABELLED else (),
        Stated(name=policy, prevalence=prevalence, share=share, seed=seed),
        advance=advance,
    )
    with_added(folder, out, bundle, trained)
    return tuple(findings(trained))


def asked_of_both(
    ledgers: "Ledgers",
    policy: str,
    platform: str,
    turns: "Sequence[Turn]",
    *,
    champion: Path,
    candidate: Path,
    head: str,
    certified: bool,
) -> "Gated":
    """Let both bundles read what people judged in the newest turn, and ask the gates; `head` is the candidate's.

    Raises:
        InvalidField: nothing was judged, or a bundle says nothing of the policy.
    """
    import time

    import numpy as np

    from sievert.errors import InvalidField
    from sievert.measurement.gates import gated
    from sievert.schema.batch import TextColumn
    from sievert.scoring.bundle import load_bundle
    from sievert.scoring.cascade import score

    texts = texts_of(ledgers, platform)
    judged = {post: one for post, one in (turns[-1].judged if turns else {}).items() if post in texts}
    if not judged:
        raise InvalidField(
            f"Nothing of the newest turn of {policy} is judged.",
            field="policy",
            remedy=f"Draw one (`sievert loop draw {policy}`), and let people judge it.",
        )
    column = TextColumn.of([texts[post] for post in judged])
    said, costs, languages = [], [], None
    for folder, name in ((champion, policy), (candidate, head)):
        bundle = load_bundle(folder)
        taken = []
        for _ in range(
            _TIMED
        ):  # the first call warms a model up, and others are busy too: the quickest counts
            began = time.process_time()
            scored = score(bundle, column, heavy_share=1.0)
            taken.append(time.process_time() - began)
        costs.append(min(taken) / len(judged) * 1e6)
        if not scored.has(name):
            raise InvalidField(
                f"{bundle.version} says nothing of {name}.", field="candidate", remedy="Train it first."
            )
        said.append(scored.of(name).astype(np.float64))
        languages = scored.language
    words = {str(word): np.asarray(languages == word) for word in np.unique(np.asarray(languages))}
    return gated(
        [one.harmful for one in judged.values()],
        said[0],
        said[1],
        prevalence=share_of_harm(turns),
        weight=[1.0 / one.chance for one in judged.values()],
        groups=words if len(words) > 1 else None,
        costs=(costs[0], costs[1]),
        certified=certified,
    )
