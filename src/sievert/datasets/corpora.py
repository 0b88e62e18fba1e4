"""The labelled corpora: what they are, what they may be used for, and how they are read.

A corpus is a file NAME.jsonl.gz of lines {"id", "text", "harmful", "labels"}; the folder is named by
whoever trains. Nothing of a corpus is kept in this package.
"""

import dataclasses
import enum
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from sievert.errors import InvalidField, NotFound
from sievert.schema.taxonomy import labels_of


class Use(enum.Enum):
    """What a corpus's licence and nature allow."""

    SHIP = "may feed a bundle that ships"
    EXPERIMENT = "experiments only"
    MEASURE = "measuring only, never training"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """One corpus as its makers describe it."""

    name: str
    use: Use
    licence: str
    about: str
    languages: tuple[str, ...] = ("en",)


CORPORA = (
    Corpus(name="davidson2017", use=Use.SHIP, licence="MIT", about="tweets: hate, offensive, neither"),
    Corpus(name="edos", use=Use.SHIP, licence="CC0", about="Gab and Reddit: sexism by category"),
    Corpus(
        name="cad",
        use=Use.SHIP,
        licence="CC BY 4.0 (to be verified)",
        about="Reddit threads: abuse by target",
    ),
    Corpus(name="toxic_spans_civil", use=Use.SHIP, licence="CC0", about="news comments: share of raters"),
    Corpus(name="paradetox", use=Use.SHIP, licence="MIT", about="toxic sentences and neutral rewrites"),
    Corpus(name="convabuse", use=Use.SHIP, licence="CC BY 4.0", about="abuse of chat bots"),
    Corpus(name="online_misogyny", use=Use.SHIP, licence="MIT", about="Reddit: misogyny by category"),
    Corpus(name="hatemoji_build", use=Use.SHIP, licence="CC BY 4.0", about="adversarial hate with emoji"),
    Corpus(name="fox_news", use=Use.SHIP, licence="MIT", about="news comments: hateful or not"),
    Corpus(
        name="toxigen_annotated", use=Use.SHIP, licence="MIT", about="machine-written, implicit, by group"
    ),
    Corpus(name="sms_spam", use=Use.SHIP, licence="CC BY 4.0 (to be verified)", about="text messages: spam"),
    Corpus(
        name="youtube_spam", use=Use.SHIP, licence="CC BY 4.0 (to be verified)", about="video comments: spam"
    ),
    Corpus(
        name="mlma",
        use=Use.SHIP,
        licence="MIT",
        about="tweets: abusive, hateful, offensive",
        languages=("en", "fr", "ar"),
    ),
    Corpus(name="germeval2018", use=Use.SHIP, licence="CC BY 4.0", about="German tweets", languages=("de",)),
    Corpus(name="gahd_de", use=Use.SHIP, licence="CC BY 4.0", about="German, adversarial", languages=("de",)),
    Corpus(
        name="cold_zh",
        use=Use.SHIP,
        licence="Apache-2.0",
        about="Chinese: race, region, gender",
        languages=("zh",),
    ),
    Corpus(
        name="bengali_hate", use=Use.SHIP, licence="MIT", about="Bengali, no benign class", languages=("bn",)
    ),
    Corpus(name="stormfront", use=Use.EXPERIMENT, licence="CC BY-SA 3.0", about="forum sentences"),
    Corpus(
        name="told_br",
        use=Use.EXPERIMENT,
        licence="CC BY-SA 4.0",
        about="Portuguese tweets",
        languages=("pt",),
    ),
    Corpus(
        name="korean_hate",
        use=Use.EXPERIMENT,
        licence="CC BY-SA 4.0",
        about="Korean comments",
        languages=("ko",),
    ),
    Corpus(name="madlibs77k", use=Use.MEASURE, licence="CC BY 4.0", about="templates over identity terms"),
)

BY_NAME = {corpus.name: corpus for corpus in CORPORA}

# The official dev sets calibrate; the spellings differ.
_OFFICIAL = {
    "split:test": "test",
    "split:dev": "calibration",
    "split:valid": "calibration",
    "split:train": "train",
    "split:training": "train",
}
LEARN = "learn"
"""Officially training, in a corpus without a dev set: a part of it must calibrate, none of it may test."""


class _Line(msgspec.Struct, gc=False):
    id: str
    text: str
    harmful: int
    labels: list[str] = []


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled text. `labels` holds 1 or 0 by head; a missing head is unknown.

    `pair` ties rows that must stay on one side of a split, such as a sentence and its rewrite.
    `official` is the fold that the corpus's makers put the row in, `LEARN`, or None.
    `targets` are the groups that its makers say it is about; most corpora do not tell.
    """

    id: str
    corpus: str
    text: str
    language: str
    labels: dict[str, int]
    pair: str
    official: str | None
    targets: tuple[str, ...] = ()


def read_corpus(folder: Path, name: str) -> list[Row]:
    """Read a corpus whole.

    Raises:
        NotFound: the folder has no such file.
        InvalidField: a line is not what a corpus line must be; names the line.
    """
    path = folder / f"{name}.jsonl.gz"
    if not path.is_file():
        raise NotFound(
            f"There is no {path.name} in {folder}.",
            remedy="Name the folder that holds the corpora as NAME.jsonl.gz with --data.",
        )
    corpus = BY_NAME.get(name) or Corpus(name=name, use=Use.EXPERIMENT, licence="unknown", about="your own")
    rows = list(_rows(path, corpus))
    if not any(row.official == "calibration" for row in rows):
        rows = [dataclasses.replace(row, official=LEARN) if row.official == "train" else row for row in rows]
    return rows


def _rows(path: Path, corpus: Corpus) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(_Line)
    with gzip.open(path, "rb") as lines:
        for number, raw in enumerate(lines, start=1):
            try:
                line = decoder.decode(raw)
            except (msgspec.DecodeError, UnicodeError) as error:
                raise InvalidField(
                    f"{path.name}, line {number}: {error}.",
                    remedy='A line is {"id", "text", "harmful": 0 or 1, "labels": [...]}.',
                ) from error
            yield Row(
                id=line.id,
                corpus=corpus.name,
                text=line.text.encode(errors="replace").decode(),
                language=_language(corpus, line.labels),
                labels=labels_of(corpus.name, line.labels, harmful=line.harmful),
                pair=line.id.split("-", 1)[0] if corpus.name == "paradetox" else line.id,
                official=next((_OFFICIAL[label] for label in line.labels if label in _OFFICIAL), None),
                targets=tuple(label[7:] for label in line.labels if label.startswith("target:")),
            )


def _language(corpus: Corpus, labels: Sequence[str]) -> str:
    return next((label[5:] for label in labels if label.startswith("lang:")), corpus.languages[0])
