"""While a candidate acts, posts are parted by the arms of their creators, and each part walks the path by itself.

Each arm has the parts of the server but for its bundle, what is permitted, and what is noted. Where no candidate is
loaded, or none acts, the path is walked as it is.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from sievert.errors import InputError
from sievert.pipeline.again import Again
from sievert.pipeline.arms import OfArm
from sievert.pipeline.decode import split_lines
from sievert.pipeline.path import Parts, run
from sievert.schema.arm import Arm
from sievert.schema.decision import Answer
from sievert.schema.post import DEFAULT_PLATFORM


class _Published(msgspec.Struct):
    """Who published a post, and where; whatever else a record says."""

    platform: str = DEFAULT_PLATFORM
    creator_id: str | None = None


_READ = msgspec.json.Decoder(_Published)


def run_by_arm(records: bytes | Sequence[bytes], parts: Parts) -> list[Answer | InputError]:
    """Take a batch of posts the whole way, each with the bundle of its creator's arm; as `path.run` otherwise.

    Raises:
        StoreUnavailable: not all of it could be recorded; nothing of the batch is acknowledged.
    """
    candidate = parts.candidate
    arms = {} if candidate is None else candidate.arms()
    if candidate is None or not arms:
        return run(records, parts)
    lines = split_lines(records) if isinstance(records, bytes) else records
    rows: dict[Arm | None, list[int]] = defaultdict(list)
    for row, line in enumerate(lines):
        platform, creator = _published(line)
        rows[candidate.arm(platform, creator)].append(row)
    answers: dict[int, Answer | InputError] = {}
    # Who comes first finds more of the hour's reviews: it is now the one, now the other.
    order = sorted(rows, key=lambda arm: (arm or "", rows[arm][0]), reverse=parts.clock.now() % 2 == 0)
    for arm in order:
        found = run([lines[row] for row in rows[arm]], parts_of(parts, arms[arm]))
        answers.update(zip(rows[arm], found, strict=True))
    return [answers[row] for row in range(len(lines))]


def again_by_arm(again: Sequence[Again], parts: Parts) -> Iterator[tuple[list[Again], Parts]]:
    """Part posts that are decided anew by whose bundle decided about them first; give the parts of each."""
    candidate = parts.candidate
    arms = {} if candidate is None else candidate.arms()
    if not arms:
        if again:
            yield [*again], parts
        return
    some: dict[Arm | None, list[Again]] = defaultdict(list)
    for one in again:
        acted = one.first.acted
        same = acted is not None and acted.experiment == arms[None].experiment.experiment_id
        some[acted.arm if acted is not None and same else None].append(one)
    for arm, found in some.items():
        yield found, parts_of(parts, arms[arm])


def parts_of(parts: Parts, of_arm: OfArm) -> Parts:
    """Return the parts of an arm."""
    candidate = parts.candidate
    bundle = candidate.bundle if candidate is not None and of_arm.arm is Arm.CANDIDATE else parts.bundle
    return dataclasses.replace(parts, bundle=bundle, of_arm=of_arm)


def _published(record: bytes) -> tuple[str, str | None]:
    try:
        read = _READ.decode(record)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return DEFAULT_PLATFORM, None  # the path says what is wrong with it
    return read.platform, read.creator_id
