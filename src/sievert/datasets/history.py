"""A platform's own history, read from a folder: posts, events, labels, and what was wrong with them.

A row that cannot be used is set aside and told, and the rest goes on; a file that cannot be read stops.
Events are read part by part and kept as numbers only: what comments say is judged while they pass, by a
function that the caller brings, and kept by `CommentTexts` where one is brought.
"""

from pathlib import Path

from sievert.datasets.comment_texts import CommentTexts
from sievert.datasets.history_columns import CommentJudge, History
from sievert.datasets.history_events import read_events
from sievert.datasets.history_labels import read_labels
from sievert.datasets.history_parts import files_of
from sievert.datasets.history_posts import read_posts
from sievert.datasets.numbering import Numbering
from sievert.datasets.quarantine import Quarantine, quarantine_path, quarantined
from sievert.errors import NotFound


def read_history(
    folder: Path,
    *,
    judge: CommentJudge | None = None,
    comments: CommentTexts | None = None,
    quarantine: Path | None = None,
) -> History:
    """Read a folder; rows that cannot be used are written to `quarantine`, by default beside the data.

    Raises:
        NotFound: there is no such folder, or no posts in it.
        MalformedInput: a file cannot be read.
        InvalidField: a file lacks a column, or has one of a wrong type.
    """
    _refuse_empty(folder)
    with quarantined(quarantine or quarantine_path(folder)) as into:
        return _read(folder, judge, comments, into)


def examine_history(folder: Path) -> History:
    """Read a folder without writing anything; rows that cannot be used are counted.

    Raises:
        NotFound, MalformedInput, InvalidField: as `read_history`.
    """
    _refuse_empty(folder)
    return _read(folder, None, None, Quarantine())


def _refuse_empty(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFound(
            f"There is no folder {folder}.", remedy="Name a folder with posts.parquet or posts.ndjson."
        )
    if not files_of(folder, "posts"):
        raise NotFound(
            f"There are no posts in {folder}.",
            remedy="Add posts.parquet or posts.ndjson; docs/data-format.md says what it holds.",
        )


def _read(
    folder: Path, judge: CommentJudge | None, comments: CommentTexts | None, quarantine: Quarantine
) -> History:
    accounts = Numbering()
    posts, index, platform = read_posts(files_of(folder, "posts"), accounts, quarantine)
    read = read_events(
        folder,
        accounts,
        quarantine,
        posts=posts,
        index=index,
        platform=platform,
        judge=judge,
        comments=comments,
    )
    labels = read_labels(folder, quarantine, posts=posts, index=index)
    return History(
        platform=platform,
        posts=posts,
        events=read.events,
        labels=labels,
        accounts=accounts.names,
        quarantine=quarantine,
        reordered=read.reordered,
    )
