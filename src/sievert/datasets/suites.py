"""Test sets that are kept blind: read in their makers' own layouts, to measure and for nothing else.

* a functional test suite (HateCheck, Roettger et al. 2021; Multilingual HateCheck, 2022): NAME.csv with the columns
  `functionality`, `test_case`, `label_gold` and, where a case is about somebody, `target_ident`. Its language stands
  in a column `language`, or is the last word of the file's name, or is English;
* the evaluation set of OpenAI's moderation (Markov et al. 2023): NAME.jsonl or NAME.jsonl.gz of {"prompt"} with 1 or 0
  for each of its eight categories. A category that a line does not name is unknown, and is not read as 0.

No training, threshold or calibration may read these; `tests/datasets/test_suites.py` holds that.
"""

import csv
import dataclasses
import gzip
from pathlib import Path

import msgspec

from sievert.errors import InvalidField, NotFound
from sievert.schema.taxonomy import HARM

_LANGUAGES = {
    "arabic": "ar", "dutch": "nl", "english": "en", "french": "fr", "german": "de", "hindi": "hi",
    "italian": "it", "mandarin": "zh", "polish": "pl", "portuguese": "pt", "spanish": "es",
}  # fmt: skip
_CATEGORIES = ("S", "H", "V", "HR", "SH", "S3", "H2", "V2")
_POLICIES = {"H": "hate", "HR": "harassment"}
_COLUMNS = {"functionality", "test_case", "label_gold"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SuiteCase:
    """One case: what it says about each head (unknown if missing), what it tests, and whom it is about."""

    text: str
    language: str
    labels: dict[str, int]
    kinds: tuple[str, ...]
    target: str | None


def read_suites(folder: Path) -> dict[str, list[SuiteCase]]:
    """Read every blind test set in a folder, by the name of its file.

    Raises:
        NotFound: there is no such folder, or no test set in it.
        InvalidField: a file is not laid out as its makers lay it out; names file and line.
    """
    found = {}
    for path in sorted(folder.glob("*")):
        if path.suffix == ".csv":
            found[path.stem] = _functional(path)
        elif path.name.endswith((".jsonl", ".jsonl.gz")):
            found[path.name.split(".", 1)[0]] = _moderation(path)
    if not found:
        raise NotFound(
            f"There is no test set in {folder}.",
            remedy="Put them there as their makers publish them: NAME.csv, NAME.jsonl or NAME.jsonl.gz.",
        )
    return found


def _functional(path: Path) -> list[SuiteCase]:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = _COLUMNS - set(rows.fieldnames or ())
        if missing:
            raise InvalidField(
                f"{path.name} has no column {', '.join(sorted(missing))}.",
                remedy="Name the file as its makers publish it; a suite has functionality, test_case and label_gold.",
            )
        cases = []
        for number, row in enumerate(rows, start=2):
            harmful = {"hateful": 1, "non-hateful": 0}.get(row["label_gold"])
            if harmful is None:
                raise InvalidField(
                    f"{path.name}, line {number}: label_gold is neither hateful nor non-hateful.",
                    remedy="Name the file as its makers publish it.",
                )
            cases.append(
                SuiteCase(
                    text=row["test_case"],
                    language=_language(row.get("language") or path.stem.rsplit("_", 1)[-1]),
                    labels={HARM: harmful, "hate": harmful},
                    kinds=(row["functionality"],),
                    target=row.get("target_ident") or None,
                )
            )
    return cases


def _language(said: str) -> str:
    word = said.strip().casefold()
    return word if word in _LANGUAGES.values() else _LANGUAGES.get(word, "en")


def _moderation(path: Path) -> list[SuiteCase]:
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    whole = path.read_bytes()
    cases = []
    for number, raw in enumerate(
        (gzip.decompress(whole) if path.suffix == ".gz" else whole).splitlines(), start=1
    ):
        if raw.strip():
            try:
                line = decoder.decode(raw)
                text = msgspec.json.decode(line["prompt"], type=str)
                known = {
                    name: msgspec.json.decode(line[name], type=bool | int)
                    for name in _CATEGORIES
                    if name in line
                }
            except (msgspec.DecodeError, KeyError, UnicodeError) as error:
                raise InvalidField(
                    f"{path.name}, line {number}: {error}.",
                    remedy='A line is {"prompt"} with 1 or 0 for categories.',
                ) from error
            harmful = tuple(name for name, value in known.items() if value)
            labels = {head: int(known[name]) for name, head in _POLICIES.items() if name in known}
            if harmful or len(known) == len(_CATEGORIES):
                labels[HARM] = int(bool(harmful))
            cases.append(SuiteCase(text=text, language="en", labels=labels, kinds=harmful, target=None))
    return cases
