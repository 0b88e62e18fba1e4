"""All views of a window, and what a measuring model says of their posts: what `sievert prevalence` draws from."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sievert.guardrail.measuring import Frame, Scored
    from sievert.schema.clock import Clock, Micros
    from sievert.schema.post import Post
    from sievert.scoring.bundle import Bundle
    from sievert.stores.journal.seen import SeenPosts

T = TypeVar("T")

_AT_ONCE = 4000

LOOK_BACK_DAYS = 30
"""Posts may have been decided about so long before the window in which they are seen."""


def days_until_now(days: int, clock: "Clock", *, today: bool) -> "tuple[Micros, Micros]":
    """Return a window of whole days, in UTC: up to yesterday's end, or with today in it."""
    from sievert.schema.clock import DAY

    until = clock.now() // DAY * DAY + (DAY if today else 0)
    return until - days * DAY, until


def named_or_newest(
    kept: Sequence[T], name: str | None, *, id_of: Callable[[T], str], what: str, none_yet: str, first: str
) -> T:
    """Return what was kept under an id, the newest of all without one; `what` it is, and `first` makes one.

    Raises:
        NotFound: there is none.
    """
    from sievert.errors import NotFound

    found = [one for one in kept if name in (None, id_of(one))]
    if not found:
        raise NotFound(
            f"There is no such {what}." if name else none_yet,
            remedy=f"Name one of {', '.join(map(id_of, kept))}." if kept else first,
        )
    return found[-1]


def frame_of(
    seen: "SeenPosts",
    *,
    policy: str,
    platform: str,
    since: "Micros",
    until: "Micros",
    posts: Mapping[str, "Post"],
    measuring: Path | None,
    by_decisions: bool,
    running: str,
) -> "Frame":
    """Return the frame of a window; scores come from a bundle that reads `posts`, or from the decisions made here.

    Raises:
        InvalidField: nobody said what measures, or it is a bundle that decides.
    """
    from sievert.errors import InvalidField
    from sievert.guardrail.measuring import Frame, Scored, refuse_enforcing
    from sievert.schema.clock import DAY
    from sievert.schema.measuring import BY_DECISIONS
    from sievert.scoring.bundle import load_bundle

    if (measuring is None) == (not by_decisions) or (measuring is not None and not posts):
        raise InvalidField(
            "Say what measures: another bundle than the one that decides, which reads the posts of the window.",
            field="measuring",
            remedy="--measuring FOLDER --posts FILE; or --by-decisions, where there is no other bundle.",
        )
    decided = seen.first_decisions(platform, policy, since=since - LOOK_BACK_DAYS * DAY, until=until)
    decided_by = {one.bundle for one in decided.values()} | ({running} if running else set())
    scored: dict[str, Scored] = {
        name: Scored(revision=one.revision, p=one.p if by_decisions else None)
        for name, one in decided.items()
    }
    if measuring is None:
        measured_by = BY_DECISIONS
    else:
        bundle = load_bundle(measuring)
        measured_by = bundle.version
        refuse_enforcing(measured_by, decided_by)
        scored |= read_by(bundle, policy, posts)
    return Frame(
        policy=policy,
        platform=platform,
        since=since,
        until=until,
        views=seen.views(platform, since=since, until=until),
        scored=scored,
        measured_by=measured_by,
        decided_by=tuple(sorted(decided_by)),
    )


def read_posts(file: Path, platform: str) -> "dict[str, Post]":
    """Return the posts of a file of NDJSON by id, the newest revision of each; pictures are left out.

    Raises:
        MalformedInput: a line is no post.
        NotFound: there is no such file.
    """
    import msgspec

    from sievert.errors import InputError
    from sievert.pipeline.decode import decode
    from sievert.pipeline.line_source import line_batches, open_source
    from sievert.pipeline.lines import OverlongLine
    from sievert.schema.post import MAX_TEXT_BYTES

    found: dict[str, Post] = {}
    with open_source(str(file)) as source:
        for lines in line_batches(source):
            read = decode(
                [b"" if isinstance(one, OverlongLine) else one for one in lines],
                max_text_bytes=MAX_TEXT_BYTES,
            )
            wrong: InputError | None = next(iter(read.errors.values()), None)
            if wrong is not None:
                raise wrong
            for one in read.posts:
                known = found.get(one.id)
                if one.platform == platform and (known is None or known.revision <= one.revision):
                    found[one.id] = msgspec.structs.replace(one, media=())
    return found


def read_by(bundle: "Bundle", policy: str, posts: Mapping[str, "Post"]) -> "dict[str, Scored]":
    """Return what a bundle says of posts, every one read by all of it.

    Raises:
        InvalidField: it has no head of this name.
    """
    from sievert.errors import InvalidField
    from sievert.guardrail.measuring import Scored
    from sievert.schema.batch import TextColumn
    from sievert.scoring.cascade import score

    found = {}
    names = [*posts]
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        scored = score(bundle, TextColumn.of([posts[name].text for name in some]), heavy_share=1.0)
        if not scored.has(policy):
            raise InvalidField(
                f"{bundle.version} says nothing of {policy}.",
                field="measuring",
                remedy=f"Measure one of harm, {', '.join(scored.heads)}.",
            )
        for name, p in zip(some, scored.of(policy).tolist(), strict=True):
            found[name] = Scored(revision=posts[name].revision, p=p)
    return found
