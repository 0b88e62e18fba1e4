"""Texts that only want a judgement: the same path as a post's, and nothing of it is recorded.

For the doors that speak another API's words. One request is one batch; it waits in the same queue as
posts, so that scoring cannot crowd out deciding, nor the memory grow.
"""

from collections.abc import Mapping, Sequence

from sievert.pipeline.decode import check_text
from sievert.pipeline.offline import NO_PICTURES, Judged, judge
from sievert.schema.media import SeenPicture
from sievert.schema.post import Post
from sievert.serving.doors import Doors

MOST_TEXTS = 256
"""Texts in one request."""


async def judge_texts(
    doors: Doors, texts: Sequence[str], *, pictures: Mapping[int, tuple[SeenPicture, ...]] = NO_PICTURES
) -> Judged:
    """Say what would be decided if these texts (at most `MOST_TEXTS`) were posts, with pictures by row.

    Raises:
        TooLarge, InvalidField: a text is too long, or holds what no text may hold.
        Overloaded: too much waits already.
    """
    for text in texts:
        check_text(text.encode(), doors.settings.max_text_bytes)
    doors.worker.refuse_if_full()
    posts = [Post(id="-", text=text) for text in texts]
    parts = doors.parts
    return await doors.worker.run(
        lambda: judge(
            posts,
            parts.bundle,
            parts.policies,
            now=doors.clock.now(),
            pictures=pictures,
            banks=parts.banks,
            book=parts.ruling.book,
        ),
        posts=len(posts),
    )
