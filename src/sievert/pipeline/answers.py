"""What goes back: one answer or one error for each record, in the order of the input."""

import numpy as np

from sievert.errors import ContentConflict, InputError, MediaUnavailable
from sievert.pipeline.decode import Decoded
from sievert.schema.batch import Codes, DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.decision import Answer, Language, Outcome, Stage, shown
from sievert.schema.post import PostKey
from sievert.stores.journal.base import CONFLICT, NEW, REPEAT, SAME, Found

UNOPENED = 4
"""Beside what a journal says of a post: that it shows a picture which nobody opened."""

_OUTCOMES = [outcome.word for outcome in Outcome]
_LANGUAGES = [language.word for language in Language]
_STAGES = [stage.word for stage in Stage]


def answer_new(posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch) -> list[Answer]:
    """Return the answers for posts that were just decided, from the columns."""
    heads = scored.heads
    policies = [dict(zip(heads, row, strict=True)) for row in shown(scored.policies)]
    reasons = decided.reasons
    return [
        Answer(
            id=post.id,
            platform=post.platform,
            revision=post.revision,
            decision=outcome,
            probability=harm,
            policies=by_policy,
            language=language,
            stage=stage,
            bundle=scored.bundle,
            reasons=reasons.get(row, ()),
        )
        for row, (post, outcome, harm, by_policy, language, stage) in enumerate(
            zip(
                posts.posts,
                _words(_OUTCOMES, decided.outcome),
                shown(scored.harm),
                policies,
                _words(_LANGUAGES, scored.language),
                _words(_STAGES, scored.stage),
                strict=True,
            )
        )
    ]


def _words(words: list[str], codes: Codes) -> list[str]:
    return [words[code] for code in codes.tolist()]


def assemble(read: Decoded, found: Found, fresh: list[Answer]) -> list[Answer | InputError]:
    """Put answers and errors in the order of the records.

    `fresh` answers the NEW rows of `found`, in their order. A repeat inside the batch gets the
    answer of its first appearance; a post that came before gets the answer that it got then.
    """
    results: list[Answer | InputError | None] = [read.errors.get(record) for record in range(read.count)]
    if len(fresh) == read.count:
        return [*fresh]
    new = dict(zip(np.flatnonzero(found.status == NEW).tolist(), fresh, strict=True))
    for row, (record, status) in enumerate(zip(read.rows, found.status.tolist(), strict=True)):
        if status == NEW:
            results[record] = new[row]
        elif status == REPEAT:
            first = int(found.first[row])
            results[record] = new[first] if first in new else _unopened()
        elif status == UNOPENED:
            results[record] = _unopened()
        elif status == SAME:
            results[record] = found.decisions[row].answer()
        elif status == CONFLICT:
            results[record] = _conflict(read.posts[row].key)
    return [result for result in results if result is not None]


def _unopened() -> MediaUnavailable:
    return MediaUnavailable(
        "A picture of the post is not known here, or not any more.",
        field="media",
        remedy="Send the post again with its pictures; one that is named by its hash must be uploaded first.",
    )


def _conflict(key: PostKey) -> ContentConflict:
    return ContentConflict(
        f"Post {key.id!r} of platform {key.platform!r} came before as revision {key.revision}, with other content.",
        field="revision",
        remedy="Send changed content under the next revision number.",
    )
