"""A picture policy of a platform's own: a folder of labelled pictures becomes a head on a frozen encoder's vectors.

    FOLDER/NAME/   pictures that break the policy        FOLDER/other/   pictures that do not

Pictures are opened in a process that may die, as in service, and by the same functions. One that cannot be
opened is named and left out. Pictures whose hashes are near are one group, which counts once, where the
extra `media` can hash; copies of one file are always one.

Legend: n pictures, S side, P width of a vector.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sievert.errors import ConfigurationError, InputError, InvalidField, NotFound
from sievert.pipeline.opening import Openers
from sievert.schema.media import MAX_PICTURE_BYTES, PictureFacts
from sievert.scoring.added_heads import Reads
from sievert.scoring.picture_encoder import PictureEncoder
from sievert.training.few_shot import Advance, Numbers, Stated, TrainedHead, learn_head
from sievert.training.few_shot_examples import FEWEST_UNLABELLED, too_few
from sievert.training.few_shot_linear import Windows

OTHER = "other"
NEAR = 31
"""Bits of a PDQ hash that may differ between pictures of one group."""

_GOOD_HASH = 50


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that could not be used, and why."""

    file: str
    why: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SeenFiles:
    """What is read of n pictures that differ."""

    numbers: Numbers
    facts: tuple[PictureFacts, ...]
    files: tuple[str, ...]
    repeated: int
    refused: tuple[Refused, ...]


def train_picture_head(
    folder: Path,
    encoder: PictureEncoder,
    stated: Stated,
    *,
    opener: Openers,
    traffic: Path | None,
    most: int,
    brought: PictureEncoder | None,
    advance: Advance,
) -> tuple[TrainedHead, tuple[Refused, ...]]:
    """Learn a head from a folder of pictures; return it, and what could not be opened.

    `traffic` is a folder of pictures without labels, of which at most so many are looked at; `brought` is the
    encoder if it has to join the bundle.

    Raises:
        NotFound: there is no such folder.
        ConfigurationError: lists everything that is wrong with the folders, with files and remedies.
    """
    problems = _shape_problems(folder, stated.name)
    if problems:
        raise ConfigurationError(f"The examples in {folder}", problems)
    kinds = [
        _seen(
            sorted(_files(folder / kind)),
            encoder,
            opener,
            lambda done, of: advance("open examples", done, of),
        )
        for kind in (stated.name, OTHER)
    ]
    harmful, harmless = kinds
    names = {facts.sha256: file for facts, file in zip(harmful.facts, harmful.files, strict=True)}
    problems += [
        f"{names[facts.sha256]} and {file} are the same picture: keep it on one side"
        for facts, file in zip(harmless.facts, harmless.files, strict=True)
        if facts.sha256 in names
    ]
    y = np.repeat([True, False], [len(harmful.facts), len(harmless.facts)])
    group = groups_of([*harmful.facts, *harmless.facts])
    problems += too_few(y, group)
    refused = harmful.refused + harmless.refused
    if problems:
        problems += [f"{one.file} could not be used: {one.why}" for one in refused]
        raise ConfigurationError(f"The examples in {folder}", problems)
    seen = None
    if traffic is not None:
        files = sorted(_files(traffic))
        if len(files) > most:
            drawn = np.sort(np.random.default_rng(stated.seed).permutation(len(files))[:most])
            files = [files[at] for at in drawn.tolist()]
        looked = _seen(files, encoder, opener, lambda done, of: advance("open traffic", done, of))
        refused += looked.refused
        if len(looked.facts) < FEWEST_UNLABELLED:
            raise ConfigurationError(
                f"The unlabelled pictures in {traffic}",
                [
                    f"{len(looked.facts):,} are too few to show what traffic is like: give {FEWEST_UNLABELLED:,}, or none"
                ],
            )
        seen = looked.numbers
    trained = learn_head(
        _together(harmful.numbers, harmless.numbers),
        y,
        group,
        seen,
        stated,
        reads=Reads.PICTURE,
        encoder=encoder.name,
        advance=advance,
    )
    return dataclasses.replace(
        trained, repeated=harmful.repeated + harmless.repeated, encoder=brought
    ), refused


def groups_of(facts: Sequence[PictureFacts]) -> npt.NDArray[np.int64]:
    """Return a group for each of n pictures [n]: what is like one picture of it, by hash, is in it."""
    group = np.arange(len(facts), dtype=np.int64)
    hashed = [
        (at, np.unpackbits(np.frombuffer(bytes.fromhex(one.pdq), np.uint8)))
        for at, some in enumerate(facts)
        for one in some.hashes
        if one.quality >= _GOOD_HASH
    ]
    if not hashed:
        return group
    owner, bits = np.array([at for at, _ in hashed]), np.stack([one for _, one in hashed])
    for at, mine in hashed:
        for other in np.unique(owner[(bits != mine).sum(axis=1) <= NEAR]).tolist():
            low, high = sorted((int(group[at]), int(group[other])))
            group[group == high] = low
    return group


def _shape_problems(folder: Path, name: str) -> list[str]:
    if not folder.is_dir():
        raise NotFound(
            f"There is no folder {folder}.", remedy=f"Name one with the subfolders {name} and {OTHER}."
        )
    there = {path.name for path in folder.iterdir() if path.is_dir()}
    problems = [
        f"there is no subfolder {wanted}: {what}"
        for wanted, what in ((name, "pictures that break the policy"), (OTHER, "pictures that do not"))
        if wanted not in there
    ]
    return problems + [
        f"the subfolder {stranger} belongs to neither side: move its pictures to {name} or {OTHER}"
        for stranger in sorted(there - {name, OTHER})
    ]


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", remedy="Name a folder of pictures.")
    return (path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith("."))


def _seen(
    files: Sequence[Path], encoder: PictureEncoder, opener: Openers, advance: Callable[[int, int], None]
) -> SeenFiles:
    facts: dict[str, PictureFacts] = {}
    names: list[str] = []
    vectors: list[npt.NDArray[np.float32]] = []
    refused: list[Refused] = []
    for done, path in enumerate(files, start=1):
        name = f"{path.parent.name}/{path.name}"
        try:
            found, (pixels,) = opener.open_with_pixels(_bytes(path), [encoder.side])
        except InputError as error:
            refused.append(Refused(file=name, why=f"{error.what} {error.remedy}".strip()))
        except OSError as error:
            refused.append(Refused(file=name, why=str(error.strerror)))
        else:
            if found.sha256 not in facts:
                facts[found.sha256] = found
                names.append(name)
                vectors.append(encoder.vector(pixels))
        advance(done, len(files))
    numbers = Numbers(
        light=np.array([one.features for one in facts.values()], np.float32).reshape(len(facts), -1),
        heavy=Windows.single(np.stack(vectors) if vectors else np.empty((0, 1), np.float32)),
    )
    return SeenFiles(
        numbers=numbers,
        facts=tuple(facts.values()),
        files=tuple(names),
        repeated=len(files) - len(refused) - len(facts),
        refused=tuple(refused),
    )


def _bytes(path: Path) -> bytes:
    if not path.is_file():  # a pipe would be waited for
        raise InvalidField("It is no plain file.", remedy="Leave pictures in the folder alone.")
    with path.open("rb") as file:
        return file.read(MAX_PICTURE_BYTES + 1)


def _together(one: Numbers, other: Numbers) -> Numbers:
    return Numbers(
        light=np.concatenate([one.light, other.light]),
        heavy=Windows.single(np.concatenate([one.heavy.numbers, other.heavy.numbers])),
    )
