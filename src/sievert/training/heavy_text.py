"""The heavy model: a text encoder learns to see harm and which policies a text breaks.

1 texts, and texts of the grammar   2 weights by corpus, head and label; unknown labels are masked
3 fine-tuning, some texts disguised anew in every epoch; then part of the way back
4 rounded to bytes after training (PTQ)   5 on with rounded weights and activations (QAT)
6 each of 3, 4 and 5 as an ONNX file

Calibrators and cuts are fitted when the model joins a light one in a bundle.

Legend: n texts, H heads (harm first), B posts of a batch, T tokens.
"""

import dataclasses
import math
import random
import unicodedata
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from sievert.datasets.corpora import Row
from sievert.features.content.fold import SYMBOL, FoldTables
from sievert.features.content.reading import Glasses, readings
from sievert.features.content.spelling import frequent_words
from sievert.schema.taxonomy import HARM
from sievert.training.encoder import HeavyText, load_tokenizer
from sievert.training.export_onnx import export
from sievert.training.grammar import neutral, quoted, reclaimed
from sievert.training.heavy_recipe import HeavyRecipe
from sievert.training.noise import TRICKS, disguise, dressed
from sievert.training.rounded import with_rounding
from sievert.training.targets import head_weights, label_matrix

_SYMBOLS = ((0x2600, 0x27C0), (0x1F000, 0x1FB00))
_LONGEST = 512
"""Tokens that the exported model can take; the recipe says how many it is given."""
_OBSERVED = 1500
"""So many texts show a layer what its inputs are like."""

Advance = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, slots=True)
class TrainedHeavy:
    """A heavy model's files: the served one rounded in training, and the two it is compared with."""

    quantised: bytes
    rounded_after: bytes
    exact: bytes
    tokenizer: bytes
    symbols: dict[int, str]
    words: tuple[str, ...]


def train_heavy_text(
    rows: list[Row],
    heads: tuple[str, ...],
    recipe: HeavyRecipe,
    tables: FoldTables,
    *,
    advance: Advance,
) -> TrainedHeavy:
    """Train on labelled rows in the language of the model; steps 1 to 6."""
    torch.manual_seed(recipe.seed)
    data = examples(rows, heads, recipe)
    reader = reader_of(rows, recipe, tables)
    model = HeavyText(recipe.encoder, len(heads), layers=recipe.layers)
    fine_tune(model, data, reader, recipe, epochs=recipe.epochs, advance=advance)
    exact = export(model, longest=_LONGEST)
    shown = reader.ids(random.Random(recipe.seed).sample(data.texts, min(_OBSERVED, len(data.texts))))
    with_rounding(model.encoder, lambda: logits_of(model, shown, reader.pad))
    rounded_after = export(model, longest=_LONGEST)
    fit(
        model,
        data,
        reader,
        recipe,
        epochs=recipe.quantised_epochs,
        rate=recipe.quantised_rate,
        advance=advance,
        stage="learn, rounded",
    )
    return TrainedHeavy(
        quantised=export(model, longest=_LONGEST),
        rounded_after=rounded_after,
        exact=exact,
        tokenizer=reader.tokenizer.backend_tokenizer.to_str().encode(),
        symbols=dict(reader.glasses.symbols),
        words=reader.words,
    )


def symbol_names(tables: FoldTables) -> dict[int, str]:
    """Return what emoji and other symbols are called, by code point, in lower case."""
    names = {}
    for start, stop in _SYMBOLS:
        for code in range(start, stop):
            name = unicodedata.name(chr(code), "")
            if name and tables.kind[(int(tables.index[code >> 8]) << 8) | (code & 255)] & SYMBOL:
                names[code] = name.casefold()
    return names


@dataclasses.dataclass(frozen=True, slots=True)
class Examples:
    """Texts with targets: y and weight [n, H]; a weight of 0 masks an unknown label."""

    texts: list[str]
    y: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]


def examples(rows: list[Row], heads: tuple[str, ...], recipe: HeavyRecipe) -> Examples:
    """Weigh labelled rows, and add what the grammar makes of them."""
    made = [*rows, *_made(rows, recipe)]
    labels = label_matrix(made, heads)
    corpora = np.array([row.corpus for row in made])
    weight = head_weights(corpora, labels, flatten=recipe.flatten, harmful_share=recipe.harmful_share)
    return Examples(texts=[row.text for row in made], y=(labels == 1).astype(np.float32), weight=weight)


def _made(rows: list[Row], recipe: HeavyRecipe) -> Iterator[Row]:
    """Yield rows of the grammar; what is quoted are short harmful texts of the rows."""

    def row(text: str, corpus: str, labels: dict[str, int]) -> Row:
        return Row(id=corpus, corpus=corpus, text=text, language="en", labels=labels, pair="", official=None)

    harmless = {HARM: 0, "hate": 0, "harassment": 0, "threat": 0, "spam": 0}
    for make, name in ((neutral, "grammar-neutral"), (reclaimed, "grammar-reclaimed")):
        for text, _ in make("learn", recipe.grammar, seed=recipe.seed):
            yield row(text, name, harmless)
    sources = [one for one in rows if one.labels.get(HARM) == 1 and 3 <= len(one.text.split()) <= 25]
    if sources:
        rng = random.Random(recipe.seed)
        chosen = [rng.choice(sources) for _ in range(recipe.grammar)]
        objecting = quoted("learn", [one.text for one in chosen], agreeing=False, seed=recipe.seed)
        for text in objecting:
            yield row(text, "grammar-quoted", harmless)
        agreeing = quoted("learn", [one.text for one in chosen], agreeing=True, seed=recipe.seed)
        for text, source in zip(agreeing, chosen, strict=True):
            yield row(text, "grammar-quoted", source.labels)


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """How a text becomes token ids: read without disguises, tokenised, cut at `tokens`."""

    tokenizer: PreTrainedTokenizerBase
    glasses: Glasses
    words: tuple[str, ...]
    tokens: int

    @property
    def pad(self) -> int:
        """Return the id that fills up short posts."""
        return int(self.tokenizer.pad_token_id)

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Return the token ids of n texts."""
        read = readings(texts, self.glasses)
        ids: list[list[int]] = self.tokenizer(read, truncation=True, max_length=self.tokens)["input_ids"]
        return ids


def reader_of(rows: list[Row], recipe: HeavyRecipe, tables: FoldTables) -> Reader:
    """Make the reader that a recipe asks for; its lexicon is what the rows and the encoder know."""
    tokenizer = load_tokenizer(recipe.encoder)
    vocabulary = tokenizer.get_vocab()
    words = tuple(
        frequent_words(
            (row.text for row in rows),
            least=recipe.word_in,
            more=sorted(vocabulary, key=vocabulary.__getitem__),
        )
    )
    return Reader(
        tokenizer=tokenizer,
        glasses=Glasses.of(tables, symbol_names(tables), words),
        words=words,
        tokens=recipe.tokens,
    )


def padded(ids: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and mask [B, T] of B token lists."""
    longest = max(len(one) for one in ids)
    table = torch.full((len(ids), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(ids), longest), dtype=torch.long)
    for at, one in enumerate(ids):
        table[at, : len(one)] = torch.tensor(one)
        mask[at, : len(one)] = 1
    return table, mask


def fine_tune(
    model: HeavyText, data: Examples, reader: Reader, recipe: HeavyRecipe, *, epochs: float, advance: Advance
) -> None:
    """Train a model in place, and leave its encoder at a part of the way to where that took it.

    So it forgets less of the language that it knew, and does better on known corpora and on strange ones
    (Wortsman et al. 2022, arXiv 2109.01903).
    """
    began = {name: one.detach().clone() for name, one in model.encoder.named_parameters()}
    fit(model, data, reader, recipe, epochs=epochs, rate=recipe.rate, advance=advance, half=recipe.half)
    with torch.no_grad():
        for name, one in model.encoder.named_parameters():
            one.copy_(began[name].lerp(one, recipe.part_way))


def fit(
    model: HeavyText,
    data: Examples,
    reader: Reader,
    recipe: HeavyRecipe,
    *,
    epochs: float,
    rate: float,
    advance: Advance,
    stage: str = "learn",
    half: bool = False,
) -> None:
    """Train a model in place: AdamW, linear warm-up and decay, batches of like length.

    `half` computes in bfloat16 what may be; weights and their steps stay 32-bit floats.
    """
    rng = random.Random(recipe.seed)
    per_epoch = math.ceil(len(data.texts) / recipe.batch)
    total = max(1, round(per_epoch * epochs))
    ranges = [one for name, one in model.named_parameters() if name.endswith((".low", ".high"))]
    taken = {id(one) for one in (*ranges, *model.heads.parameters())}
    encoder = [one for one in model.parameters() if id(one) not in taken]
    faster = recipe.head_rate / recipe.rate
    optimizer = torch.optim.AdamW(
        [
            {"params": encoder, "lr": rate, "weight_decay": recipe.weight_decay},
            {"params": model.heads.parameters(), "lr": faster * rate, "weight_decay": recipe.weight_decay},
            {"params": ranges, "lr": faster * rate, "weight_decay": 0.0},
        ],
        fused=True,
    )
    warm = max(1, round(recipe.warmup * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm)))
    )
    y, weight = torch.from_numpy(data.y), torch.from_numpy(data.weight)
    model.train()
    step = 0
    while step < total:
        texts = [_varied(text, rng, recipe) for text in data.texts]
        ids = reader.ids(texts)
        for rows in _batches([len(one) for one in ids], recipe.batch, rng):
            if step >= total:
                break
            table, mask = padded([ids[row] for row in rows], reader.pad)
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                logits = model(table, mask)[0]
            loss = _loss(logits.float(), y[rows], weight[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step % 20 == 0 or step == total:
                advance(stage, step, total)
    model.eval()


def _loss(logits: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross-entropy of the heads; the primary head counts as much as the rest."""
    each = nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none") * weight
    by_head = each.mean(dim=0)
    return by_head[0] + by_head[1:].mean() if len(by_head) > 1 else by_head[0]


def _varied(text: str, rng: random.Random, recipe: HeavyRecipe) -> str:
    """Return a text as it may come: perhaps dressed as posts are, perhaps disguised."""
    if rng.random() < recipe.dressed:
        text = dressed(text, rng)
    if rng.random() < recipe.disguised:
        text = disguise(text, rng.choice(list(TRICKS)), rng, share=rng.choice((0.2, 0.5, 1.0)))
    return text


def _batches(lengths: list[int], size: int, rng: random.Random) -> Iterator[list[int]]:
    """Yield batches of rows of like length, in random order: padding costs as much as text."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches = []
    for start in range(0, len(order), size * 50):
        pool = sorted(order[start : start + size * 50], key=lengths.__getitem__)
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    rng.shuffle(batches)
    yield from batches


def logits_of(
    model: nn.Module, ids: list[list[int]], pad: int, *, batch: int = 64
) -> npt.NDArray[np.float32]:
    """Return logits [n, H] of n token lists, shortest first for speed, in their own order."""
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    parts = []
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            table, mask = padded([ids[at] for at in order[start : start + batch]], pad)
            parts.append(model(table, mask)[0].numpy())
    out = np.empty((len(ids), parts[0].shape[1]), np.float32)
    out[order] = np.concatenate(parts)
    return out
