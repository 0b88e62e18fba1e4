"""Short fine-tunings of the heavy model, as several benchmarks need them."""

import torch

from sievert.training.encoder import HeavyText
from sievert.training.heavy_text import fine_tune


def briefly_tuned(data, reader, recipe, heads, *, epochs, layers=None):
    """Fine-tune the recipe's encoder, or its first `layers`, and say every hundredth step."""
    torch.manual_seed(recipe.seed)
    model = HeavyText(recipe.encoder, len(heads), layers=layers)

    def advance(stage, step, total):
        if step % 100 == 0:
            print(f"  {stage} {step} of {total}", flush=True)

    fine_tune(model, data, reader, recipe, epochs=epochs, advance=advance)
    return model
