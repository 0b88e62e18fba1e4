"""Lines of text and pictures become lines of decision: the body of `sievert score`."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sievert.errors import InputError
from sievert.pipeline.answers import answer_new
from sievert.pipeline.decode import check_text, explain
from sievert.pipeline.evidence import explained
from sievert.pipeline.lines import OverlongLine
from sievert.pipeline.offline import judge
from sievert.policy.rulebook import RuleBook
from sievert.schema.clock import Micros
from sievert.schema.decision import NO_EVIDENCE, Example, Reason, Span
from sievert.schema.media import MOST_MEDIA, Media, SeenPicture
from sievert.schema.policy import PolicySet
from sievert.schema.post import DEFAULT_PLATFORM, MAX_TEXT_BYTES, Id, Post
from sievert.scoring.bundle import Bundle


class TextLine(msgspec.Struct, frozen=True, gc=False):
    """One input line. Further fields are left alone, so that labelled files can be scored as they are."""

    text: str | UnsetType = UNSET
    media: Annotated[tuple[Media, ...], Meta(max_length=MOST_MEDIA)] = ()
    id: str | int | None = None
    platform: Id = DEFAULT_PLATFORM
    creator_id: Id | None = None

    @property
    def said(self) -> str:
        """The text, empty where there is none."""
        return "" if self.text is UNSET else self.text


class PictureLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was found in one picture; `words` are null where they were not looked for."""

    sha256: str
    format: str
    width: int
    height: int
    frames: int
    words: str | None


class See(Protocol):
    """Opens the pictures of one line."""

    def __call__(self, media: Sequence[Media]) -> tuple[SeenPicture, ...]:
        """Return what is in them; raises InputError where one cannot be opened."""
        ...


class ScoredLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One output line: what would be decided about a text."""

    id: str | int | None
    decision: str
    probability: float
    policies: dict[str, float]
    language: str
    stage: str
    bundle: str
    reasons: tuple[Reason, ...]
    spans: tuple[Span, ...]
    nearest: tuple[Example, ...]
    pictures: tuple[PictureLine, ...] = ()


class WrongLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One output line for an input line that could not be read; `line` counts from one."""

    line: int
    id: str | int | None
    error: str
    field: str | None
    remedy: str


class _IdOfLine(msgspec.Struct, frozen=True, gc=False):
    id: str | int | None = None


_DECODER = msgspec.json.Decoder(TextLine)
_ID_DECODER = msgspec.json.Decoder(_IdOfLine)
_ENCODER = msgspec.json.Encoder()


def scored_lines(
    lines: Sequence[bytes | OverlongLine],
    bundle: Bundle,
    policies: PolicySet,
    *,
    now: Micros,
    first: int,
    heavy_share: float = 1.0,
    see: See | None = None,
    book: RuleBook | None = None,
    failures: Counter[tuple[str, str]] | None = None,
) -> tuple[bytes, int]:
    """Return NDJSON with one line for each line, in their order, and how many could not be read.

    `first` is the number of the first line in its file; `see` opens pictures; `book` are the rules of the
    policies, where they are compiled already; to `failures` is added for how many lines a rule failed.
    """
    results: list[ScoredLine | WrongLine | None] = [None] * len(lines)
    read: list[tuple[int, TextLine]] = []
    pictures: dict[int, tuple[SeenPicture, ...]] = {}
    for row, line in enumerate(lines):
        parsed = _parse(line, first + row)
        if not isinstance(parsed, WrongLine) and parsed.media and see is not None:
            try:
                pictures[len(read)] = see(parsed.media)
            except InputError as error:
                parsed = _wrong(error, first + row, parsed.id)
        if isinstance(parsed, WrongLine):
            results[row] = parsed
        else:
            read.append((row, parsed))
    wrong = len(lines) - len(read)
    if read:
        posts = [
            Post(id="-", text=line.said, platform=line.platform, creator_id=line.creator_id)
            for _, line in read
        ]
        judged = judge(
            posts, bundle, policies, now=now, heavy_share=heavy_share, pictures=pictures, book=book
        )
        if failures is not None:
            failures.update(judged.failures)
        answers = answer_new(judged.posts, judged.scored, judged.decided)
        evidence = explained(bundle, judged.posts.text, judged.scored, judged.decided)
        for at, ((row, text_line), answer) in enumerate(zip(read, answers, strict=True)):
            shown = evidence.get(at, NO_EVIDENCE)
            results[row] = ScoredLine(
                id=text_line.id,
                decision=answer.decision,
                probability=answer.probability,
                policies=answer.policies,
                language=answer.language,
                stage=answer.stage,
                bundle=answer.bundle,
                reasons=answer.reasons,
                spans=shown.spans,
                nearest=shown.nearest,
                pictures=tuple(map(_picture_line, pictures.get(at, ()))),
            )
    return _ENCODER.encode_lines(results), wrong


def _parse(line: bytes | OverlongLine, number: int) -> TextLine | WrongLine:
    if isinstance(line, OverlongLine):
        return _wrong(line.error(), number, None)
    try:
        parsed = _DECODER.decode(line)
        if parsed.text is UNSET and not parsed.media:
            raise msgspec.ValidationError("Object missing required field `text`")
        text = parsed.said.encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _wrong(explain(line, error, kind=TextLine), number, _id_of(line))
    try:
        check_text(text, MAX_TEXT_BYTES)
    except InputError as error:
        return _wrong(error, number, parsed.id)
    return parsed


def _picture_line(seen: SeenPicture) -> PictureLine:
    facts = seen.facts
    return PictureLine(
        sha256=facts.sha256,
        format=facts.format,
        width=facts.width,
        height=facts.height,
        frames=facts.frames,
        words=facts.words,
    )


def _id_of(line: bytes) -> str | int | None:
    try:
        return _ID_DECODER.decode(line).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _wrong(error: InputError, number: int, post_id: str | int | None) -> WrongLine:
    return WrongLine(line=number, id=post_id, error=error.what, field=error.field, remedy=error.remedy)
