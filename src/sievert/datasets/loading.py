"""From a folder of corpora to folds, with the rights of each corpus kept."""

from collections.abc import Iterable
from pathlib import Path

from sievert.datasets.corpora import CORPORA, Row, Use, read_corpus
from sievert.datasets.folds import Folded, make_folds
from sievert.errors import InvalidField, NotFound
from sievert.features.content.fold import FoldTables


def corpora_here(folder: Path, *, uses: Iterable[Use]) -> list[str]:
    """Return the names of the known corpora in a folder that may be put to one of these uses.

    Raises:
        NotFound: the folder holds none of them.
    """
    wanted = set(uses)
    names = [
        corpus.name
        for corpus in CORPORA
        if corpus.use in wanted and (folder / f"{corpus.name}.jsonl.gz").is_file()
    ]
    if not names:
        raise NotFound(
            f"There is no corpus in {folder}.",
            remedy="Name the folder that holds the corpora as NAME.jsonl.gz with --data.",
        )
    return names


def load_folds(folder: Path, tables: FoldTables) -> Folded:
    """Read every corpus that may feed a shipped bundle, and fold them together.

    Raises:
        NotFound: the folder holds no such corpus.
        InvalidField: a line is not what a corpus line must be.
    """
    rows: list[Row] = []
    for name in corpora_here(folder, uses=(Use.SHIP,)):
        rows += read_corpus(folder, name)
    folded = make_folds(rows, tables)
    refuse_unfit(folded.pick("train") + folded.pick("calibration"))
    return folded


def refuse_unfit(rows: Iterable[Row]) -> None:
    """Refuse rows of corpora that may not feed a shipped bundle.

    Raises:
        InvalidField: a row's corpus is for experiments or for measuring only.
    """
    allowed = {corpus.name for corpus in CORPORA if corpus.use is Use.SHIP}
    strangers = {row.corpus for row in rows} - allowed
    if strangers:
        raise InvalidField(
            f"These corpora may not feed a bundle that ships: {', '.join(sorted(strangers))}.",
            remedy="Take them out of the training set.",
            field="corpus",
        )
